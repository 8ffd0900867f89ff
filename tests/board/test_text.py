"""Strangers' text in cells."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lnbench.characters import printable
from lnbench.confusable import skeleton
from lnbench.text import Markdown, cell, code, marked, plain, points, probability, steers

PERSIAN = "\u0645\u06cc\u200c\u0631\u0648\u0645"
"""A word that is spelled with a zero-width non-joiner."""


@given(st.text())
def test_plain_text_is_one_line_that_can_be_written(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert shown == shown.strip()
    assert len(shown) <= 200
    shown.encode()


@given(st.text())
def test_a_cell_has_no_unescaped_markup(text: str) -> None:
    shown = cell(text)
    assert not re.search(r"[<>\n\r\x00-\x1f]", shown)
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
    unescaped = re.sub(r"\\[\\`*_\[\]|~#:@$!{}.]", "", shown)
    assert not re.search(r"[\\`*_\[\]|~#@$!{}]", unescaped)


def test_cells_by_hand() -> None:
    assert cell("a|b\nc") == r"a\|b c"
    assert cell("<img src=x>") == "&lt;img src=x&gt;"
    assert cell("\\|") == r"\\\|"
    assert cell("see www.example.org and https://x") == r"see www\.example.org and https\://x"
    assert cell("a" * 300).endswith("…")
    assert plain("a\u202eb\u200bc\x07d") == "abcd"


@given(st.floats(-100, 100))
def test_points_have_one_decimal_and_no_negative_zero(value: float) -> None:
    assert re.fullmatch(r"[+−]\d+\.\d|0\.0", points(value))


@given(st.floats(0, 1))
def test_probabilities_are_short(value: float) -> None:
    assert re.fullmatch(r"p (< \.001|= \.\d{2,3}|> \.99)", probability(value))


@settings(max_examples=300, deadline=None)
@given(st.text(), st.integers(1, 50), st.booleans())
@example("##[add-path]/tmp", 50, True)
@example("a\r\n::error::b\rc\u2028d\x9b\u202e", 50, False)
def test_printable(text: str, limit: int, lines: bool) -> None:
    shown = printable(text, limit, lines=lines)
    assert len(shown) <= limit and "##[" not in shown and "\x1b" not in shown
    assert not steers(shown)
    assert lines or "\n" not in shown


@settings(max_examples=300, deadline=None)
@given(st.text())
@example("a\r::set-output name=x::y\x85##[group]\u2028::b")
def test_every_line_but_the_first_is_marked(text: str) -> None:
    first, *others = marked(text).split("\n")
    assert not steers(first) and not first.startswith("##[")
    assert all(line.startswith("| ") and not steers(line) for line in others) and len(others) <= 40


@pytest.mark.parametrize(
    "hidden", ["\u2066", "\u2069", "\u202e", "\u200b", "\u200c", "\ufeff", "\u3164", "\U000e0041", "\x7f"]
)
def test_no_path_lets_a_hidden_character_through(hidden: str) -> None:
    text = f"a{hidden}b"
    assert plain(text) == cell(text) == "ab" and code(text) == "`ab`"
    assert printable(text, 10) == printable(text, 10, lines=True) == marked(text) == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("word", [PERSIAN, "\u0915\u094d\u200d\u0937"])
def test_joiners_stay_where_a_script_is_spelled_with_them(word: str) -> None:
    assert plain(word) == cell(word) == printable(word, 20) == marked(word) == word
    assert plain(f"a{word[2]}b {word[0]}{word[2]}") == f"ab {word[0]}", "between Latin letters, and at a word's end"


def test_one_emoji_of_several_characters_stays_one() -> None:
    family = "\U0001f469\u200d\U0001f52c"
    assert plain(family) == printable(family, 9) == marked(family) == family and not steers(family)


def test_markdown_escapes_what_nobody_marked() -> None:
    assert Markdown("**{}** {x}").format("a*b", x=Markdown("c|d")) == r"**a\*b** c|d"
    assert Markdown(" / ").join(["<b>", Markdown("`x`"), 3]) == "&lt;b&gt; / `x` / 3"
    assert code("`;rm -rf`\n# x") == "`;rm -rf # x`" and code("``") == "` `"


@pytest.mark.parametrize("other", ["matched-search", "Matched_Search", "rnatched_search", "\uff4datched_search"])
def test_names_that_look_alike_have_one_skeleton(other: str) -> None:
    assert skeleton(other) == skeleton("matched_search") != skeleton("matched_search2")


def test_skeletons_see_through_every_pair_of_look_alikes() -> None:
    assert skeleton("vvil1_0") == skeleton("wiII-o")
