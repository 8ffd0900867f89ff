"""Words for people: strangers' text made safe to show, and measured numbers in one form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_MARKDOWN = re.compile(r"[\\`*_\[\]|~#:@$!{}]")
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_JOINING = frozenset(
    "ARABIC SYRIAC MONGOLIAN DEVANAGARI BENGALI GURMUKHI GUJARATI ORIYA TAMIL TELUGU KANNADA MALAYALAM SINHALA "
    "TIBETAN MYANMAR KHMER".split()
)
"""Scripts, by the first word of their characters' names, whose spelling needs joiners inside words."""
_ALIKE = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("i", "l"), ("|", "l"), ("-", "_"))


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


def visible(text: str, instead: str = "") -> str:
    """Text in which every character that cannot be seen is replaced; white space other than line breaks and tabs
    becomes spaces.

    Joiners stay between two letters of a script that is spelled with them (Unicode's annex 31).
    """
    return "".join(
        c if c in "\n\t" or c.isprintable() else " " if unicodedata.category(c) == "Zs" else _joiner(text, i) or instead
        for i, c in enumerate(text)
    )


def _joiner(text: str, at: int) -> str:
    """The joiner at a place of a text that needs it there; nothing for any other hidden character."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    needed = text[at] in _JOINERS and _script(before) in _JOINING and _script(before) == _script(after)
    return text[at] if needed else ""


def _script(character: str) -> str:
    """The first word of a letter's or mark's name; nothing for anything else."""
    known = character and unicodedata.category(character)[0] in "LM"
    return unicodedata.name(character, "").partition(" ")[0] if known else ""


def steers(character: str) -> bool:
    """Whether a character acts on the text around it without being seen: a control or formatting character or a line
    separator, but not a line break, a tab or a joiner."""
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    return unseen and character not in "\n\t" and character not in _JOINERS


def plain(text: str, most: int = 200) -> str:
    """One line without characters that cannot be seen, at most `most` characters."""
    spaced = "".join(" " if c.isspace() else c for c in text)
    line = " ".join(visible(spaced).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def printable(text: str, most: int, *, lines: bool = False) -> str:
    """A stranger's text fit for a terminal or a log, at most `most` characters; what cannot be seen becomes `�`.

    Args:
        lines: keep line breaks and tabs; otherwise every run of white space becomes one space.
    """
    text = text[: 4 * most]
    text = re.sub(r"\r\n?", "\n", text) if lines else " ".join(text.split())
    shown = visible(text, "\N{REPLACEMENT CHARACTER}").replace("##[", "## [")
    return shown if len(shown) <= most else shown[: most - 1] + "…"


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


def skeleton(name: str) -> str:
    """What a name looks like at a glance: two names of one skeleton can be taken for each other.

    >>> skeleton("matched_search") == skeleton("rnatched-search")
    True
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    for seen, like in _ALIKE:
        folded = folded.replace(seen, like)
    return folded


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


def interval(ends: list[float] | None) -> Markdown:
    """An interval in percentage points.

    >>> interval([-1.04, 2.5]), interval(None)
    ('[−1.0, +2.5]', '–')
    """
    return Markdown("–" if ends is None else f"[{points(ends[0])}, {points(ends[1])}]")


def probability(p: float | None) -> Markdown:
    """A p value, as short as it can be read.

    >>> probability(0.00004), probability(0.0123), probability(0.41), probability(1.0)
    ('p < .001', 'p = .012', 'p = .41', 'p = 1')
    """
    if p is None:
        return Markdown("–")
    if p < 0.001:
        return Markdown("p < .001")
    if p > 0.995:
        return Markdown("p = 1")
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
