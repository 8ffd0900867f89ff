"""A place to hurt an evaluation in: one tiny track, its undisturbed record, and eyes for what is left behind.

Every run is `python -m lnbench evaluate` in a process of its own. The lab is the reaper of all orphans below it (Linux
only), so that a process which outlives its referee is seen and not guessed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tiny
from lnbench import record
from lnbench.protocol import canonical_json, sha256_json

ROOT = Path(__file__).resolve().parents[2]
REFEREE, GUEST, WORKER = "evaluate", "lnbench.poison.guest", "lnbench.evaluation.engine.worker"
PATIENCE = 1200.0
"""Seconds after which a run counts as hanging."""

BUSY = ("nothing happened in", "no labels after")
"""What a run says whose guest got no processor in time: the machine's fault, and the same command simply goes on."""


@dataclass
class Tally:
    """What came of one kind of fault.

    Attributes:
        injected: faults made.
        lost: of those, the ones after which something was lost, half-written, left running or not said in a sentence.
        outside: runs that were ended by a signal which nobody here sends; see `struck_from_outside`.
        endings: exit code of a disturbed run -> how often; a negative one is a signal's.
        stories: one sentence for each loss, and for what could not be injected.
    """

    injected: int = 0
    lost: int = 0
    outside: int = 0
    endings: dict[int, int] = field(default_factory=dict)
    stories: list[str] = field(default_factory=list)

    def ended(self, code: int) -> None:
        """Count a disturbed run."""
        self.endings[code] = self.endings.get(code, 0) + 1

    def ended_wrongly(self, code: int, story: str) -> None:
        """Count a run with an ending that its fault does not explain: lost, unless it was struck from outside."""
        if struck_from_outside(code):
            self.outside += 1
            self.stories.append(f"OUTSIDE: somebody else's signal ended a run at {time.strftime('%H:%M:%S')}: {story}")
        else:
            self.lose(1, story)

    def lose(self, count: int, story: str) -> None:
        """Count a loss."""
        self.lost += count
        self.stories.append(story)


def struck_from_outside(code: int) -> bool:
    """Whether a run ended by SIGTERM or SIGHUP, which nothing of ours ever sends, nor the kernel by itself.

    Never by SIGKILL: that is what we send, and the kernel when memory runs out.
    """
    return code in (-signal.SIGTERM, -signal.SIGHUP, 128 + signal.SIGTERM, 128 + signal.SIGHUP)


class Lab:
    """A folder with a tiny track, a submission, and a store that holds everything an evaluation needs."""

    def __init__(self, folder: Path, rng: random.Random, made: Path | None = None) -> None:
        """Make it, or use what another process made in the folder `made`."""
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored, for good
        self.folder, self.rng, self.number = folder, rng, 0
        made = made or folder
        self.track, self.submission, self.warm = made / "tiny.toml", made / "first.py", made / "warm"
        if made != folder:
            known = json.loads((made / "lab.json").read_text())
            self.reference, self.seconds = known["reference"], known["seconds"]
            return
        keys = tiny.document()
        keys["limits"]["seconds"] = 600
        keys["replication"] = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
        keys["victims"][0]["recipe"]["steps"] = 5
        keys["victims"][0]["options"] = {"width": 4, "depth": 1}
        tiny.write(self.track, keys)
        self.submission.write_text(tiny.POISONER, encoding="utf-8")
        begin = time.monotonic()
        self.reference = self.finish(self.warm)
        self.seconds = {"cold": time.monotonic() - begin}
        for name in ("labels", "cells"):
            begin = time.monotonic()
            assert self.finish(self.store(without=[name])) == self.reference
            self.seconds[name] = time.monotonic() - begin
        (folder / "lab.json").write_text(json.dumps({"reference": self.reference, "seconds": self.seconds}))

    def fresh(self) -> Path:
        """An empty folder of its own."""
        self.number += 1
        path = self.folder / f"{self.number:05d}"
        path.mkdir()
        return path

    def store(self, *, without: list[str]) -> Path:
        """A cache from which only these kinds of results are missing, `labels` or `cells`."""
        cache = self.fresh() / "cache"
        shutil.copytree(self.warm, cache, ignore=lambda _, names: [n for n in names if n in (*without, "out")])
        return cache

    def command(self, cache: Path) -> list[str]:
        """The evaluation; its record goes to `out` in the cache's folder."""
        options = ["--track", str(self.track), "--workers", "1", "--out", str(cache / "out")]
        return [sys.executable, "-P", "-m", "lnbench", REFEREE, str(self.submission), *options]

    def variables(self, cache: Path, **more: str) -> dict[str, str]:
        """Its environment."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return {**os.environ, "PYTHONPATH": path, "LNBENCH_CACHE": str(cache), **more}

    @contextlib.contextmanager
    def running(self, cache: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A started evaluation, in a process group of its own; what it says goes to `said`."""
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "said").open("wb") as said:
            process = subprocess.Popen(
                self.command(cache),
                env=self.variables(cache, **more),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def said(self, cache: Path) -> str:
        """What the last run on this cache printed."""
        return (cache / "said").read_text(encoding="utf-8", errors="replace")

    def finish(self, cache: Path) -> str:
        """Run to the end, undisturbed; the record's hash.

        Raises:
            AssertionError: if it does not end well.
        """
        for _ in range(3):
            with self.running(cache) as process:
                code = process.wait(PATIENCE)
            if not (struck_from_outside(code) or any(words in self.said(cache) for words in BUSY)):
                break
        assert code == 0, f"the rerun ended with {code}: {self.said(cache)[-300:]}"
        (path,) = (cache / "out").glob("*.json")
        return record.read(path).sha256

    def settle(self, seconds: float = 10.0) -> int:
        """Wait for every process below this one to end; how many had to be killed."""
        deadline = time.monotonic() + seconds
        while (left := descendants()) and time.monotonic() < deadline:
            reap()
            time.sleep(0.02)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        return len(left)

    def trouble(self, cache: Path) -> str:
        """What is wrong with what lies on the disk after a fault, or nothing."""
        for path in sorted((cache / "store").rglob("*.json")):
            if not whole(path):
                return f"{path.name} is half-written"
        for path in sorted((cache / "out").glob("*.json")):
            if record.read(path).sha256 != self.reference:
                return f"the record {path.name} is another"
        return ""

    def judge(self, cache: Path, tally: Tally, injected: int, what: str, *, damaged: bool = False) -> None:
        """After some faults on one cache: nothing left, nothing half-written, and the rerun's hash is the reference.

        Args:
            damaged: the fault was to damage the store, which is therefore looked at only after the rerun.
        """
        try:
            left, wrong = self.settle(), "" if damaged else self.trouble(cache)
            assert not left, f"{left} processes outlived their referee"
            assert not wrong, wrong
            found = self.finish(cache)
            assert found == self.reference, (
                f"the rerun's record is {found[:8]}, the undisturbed one {self.reference[:8]}"
            )
            wrong = self.trouble(cache)
            assert not wrong, wrong
        except (AssertionError, subprocess.TimeoutExpired, record.RefusedError) as error:
            tally.lose(injected, f"{what}: {error}")
        shutil.rmtree(cache.parent, ignore_errors=True)


def whole(path: Path) -> bool:
    """Whether a file of the store is what its checksum says."""
    data = path.read_bytes()
    try:
        entry = json.loads(data)
        same = canonical_json(entry) == data and sha256_json(entry["name"]) == path.stem
        return same and bool(entry["sha256"] == sha256_json(entry["value"]))
    except (ValueError, KeyError, TypeError):
        return False


def descendants(words: str = "") -> list[int]:
    """Living processes below this one whose command line holds these words."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents.setdefault(int(parent), []).append(int(entry.parts[2]))
    found, todo = [], [os.getpid()]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return [pid for pid in found if words in command_line(pid)]


def command_line(pid: int) -> str:
    """A process's command line, empty if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def reap() -> None:
    """Bury orphans that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
