"""A tiny track and split, and the ways to run a guest on this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guests import submission
from lnbench.poison import diagnosis, sandbox
from lnbench.poison.run import PoisonedLabels, poison
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track

POINTS, CLASSES, BUDGET = 60, 4, 3
DOCUMENT = {
    "name": "tiny-3to0",
    "version": 0,
    "title": "sixty points, threes to zeros",
    "calibrated": False,
    "data": {"source": "digits", "train": POINTS, "classes": CLASSES},
    "noise": {"budget": BUDGET, "eta": 0.05, "pairs": [[3, 0]]},
    "replication": {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1},
    "victims": [
        {"name": "mlp", "architecture": "mlp", "recipe": {"steps": 1, "batch": 1, "learning_rate": 0.1}},
    ],
    "adversary": {"epsilon": 0.1, "epsilons": [0.1], "steps": 1},
    "limits": {"seconds": 10, "memory_gib": 1.0, "scratch_mib": 8},
}


@dataclass(frozen=True)
class Training:
    """A split's training set, as much of it as a poisoner is given."""

    inputs: np.ndarray
    labels: np.ndarray
    bounds: tuple[float, float] | None = (0.0, 1.0)


@pytest.fixture(scope="session")
def track() -> Track:
    return Track.from_document(DOCUMENT)


@pytest.fixture(scope="session")
def streams(track: Track) -> Streams:
    return Streams(track.sha256)


@pytest.fixture
def data() -> Training:
    """Sixty points of four classes in turn: 15 of them, 3, 7, 11, …, may change."""
    inputs = np.random.default_rng(0).random((POINTS, 1, 2, 2), dtype=np.float32)
    return Training(inputs, np.arange(POINTS, dtype=np.int64) % CLASSES)


@pytest.fixture
def bubblewrap() -> str:
    """The sandbox; skipped only where bubblewrap is not installed, a failure where it is and does not work."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: `sudo apt install bubblewrap` and run the tests again")
    found = diagnosis.diagnose()
    if found.mode != sandbox.BUBBLEWRAP:
        pytest.fail(f"bubblewrap is installed but cannot be used: {found.reason}")
    return sandbox.BUBBLEWRAP


@pytest.fixture(params=[sandbox.BUBBLEWRAP, sandbox.NONE])
def mode(request: pytest.FixtureRequest) -> str:
    """Each way to run a guest, or the one asked for."""
    if request.param == sandbox.BUBBLEWRAP:
        request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, empty again at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def go(mode: str, temporary: Path, data: Any, track: Any, streams: Any) -> Callable[..., PoisonedLabels]:
    def call(
        source: str, /, split: int = 0, seconds: float | None = None, cancel: Any = None, **parameters: Any
    ) -> PoisonedLabels:
        given = submission(source, **parameters)
        return poison(given, data, track, split, streams, mode=mode, seconds=seconds, cancel=cancel)

    return call
