"""How many random flips crafted ones are worth on a nearest neighbour, drawn against how many they are."""

from __future__ import annotations

from markupsafe import Markup

from lnbench.board import figures
from lnbench.board.tables import Row
from lnbench.record.optimum import Optimum, coupons

_LEFT, _TOP, _WIDE, _HIGH = 60.0, 54.0, 460.0, 260.0


def figure(optimum: Optimum, rows: tuple[Row, ...], title: str) -> Markup:
    """The best flips with their intervals; one flip for one; the coupon collector's k·(1 + … + 1/k), which is theorem
    1's k·ln k to leading order, if k flips just cover k equal regions; and the rows, at the track's budget.

    Args:
        optimum: of the track.
        rows: those of its table.
    """
    most = optimum.worth[-1].budget
    worth = [row.worth for row in rows if row.worth is not None]
    top = max(optimum.worth[-1].high, coupons(most), *(w.high for w in worth), 1.0)

    def place(budget: float, flips: float) -> tuple[float, float]:
        return _LEFT + _WIDE * budget / most, _TOP + _HIGH * (1 - flips / top)

    body, step = [figures.text(10, 18, title)], figures.ticks_apart(top)
    for i in range(int(top / step) + 1):
        (left, y), (right, _) = place(0, i * step), place(most, 0)
        body.append(figures.line(left, y, right, y, "faint" if i else "axis"))
        body.append(figures.text(left - 6, y + 4, f"{i * step:g}", "end"))
    budgets = range(1, most + 1)
    body += [figures.text(*place(k, -0.07 * top), f"{k}", "middle") for k in budgets]
    body.append(figures.polyline([place(0, 0), place(most, most)], "random", 1))
    body.append(figures.polyline([place(0, 0), *(place(k, coupons(k)) for k in budgets)], "clean", 1.5))
    body.append(figures.polyline([place(0, 0), *(place(p.budget, p.flips) for p in optimum.worth)], "poisoned", 2))
    for point in optimum.worth:
        (x, low), (_, high) = place(point.budget, point.low), place(point.budget, point.high)
        body.append(figures.line(x, low, x, high, "poisoned", 2))
    body += [figures.circle(*place(optimum.budget, w.flips), "dot", 3) for w in worth]
    for i, (kind, name) in enumerate([("poisoned", "best flips"), ("clean", "coupon collector"), ("random", "random")]):
        x, y = _LEFT + 130 * i, _TOP + _HIGH + 48
        body += [figures.line(x, y, x + 18, y, kind, 2), figures.text(x + 24, y + 4, name)]
    body += [
        figures.circle(_LEFT + 396, _TOP + _HIGH + 48, "dot", 3),
        figures.text(_LEFT + 404, _TOP + _HIGH + 52, "rows"),
    ]
    return figures.svg(_LEFT + _WIDE + 40, _TOP + _HIGH + 66, title, body)
