"""How many random flips crafted ones are worth, on a nearest neighbour and on networks, against how many they are."""

from __future__ import annotations

from markupsafe import Markup

from lnbench.board import figures
from lnbench.board.tables import Table
from lnbench.record.exchange import Exchange
from lnbench.record.optimum import coupons

_LEFT, _TOP, _WIDE, _HIGH = 60.0, 54.0, 460.0, 260.0
_BUDGETS = 8
"""Budgets that the figure of a track without a solved optimum shows."""


def figure(table: Table, title: str) -> Markup:
    """One flip for one; the coupon collector's k·(1 + … + 1/k), which is theorem 1's k·ln k to leading order, if k
    flips just cover k equal regions; the rows, at the track's budget, on a nearest neighbour and on the track's
    networks; and the best flips on a nearest neighbour. What is not known of a track is left out.

    Args:
        table: with an optimum, or with random flips of many budgets.
    """
    best = () if table.optimum is None else table.optimum.worth
    budget = table.track.noise.budget if table.optimum is None else table.optimum.budget
    most = best[-1].budget if best else max(_BUDGETS, 2 * budget)
    worth = [row.worth for row in table.rows if row.worth is not None]
    networks = [row.network_worth for row in table.rows if row.network_worth is not None]
    highest = best[-1].high if best else 0.0
    top = max(highest, coupons(most), *(w.high for w in [*worth, *networks]), 1.0)

    def place(budget: float, flips: float) -> tuple[float, float]:
        return _LEFT + _WIDE * budget / most, _TOP + _HIGH * (1 - flips / top)

    body, step = [figures.text(10, 18, title)], figures.ticks_apart(top)
    for i in range(int(top / step) + 1):
        (left, y), (right, _) = place(0, i * step), place(most, 0)
        body.append(figures.line(left, y, right, y, "faint" if i else "axis"))
        body.append(figures.text(left - 6, y + 4, f"{i * step:g}", "end"))
    budgets = range(1, most + 1)
    shown = range(1, most + 1, -(-most // 20))
    body += [figures.text(*place(k, -0.07 * top), f"{k}", "middle") for k in shown]
    body.append(figures.polyline([place(0, 0), place(most, most)], "random", 1))
    body.append(figures.polyline([place(0, 0), *(place(k, coupons(k)) for k in budgets)], "clean", 1.5))
    lines = [("clean", "coupon collector"), ("random", "random")]
    if best:
        lines.insert(0, ("poisoned", "best flips"))
        body.append(figures.polyline([place(0, 0), *(place(p.budget, p.flips) for p in best)], "poisoned", 2))
    for point in best:
        (x, low), (_, high) = place(point.budget, point.low), place(point.budget, point.high)
        body.append(figures.line(x, low, x, high, "poisoned", 2))
    body += [figures.circle(*place(budget, w.flips), "dot", 3) for w in worth]
    for i, rate in enumerate(networks):  # side by side, so that each interval is seen
        x, y = place(budget, rate.flips)
        x += min(5.0, 40.0 / len(networks)) * (i - (len(networks) - 1) / 2)
        body.append(figures.line(x, place(0, rate.low)[1], x, place(0, rate.high)[1], "dot", 1))
        body.append(figures.circle(x, y, "dot", 2))
    for i, (kind, name) in enumerate(lines):
        x, y = _LEFT + 130 * i, _TOP + _HIGH + 58
        body += [figures.line(x, y, x + 18, y, kind, 2), figures.text(x + 24, y + 4, name)]
    body += [
        figures.circle(_LEFT + 396, _TOP + _HIGH + 58, "dot", 3),
        figures.text(_LEFT + 404, _TOP + _HIGH + 62, "rows"),
        figures.text(_LEFT + _WIDE / 2, _TOP + _HIGH + 38, "flips that a poisoner has", "middle"),
        figures.text(10, _TOP - 16, "random flips they are worth"),
    ]
    low = _HIGH + 76
    for sentence in _judged(networks, budget):
        low += 18
        body.append(figures.text(_LEFT, _TOP + low - 16, sentence))
    return figures.svg(_LEFT + _WIDE + 40, _TOP + low, title, body)


def _judged(rates: list[Exchange], budget: int) -> list[str]:
    """The coupon collector's prediction beside the rows' intervals on networks, in short lines; none without rows."""
    foretold = coupons(budget)
    above = sum(rate.low > foretold for rate in rates)
    below = sum(rate.high < foretold for rate in rates)
    if not rates:
        return []
    return [
        f"A coupon collector, who draws until all of {budget} equal regions have a flip, needs {foretold:.1f}.",
        f"On networks {above} of {len(rates)} rows lie above it and {below} below, by their 95 % intervals.",
    ]
