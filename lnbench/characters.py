"""Strangers' text: which of its characters cannot be seen or move their neighbours, and how to show it all the same."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_IGNORED = re.compile(  # letters, marks and symbols without a shape of their own
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_JOINERS = "\u200c\u200d"  # ZERO WIDTH NON-JOINER and JOINER: these scripts are spelt with them
_JOINED = {
    *("ARABIC", "SYRIAC", "MANDAIC", "NKO", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA"),
    *("TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "MYANMAR", "KHMER"),
}
_SUSPECT = re.compile(r"[^ -~]")
_EMOJI_STYLE = "\ufe0f"
_PLAIN = {"\0": "a null byte", "\f": "a form feed", "\r": "a carriage return", "\x1b": "an escape character"}


def unseen(text: str, at: int) -> bool:
    """Whether the character at this index cannot be seen, or changes how its neighbours are seen.

    Controls, line separators, bidirectional marks, fillers, variation selectors, and characters that Unicode does not
    assign. A joiner inside a word of a script that is spelt with joiners, or inside one emoji, is seen.
    """
    character = text[at]
    if " " <= character <= "~":
        return False
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if character in _JOINERS:
        emoji = character == "\u200d" and _pictures(before) and _pictures(after)
        return not (emoji or (_joins(before) and _joins(after)))
    if character == _EMOJI_STYLE:
        return not (_pictures(before) and before != _EMOJI_STYLE)
    return unicodedata.category(character) in _HIDDEN or _IGNORED.match(character) is not None


def first_unseen(text: str, allowed: str = "") -> int | None:
    """Index of the first character that is unseen and not among `allowed`, or None.

    Those that Unicode does not assign pass: which they are depends on Python's version.
    """
    for match in _SUSPECT.finditer(text):
        at = match.start()
        if text[at] not in allowed and unseen(text, at) and unicodedata.category(text[at]) != "Cn":
            return at
    return None


def printable(text: str, limit: int, *, lines: bool = False) -> str:
    """A stranger's text made safe to show: at most `limit` characters, none of them unseen.

    Args:
        lines: keep line breaks and tabs; otherwise every run of white space becomes one space.
    """
    text = text[: 4 * limit]
    text = re.sub(r"\r\n?", "\n", text) if lines else " ".join(text.split())
    keep = "\n\t" if lines else ""
    shown = "".join(c if c in keep else _shown(text, i) for i, c in enumerate(text))
    shown = shown.replace("##[", "## [")
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def quoted(log: str) -> str:
    """A guest's log for a terminal or a CI log: a prefix before each line, so that no line is a command to either."""
    log = "\n".join(line.expandtabs(4) for line in log.split("\n"))
    safe = printable(log, max(1, 2 * len(log)), lines=True).removesuffix("\n")
    return "\n".join(f"  | {line}" for line in safe.split("\n")) if safe else ""


def named(character: str) -> str:
    """A character as a sentence names it: `U+202E RIGHT-TO-LEFT OVERRIDE`."""
    name = _PLAIN.get(character) or unicodedata.name(character, "")
    code = f"U+{ord(character):04X}"
    return f"{name} ({code})" if character in _PLAIN else f"{code} {name}".strip()


def _shown(text: str, at: int) -> str:
    if unicodedata.category(text[at]) == "Zs":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unseen(text, at) else text[at]


def _joins(character: str) -> bool:
    """Whether this is a letter or mark of a script that is spelt with joiners."""
    if not character or unicodedata.category(character)[0] not in "LM":
        return False
    return unicodedata.name(character, "").partition(" ")[0] in _JOINED


def _pictures(character: str) -> bool:
    """Whether this is a symbol, or what styles one."""
    return bool(character) and (unicodedata.category(character) in ("So", "Sk") or character == _EMOJI_STYLE)
