"""Canonical JSON: one text a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.protocol import canonical_json, sha256, sha256_json

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(_values)
def test_it_is_read_back_and_is_its_own_canonical_form(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii() and text.endswith(b"\n") and text.count(b"\n") == 1


@given(st.dictionaries(st.text(max_size=5), _values, min_size=2, max_size=5))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"x": -float("inf")}]])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


def test_hashes_never_change() -> None:
    assert canonical_json({"b": [1, 0.5, None], "a": "ε"}) == b'{"a":"\\u03b5","b":[1,0.5,null]}\n'
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_json({"b": 1, "a": "ε"}) == "3fad5838bd52bffa11a825d1facaeff4aedfc39c204658472a546ac9cd59bc81"
