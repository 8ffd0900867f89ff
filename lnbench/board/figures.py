"""The board's figures, written as SVG by hand: the same bytes on every machine, light and dark, with real text.

(A plotting library's SVG changes with its version and with the fonts that are installed, so a board drawn by one
could not be compared byte for byte elsewhere.) Every part is a `Markup`, whose `format` and `join` escape all else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lnbench.board.row import Row
from lnbench.board.tables import Table
from lnbench.protocol import ARMS, VictimSpec
from lnbench.text import plain, points

_LIGHT = Markup("""\
.figure { color: #1f2328; font: 12px system-ui, sans-serif; }
.figure text { fill: currentColor; }
.figure .strong { font-weight: 600; }
.figure .faint { stroke: #8c959f; stroke-opacity: .45; fill: none; }
.figure .axis { stroke: currentColor; fill: none; }
.figure .scored { stroke: currentColor; stroke-dasharray: 4 3; }
.figure .clean { stroke: #1a7f37; fill: none; }
.figure .random { stroke: #9a6700; fill: none; }
.figure .poisoned { stroke: #cf222e; fill: none; }
.figure .dot { fill: #0969da; stroke: #0969da; }
.figure .beats { stroke: #0969da; fill: #0969da; }
.figure .unclear { stroke: #59636e; fill: #ffffff; }
.figure .worse { stroke: #bc4c00; fill: #bc4c00; }
.figure .mark { stroke-width: 1.5; }
.figure .good { fill: #2da44e; }
.figure .bad { fill: #d1242f; }
""")
_DARK = Markup("""\
.figure { color: #e6edf3; }
.figure .clean { stroke: #3fb950; }
.figure .random { stroke: #d29922; }
.figure .poisoned { stroke: #ff7b72; }
.figure .dot { fill: #58a6ff; stroke: #58a6ff; }
.figure .beats { stroke: #58a6ff; fill: #58a6ff; }
.figure .unclear { stroke: #9198a1; fill: #0d1117; }
.figure .worse { stroke: #f0883e; fill: #f0883e; }
""")
STYLE = _LIGHT + Markup("@media (prefers-color-scheme: dark) {{\n{}}}\n").format(_DARK)
"""Style of all figures; a figure inside a page takes it from the page."""
STYLES = {"light": _LIGHT, "dark": _LIGHT + _DARK}
"""Style of a figure that is light or dark whatever its reader prefers."""

_LABELS = 250
"""Width of the column of names, in pixels."""


def all_of(table: Table) -> dict[str, Markup]:
    """The curves and the heat map of a table as files: name without folder -> SVG."""
    drawn = {"curves": curves(table), "architectures": architectures(table)}
    return {f"{table.id}-{name}.svg": alone(svg) for name, svg in drawn.items()}


def curves(table: Table) -> Markup:
    """AA against ε, one panel an architecture: clean, random and best row's poisoned labels; the other rows faint."""
    return _panels(table, table.rows[0], table.rows[1:], f"Adversarial accuracy against ε on {table.id}")


def row_curves(table: Table, row: Row) -> Markup:
    """The three arms of one row."""
    return _panels(table, row, (), f"Adversarial accuracy against ε, {plain(row.record.label, 60)}")


def architectures(table: Table) -> Markup:
    """The score on each architecture, as a heat map."""
    names = [victim.name for victim in table.track.victims]
    cells = [[row.record.score["per_architecture"][name]["drop_pp"] or 0.0 for name in names] for row in table.rows]
    most = max(1e-9, *(abs(value) for row in cells for value in row))
    wide, pitch, top = 110, 24, 54
    body = [text(_LABELS + 20 + wide * (i + 0.5), top - 8, name, "middle") for i, name in enumerate(names)]
    for r, (row, values) in enumerate(zip(table.rows, cells, strict=True)):
        y = top + pitch * r
        body.append(text(_LABELS, y + 16, plain(row.record.label, 34), "end"))
        for c, value in enumerate(values):
            x = _LABELS + 20 + wide * c
            kind, opacity = "good" if value >= 0 else "bad", 0.05 + 0.45 * abs(value) / most
            body.append(rectangle(kind, x, y + 2, wide - 4, pitch - 4, opacity))
            body.append(text(x + wide / 2 - 2, y + 16, points(value), "middle"))
    title = f"Score on each architecture of {table.id}, percentage points"
    width = max(_LABELS + 40 + wide * len(names), 480)
    return svg(width, top + pitch * len(table.rows) + 12, title, [text(10, 18, title), *body])


def _panels(table: Table, main: Row, others: Sequence[Row], title: str) -> Markup:
    names = [victim.name for victim in table.track.victims]
    panel, height, top = 300, 280, 62
    body = [text(10, 18, title)]
    for i, name in enumerate(names):
        body += _panel(
            64 + i * (panel + 40), top, panel - 40, height - 132, table.track.spec(name), table, main, others
        )
    legend = [(arm, arm) for arm in ARMS[:2]]
    legend += [("other rows", "faint")] if others else []
    legend.append((f"poisoned: {plain(main.record.label, 40)}", ARMS[2]))
    for i, (label, kind) in enumerate(legend):
        x = 64 + 110 * i
        body += [line(x, height - 12, x + 18, height - 12, kind, 2), text(x + 24, height - 8, label)]
    return svg(max(64 + len(names) * (panel + 40), 640), height, title, body)


def _panel(
    left: float, top: float, wide: float, high: float, spec: VictimSpec, table: Table, main: Row, others: Sequence[Row]
) -> list[Markup]:
    name, track = spec.name, table.track
    shown = main.record.arms["clean"]["curve"][name]["epsilons"]
    first, span = shown[0], (shown[-1] - shown[0]) or 1.0

    def across(epsilon: float) -> float:
        return float(left + wide * (epsilon - first) / span)

    def path(curve: Mapping[str, Any], kind: str, thick: float) -> Markup:
        if curve["targeted"] is None:
            return Markup()
        spots = zip(curve["epsilons"], curve["targeted"], strict=True)
        return polyline([(across(e), top + high * (1 - aa)) for e, aa in spots], kind, thick)

    body = [text(left, top - 24, name), text(left - 40, top - 9, "targeted AA, %")]
    for i in range(5):
        y = top + high * i / 4
        body += [
            line(left, y, left + wide, y, "axis" if i == 4 else "faint"),
            text(left - 6, y + 4, f"{100 - 25 * i}", "end"),
        ]
    body += [text(across(shown[i]), top + high + 16, f"{shown[i]:g}", "middle") for i in _apart(shown, wide)]
    body.append(text(left + wide / 2, top + high + 34, "radius ε", "middle"))
    scored = track.epsilon(spec)
    body += [
        line(across(scored), top, across(scored), top + high, "scored"),
        text(
            across(scored), top - 9, f"scored ε = {scored:g}", "middle" if across(scored) < left + wide - 50 else "end"
        ),
    ]
    body += [path(row.record.arms["poisoned"]["curve"][name], "faint", 1) for row in others]
    return body + [path(main.record.arms[arm]["curve"][name], arm, 2) for arm in ARMS]


def _apart(epsilons: Sequence[float], wide: float, least: float = 34) -> list[int]:
    """Places of the radii whose numbers stand at least so many pixels apart, the first one with them."""
    span, shown = (epsilons[-1] - epsilons[0]) or 1.0, [0]
    for i, epsilon in enumerate(epsilons):
        if wide * (epsilon - epsilons[shown[-1]]) / span >= least:
            shown.append(i)
    return shown


def ticks_apart(span: float) -> float:
    """A round distance of ticks, so that there are about six."""
    for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0):
        if span <= 7 * step:
            return step
    return 50.0


def line(x1: float, y1: float, x2: float, y2: float, kind: str, thick: float = 1) -> Markup:
    """A line of a class of `STYLE`, in pixels."""
    return _LINE.format(kind, x1, y1, x2, y2, thick)


def polyline(places: Sequence[tuple[float, float]], kind: str, thick: float) -> Markup:
    """A line through several places, in pixels."""
    return _POLYLINE.format(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in places), thick)


def circle(x: float, y: float, kind: str, radius: float) -> Markup:
    """A dot, in pixels."""
    return _CIRCLE.format(kind, x, y, radius)


def rectangle(kind: str, x: float, y: float, width: float, height: float, opacity: float) -> Markup:
    """A filled rectangle of a class of `STYLE`, in pixels."""
    return _RECTANGLE.format(kind, x, y, width, height, opacity)


def text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    """A text at a place in pixels."""
    return _TEXT.format(x, y, anchor, text)


def svg(width: float, height: float, title: str, body: Sequence[Markup]) -> Markup:
    """A figure of these parts, for a page that has `STYLE`."""
    return _FIGURE.format(width, height, title, Markup("\n").join(part for part in body if part))


def alone(svg: Markup, style: Markup = STYLE) -> Markup:
    """A figure that stands alone, in the style that its reader prefers or in one of `STYLES`."""
    opening, _, rest = svg.partition(">\n")
    return Markup('{} xmlns="http://www.w3.org/2000/svg">\n<style>\n{}</style>\n{}\n').format(opening, style, rest)


_LINE = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke-width="{}"/>')
_POLYLINE = Markup('<polyline class="{}" points="{}" stroke-width="{}"/>')
_CIRCLE = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}"/>')
_RECTANGLE = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{:.2f}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_FIGURE = Markup(
    '<svg class="figure" viewBox="0 0 {0:g} {1:g}" width="{0:g}" height="{1:g}" role="img" aria-label="{2}">\n'
    "{3}\n</svg>"
)
