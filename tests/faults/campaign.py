"""The fault campaign: `make faults`. Hurts evaluations of a tiny track in every way we know, and counts what was lost.

    python tests/faults/campaign.py [KIND …] [--times 100] [--jobs 2] [--seed 0]

A fault is survived if the disturbed run ended well or in one sentence with the right exit code, nothing half-written
lies on the disk, no process outlives the referee, and the same command then gives the undisturbed run's record. What
came of each kind is kept in a file of its own, written after every few faults; a rerun with the same code goes on from
there. Ends with 1 if anything was lost, with 3 if some kind could not be injected here or the campaign was broken off.

A run that SIGTERM or SIGHUP ended was struck from outside: neither lnbench nor this campaign ever sends one of them, a
test sees to that. It is no fault of ours and is counted apart; what it left behind is judged like everything else.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from faults import kinds  # noqa: E402
from faults.lab import Lab, Tally  # noqa: E402

KINDS: dict[str, Callable[[Lab, int], Tally]] = {
    "kill_guest": kinds.kill_guest,
    "kill_referee": kinds.kill_referee,
    "kill_worker": kinds.kill_worker,
    "interrupt": kinds.interrupt,
    "clock_jumps": kinds.clock_jumps,
    "damaged_store": kinds.damaged_store,
    "damaged_data": kinds.damaged_data,
    "disk_full": kinds.disk_full,
    "read_only": kinds.read_only,
    "two_at_once": kinds.two_at_once,
}
"""Kind -> what injects it so many times."""

CHUNK = 10
"""Faults after which the result so far is kept."""


@dataclasses.dataclass
class Result:
    """What came of one kind, over all runs of the campaign with the same code."""

    kind: str
    code: str
    seed: int
    tally: Tally = dataclasses.field(default_factory=Tally)
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """Injected, survived, lost, outside, seconds, seconds each, exit codes; losses below."""
        t = self.tally
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(t.endings.items(), key=lambda item: int(item[0])))
        each = self.seconds / t.injected if t.injected else 0.0
        figures = f"{t.injected:>8} {max(0, t.injected - t.lost):>8} {t.lost:>5} {t.outside:>7}"
        lines = [f"{self.kind:<14} {figures} {self.seconds:>8.0f} {each:>7.1f}  {codes}"]
        return "\n".join([*lines, *(f"    {' '.join(story.split())}" for story in t.stories)])

    def add(self, more: Tally, seconds: float) -> None:
        """Count what a few more faults came to."""
        self.seconds += seconds
        for name in ("injected", "lost", "outside"):
            setattr(self.tally, name, getattr(self.tally, name) + getattr(more, name))
        for code, n in more.endings.items():
            self.tally.endings[code] = self.tally.endings.get(code, 0) + n
        self.tally.stories += more.stories

    def write(self, path: Path) -> None:
        """Keep it."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Result | None:
        """What was kept, or None."""
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept: dict[str, Any] = json.loads(path.read_text())
            tally = kept.pop("tally")
            endings = {int(code): n for code, n in tally.pop("endings").items()}
            return cls(**kept, tally=Tally(**tally, endings=endings))
        return None


def code() -> str:
    """Hash of all that is hurt, and of what hurts it."""
    hashed = hashlib.sha256()
    for path in sorted([*(ROOT / "lnbench").rglob("*.py"), *(ROOT / "tests" / "faults").glob("*.py")]):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def inject(kind: str, lab: Lab, times: int, path: Path, seed: int) -> Result:
    """Inject one kind until there were so many in all, a few at a time, keeping what came of them after each few."""
    result = Result.read(path)
    if result is None or (result.code, result.seed) != (code(), seed):
        result = Result(kind, code(), seed)
    while result.tally.injected < times:
        begin = time.monotonic()
        lab.rng = random.Random(f"{seed} {kind} {result.tally.injected}")
        tally = KINDS[kind](lab, min(CHUNK, times - result.tally.injected))
        result.add(tally, time.monotonic() - begin)
        result.write(path)
        if not tally.injected:
            break  # it cannot be injected here; its story says why
    return result


def main() -> int:
    """The campaign as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these of {', '.join(KINDS)}")
    parser.add_argument("--times", type=int, default=100, help="faults of each kind")
    parser.add_argument("--jobs", type=int, default=1, help="kinds at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "faults", help="where results are kept")
    parser.add_argument("--again", action="store_true", help="also what was done before")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [kind for kind in given.kinds if kind not in KINDS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(KINDS)}")
    wanted = given.kinds or list(KINDS)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.here is not None:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            lab = Lab(Path(folder), random.Random(given.seed), made=given.here)
            inject(wanted[0], lab, given.times, given.out / f"{wanted[0]}.json", given.seed)
        return 0
    found, broken = _all(wanted, given)
    injected, lost, outside = (sum(getattr(r.tally, n) for r in found) for n in ("injected", "lost", "outside"))
    print(f"{'all':<14} {injected:>8} {injected - lost:>8} {lost:>5} {outside:>7}")
    missing = [r.kind for r in found if not r.tally.injected]
    if missing:
        print(f"not injected on this machine: {', '.join(missing)}")
    if broken:
        print(f"broken off: {', '.join(broken)}; the same command goes on with them")
    return 1 if lost else 3 if missing or broken else 0


def _all(wanted: list[str], given: argparse.Namespace) -> tuple[list[Result], list[str]]:
    """What came of every kind, and the kinds that were broken off."""
    results, todo = {}, []
    for kind in wanted:
        path = given.out / f"{kind}.json"
        if given.again:
            path.unlink(missing_ok=True)
        kept = Result.read(path)
        if kept and (kept.code, kept.seed) == (code(), given.seed) and kept.tally.injected >= given.times:
            results[kind] = kept
        else:
            todo.append(kind)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        if todo:
            lab = Lab(Path(folder), random.Random(given.seed))
            print(f"undisturbed: record {lab.reference[:8]}, {lab.seconds['cold']:.1f} s from nothing", flush=True)
        heads = ("injected", "survived", "lost", "outside", "seconds", "each")
        print(f"{'fault':<14} {heads[0]} {heads[1]} {heads[2]:>5} {heads[3]} {heads[4]:>8} {heads[5]:>7}  exit codes")
        for kept in results.values():
            print(f"{kept.line}  (kept)", flush=True)
        broken = []
        with ThreadPoolExecutor(given.jobs) as pool:
            for kind, code_ in pool.map(lambda kind: (kind, _apart(kind, Path(folder), given)), todo):
                result = Result.read(given.out / f"{kind}.json")
                if code_ or result is None:
                    broken.append(kind)
                if result is not None:
                    results[kind] = result
                    print(result.line, flush=True)
    return list(results.values()), broken


def _apart(kind: str, folder: Path, given: argparse.Namespace) -> int:
    """Inject one kind from a process of its own, which is then the reaper of its orphans; its exit status."""
    options = ["--here", str(folder), "--times", str(given.times), "--seed", str(given.seed), "--out", str(given.out)]
    with (given.out / f"{kind}.log").open("wb") as log:
        done = subprocess.run([sys.executable, "-P", str(Path(__file__)), kind, *options], stdout=log, stderr=log)
    return done.returncode


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
