"""`lnbench evaluate` as a user runs it: a process of its own, two streams, one file, one exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import tiny
from lnbench import record
from lnbench.cli import cli
from lnbench.trust import verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a poisoner and a tiny track."""
    (tmp_path / "first.py").write_text(tiny.POISONER)
    tiny.write(tmp_path / "tiny.toml")
    return tmp_path


def _command(*args: str) -> list[str]:
    return [sys.executable, "-P", "-m", "lnbench", *args]


def _environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(p for p in sys.path if p)
    return {k: v for k, v in os.environ.items() if k != "CI"} | {"PYTHONPATH": path, **more}


def _run(folder: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        _command(*args), cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )


def test_one_command_scores_a_poisoner(folder: Path, cache: Path) -> None:
    done = _run(folder, "evaluate", "first.py", "--track", "tiny.toml", "--json", "--workers", "1")
    err = done.stderr.decode()
    assert done.returncode == 0, err

    *_, last = err.splitlines()
    assert last.startswith("record: records/tiny/first-"), "the last line says where the record is"
    path = folder / last.removeprefix("record: ")
    assert done.stdout == path.read_bytes(), "--json prints exactly the record"
    found = record.read(path)
    assert verify.verify(path).passed
    assert path.name == found.filename == f"first-{found.sha256[:8]}.json"
    assert found.verdict in " ".join(err.split()), "a person reads the verdict on stderr"
    assert str(folder) not in path.read_text(), "nothing of this machine's paths"

    again = _run(folder, "evaluate", "first.py", "--track", "tiny.toml", "--out", "elsewhere", "--workers", "2")
    assert again.returncode == 0
    assert found.verdict in " ".join(again.stdout.decode().split()), "the result is on stdout"
    assert found.verdict not in " ".join(again.stderr.decode().split())
    assert "poisoning: 3/3 (100%), 3 reused" in again.stderr.decode()
    assert "victims: 12/12 (100%), 12 reused" in again.stderr.decode()
    assert (folder / "elsewhere" / path.name).exists(), "the same hash, whatever the workers"


def test_a_refused_submission_leaves_nothing(folder: Path, cache: Path) -> None:
    done = _run(folder, "evaluate", "first.py", "--track", "tiny.toml", "--set", "more=1", "--json")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().splitlines()[-1].startswith("error: first.py: expected at most 4 changed labels, got 5")
    assert not (folder / "records").exists()
    assert not list(cache.rglob("*.json"))


def test_no_sandbox_is_loud_and_unranked(folder: Path, cache: Path) -> None:
    done = _run(
        folder,
        "evaluate",
        "first.py",
        "--track",
        "tiny.toml",
        "--quick",
        "--unsafe-no-sandbox",
        "--json",
        "--workers",
        "1",
    )
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert (document["sandbox"], document["ranked"]) == ("none", False)
    assert {"no-sandbox", "quick"} <= set(document["flags"])
    assert done.stderr.decode().startswith("WARNING: NO SANDBOX. first.py runs as a plain process with all your rights")
    assert "ran without a sandbox" in " ".join(done.stderr.decode().split())


def test_an_interruption_ends_with_130_and_resumes(folder: Path, cache: Path) -> None:
    command = _command("evaluate", "first.py", "--track", "tiny.toml", "--workers", "1")
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stderr is not None
        next(line for line in started.stderr if line.startswith("victims:"))
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        *_, last = started.stderr.read().splitlines()
    assert started.returncode == 130
    assert last == "error: interrupted; what was finished is kept, and the same command resumes from it."
    assert not (folder / "records").exists()

    done = _run(folder, "evaluate", "first.py", "--track", "tiny.toml")
    assert done.returncode == 0
    assert "poisoning: 3/3 (100%), 3 reused" in done.stderr.decode(), "the labels were kept"


@pytest.mark.parametrize(
    "arguments",
    ["", "none.py", "first.py --track none", "first.py --device tpu", "first.py --workers 0", "first.py --engine none"],
)
def test_usage_is_2(arguments: str, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    track = [] if "--track" in arguments else ["--track", "tiny.toml"]
    result = CliRunner().invoke(cli, ["evaluate", *arguments.split(), *track])
    assert result.exit_code == 2, result.stderr
    assert not (folder / "records").exists()


def test_a_missing_gpu_is_3(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = CliRunner().invoke(cli, ["evaluate", "first.py", "--track", "tiny.toml", "--device", "cuda"])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: this machine has no CUDA device")
