"""What every test gets: one torch thread, a cache of its own, and nothing from the network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before torch is imported, and inherited by every subprocess: tests must not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# rich and click read these at import or at each call; a terminal's own settings must not change what tests see.
for _name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store and the downloads of this test session, shared by its tests, gone with it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LNBENCH_CACHE", str(folder))
        patch.setenv("LNBENCH_OFFLINE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("CI", raising=False)
        yield folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LNBENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def no_workers() -> Iterator[None]:
    """Cells are computed in this process; see `here`."""
    import here

    with here.no_workers():
        yield


@pytest.fixture(scope="module")
def no_workers_in_this_file() -> Iterator[None]:
    """The same for all tests of a file, and for what they share."""
    import here

    with here.no_workers():
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """A folder with the real MNIST: LNBENCH_DATA, or `shared/data` beside the repository."""
    places = [Path(p) for p in (os.environ.get("LNBENCH_DATA"), ROOT.parent / "shared" / "data") if p]
    for place in places:
        if (place / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
            return place
    pytest.skip("the real MNIST is not here; set LNBENCH_DATA to a folder that holds MNIST/raw")


@pytest.fixture
def tiny_document() -> dict[str, Any]:
    """The keys of a valid track on the digits that takes a second: a fresh copy for every test."""
    import tiny

    return tiny.document()
