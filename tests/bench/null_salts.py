"""Is the interval honest? That of an independent random draw should contain 0 under 19 of 20 public salts.

    python tests/bench/null_salts.py --salts 20 --track digits-9to0 --quick

Under each salt splits, seeds, the random arm's flips and the poisoner's stream are all new. Prints one line per salt
and the count; results stay in the store, so a killed run resumes.
"""

from __future__ import annotations

import argparse

from scipy import stats

from lnbench.evaluation import submissions
from lnbench.evaluation.conductor import evaluate
from lnbench.protocol.track import load


def main() -> None:
    """Parse, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--salts", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--track", default="digits-9to0")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--poisoner", default="random_flip")
    options = parser.parse_args()
    track = load(options.track)
    submission = submissions.load(options.poisoner)
    inside = 0
    for salt in range(options.first, options.first + options.salts):
        record = evaluate(submission, track, quick=options.quick, salt=f"null-{salt}")
        score = record.score
        low, high = score["ci95_pp"]
        half = (high - low) / 2
        splits = score["splits"]
        t = score["drop_pp"] * stats.t.ppf(0.975, splits - 1) / half if half else float("nan")
        inside += low <= 0 <= high
        print(f"null-{salt}: {score['drop_pp']:+.2f} pp [{low:.2f}, {high:.2f}]  t = {t:+.2f}", flush=True)
    print(f"{inside} of {options.salts} intervals contain 0 ({splits} splits × {score['seeds']} seeds each)")


if __name__ == "__main__":
    main()
