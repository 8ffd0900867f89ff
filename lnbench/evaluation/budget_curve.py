"""How adversarial accuracy falls with the budget: one evaluation a budget, and the curve through them.

A track is one budget, so each point of the curve is a track of its own that says `calibrated = false`: none of its
records can rank. It names the track whose budget it varies, and has that track's splits, seeds and clean arm: points of
one curve differ by their flips alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.protocol import ARMS, Track, eligible
from lnbench.record.record import Record


def at_budget(track: Track, budget: int) -> Track:
    """The same track with another budget, not calibrated.

    Raises:
        ProtocolError: if the budget is not between 1 and the number of labels that may change.
        DataError: if the data is not here.
    """
    if not 1 <= budget < track.data.train:
        raise ProtocolError(f"a budget on {track.name} is 1 … {track.data.train - 1} flips, got {budget}.")
    points = len(eligible(data.load(track, 0).labels, track.pairs(0)))
    if budget > points:
        raise ProtocolError(f"of {track.name}'s first split {points} labels may change, {budget} flips do not fit.")
    return track.with_budget(budget)


def at_budgets(track: Track, budgets: Sequence[int]) -> list[Track]:
    """The same track with each of these budgets; one that does not fit is refused before anything is evaluated.

    Raises:
        ProtocolError, DataError: as `at_budget`.
    """
    return [at_budget(track, budget) for budget in budgets]


def stem(records: Sequence[Record]) -> str:
    """The name of the curve's files, without a suffix: it lies beside its records."""
    return f"{records[0].filename.rpartition('-')[0]}-budgets"


def curve(track: Track, records: Sequence[Record]) -> dict[str, Any]:
    """The points of the curve, by rising budget, as a JSON document.

    Args:
        track: the track that the budgets vary.
        records: one a budget, of one poisoner.
    """
    ordered = sorted(records, key=lambda record: record.track.noise.budget)
    poisoner = ordered[0].document["poisoner"]
    return {
        "kind": "budgets",
        "schema": 1,
        "track": {"name": track.name, "sha256": track.sha256},
        "poisoner": {key: poisoner[key] for key in ("name", "parameters", "sha256")},
        "points": [
            {
                "budget": record.track.noise.budget,
                "eta": record.track.noise.budget / record.track.data.train,
                "adv_acc": {arm: record.arms[arm]["adv_acc"] for arm in ARMS},
                "drop_pp": record.score["drop_pp"],
                "ci95_pp": record.score["ci95_pp"],
                "flags": list(record.flags),
                "record": record.sha256,
            }
            for record in ordered
        ],
    }
