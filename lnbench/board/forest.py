"""The forest plot: every row's score with its interval beside what random flips do, as one figure and row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from lnbench.board import figures
from lnbench.board.row import Row
from lnbench.board.tables import Table
from lnbench.text import interval, plain, points

KINDS = {"yes": "beats", "not shown": "unclear", "worse": "worse", None: "unclear"}
"""What the corrected test of a row shows -> its class in a figure and on the page."""
MARKS = {"beats": "▲", "unclear": "○", "worse": "▼"}
"""Class -> the mark that says the same without colour."""
WORDS = {
    "beats": "beats random flips",
    "unclear": "not shown, tested over all rows",
    "worse": "worse than random flips",
}
"""Class -> its words in the legend."""
_SHAPES = {
    "beats": "M0 -5.5L5 4H-5Z",
    "unclear": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    "worse": "M0 5.5L5 -4H-5Z",
}
_NAMES, _PLOT, _PITCH, _TOP = 236, 330, 20, 64
"""Width of the names and of the plot, height of a row, and where the first row begins, in pixels."""
_STRIP, _STRIP_HIGH = 200, 22
_MARK = Markup('<path class="mark {}" transform="translate({:.1f} {:.1f})" d="{}"/>')
_TEXT = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_CELL = Markup('<svg class="figure strip" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>')


@dataclass(frozen=True)
class Axis:
    """The axis that all rows of a table share: percentage points to pixels.

    Attributes:
        low, high: its ends, in percentage points.
        step: distance of its ticks.
        left, wide: where it begins and how wide it is, in pixels.
    """

    low: float
    high: float
    step: float
    left: float
    wide: float

    def x(self, value: float) -> float:
        """Where a score is, in pixels."""
        return self.left + self.wide * (value - self.low) / ((self.high - self.low) or 1.0)

    @property
    def ticks(self) -> list[float]:
        """The scores that get a line, ascending."""
        return [self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1)]

    def lines(self, top: float, bottom: float) -> list[Markup]:
        """The ticks' lines between two heights, that of 0 the strongest."""
        kinds = ((tick, "axis" if abs(tick) < self.step / 2 else "faint") for tick in self.ticks)
        return [figures.line(self.x(tick), top, self.x(tick), bottom, kind) for tick, kind in kinds]

    def numbers(self, y: float) -> list[Markup]:
        """The ticks' numbers at a height."""
        return [figures.text(self.x(t), y, points(t).removesuffix(".0"), "middle") for t in self.ticks]


def axis(rows: Iterable[Row], left: float, wide: float) -> Axis:
    """An axis that holds 0 and every interval, with round ends."""
    ends = [row.record.score["ci95_pp"] for row in rows]
    low, high = min(0.0, *(e[0] for e in ends)), max(0.0, *(e[1] for e in ends))
    step = figures.ticks_apart(high - low)
    return Axis(step * (low // step), -step * (-high // step), step, left, wide)


def kind(row: Row) -> str:
    """The class of a row's mark and words: `beats`, `unclear` or `worse`."""
    return KINDS[row.beats_random]


def figure(table: Table) -> Markup:
    """Every row of a table, best first: its name, mark and interval around the line of random flips, and its score."""
    shown = axis(table.rows, _NAMES + 20, _PLOT)
    bottom, right = _TOP + _PITCH * len(table.rows), _NAMES + _PLOT + 40
    title = f"Scores on {table.id}: drop of targeted AA below random flips, percentage points, 95 % intervals"
    body = [figures.text(10, 18, title), *_legend(10, 40), *shown.lines(_TOP - 4, bottom), *shown.numbers(bottom + 16)]
    for i, row in enumerate(table.rows):
        y = _TOP + _PITCH * (i + 0.5)
        body += [figures.text(_NAMES, y + 4, plain(row.record.label, 34), "end"), *_row(shown, row, y)]
        body.append(_TEXT.format("strong", right + 44, y + 4, "end", points(row.drop)))
        body.append(figures.text(right + 150, y + 4, interval(row.record.score["ci95_pp"]), "end"))
    return figures.svg(right + 160, bottom + 26, title, body)


def strip(shown: Axis, row: Row) -> Markup:
    """One row's part of the plot, for a cell of a table: nothing that the row's numbers do not say."""
    parts = [*shown.lines(0, _STRIP_HIGH), *_row(shown, row, _STRIP_HIGH / 2)]
    return _CELL.format(_STRIP, _STRIP_HIGH, Markup().join(parts))


def scale(shown: Axis) -> Markup:
    """The axis of the strips, for the head of their column."""
    return _CELL.format(_STRIP, _STRIP_HIGH, Markup().join([*shown.lines(17, _STRIP_HIGH), *shown.numbers(13)]))


def strips(table: Table) -> Axis:
    """The axis of a table's strips."""
    return axis(table.rows, 14, _STRIP - 28)


def _row(shown: Axis, row: Row, y: float) -> list[Markup]:
    left, right = row.record.score["ci95_pp"]
    return [
        figures.line(shown.x(left), y, shown.x(right), y, kind(row), 2),
        _MARK.format(kind(row), shown.x(row.drop), y, _SHAPES[kind(row)]),
    ]


def _legend(x: float, y: float) -> list[Markup]:
    body = []
    for name, words in WORDS.items():
        body += [_MARK.format(name, x + 6, y - 4, _SHAPES[name]), figures.text(x + 18, y, words)]
        x += 44 + 6.2 * len(words)
    return [*body, figures.text(x, y, "line at 0: random flips")]
