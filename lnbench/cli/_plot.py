"""A record's figure in a terminal: a bar for the score of each split, and adversarial accuracy by radius."""

from __future__ import annotations

from rich.text import Text

from lnbench.cli import _tables
from lnbench.record.plot import NORMS, title
from lnbench.record.record import Record
from lnbench.text import points, share

_WIDEST = 100
"""Characters of the longest line of bars."""
_BESIDE = 15
"""Characters of a line beside its bar: the split and its score."""


def print_plot(record: Record) -> None:
    """Print a record's figure as text, to stdout."""
    console = _tables.console()
    console.print(Text(title(record), style="bold"))
    console.print()
    console.print(Text("Score of each split, AA(random) − AA(poisoned), in points"))
    for line in bars(record.score.split_drops_pp, min(console.width, _WIDEST) - _BESIDE):
        console.print(Text(line))
    console.print()
    norm = NORMS[record.track.adversary.norm]
    console.print(Text(f"Adversarial accuracy, %, by the radius ε of the {norm} ball"))
    rows = []
    for victim in record.track.victims:
        for at, epsilon in enumerate(record.track.epsilons(victim)):
            curves = [arm.curve[victim.name].targeted for arm in record.arms.values()]
            shares = [share(None if curve is None else curve[at]) for curve in curves]
            scored = "← scored" if at == record.track.scored_index(victim.name) else ""
            rows.append([victim.name, f"{epsilon:g}", *shares, scored])
    _tables.show(console, ["architecture", "ε", *record.arms, ""], rows, words=[""])


def bars(drops: tuple[float | None, ...], width: int) -> list[str]:
    """A line for each split: its number, its score, and a bar from zero.

    Args:
        drops: points, (split,); None where there is no score.
        width: characters of the longest possible bar.

    >>> print("\\n".join(bars((20.0, -10.0, None), 10)))
      0   +20.0     │██████
      1   −10.0  ███│
      2       –     │
    """
    known = [drop for drop in drops if drop is not None]
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    scale = (width - 1) / ((high - low) or 1.0)
    zero, lines = round(-low * scale), []
    for split, drop in enumerate(drops):
        cells = round(abs(drop or 0.0) * scale)
        left, right = ("█" * cells, "") if (drop or 0.0) < 0 else ("", "█" * cells)
        lines.append(f"{split:>3} {points(drop):>7}  {left.rjust(zero)}│{right}")
    return lines
