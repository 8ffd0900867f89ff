"""A stranger's text is shown as it is spelt, and acts on nothing."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lnbench.characters import first_unseen, named, printable, quoted, unseen

PERSIAN = "روشِ برنامه\u200cریزی"
SEEN = [
    "plain words, é ß ñ 漢字 ελ 10²",
    PERSIAN,
    "क्\u200dष",  # Devanagari: a half form
    "ശ്രീ\u200cഓ",  # Malayalam
    "👩\u200d🔬",  # one emoji of two
    "❤\ufe0f and ❤\ufe0f\u200d🔥",
    "e\u0301",
]
UNSEEN = {
    "\0": "a null byte (U+0000)",
    "\x08": "U+0008",
    "\x1b": "an escape character (U+001B)",
    "\r": "a carriage return (U+000D)",
    "\x85": "U+0085",
    "\x9b": "U+009B",
    "\xad": "U+00AD SOFT HYPHEN",
    "\u034f": "U+034F COMBINING GRAPHEME JOINER",
    "\u061c": "U+061C ARABIC LETTER MARK",
    "\u200b": "U+200B ZERO WIDTH SPACE",
    "\u200e": "U+200E LEFT-TO-RIGHT MARK",
    "\u2028": "U+2028 LINE SEPARATOR",
    "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "\u2066": "U+2066 LEFT-TO-RIGHT ISOLATE",
    "\u2800": "U+2800 BRAILLE PATTERN BLANK",
    "\u3164": "U+3164 HANGUL FILLER",
    "\ufe01": "U+FE01 VARIATION SELECTOR-2",
    "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "\ue000": "U+E000",
    "\U000e0041": "U+E0041 TAG LATIN CAPITAL LETTER A",
    "\U000e0101": "U+E0101 VARIATION SELECTOR-18",
}


@pytest.mark.parametrize("text", SEEN)
def test_what_people_write_is_seen_and_shown(text: str) -> None:
    assert first_unseen(text) is None and printable(text, 100) == text


@pytest.mark.parametrize("character", UNSEEN, ids=lambda c: f"{ord(c):x}")
def test_what_nobody_sees_is_named_and_replaced(character: str) -> None:
    text = f"ab{character}cd"
    assert first_unseen(text) == 2 and first_unseen(text, character) is None
    assert named(character) == UNSEEN[character]
    assert character not in printable(text, 100)


@pytest.mark.parametrize(
    "text",
    ["a\u200cb", "a\u200db", "\u200c", "ب\u200c", "\u200cب", "ب\u200c\u200cب", "1\ufe0f", "👩\u200d", "ب\u200d👩"],
)
def test_joiners_and_styles_elsewhere_are_unseen(text: str) -> None:
    assert first_unseen(text) is not None and "\ufffd" in printable(text, 100)


def test_what_unicode_may_assign_later_passes_a_check_and_is_not_shown() -> None:
    assert unicodedata.category("\u0378") == "Cn"
    assert first_unseen("a\u0378") is None and unseen("a\u0378", 1) and printable("a\u0378", 9) == "a\ufffd"


HOSTILE = (
    "\x1b[2J\x1b]0;title\x07\x9b31m\b\b\b\r::error::no\n::set-output name=x::1\u2028"
    "::stop-commands::t\u2029##[error]x\x85::error::y\x0b\x0c\u202e"
)


def test_no_line_of_a_log_is_a_command() -> None:
    shown = quoted(f"{HOSTILE}\n\n  ::error::indented\n##[group]\n")
    assert all(line.startswith("  | ") for line in shown.splitlines())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]|##\[", shown)
    assert "::error::no" in shown and "  |   ::error::indented" in shown
    assert quoted("") == "" and quoted("one\n") == "  | one" and quoted("one\n\n") == "  | one\n  | "


@settings(max_examples=300, deadline=None)
@given(st.text(), st.integers(1, 50), st.booleans())
@example("##[add-path]/tmp", 50, True)
@example("a\r\n::error::b\rc\u2028d\x9b\u202e", 50, False)
@example(PERSIAN, 50, False)
def test_printable(text: str, limit: int, lines: bool) -> None:
    shown = printable(text, limit, lines=lines)
    assert len(shown) <= limit and "##[" not in shown and "\x1b" not in shown
    assert first_unseen(shown, "\n\t" if lines else "") is None
    assert lines or "\n" not in shown
    assert printable(shown, limit, lines=lines) == shown


@settings(max_examples=300, deadline=None)
@given(st.text())
@example(HOSTILE)
def test_quoted(text: str) -> None:
    assert all(line.startswith("  | ") for line in quoted(text).splitlines())
