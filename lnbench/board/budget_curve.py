"""The curve of adversarial accuracy against η, as an SVG that stands alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lnbench.board import figures
from lnbench.protocol import ARMS
from lnbench.text import plain

_LEFT, _TOP, _WIDE, _HIGH = 60.0, 54.0, 460.0, 240.0


def figure(document: Mapping[str, Any]) -> str:
    """AA of the three arms against the share η of flipped labels, on a logarithmic axis.

    Args:
        document: as `lnbench.evaluation.budget_curve.curve` makes it.
    """
    points = document["points"]
    first, last = math.log(points[0]["eta"]), math.log(points[-1]["eta"])

    def x(eta: float) -> float:
        return _LEFT + (_WIDE * (math.log(eta) - first) / (last - first) if last > first else _WIDE / 2)

    def y(accuracy: float) -> float:
        return _TOP + _HIGH * (1 - accuracy)

    label = plain(document["poisoner"]["name"], 40)
    title = f"Adversarial accuracy against η, {label} on {plain(document['track']['name'])}, %"
    body = [figures.text(10, 18, title)]
    for i in range(5):
        level = i / 4
        kind = "axis" if i == 0 else "faint"
        body.append(figures.line(_LEFT, y(level), _LEFT + _WIDE, y(level), kind))
        body.append(figures.text(_LEFT - 6, y(level) + 4, f"{100 * level:.0f}", "end"))
    for point in points:
        body.append(figures.text(x(point["eta"]), _TOP + _HIGH + 16, f"k = {point['budget']}", "middle"))
        body.append(figures.text(x(point["eta"]), _TOP + _HIGH + 32, f"{point['eta']:.2g}", "middle"))
    for i, arm in enumerate(ARMS):
        spots = [(x(p["eta"]), y(p["adv_acc"][arm])) for p in points if p["adv_acc"][arm] is not None]
        body.append(figures.polyline(spots, arm, 2))
        body += [figures.circle(across, down, arm, 3) for across, down in spots]
        body.append(figures.line(_LEFT + 120 * i, _TOP + _HIGH + 52, _LEFT + 120 * i + 18, _TOP + _HIGH + 52, arm, 2))
        body.append(figures.text(_LEFT + 120 * i + 24, _TOP + _HIGH + 56, arm))
    return figures.alone(figures.svg(_LEFT + _WIDE + 40, _TOP + _HIGH + 70, title, body))
