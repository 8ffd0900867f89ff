"""The recipe for rented hardware: the real client takes it, and the job's own script does what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loopback
from lnbench.cli import VERBS
from walk import ROOT

RECIPE = ROOT / "docs" / "hf-jobs"
COMMIT = "c" * 40
STUB = """#!/bin/bash
echo "$(basename "$0") $*" >> "{log}"
case "$(basename "$0") $1 $2" in
  "git clone -q") mkdir "$4" ;;
  "hf buckets sync") mkdir -p "$(dirname "$4")" ;;
  "lnbench rows train") exit ${CODE:-0} ;;
esac
"""


@pytest.fixture
def job(hub: loopback.Hub, tmp_path: Path) -> list[str]:
    """The command of the job that the recipe submits."""
    folder = str(Path(sys.executable).parent)
    if shutil.which("hf", path=folder) is None:
        pytest.skip("huggingface_hub's command hf is not beside this Python")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        **{"PATH": os.pathsep.join([folder, os.environ["PATH"]]), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)},
        **{"HF_TOKEN": loopback.TOKEN, "COMMIT": COMMIT, "HF_HUB_DISABLE_TELEMETRY": "1"},
    }
    recipe = [str(RECIPE), "somebody/rows", "mnist-9to0", "l4x1", "--name", "rows"]
    done = subprocess.run(recipe, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (spec,) = hub.jobs
    assert (spec["flavor"], spec["dockerImage"], spec["timeoutSeconds"]) == ("l4x1", "python:3.12", 12 * 3600)
    assert spec["secrets"] == {"HF_TOKEN": loopback.TOKEN} and spec["labels"]["name"] == "rows"
    command = spec["command"]
    assert loopback.TOKEN not in " ".join(command)
    return list(command)


def test_the_job_trains_from_the_bucket_and_puts_back_whatever_happens(job: list[str], tmp_path: Path) -> None:
    commands, log = tmp_path / "bin", tmp_path / "log"
    commands.mkdir()
    for name in ("hf", "git", "pip", "lnbench"):
        (commands / name).write_text(STUB.replace("{log}", str(log)))
    (commands / "sleep").write_text("#!/bin/sh\nexec /bin/sleep 5\n")  # what is left of the loop ends soon
    for command in commands.iterdir():
        command.chmod(0o755)
    env = {"PATH": f"{commands}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    for code in (0, 3):
        log.unlink(missing_ok=True)
        done = subprocess.run(job, env=env | {"CODE": str(code)}, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        told = [line.replace(str(tmp_path), "TMP") for line in log.read_text().splitlines()]
        (work,) = {line.split()[-1].removesuffix("/rows") for line in told if line.startswith("hf buckets sync hf://")}
        assert told == [
            "pip install -q huggingface_hub",
            f"hf buckets sync hf://buckets/somebody/rows {work}/rows",
            f"git clone -q https://github.com/lnbench/lnbench {work}/lnbench",
            f"git checkout -q {COMMIT}",
            "pip install -q .",
            f"lnbench rows train mnist-9to0 --folder {work}/rows --device cuda",
            f"hf buckets sync {work}/rows hf://buckets/somebody/rows",
        ]
    assert "rows" in VERBS
