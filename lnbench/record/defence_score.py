"""What a defence achieved, from the victims without and with it. The unit is the split, as in `score`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from scipy import special

from lnbench.protocol import CLEAN, POISONED, RANDOM, arms_of
from lnbench.record.defence_schema import ArmPair, Certificate, DefendedVictim, Outcome, Paired, Side
from lnbench.record.score import INDEX, Interval, split_means, t_interval
from lnbench.record.tables import Tables

_LEVEL = 0.95


def outcome(undefended: Tables, defended: Tables, victims: Sequence[DefendedVictim], sound: bool | None) -> Outcome:
    """The outcome of a defence.

    An (architecture, split, seed) at which a victim of any arm diverged, without the defence or with it, is left out.

    Args:
        victims: the defended ones.
        sound: whether the votes' certificates hold; None if the victims are one network each.
    """
    valid = undefended.valid & defended.valid
    without, with_ = (_shares(tables) for tables in (undefended, defended))
    random, poisoned, clean = INDEX[RANDOM], INDEX[POISONED], INDEX[CLEAN]

    def means(values: np.ndarray) -> np.ndarray:
        return split_means(values, valid)

    drops = [100 * means(side["adv_acc"][random] - side["adv_acc"][poisoned]) for side in (without, with_)]
    removed = t_interval(drops[0] - drops[1])
    share, ends = ratio(drops[1], drops[0])
    arms = {
        arm: ArmPair(*(_side(side, a, valid) for side in (without, with_)))
        for a, arm in enumerate(arms_of(undefended.track))
    }

    def paired(name: str, arm: int) -> Paired:
        """How much lower a share of an arm is with the defence."""
        return _paired(t_interval(100 * means(without[name][arm] - with_[name][arm])))

    gain = t_interval(100 * means(with_["adv_acc"][poisoned] - without["adv_acc"][poisoned]))
    return Outcome(
        undefended=_paired(t_interval(drops[0])),
        defended=_paired(t_interval(drops[1])),
        removed=_paired(removed),
        p_value=removed.p,
        share_removed=None if share is None else 1.0 - share,
        share_ci95=None if ends is None else (1.0 - ends[1], 1.0 - ends[0]),
        clean_cost=paired("clean_acc", clean),
        poisoned_cost=paired("clean_acc", poisoned),
        gain=_paired(gain),
        arms=arms,
        certificate=UNSET if sound is None else _certificate(victims, sound),
    )


def ratio(above: np.ndarray, below: np.ndarray) -> tuple[float | None, tuple[float, float] | None]:
    """mean(above) / mean(below) of paired values, with its 95 % interval by Fieller's theorem.

    All ρ are in it for which the mean of above − ρ · below cannot be told from 0 by a t test. These are an interval
    only if the mean of `below` itself can be told from 0: else there is none. (Fieller 1954.)

    Args:
        above, below: (split,).

    Returns:
        The ratio, None if the mean of `below` is 0 or less; and the interval, or None.
    """
    n, bottom = len(below), float(below.mean()) if len(below) else 0.0
    if bottom <= 0:
        return None, None
    top = float(above.mean())
    if n < 2:
        return top / bottom, None
    t = float(special.stdtrit(n - 1, 0.5 + _LEVEL / 2))
    (s_aa, s_ab), (_, s_bb) = np.cov(above, below, ddof=1) * t**2 / n
    a, b, c = bottom**2 - s_bb, top * bottom - s_ab, top**2 - s_aa
    if a <= 0 or b * b < a * c:
        return top / bottom, None
    root = float(np.sqrt(b * b - a * c))
    return top / bottom, (float((b - root) / a), float((b + root) / a))


def _shares(tables: Tables) -> dict[str, np.ndarray]:
    """Shares by victim, (arm, architecture, split, seed)."""
    counts = tables.counts(flags=False)
    points, flipped = counts.points[:, None], tables.table("flipped")
    return {
        "adv_acc": 1.0 - counts.targeted / points,
        "untargeted_adv_acc": 1.0 - counts.untargeted / points,
        "clean_acc": tables.table("clean.correct") / tables.table("clean.points"),
        "memorised": np.where(flipped > 0, tables.table("memorised_count") / np.maximum(flipped, 1), np.nan),
    }


def _side(shares: dict[str, np.ndarray], arm: int, valid: np.ndarray) -> Side:
    def mean(values: np.ndarray) -> float | None:
        some = split_means(values, valid & np.isfinite(values))
        return float(some.mean()) if len(some) else None

    return Side(**{name: mean(values[arm]) for name, values in shares.items()})


def _paired(interval: Interval) -> Paired:
    return Paired(interval.mean, interval.ends)


def _certificate(victims: Sequence[DefendedVictim], sound: bool) -> Certificate:
    """Mean shares over the poisoned arm's victims."""
    rows = [np.array(v.certified) / v.clean.points for v in victims if v.arm == POISONED and v.certified]
    most = min((len(row) for row in rows), default=0)
    return Certificate(sound, tuple(float(v) for v in np.mean([row[:most] for row in rows], axis=0)) if most else ())
