"""The faults themselves: each function injects one kind a number of times and returns the tally."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from faults.lab import GUEST, PATIENCE, WORKER, Lab, Tally, descendants, struck_from_outside
from lnbench import record

_SENTENCE = "error: "


def kill_referee(lab: Lab, count: int) -> Tally:
    """kill -9 of the referee, at any moment of an evaluation."""
    return _struck(lab, count, lambda process: process.kill(), {-signal.SIGKILL})


INTERRUPTED = {130, -signal.SIGINT}
"""Exit codes of a run that Ctrl-C ended."""


def before_lnbench(code: int, said: str) -> bool:
    """Whether Ctrl-C found Python still loading its own modules: then it prints where, and ends with 1."""
    early = "Fatal Python error: init_import_site" in said or said.startswith("Could not import runpy module")
    return code == 1 and early and "lnbench" not in said


def interrupt(lab: Lab, count: int) -> Tally:
    """Ctrl-C, at any moment of an evaluation; before Python is up, the signal itself is the end, or Python's own 1."""
    return _struck(lab, count, lambda process: os.killpg(process.pid, signal.SIGINT), INTERRUPTED)


def _struck(lab: Lab, count: int, strike: Callable[[subprocess.Popen[bytes]], None], codes: set[int]) -> Tally:
    """Strike the same evaluation again and again, each run resuming the last, until one comes through; then anew."""
    tally, chains = Tally(), itertools.cycle([["labels", "cells"], *[["labels"]] * 4, ["cells"], *[["labels"]] * 4])
    while tally.injected < count:
        without = next(chains)  # PyTorch's import is most of a run that trains
        length = lab.seconds["cold" if len(without) == 2 else without[0]]
        cache, strikes, finished = lab.store(without=without), 0, False
        while not finished and tally.injected < count:
            with lab.running(cache) as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(lab.rng.uniform(0, length))
                if finished := process.poll() is not None:
                    break
                strike(process)
                code = process.wait(PATIENCE)
            strikes, tally.injected = strikes + 1, tally.injected + 1
            tally.ended(code)
            finished = code == 0
            if code not in codes | {0} and not (codes == INTERRUPTED and before_lnbench(code, lab.said(cache))):
                tally.ended_wrongly(code, f"it ended with {code}: {lab.said(cache)[-300:]}")
            left, wrong = lab.settle(), lab.trouble(cache)
            if left or wrong:
                tally.lose(1, f"right after it {left} processes were left; {wrong or 'the disk was well'}")
        lab.judge(cache, tally, strikes, "struck evaluation")
    return tally


def kill_guest(lab: Lab, count: int) -> Tally:
    """kill -9 of a process of the sandbox, at any moment of its life: a verdict or a sentence, and a clean rerun."""
    return _hunted(lab, count, GUEST, "labels", 1.0, {0, 1, 3})


def kill_worker(lab: Lab, count: int) -> Tally:
    """kill -9 of a worker, at any moment of its life: tried again, given up with a sentence when it dies twice."""
    return _hunted(lab, count, WORKER, "cells", 0.6 * lab.seconds["cells"], {0, 3})


def _hunted(lab: Lab, count: int, prey: str, missing: str, length: float, codes: set[int]) -> Tally:
    """Kill processes below the referee, each at a random moment of its life, until a run comes through; then anew."""
    tally = Tally()
    while tally.injected < count:
        cache, struck, finished, runs = lab.store(without=[missing]), 0, False, 0
        while not finished and tally.injected < count and runs < 8:
            before, runs = tally.injected, runs + 1
            with lab.running(cache) as process:
                deadline = time.monotonic() + PATIENCE
                while process.poll() is None and time.monotonic() < deadline:
                    if tally.injected >= count or not descendants(prey):
                        time.sleep(0.01)
                        continue
                    time.sleep(lab.rng.uniform(0, length))
                    if alive := descendants(prey):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(lab.rng.choice(alive), signal.SIGKILL)
                            tally.injected, struck = tally.injected + 1, struck + 1
                        time.sleep(0.05)
                code = process.wait(PATIENCE)
            finished = code == 0
            if tally.injected > before:
                tally.ended(code)
            if code not in codes or (code and _SENTENCE not in lab.said(cache)):
                tally.ended_wrongly(code, f"it ended with {code}: {lab.said(cache)[-300:]}")
            if wrong := lab.trouble(cache):
                tally.lose(1, wrong)
        lab.judge(cache, tally, struck, f"{prey} killed")
    return tally


_ROOM = r"""
mount -t tmpfs -o size="$SIZE" lnbench "$ROOM" || exit 97
cp -r "$SEED/." "$ROOM/" 2>/dev/null
mount -o remount,"$FIRST" "$ROOM" || exit 97
"$@" >"$SAID.1" 2>&1; echo $? >"$SAID.code"
mount -o remount,rw,size=64m "$ROOM" || exit 97
cp -r "$ROOM" "$SAID.between"
"$@" >"$SAID" 2>&1; code=$?
cp -r "$ROOM/." "$BACK"
exit $code
"""


def disk_full(lab: Lab, count: int) -> Tally:
    """A disk that is full after a random number of bytes: cache, record and temporary files lie on it."""
    return _roomed(lab, count, lambda size: {"SIZE": str(size + lab.rng.randrange(0, 120_000)), "FIRST": "rw"})


def read_only(lab: Lab, count: int) -> Tally:
    """A cache that cannot be written, and no other place for the record."""
    return _roomed(lab, count, lambda size: {"SIZE": "64m", "FIRST": "ro"})


def _roomed(lab: Lab, count: int, room: Callable[[int], dict[str, str]]) -> Tally:
    tally = Tally()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        tally.stories.append("NOT INJECTED: it takes root and util-linux to mount a small disk of its own")
        return tally
    for i in range(count):
        seed = lab.store(without=["labels", "cells"] if i % 5 == 4 else ["labels"])
        place = lab.fresh()
        for name in ("room", "back"):
            (place / name).mkdir()
        size = sum(-(-p.stat().st_size // 4096) * 4096 for p in seed.rglob("*") if p.is_file())
        more = {"ROOM": place / "room", "SEED": seed, "SAID": place / "said", "BACK": place / "back"}
        words = {name: str(path) for name, path in more.items()}
        inside = place / "room"
        (seed / "tmp").mkdir()
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", _ROOM, "sh", *lab.command(inside)],
            env=lab.variables(inside, TMPDIR=str(inside / "tmp"), **words, **room(size)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if done.returncode == 97:
            tally.stories.append(f"NOT INJECTED: {done.stderr.decode(errors='replace').strip()[-120:]}")
            return tally
        tally.injected += 1
        lab.settle()
        first = (place / "said.1").read_text(errors="replace")
        code = int((place / "said.code").read_text())
        tally.ended(code)
        if code not in (0, 3) or (code and _SENTENCE not in first):
            tally.ended_wrongly(code, f"it ended with {code}: {first[-300:]}")
        story = lab.trouble(place / "said.between")
        records = list((place / "back" / "out").glob("*.json"))
        if not story and (done.returncode or len(records) != 1):
            story = f"the rerun ended with {done.returncode}: {(place / 'said').read_text(errors='replace')[-300:]}"
        if story := story or lab.trouble(place / "back"):
            tally.lose(1, story)
        shutil.rmtree(place)
        shutil.rmtree(seed.parent)
    return tally


def damaged_store(lab: Lab, count: int) -> Tally:
    """Entries of the store with a bit flipped, cut off, emptied, or with another entry's bytes."""
    tally = Tally()
    while tally.injected < count:
        cache = lab.store(without=[])
        entries = sorted((cache / "store").rglob("*.json"))
        if lab.rng.random() < 0.6:  # most rounds do without PyTorch
            entries = [path for path in entries if "labels" in path.parts]
        chosen = lab.rng.sample(entries, min(len(entries), count - tally.injected))
        for path in chosen:
            data = path.read_bytes()
            path.write_bytes(damaged(data, lab.rng, lab.rng.choice(entries).read_bytes()))
        tally.injected += len(chosen)
        lab.judge(cache, tally, len(chosen), "damaged store", damaged=True)
    return tally


def damaged(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """The bytes after an accident; never the same bytes."""
    for _ in range(100):
        kind = rng.randrange(5)
        if kind == 0 and data:
            place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
            made = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
        elif kind == 1:
            made = data[: rng.randrange(len(data) + 1)]
        elif kind == 2:
            made = b""
        elif kind == 3:
            made = other
        else:
            made = data + rng.randbytes(rng.randrange(1, 64))
        if made != data:
            return made
    return data + b"\0"


def damaged_data(lab: Lab, count: int) -> Tally:
    """MNIST's files damaged: a sentence that names the file, never a result."""
    tally = Tally()
    source = Path(os.environ.get("LNBENCH_DATA", "")) / "MNIST" / "raw"
    if not (source / "train-labels-idx1-ubyte").exists():
        tally.stories.append("NOT INJECTED: it takes MNIST; set LNBENCH_DATA to a folder that holds MNIST/raw")
        return tally
    for _ in range(count):
        place = lab.fresh()
        raw = place / "MNIST" / "raw"
        raw.mkdir(parents=True)
        names = sorted(p.name for p in source.glob("*-ubyte"))
        victim = lab.rng.choice(names)
        for name in names:
            (raw / name).symlink_to(source / name)
        (raw / victim).unlink()
        (raw / victim).write_bytes(damaged((source / victim).read_bytes(), lab.rng))
        options = [str(lab.submission), "--track", "mnist10k-9to0"]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lnbench", "check", *options],
            env=lab.variables(place, LNBENCH_DATA=str(place)),
            capture_output=True,
            text=True,
        )
        tally.injected += 1
        tally.ended(done.returncode)
        if done.returncode != 3 or victim not in done.stderr or _SENTENCE not in done.stderr:
            tally.ended_wrongly(done.returncode, f"{victim}: it ended with {done.returncode}: {done.stderr[-300:]}")
        shutil.rmtree(place)
    return tally


def clock_jumps(lab: Lab, count: int) -> Tally:
    """The wall clock set to other years, back and forth, while an evaluation runs."""
    tally = Tally()
    libraries = sorted(Path("/usr").glob("lib/*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        tally.stories.append("NOT INJECTED: it takes libfaketime: `sudo apt install faketime`")
        return tally
    while tally.injected < count:
        cache = lab.store(without=["labels"])
        clock = cache.parent / "clock"
        clock.write_text("+0\n")
        faked = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        jumps = 0
        with lab.running(cache, LD_PRELOAD=str(libraries[0]), **faked) as process:
            while process.poll() is None:
                clock.with_suffix(".new").write_text(f"{lab.rng.randrange(-1_600_000_000, 3_000_000_000):+d}\n")
                os.replace(clock.with_suffix(".new"), clock)
                jumps += 1
                time.sleep(lab.rng.uniform(0.05, 0.6))
            code = process.wait()
        tally.injected += jumps
        tally.ended(code)
        if code:
            tally.ended_wrongly(code, f"it ended with {code}: {lab.said(cache)[-300:]}")
        lab.judge(cache, tally, jumps, "clock jumps")
    return tally


def two_at_once(lab: Lab, count: int) -> Tally:
    """Two evaluations of the same submission on one empty store."""
    tally = Tally()
    for _ in range(count):
        cache = lab.fresh() / "cache"
        other = lab.command(cache)
        other[other.index("--out") + 1] = str(cache / "other")
        with lab.running(cache) as one:
            time.sleep(lab.rng.uniform(0, 0.5))
            two = subprocess.run(other, env=lab.variables(cache), capture_output=True, text=True)
            code = one.wait()
        tally.injected += 1
        tally.ended(code)
        found = {record.read(path).sha256 for name in ("out", "other") for path in (cache / name).glob("*.json")}
        if ended := next((e for e in (code, two.returncode) if struck_from_outside(e)), 0):
            tally.ended_wrongly(ended, "one of two")
        elif code or two.returncode or found != {lab.reference}:
            tally.lose(1, f"they ended with {code} and {two.returncode}: {two.stderr[-200:]}{lab.said(cache)[-200:]}")
        lab.judge(cache, tally, 1, "two at once")
    return tally
