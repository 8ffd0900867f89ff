"""How the rows of a table are compared: their order, their ranks, and what is shown of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lnbench.board.row import DOUBT, SEARCH, Row, exact_p, shown
from lnbench.record.record import Record
from lnbench.record.score import Interval, holm, rank_intervals, t_interval, welch_interval


def by_score(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows by falling score; equal scores by file."""
    return tuple(sorted(rows, key=lambda row: (-row.drop, row.path)))


def compared(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows by falling score, with their ranks and corrected p; but the one that may lead comes first.

    That is, of the rows that are proven and beat random flips, the one of the highest assured score: a list of the
    public splits in the source of an honest method would have a high public score, and a proof.
    """
    ordered = by_score(_beside_own(rows))
    ranks = rank_intervals(np.stack([row.accuracies for row in ordered]))
    adjusted = holm([_p(row.p) for row in ordered])
    above = _above_search(ordered)
    made = [
        dataclasses.replace(row, ranks=(int(first), int(last)), p_holm=float(p), above_search=above.get(i))
        for i, (row, (first, last), p) in enumerate(zip(ordered, ranks, adjusted, strict=True))
    ]
    made = _strong_damage_compared(_damage_compared(made))
    may_lead = [i for i, row in enumerate(made) if row.proven and row.beats_random == "yes"]
    made.insert(0, made.pop(max(may_lead, key=lambda i: made[i].assured, default=0)))
    return tuple(made)


def _beside_own(rows: Sequence[Row]) -> list[Row]:
    """The rows, marked where the public score is shown to be above the own splits' (Welch's t, Holm over such rows)."""
    tests = {i: _above_own(row.record, row.own) for i, row in enumerate(rows) if row.own is not None}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [dataclasses.replace(row, above_own=bool(adjusted.get(i, 1.0) < DOUBT)) for i, row in enumerate(rows)]


def _above_own(public: Record, own: Record) -> float:
    """p, one-sided, of a public score that is above the one on own splits."""
    both = (np.array([drop for drop in one.score.split_drops_pp if drop is not None]) for one in (public, own))
    gap = welch_interval(*both)
    return 1.0 if gap.p is None or gap.mean is None or gap.mean <= 0 else gap.p / 2


def _damage_compared(rows: Sequence[Row]) -> list[Row]:
    """The rows with their ranks and corrected p by the damage, on tracks that have it."""
    accuracies = [row.damage_accuracies for row in rows if row.damage_accuracies is not None]
    damages = [row.record.score.damage for row in rows]
    if len(accuracies) < len(rows) or not all(damages):
        return list(rows)
    ranks = rank_intervals(np.stack(accuracies))
    adjusted = holm([_p(exact_p(damage.split_drops_pp) if damage else None) for damage in damages])
    return [
        dataclasses.replace(row, damage_ranks=(int(first), int(last)), damage_p_holm=float(p))
        for row, (first, last), p in zip(rows, ranks, adjusted, strict=True)
    ]


def _strong_damage_compared(rows: Sequence[Row]) -> list[Row]:
    """The rows with their ranks and corrected p by the damage under the strong adversary, among those with an audit."""
    found = {i: row.audit.damage for i, row in enumerate(rows) if row.audit and row.audit.damage}
    if not found:
        return list(rows)
    ranks = rank_intervals(np.stack([damage.accuracies for damage in found.values()]))
    adjusted = holm([_p(exact_p(damage.split_drops_pp)) for damage in found.values()])
    made = list(rows)
    for i, (first, last), p in zip(found, ranks, adjusted, strict=True):
        made[i] = dataclasses.replace(
            rows[i], strong_damage_ranks=(int(first), int(last)), strong_damage_p_holm=float(p)
        )
    return made


def _above_search(rows: Sequence[Row]) -> dict[int, str]:
    """Place of a row -> whether it beats the random search that spent at least as many trainings, the least such one.

    Paired by split, and Holm-corrected over the rows that have such a search to compare with.
    """
    searches = sorted((row for row in rows if row.record.name == SEARCH), key=lambda row: row.trainings)
    tests: dict[int, Interval] = {}
    for i, row in enumerate(rows):
        search = next((search for search in searches if search.trainings >= row.trainings), None)
        if search is not None and row.record.name != SEARCH:
            tests[i] = t_interval(100.0 * (search.accuracies - row.accuracies))
    adjusted = holm([_p(test.p) for test in tests.values()])
    return {i: shown(float(p), test.mean or 0.0) for (i, test), p in zip(tests.items(), adjusted, strict=True)}


def _p(p: float | None) -> float:
    """A p for a correction: nothing is shown by what has none."""
    return 1.0 if p is None else p
