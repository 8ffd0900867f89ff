"""Strangers' text and measured numbers, made safe and short for a page."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"[\\`*_\[\]|~#:@$!{}]")


def plain(text: str, most: int = 200) -> str:
    """One line without control, formatting or unassigned characters, at most `most` characters."""
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(visible.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def cell(text: str, most: int = 120) -> str:
    """Text that a markdown table shows as it is: no markup, no HTML, no new column or row, no link."""
    escaped = plain(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(lambda match: "\\" + match[0], escaped).replace("www.", "www\\.")


def share(value: float | None) -> str:
    """A fraction in percent.

    >>> share(0.4567), share(None)
    ('45.7', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """Percentage points with their sign.

    >>> points(7.32), points(-0.04), points(None)
    ('+7.3', '0.0', '–')
    """
    if value is None:
        return "–"
    shown = f"{value:+.1f}"
    return shown[1:] if float(shown) == 0 else shown.replace("-", "−")


def interval(ends: list[float] | None) -> str:
    """An interval in percentage points.

    >>> interval([-1.04, 2.5]), interval(None)
    ('[−1.0, +2.5]', '–')
    """
    return "–" if ends is None else f"[{points(ends[0])}, {points(ends[1])}]"


def probability(p: float | None) -> str:
    """
    >>> probability(0.00004), probability(0.0123), probability(0.41), probability(1.0)
    ('p < .001', 'p = .012', 'p = .41', 'p = 1')
    """
    if p is None:
        return "–"
    if p < 0.001:
        return "p < .001"
    if p > 0.995:
        return "p = 1"
    return "p = " + (f"{p:.3f}" if p < 0.0995 else f"{p:.2f}").removeprefix("0")


def ranks(interval: tuple[int, int] | None) -> str:
    """
    >>> ranks((2, 2)), ranks((1, 3)), ranks(None)
    ('2', '1–3', '–')
    """
    if interval is None:
        return "–"
    first, last = interval
    return str(first) if first == last else f"{first}–{last}"
