"""What a track's calibration rests on, from the record of a run of `random_flip` on it.

    python tests/bench/calibration.py leaderboard/records/digits-9to0/random_flip-….json

Writes `lnbench/protocol/tracks/<track>.calibration.json`, which is not part of the track's hash: per architecture the
random arm's adversarial accuracy (30–70 % leaves room both ways), the memorised share of its flips, clean accuracies;
the standard deviations that decide how many splits are needed; the smallest effect the track resolves at 80 % power;
and what it cost where.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, stats

from lnbench import record as records
from lnbench.protocol.track import FOLDER


def main() -> None:
    """Read a record, write the calibration beside its track."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path)
    record = records.read(parser.parse_args().record)
    path = FOLDER / f"{record.track.name}.calibration.json"
    path.write_text(json.dumps(calibration(record), indent=1) + "\n", encoding="utf-8")
    print(path)


def calibration(record: records.Record) -> dict[str, Any]:
    """The numbers, from one record."""
    score, arms, document = record.score, record.arms, record.document
    drops = np.array([d for d in score["split_drops_pp"] if d is not None])
    sd = float(drops.std(ddof=1))
    return {
        "track_sha256": record.track.sha256,
        "record_sha256": record.sha256,
        "architectures": {
            name: {
                "epsilon": record.track.epsilon(record.track.victim(name)),
                "random_adv_acc": round(arms["random"]["per_architecture"][name]["adv_acc"], 4),
                "clean_adv_acc": round(arms["clean"]["per_architecture"][name]["adv_acc"], 4),
                "random_memorised": round(arms["random"]["per_architecture"][name]["memorised"], 4),
                "random_clean_acc": round(arms["random"]["per_architecture"][name]["clean_acc"], 4),
                "clean_clean_acc": round(arms["clean"]["per_architecture"][name]["clean_acc"], 4),
                "sd_between_random_victims_of_a_split_pp": round(_within(record, name), 2),
            }
            for name in arms["random"]["per_architecture"]
        },
        "splits": score["splits"],
        "seeds": score["seeds"],
        "sd_of_split_drops_pp": round(sd, 2),
        "resolves_pp_at_80_percent_power": round(resolved(sd, len(drops)), 2),
        "run": {key: document["run"][key] for key in ("started", "seconds", "cpu", "workers", "version")},
    }


def resolved(sd: float, splits: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true drop, in points, that a two-sided t test over `splits` splits finds with this power."""
    limit = float(stats.t.ppf(1 - alpha / 2, splits - 1))

    def missing(effect: float) -> float:
        return float(stats.nct.sf(limit, splits - 1, effect * math.sqrt(splits) / sd)) - power

    return float(optimize.brentq(missing, 1e-6 * sd, 10 * sd))


def _within(record: records.Record, name: str) -> float:
    """Standard deviation of AA between random-arm victims of one split, pooled over splits, in points."""
    spec = record.track.victim(name)
    at = record.track.epsilons(spec).index(record.track.epsilon(spec))
    by_split: dict[int, list[float]] = {}
    for victim in record.document["victims"]:
        if (victim["architecture"], victim["arm"]) == (name, "random"):
            accuracy = 1 - victim["broken"]["targeted"][at] / victim["clean"]["source_points"]
            by_split.setdefault(victim["split"], []).append(100 * accuracy)
    groups = [v for v in by_split.values() if len(v) > 1]
    if not groups:
        return float("nan")
    return math.sqrt(float(np.mean([np.var(v, ddof=1) for v in groups])))


if __name__ == "__main__":
    main()
