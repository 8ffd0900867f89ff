"""One row of the board: a record, what stands beside it, and what it is told from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lnbench.board import levels
from lnbench.record.audits import AuditSummary
from lnbench.record.classes import classes_interval
from lnbench.record.exchange import Exchange
from lnbench.record.record import Record
from lnbench.record.score import Interval, t_interval
from lnbench.record.statement import Statement

ALPHA = 0.05
PROOF = 0.001
"""p below which own splits prove a row. An edit of its source draws them anew: that the best of 40 edits of random
flips passes has a probability of 2 % at this level, and of 64 % at the usual one."""
SEARCH, RANDOM_FLIP = "random_search", "random_flip"
"""The attack that any search has to beat at equal trainings, and the one that does what the random arm does."""
ABOVE_OWN, DOUBT = "public-above-own", 0.01
"""A flag of a row rather than of a record, and the corrected p that raises it: it doubts somebody's honesty."""


@dataclass(frozen=True, eq=False)
class Row:
    """One record on the board.

    Attributes:
        record: the record without its victims: hundreds of whole ones would fill the memory.
        path: its file, relative to the folder of records, with `/`.
        accuracies: AA of the poisoned arm, (split,).
        ranks: first and last rank it may have; None in the history.
        p_holm: p against random flips, Holm-corrected over the table's rows; None in the history.
        damage_accuracies: AA of the poisoned arm under the damage attack, (split,); None on tracks without one.
        damage_ranks, damage_p_holm: as `ranks` and `p_holm`, by the damage.
        own: the record of the same poisoner on the splits that its own source draws, if there is one.
        own_path: its file, as `path`.
        own_statements: statements about that record.
        above_own: whether its score is shown to be above the one on its own splits.
        above_search: whether it beats the random search that trained at least as many victims: `yes`, `worse` or `not
            shown`, Holm-corrected over the rows that are so compared; None where there is no such search.
        season_open: whether its splits were drawn by a salt that is still secret.
        statements: of those who made it again.
        audit: what the strong adversary left of the score, if that was looked at.
        strong_damage_ranks, strong_damage_p_holm: as `damage_ranks` and `damage_p_holm`, under the strong adversary and
            over the table's audited rows.
        optimal: on a nearest neighbour, its flips' share of the largest drop that any flips have; None where the
            track's optimum has not been solved for.
        worth: likewise, how many random flips do what its flips do.
        network_worth: the same of the track's networks; None where random flips of many budgets were not measured.
    """

    record: Record
    path: str
    accuracies: np.ndarray
    ranks: tuple[int, int] | None = None
    p_holm: float | None = None
    damage_accuracies: np.ndarray | None = None
    damage_ranks: tuple[int, int] | None = None
    damage_p_holm: float | None = None
    own: Record | None = None
    own_path: str = ""
    own_statements: tuple[Statement, ...] = ()
    above_own: bool = False
    above_search: str | None = None
    season_open: bool = False
    statements: tuple[Statement, ...] = ()
    audit: AuditSummary | None = None
    strong_damage_ranks: tuple[int, int] | None = None
    strong_damage_p_holm: float | None = None
    optimal: Interval | None = None
    worth: Exchange | None = None
    network_worth: Exchange | None = None

    @property
    def drop(self) -> float:
        """The score in percentage points."""
        return float(self.record.score["drop_pp"])

    @property
    def beats_random(self) -> str | None:
        """`yes`, `worse` or `not shown`, over all of the table's rows; None in the history."""
        return None if self.p_holm is None else shown(self.p_holm, self.drop)

    @property
    def damages(self) -> str | None:
        """The same of the damage; None too where there is none."""
        damage = self.record.score.damage
        if not damage or self.damage_p_holm is None or damage.drop_pp is None:
            return None
        return shown(self.damage_p_holm, damage.drop_pp)

    @property
    def strong_damages(self) -> str | None:
        """The same under the strong adversary; None where no audit says."""
        damage = self.audit.damage if self.audit else None
        if damage is None or self.strong_damage_p_holm is None:
            return None
        return shown(self.strong_damage_p_holm, damage.drop_pp)

    @property
    def p(self) -> float | None:
        """The score's p against random flips, which its record rounds to nine places."""
        return exact_p(self.record.score.split_drops_pp)

    @property
    def classes(self) -> Interval | None:
        """The score with an interval for drawn classes, where its splits go round all pairs of them."""
        noise = self.record.track.noise
        return classes_interval(self.record.score.split_drops_pp, noise.pairs) if noise.rotate else None

    @property
    def proven(self) -> bool:
        """Whether its score is more than its author's word on splits that everybody knows: it may lead a table.

        It is so if it beats random flips on its own splits with p below `PROOF`, or if its splits were drawn by a
        season's salt that has been revealed since.
        """
        if self.record.season is not None:
            return not self.season_open
        if self.own is None:
            return False
        p = exact_p(self.own.score.split_drops_pp)
        return p is not None and p < PROOF and float(self.own.score["drop_pp"]) > 0

    @property
    def assured(self) -> float:
        """The score that it leads by, in points: of those on the public splits and on its own the lower one."""
        return self.drop if self.own is None else min(self.drop, float(self.own.score["drop_pp"]))

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of its record, and whether its public score is shown to be above the one on its own splits."""
        return (*self.record.flags, *([ABOVE_OWN] if self.above_own else []))

    @property
    def trust(self) -> str:
        """What stands behind the row; see `lnbench.board.levels`."""
        own = None if self.own is None else self.own_statements
        return levels.trust(self.record.season, self.season_open, self.statements, own_splits=own)

    @property
    def trainings(self) -> int:
        """Victims the poisoner trained, all splits together, as it says."""
        return sum(self.record.document["trainings"])


def shown(p: float, drop: float) -> str:
    """What a corrected test shows."""
    if p >= ALPHA:
        return "not shown"
    return "yes" if drop > 0 else "worse"


def exact_p(drops: Sequence[float | None]) -> float | None:
    """p of the drops of the splits that have one."""
    return t_interval(np.array([drop for drop in drops if drop is not None])).p
