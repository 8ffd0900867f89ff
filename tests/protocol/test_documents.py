"""Documents read into types: what is wrong, where, what was expected and what came, in one sentence."""

from __future__ import annotations

import copy
import datetime
import pickle
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from lnbench.errors import ProtocolError
from lnbench.protocol import Recipe
from lnbench.protocol.documents import Count, Finite, Part, Positive, Sha256, WrongError, difference, read, show, whole


class Leaf(Part, frozen=True):
    """A table in a table."""

    count: Count
    share: Annotated[float, Meta(ge=0, le=1)] | None
    word: Annotated[str, Meta(pattern=whole("[a-c]{1,3}"))]


class Tree(Part, frozen=True):
    """One of each kind of value."""

    leaf: Leaf
    leaves: Annotated[tuple[Leaf, ...], Meta(min_length=1, max_length=2)]
    pair: tuple[int, str]
    free: Annotated[dict[Annotated[str, Meta(max_length=9)], Positive], Meta(max_length=2)]
    kind: Literal["a", "b", "c"]
    salt: Literal["public"] | None
    flag: bool
    hash: Sha256
    day: datetime.date
    either: Annotated[int, Meta(ge=0)] | str
    maybe: Leaf | UnsetType = UNSET
    text: Annotated[str, Meta(max_length=5)] = ""
    number: Finite = 0.0


LEAF = {"count": 1, "share": 0.5, "word": "abc"}
TREE: dict[str, Any] = {
    "leaf": LEAF,
    "leaves": [LEAF],
    "pair": [1, "x"],
    "free": {"k": 1.5},
    "kind": "a",
    "salt": None,
    "flag": True,
    "hash": "0" * 64,
    "day": "2026-01-31",
    "either": 3,
}

MISTAKES: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("leaf", "count"), "1", "leaf.count: expected an integer, got '1'."),
    (("leaf", "count"), 1.0, "leaf.count: expected an integer, got 1.0."),
    (("leaf", "count"), True, "leaf.count: expected an integer, got true."),
    (("leaf", "count"), None, "leaf.count: expected an integer, got null."),
    (("leaf", "count"), -1, "leaf.count: expected at least 0, got -1."),
    (("leaf", "count"), 2**53 + 1, "leaf.count: expected at most 9007199254740992, got 9007199254740993."),
    (
        ("leaf", "count"),
        10**5000,
        "leaf.count: expected at most 9007199254740992, got an integer of more than 30 digits.",
    ),
    (("leaf", "share"), 2, "leaf.share: expected at most 1, got 2."),
    (("leaf", "share"), float("nan"), "leaf.share: expected a finite number, got nan."),
    (("leaf", "share"), "x", "leaf.share: expected a number, got 'x'."),
    (("leaf", "word"), "abcd", "leaf.word: expected a text like"),
    (("leaf", "word"), "abc\n", "leaf.word: expected a text like"),
    (("leaf", "words"), "a", "leaf: unknown key 'words'; did you mean word?"),
    (("leaf",), [], "leaf: expected a table, got a list of 0 values."),
    (("leaf",), {"count": 1}, "leaf: the key 'share' is missing."),
    (("leaves",), {}, "leaves: expected a list of 1 … 2 values, got a table of 0 keys."),
    (("leaves",), [], "leaves: expected a list of 1 … 2 values, got a list of 0 values."),
    (("leaves",), [LEAF, {**LEAF, "count": -5}], "leaves[1].count: expected at least 0, got -5."),
    (("leaves",), [LEAF] * 3, "leaves: expected a list of 1 … 2 values, got a list of 3 values."),
    (("pair",), [1], "pair: expected a list of 2 values, got a list of 1 values."),
    (("pair", 1), 2, "pair[1]: expected a text, got 2."),
    (("free",), {"k": 0.0}, "free.k: expected more than 0, got 0.0."),
    (("free",), {"\x1b[2J": 0.0}, "free['\\x1b[2J']: expected more than 0, got 0.0."),
    (("free",), {"a key that is long": 1.0}, "free.a key that is long: expected a text of at most 9 characters"),
    (("free",), {"a": 1.0, "b": 1.0, "c": 1.0}, "free: expected a table of at most 2 keys, got a table of 3 keys."),
    (("free",), {"k": float("inf")}, "free.k: expected a finite number, got inf."),
    (("kind",), "d", "kind: expected one of a, b, c, got 'd'."),
    (("salt",), "pepper", "salt: expected 'public', got 'pepper'."),
    (("flag",), 1, "flag: expected true or false, got 1."),
    (("hash",), "A" * 64, "hash: expected 64 hexadecimal digits, got 'AAAA"),
    (("day",), "2026-02-30", "day: expected a day like 2026-01-31, got '2026-02-30'."),
    (("either",), -1, "either: expected an integer or a text, got -1."),
    (("either",), 0.5, "either: expected an integer or a text, got 0.5."),
    (("maybe",), None, "maybe: expected a table, got null."),
    (("maybe",), {}, "maybe: the key 'count' is missing."),
    (("text",), "a" * 10**6, "text: expected a text of at most 5 characters, got 'aaaa"),
    (("number",), 10**400, "number: expected at most 1.79"),
    (("\ud800",), 1, "it holds half of a surrogate pair, which is not text."),
    (("x" * 10**6,), 1, "unknown key 'xxx"),
    (("\x1b[2J\n",), 1, "unknown key '\\x1b[2J\\n'; there are: leaf, leaves, pair,"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))])
def test_every_mistake_gets_its_sentence(path: tuple[str | int, ...], value: Any, sentence: str) -> None:
    document = copy.deepcopy(TREE)
    spot: Any = document
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = value
    with pytest.raises(WrongError) as caught:
        read(document, Tree)
    message = str(caught.value)
    assert message.startswith(sentence)
    assert message.isprintable() and len(message) < 300 and message[-1] in ".?"


def test_what_is_right_is_read() -> None:
    tree = read(TREE, Tree)
    assert tree.leaves == (tree.leaf,) and tree["pair"] == (1, "x") and tree.day == datetime.date(2026, 1, 31)
    assert tree.maybe is UNSET and tree.text == ""
    assert not tree.maybe
    for name in ("more", "replaced", "__class__"):
        with pytest.raises(KeyError):
            tree[name]


def test_the_path_starts_where_the_caller_says() -> None:
    with pytest.raises(WrongError, match=r"^score\.leaf: the key 'count' is missing\.$"):
        read({**TREE, "leaf": {}}, Tree, "score")
    with pytest.raises(WrongError, match=r"^expected a table, got 'x'\.$"):
        read("x", Tree)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda v: (
        st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(list(TREE)) | st.text(max_size=5), v, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(TREE)), JSON)
def test_whatever_stands_there_is_read_or_one_sentence(key: str, value: Any) -> None:
    try:
        read({**TREE, key: value}, Tree)
    except WrongError as wrong:
        assert str(wrong).isprintable() and len(str(wrong)) < 300, str(wrong)
        assert str(wrong)[-1] in ".?"


@given(JSON)
@settings(deadline=None)
def test_a_value_is_shown_short_and_in_ascii(value: Any) -> None:
    assert len(show(value)) <= 80 and show(value).isascii() and show(value).isprintable()


def test_a_part_made_by_hand_can_be_copied_and_changed() -> None:
    recipe = Recipe(steps=5, batch=2, learning_rate=0.1)
    assert recipe.replaced(steps=7) == Recipe(steps=7, batch=2, learning_rate=0.1)
    assert pickle.loads(pickle.dumps(recipe)) == copy.deepcopy(recipe) == recipe
    with pytest.raises(ProtocolError, match=r"^recipe: steps: expected at least 1, got 0\.$"):
        recipe.replaced(steps=0)
    with pytest.raises(TypeError):
        recipe.replaced(epochs=1)
    with pytest.raises(AttributeError):
        recipe.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("came", "expected", "place"),
    [
        ({"a": [1, 2.0]}, {"a": [1, 2.0 + 1e-10]}, None),
        ({"a": [1, 2.0]}, {"a": [1, 2.1]}, (".a[1]", 2.0, 2.1)),
        ({"a": 1}, {"a": 1.0}, (".a", 1, 1.0)),
        ({"a": True}, {"a": 1}, (".a", True, 1)),
        ({"a": 1}, {"b": 1}, ("", {"a": 1}, {"b": 1})),
        ([1], (1,), None),
        ([1], [1, 2], ("", [1], [1, 2])),
        (None, {}, ("", None, {})),
    ],
)
def test_the_first_difference_has_a_place(came: Any, expected: Any, place: Any) -> None:
    assert difference(came, expected, 1e-9) == place
