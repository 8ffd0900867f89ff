"""The figures of a report: how well each score tells harmful points, and where the harm of a flip comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lnbench.board import figures

_LABELS, _WIDE, _PITCH, _TOP = 210.0, 480.0, 20.0, 44.0
PARTS = {"set": "point", "seed": "seed", "residual": "the rest", "split": "split"}
"""Part of the variance -> its name where the sets are single points."""


def all_of(report: Mapping[str, Any]) -> dict[str, bytes]:
    """Every figure of a report: name -> SVG."""
    found = report["tables"].get("a", {}).get("findings", {})
    drawn = {}
    if found and all("scores" in one for one in found.values()):
        drawn["scores"] = _scores(found, f"Rank correlation with the harm of single flips, {report['track']}")
    if found:
        drawn["variance"] = _variance(found, f"Standard deviation of a single flip's harm, pp, {report['track']}")
    return {f"{report['track']}-{name}.svg": figures.alone(svg).encode() for name, svg in drawn.items()}


def _scores(found: Mapping[str, Any], title: str) -> Markup:
    """Each score's mean rank correlation with its interval, by architecture, from −1 to 1."""

    def x(value: float) -> float:
        return _LABELS + _WIDE * (value + 1) / 2

    rows: list[tuple[str, str, Mapping[str, Any]]] = []
    for score in next(iter(found.values()))["scores"]:
        rows += [(score, name, one["scores"][score]["rank_correlation"]) for name, one in found.items()]
    bottom = _TOP + _PITCH * len(rows)
    body = [figures.text(10, 18, title)]
    for tick in (-1.0, -0.5, 0.0, 0.5, 1.0):
        body.append(figures.line(x(tick), _TOP, x(tick), bottom, "faint" if tick else "axis"))
        body.append(figures.text(x(tick), bottom + 18, f"{tick:g}".replace("-", "−"), "middle"))
    for i, (score, name, of) in enumerate(rows):
        y = _TOP + _PITCH * (i + 0.5)
        body.append(figures.text(_LABELS - 8, y + 4, f"{score}, {name}", "end"))
        if of["ci95"] is not None:
            body.append(figures.line(x(max(-1.0, of["ci95"][0])), y, x(min(1.0, of["ci95"][1])), y, "bar", 2))
        body.append(figures.circle(x(of["mean"]), y, "dot", 4))
    return figures.svg(_LABELS + _WIDE + 30, bottom + 30, title, body)


def _variance(found: Mapping[str, Any], title: str) -> Markup:
    """The parts of the variance as bars, by architecture."""
    rows = [
        (f"{what}, {name}", one["best_1"]["variance"][part])
        for part, what in PARTS.items()
        for name, one in found.items()
    ]
    most = max([value for _, value in rows] + [1.0])
    body = [figures.text(10, 18, title)]
    for i, (label, value) in enumerate(rows):
        y, wide = _TOP + _PITCH * i, _WIDE * value / most
        body.append(figures.text(_LABELS - 8, y + 14, label, "end"))
        body.append(figures.rectangle("good", _LABELS, y + 3, wide, _PITCH - 6, 0.5))
        body.append(figures.text(_LABELS + wide + 6, y + 14, f"{value:.1f}"))
    return figures.svg(_LABELS + _WIDE + 60, _TOP + _PITCH * len(rows) + 12, title, body)
