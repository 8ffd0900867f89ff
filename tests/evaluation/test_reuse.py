"""Work in pieces: what is there is taken, the rest computed, each result kept at once, and progress told in units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lnbench.evaluation.progress import Progress
from lnbench.evaluation.reuse import gather


class Work:
    """Pieces that give their own number, some of them done."""

    def __init__(self, done: dict[int, Any], fails_at: int | None = None) -> None:
        self.kept, self.fails_at = dict(done), fails_at
        self.asked: list[int] = []
        self.told: list[Progress] = []

    def run(self, units: list[int]) -> list[Any]:
        return gather(
            "stage",
            units,
            load=self.kept.get,
            compute=self._compute,
            keep=self.kept.__setitem__,
            notify=self.told.append,
            note="a note",
        )

    def _compute(self, missing: list[int]) -> Iterator[tuple[int, float, dict[str, Any] | None]]:
        self.asked += missing
        for place in reversed(range(len(missing))):  # in any order
            yield place, 0.5, None
            if missing[place] == self.fails_at:
                raise RuntimeError("no")
            yield place, 1.0, {"n": missing[place]}


def test_what_is_there_is_not_computed_and_results_are_in_order() -> None:
    work = Work({1: {"n": 1}, 3: {"n": 3}})
    assert [r["n"] for r in work.run([1] * 5)] == [0, 1, 2, 3, 4]
    assert work.asked == [0, 2, 4]
    assert work.kept.keys() == {0, 1, 2, 3, 4}
    again = Work(work.kept)
    assert again.run([1] * 5) == work.run([1] * 5) and again.asked == []
    assert [p.done for p in again.told] == [5]


def test_progress_counts_units_those_that_were_there_included() -> None:
    work = Work({0: {"n": 0}})
    work.run([4, 2, 6])
    assert [(p.done, p.reused, p.total) for p in work.told] == [(d, 4, 12) for d in (4, 7, 10, 11, 12)]
    assert {(p.stage, p.note) for p in work.told} == {("stage", "a note")}
    assert work.told[0].seconds_left is None and work.told[-1].seconds_left == 0


def test_what_came_before_an_error_is_kept() -> None:
    work = Work({}, fails_at=0)
    with pytest.raises(RuntimeError):
        work.run([1, 1, 1])
    assert work.kept.keys() == {1, 2}


def test_nothing_to_do_is_told_once() -> None:
    work = Work({})
    assert work.run([]) == [] and len(work.told) == 1
