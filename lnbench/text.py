"""Words for people: strangers' text made safe to show, and measured numbers in one form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from lnbench.characters import printable, unseen

_MARKDOWN = re.compile(r"[\\`*_\[\]|~#:@$!{}]")


class Markdown(str):
    """Text that markdown shows as it is meant to be: escaped already, or written by us.

    >>> Markdown("**{}** and {}").format("a*b", cell("c|d"))
    '**a\\\\*b** and c\\\\|d'
    """

    def format(self, *args: Any, **kwargs: Any) -> Markdown:
        """As `str.format`, with every value escaped that is not Markdown already."""
        values = {name: markdown(value) for name, value in kwargs.items()}
        return Markdown(str.format(self, *map(markdown, args), **values))

    def join(self, parts: Iterable[Any], /) -> Markdown:
        """As `str.join`, with every part escaped that is not Markdown already."""
        return Markdown(str.join(self, map(markdown, parts)))


def replicates(splits: int, seeds: int) -> str:
    """How often something was repeated.

    >>> replicates(48, 1)
    '48 splits × 1 seed'
    """
    return f"{splits} split{'s' * (splits != 1)} × {seeds} seed{'s' * (seeds != 1)}"


def steers(text: str) -> bool:
    """Whether a text has a character, other than line breaks and tabs, that acts on what is around it without being
    seen: controls, formatting characters, line separators."""
    suspects = ((at, unicodedata.category(c)) for at, c in enumerate(text) if not (" " <= c <= "~" or c in "\n\t"))
    return any(category in ("Cc", "Cf", "Zl", "Zp") and unseen(text, at) for at, category in suspects)


def plain(text: str, most: int = 200) -> str:
    """One line without characters that cannot be seen, at most `most` characters."""
    line = " ".join("".join(c for at, c in enumerate(text) if c.isspace() or not unseen(text, at)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def marked(text: str, lines: int = 40) -> str:
    """Text of unknown origin fit for a terminal and a CI log, at most `lines` lines; all but the first are marked by
    `|`, so that none of them is a command to the runner."""
    shown = [printable(line.expandtabs(4), len(line) * 4 + 1, lines=True) for line in text.splitlines()]
    if len(shown) > lines:
        shown[lines:] = [f"… {len(shown) - lines} more lines"]
    return "\n| ".join(shown)


def cell(text: str, most: int = 120) -> Markdown:
    """Text that a markdown table shows as it is: no markup, no HTML, no new column or row, no link."""
    escaped = plain(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markdown(_MARKDOWN.sub(lambda match: "\\" + match[0], escaped).replace("www.", "www\\."))


def code(text: str, most: int = 120) -> Markdown:
    """Text as a code span of markdown.

    >>> code("a`b")
    '`ab`'
    """
    return Markdown(f"`{plain(text, most).replace('`', '').strip() or ' '}`")


def markdown(value: Any) -> Markdown:
    """A value for a markdown page: as it is if it is Markdown, else escaped by `cell`."""
    return value if isinstance(value, Markdown) else cell(str(value), 1000)


def share(value: float | None) -> Markdown:
    """A fraction in percent.

    >>> share(0.4567), share(None)
    ('45.7', '–')
    """
    return Markdown("–" if value is None else f"{100 * value:.1f}")


def points(value: float | None) -> Markdown:
    """Percentage points with their sign.

    >>> points(7.32), points(-0.04), points(None)
    ('+7.3', '0.0', '–')
    """
    if value is None:
        return Markdown("–")
    shown = f"{value:+.1f}"
    return Markdown(shown[1:] if float(shown) == 0 else shown.replace("-", "−"))


def interval(ends: Sequence[float] | None) -> Markdown:
    """An interval in percentage points.

    >>> interval([-1.04, 2.5]), interval(None)
    ('[−1.0, +2.5]', '–')
    """
    return Markdown("–" if ends is None else f"[{points(ends[0])}, {points(ends[1])}]")


def probability(p: float | None) -> Markdown:
    """A p value, as short as it can be read.

    >>> probability(0.00004), probability(0.0123), probability(0.41), probability(1.0)
    ('p < .001', 'p = .012', 'p = .41', 'p > .99')
    """
    if p is None:
        return Markdown("–")
    if p < 0.001:
        return Markdown("p < .001")
    if p > 0.99:
        return Markdown("p > .99")
    return Markdown("p = " + (f"{p:.3f}" if p < 0.0995 else f"{p:.2f}").removeprefix("0"))


def ranks(interval: tuple[int, int] | None) -> Markdown:
    """The ranks a row may have.

    >>> ranks((2, 2)), ranks((1, 3)), ranks(None)
    ('2', '1–3', '–')
    """
    if interval is None:
        return Markdown("–")
    first, last = interval
    return Markdown(first if first == last else f"{first}–{last}")
