"""Strangers' text in cells."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lnbench.text import cell, plain, points, probability


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
    assert re.fullmatch(r"p (< \.001|= (\.\d{2,3}|1))", probability(value))
