"""lnbench's docstrings for Sphinx: `code` and indented code are marked up as such, and nothing else is."""

from __future__ import annotations

import re

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields):")
"""The head of a section in Google's style, whose indented lines are no code."""


_PLAIN = re.compile(r"([*|]|(?<=\w)_(?!\w))")
"""Characters that reStructuredText would take for mark-up."""


def marked_up(lines: list[str]) -> list[str]:
    """A docstring's lines for Sphinx: `code` and indented code as such, and nothing else as mark-up.

    >>> marked_up(["Points, (n, *shape): `x|y`.", "", "    f(x)"])
    ['Points, (n, \\\\*shape): ``x|y``.', '', '::', '', '    f(x)']
    """
    made, section, literal = list[str](), False, False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            literal, section = False, bool(_SECTION.fullmatch(line.strip()))
        elif indented and not section and not literal and not (number and lines[number - 1].strip()):
            literal = True
            made += ["::", ""]
        made.append(line if literal else _escaped(line))
    return made


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part.startswith("`") else _PLAIN.sub(r"\\\1", part) for part in parts)
