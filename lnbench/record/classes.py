"""How sure a score over pairs of classes is if the classes, too, were drawn: pairs that share one are not independent.

A track whose splits take all ordered pairs in turn answers for these pairs, and its *t* interval over splits is on the
safe side for them, since it counts the spread between pairs as error. Whether other classes would show the same is
another question: what a class adds as a source or as a target is in all of its pairs at once, and such an interval is
wider.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from lnbench.record.score import Interval


def classes_interval(drops: Sequence[float | None], pairs: Sequence[tuple[int, int]]) -> Interval | None:
    """The mean over all ordered pairs of classes, with a 95 % interval for classes drawn from many.

    The drops d[s, t] of source s and target t follow d = μ + A_s + B_t + R_st, where A and B of one class may be
    correlated. Var(mean) is estimated three ways, and the largest counts: with R alone; with A and B independent
    (two-way clusters: Cameron, Gelbach & Miller, 2011); and with any correlation of the two, from the sums over all
    pairs that have a class in either place (dyadic clusters: Aronow, Samii & Assenova, 2015). Degrees of freedom: the
    classes less 1. In simulation it covers μ in .93 to 1 of the trials (`tests/record/test_classes.py`).

    Args:
        drops: a split's drop, in percentage points; split w has pair w mod len(pairs).
        pairs: every ordered pair of the classes once.

    Returns:
        None if a split has no drop, the pairs are not all ordered pairs of at least three classes, or the splits do not
        go round them as often as each other.
    """
    classes = sorted({one for pair in pairs for one in pair})
    c, n = len(classes), len(pairs)
    if c < 3 or n != c * (c - 1) or len({*pairs}) != n or any(s == t for s, t in pairs):
        return None
    if not drops or len(drops) % n or any(drop is None for drop in drops):
        return None
    means = np.asarray(drops, dtype=float).reshape(-1, n).mean(axis=0)
    rest = means - means.mean()
    source, target = (np.equal.outer(classes, [pair[place] for pair in pairs]).astype(float) for place in (0, 1))
    alone = float(rest.var(ddof=1)) / n
    by_source, by_target, by_either = (
        float(((which @ rest) ** 2).sum()) for which in (source, target, source + target)
    )
    apart = c / (c - 1) * (by_source + by_target) / n**2 - alone
    factor = c / (c - 1) * ((c - 1) / (c - 2)) ** 2
    together = factor * by_either / n**2 - (2 * factor * (1 - 2 / c) - 1) * alone
    mean, error = float(means.mean()), float(np.sqrt(max(alone, apart, together)))
    half = float(special.stdtrit(c - 1, 0.975)) * error
    p = float(2 * special.stdtr(c - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Interval(mean, mean - half, mean + half, p)
