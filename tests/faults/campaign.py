"""The fault campaign: `make faults`. Hurts evaluations of a tiny track in every way we know, and counts what was lost.

    python tests/faults/campaign.py [--count 100] [--only kill_worker] [--seed 0]

A fault is survived if the disturbed run ended well or in one sentence with the right exit code, nothing half-written
lies on the disk, no process outlives the referee, and the same command then gives the undisturbed run's record.
Ends with 1 if anything was lost, with 3 if some kind of fault could not be injected here.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from faults import kinds  # noqa: E402
from faults.lab import Lab, Tally  # noqa: E402

KINDS: dict[str, tuple[Callable[[Lab, int], Tally], int]] = {
    "kill_guest": (kinds.kill_guest, 1),
    "kill_referee": (kinds.kill_referee, 1),
    "clock_jumps": (kinds.clock_jumps, 1),
    "damaged_store": (kinds.damaged_store, 1),
    "damaged_data": (kinds.damaged_data, 4),
    "interrupt": (kinds.interrupt, 4),
    "kill_worker": (kinds.kill_worker, 1),
    "disk_full": (kinds.disk_full, 4),
    "read_only": (kinds.read_only, 10),
    "two_at_once": (kinds.two_at_once, 20),
}
"""Kind -> what injects it, and the divisor of the count: the kinds that take long come less often."""


def run(lab: Lab, count: int, wanted: list[str]) -> dict[str, Tally]:
    """Inject every kind, printing as it goes."""
    found = {}
    print(f"{'fault':<14} {'injected':>8} {'survived':>8} {'lost':>5} {'seconds':>8}  exit codes", flush=True)
    for kind in wanted:
        inject, divisor = KINDS[kind]
        begin = time.monotonic()
        tally = found[kind] = inject(lab, max(1, count // divisor))
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(tally.endings.items()))
        figures = f"{tally.injected:>8} {tally.injected - tally.lost:>8} {tally.lost:>5}"
        print(f"{kind:<14} {figures} {time.monotonic() - begin:>8.0f}  {codes}", flush=True)
        for story in tally.stories:
            print(f"    {' '.join(story.split())}", flush=True)
    return found


def main() -> int:
    """The campaign as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="kills of each process; other kinds in proportion")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        lab = Lab(Path(folder), random.Random(arguments.seed))
        print(f"undisturbed: record {lab.reference[:8]}, {lab.seconds['cold']:.1f} s from nothing", flush=True)
        found = run(lab, arguments.count, arguments.only)
    injected, lost = (sum(getattr(tally, name) for tally in found.values()) for name in ("injected", "lost"))
    missing = [kind for kind, tally in found.items() if not tally.injected]
    print(f"{'all':<14} {injected:>8} {injected - lost:>8} {lost:>5}")
    if missing:
        print(f"not injected on this machine: {', '.join(missing)}")
    return 1 if lost else 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
