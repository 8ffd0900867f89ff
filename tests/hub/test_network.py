"""The real Hub, with `-m network`: what the loopback one cannot show. Nothing is written there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.network


@pytest.fixture(scope="module", autouse=True)
def _online() -> None:
    try:
        socket.create_connection(("huggingface.co", 443), 10).close()
    except OSError as error:
        pytest.skip(f"huggingface.co cannot be reached from here ({error})")


def _run(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LNBENCH_")) and k != "CI"}
    env = kept | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    env |= {"HF_HOME": str(home / "hf"), "LNBENCH_CACHE": str(home / "cache"), "HF_TOKEN": ""}
    command = [sys.executable, "-P", "-m", "lnbench", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def test_search(tmp_path: Path) -> None:
    done = _run(tmp_path, "search")
    assert done.returncode == 0, done.stderr
    assert "scores are their publishers' claims" in done.stderr


def test_a_dataset_that_is_none_of_ours_is_refused_before_it_is_downloaded(tmp_path: Path) -> None:
    done = _run(tmp_path, "pull", "ylecun/mnist")
    assert done.returncode == 1, done.stderr
    assert "which does not belong in an lnbench dataset" in done.stderr or "it is not an lnbench dataset" in done.stderr
    assert not list((tmp_path / "hf").rglob("*.parquet"))


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = _run(tmp_path, "pull", "ylecun/there-is-no-such-dataset-here")
    assert done.returncode == 3
    assert "there is no dataset ylecun/there-is-no-such-dataset-here" in done.stderr
