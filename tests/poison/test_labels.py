"""The referee's law: whatever bytes come, either valid labels or a verdict in one sentence."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lnbench.errors import LnbenchError, ProtocolError, SubmissionError
from lnbench.poison import guest
from lnbench.poison.labels import HEADER_BYTES, MAGIC, check_labels, decode, description, longest, printable

CLEAN = np.arange(60, dtype=np.int64) % 4
LAW = ("a.py", CLEAN, 4, 3, [(3, 0), (2, 1)])


def answer(labels: np.ndarray, header: Any = None, kind: bytes = b"L", trainings: int = 0) -> bytes:
    text = json.dumps({} if header is None else header).encode()
    body = labels.astype("<i8").tobytes() + struct.pack("<q", trainings)
    return MAGIC + kind + struct.pack("<I", len(text)) + text + body


def flipped(*moves: tuple[int, int]) -> np.ndarray:
    labels = CLEAN.copy()
    for index, new in moves:
        labels[index] = new
    return labels


def verdict(stream: bytes) -> str:
    with pytest.raises(SubmissionError) as caught:
        decode(stream, *LAW)
    text = str(caught.value)
    assert text.startswith("a.py: ") and text.endswith(".") and "\n" not in text
    return text


def test_guest_and_referee_agree_on_the_first_bytes() -> None:
    assert guest.MAGIC == MAGIC


def test_valid_answer() -> None:
    labels = flipped((3, 0), (2, 1), (7, 0))
    header = {"description": "d", "author": "a", "parameters": {"k": 2, "x": 0.5}, "defaults": {"k": 1, "x": 0.5}}
    result = decode(answer(labels, header, trainings=7), *LAW)
    assert np.array_equal(result.labels, labels) and result.labels.dtype == np.int64
    assert result.trainings == 7 and result.details.author == "a" and result.details.parameters == {"k": 2, "x": 0.5}


def test_no_flip_is_valid() -> None:
    assert np.array_equal(decode(answer(CLEAN), *LAW).labels, CLEAN)


def test_budget_is_the_last_that_passes() -> None:
    within, over = [(3, 0), (7, 0), (11, 0)], [(3, 0), (7, 0), (11, 0), (2, 1)]
    check_labels(flipped(*within), *LAW)
    assert "at most 3 changed labels, got 4" in verdict(answer(flipped(*over)))


@pytest.mark.parametrize(
    ("move", "words"),
    [
        ((3, 4), "labels in 0 … 3, but point 3 has 4"),
        ((3, -1), "labels in 0 … 3, but point 3 has -1"),
        ((3, -(2**63)), "point 3 has -9223372036854775808"),
        ((1, 0), "along 3 → 0, 2 → 1 only, but point 1 of class 1 became 0"),
        ((3, 1), "but point 3 went 3 → 1"),
        ((2, 0), "but point 2 went 2 → 0"),
    ],
)
def test_each_rule_has_its_sentence(move: tuple[int, int], words: str) -> None:
    assert words in verdict(answer(flipped(move)))


@pytest.mark.parametrize("trainings", [-1, 10**9 + 1, -(2**63)])
def test_trainings_are_bounded(trainings: int) -> None:
    assert f"got {trainings}" in verdict(answer(CLEAN, trainings=trainings))
    assert decode(answer(CLEAN, trainings=10**9), *LAW).trainings == 10**9


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"", "starts with other bytes"),
        (b"lnbench", "starts with other bytes"),
        (MAGIC, "breaks off"),
        (MAGIC + b"L\0\0", "breaks off"),
        (answer(CLEAN)[:-1], "but 487 bytes came"),
        (answer(CLEAN) + b"\0", "but 489 bytes came"),
        (answer(CLEAN, kind=b"X"), "no known kind"),
        (answer(CLEAN, kind=b"D"), "it has no labels"),
        (answer(CLEAN, header=[1]), "no JSON object"),
        (answer(CLEAN, header={"author": 1}), "author is no text"),
        (answer(CLEAN, header={"parameters": {"k": [1]}, "defaults": {"k": 1}}), "neither number, bool nor text"),
        (answer(CLEAN, header={"parameters": {"k": 2**63}, "defaults": {"k": 1}}), "more than 64 bits"),
        (answer(CLEAN, header={"parameters": {"k": 1e999}, "defaults": {"k": 1}}), "no JSON"),
        (answer(CLEAN, header={"parameters": {"ключ": 1}, "defaults": {}}), "no ASCII identifier"),
        (answer(CLEAN, header={"parameters": {"k": 1}, "defaults": {}}), "differ in their names"),
        (answer(CLEAN, header={"parameters": {f"k{i}": 1 for i in range(65)}}), "more than 64 parameters"),
        (MAGIC + b"L" + struct.pack("<I", HEADER_BYTES + 1) + b" " * (HEADER_BYTES + 1), "wrong length"),
        (MAGIC + b"L" + struct.pack("<I", 3) + b"\xff{}" + b"\0" * 488, "no JSON"),
        (MAGIC + b"L" + struct.pack("<I", 9000) + b"[" * 9000 + b"\0" * 488, "no JSON"),
        (MAGIC + b"R" + struct.pack("<I", 2) + b"{}", "its message is missing"),
    ],
)
def test_malformed(stream: bytes, words: str) -> None:
    assert words in verdict(stream)


def test_a_huge_number_in_the_header_is_no_reason_to_stall() -> None:
    text = b'{"parameters": {"k": ' + b"9" * 16000 + b"}}"
    assert "no JSON" in verdict(MAGIC + b"L" + struct.pack("<I", len(text)) + text + b"\0" * 488)


def test_messages_of_the_guest() -> None:
    text = json.dumps({"message": "no\x1b[31m\n::error::x \ud800 " + "y" * 5000}).encode()
    stream = MAGIC + b"R" + struct.pack("<I", len(text)) + text
    with pytest.raises(SubmissionError) as caught:
        decode(stream, *LAW)
    assert str(caught.value).startswith("a.py: no\ufffd[31m ::error::x \ufffd yyy")
    assert len(str(caught.value)) == len("a.py: ") + 600 and str(caught.value).isprintable()
    with pytest.raises(ProtocolError, match=r"^a\.py: no"):
        decode(stream.replace(b"R", b"U", 1), *LAW)


def test_description() -> None:
    text = b'{"description": "d", "parameters": {"k": 1}, "defaults": {"k": 1}}'
    stream = MAGIC + b"D" + struct.pack("<I", len(text)) + text
    assert description(stream, "a.py").parameters == {"k": 1}
    with pytest.raises(SubmissionError, match="it is no description"):
        description(stream + b"\0", "a.py")
    with pytest.raises(SubmissionError, match="it is no description"):
        description(answer(CLEAN), "a.py")


def _lawful(labels: np.ndarray) -> bool:
    changed = np.flatnonzero(labels != CLEAN)
    moves = {(int(CLEAN[i]), int(labels[i])) for i in changed}
    return len(changed) <= 3 and moves <= {(3, 0), (2, 1)}


def _holds(stream: bytes) -> None:
    try:
        result = decode(stream, *LAW)
    except LnbenchError as error:
        assert str(error).startswith("a.py: ") and str(error).isprintable() and len(str(error)) < 800
        return
    assert _lawful(result.labels) and 0 <= result.trainings <= 10**9
    for text in (result.details.description, result.details.author, result.details.paper, result.details.license):
        assert text == "" or text.isprintable()


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes(tail: bytes) -> None:
    _holds(tail)
    _holds(MAGIC + tail)
    _holds(MAGIC + b"L" + tail)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["description", "author", "paper", "license", "parameters", "defaults", "message"])


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_keys, _json, max_size=7), st.sampled_from([b"L", b"D", b"R", b"U"]), st.booleans())
def test_any_header(header: dict[str, Any], kind: bytes, body: bool) -> None:
    stream = answer(CLEAN, header, kind)
    _holds(stream if body else stream[:-488])


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 59), st.integers(-2, 5) | st.integers(-(2**63), 2**63 - 1)), max_size=6),
    st.integers(-(2**63), 2**63 - 1) | st.just(0),
)
def test_any_labels(moves: list[tuple[int, int]], trainings: int) -> None:
    labels = flipped(*moves)
    stream = answer(labels, trainings=trainings)
    _holds(stream)
    if _lawful(labels) and 0 <= trainings <= 10**9:
        assert np.array_equal(decode(stream, *LAW).labels, labels)
    else:
        with pytest.raises(SubmissionError):
            decode(stream, *LAW)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_to_a_valid_answer(data: st.DataObject) -> None:
    stream = bytearray(answer(flipped((3, 0)), {"description": "d", "parameters": {"k": 1}, "defaults": {"k": 1}}))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    _holds(bytes(stream))


@settings(max_examples=300, deadline=None)
@given(st.text(), st.integers(1, 50), st.booleans())
@example("##[add-path]/tmp", 50, True)
@example("a\r\n::error::b\rc\u2028d\x9b\u202e", 50, False)
def test_printable(text: str, limit: int, lines: bool) -> None:
    shown = printable(text, limit, lines=lines)
    assert len(shown) <= limit and "##[" not in shown and "\x1b" not in shown
    assert (shown.replace("\n", "").replace("\t", "") if lines else shown.replace(" ", "")).isprintable()
    assert lines or "\n" not in shown


def test_longest_is_exact() -> None:
    labels, header = CLEAN, {"description": "x"}
    padding = HEADER_BYTES - len(json.dumps(header).encode())
    header["description"] += "x" * padding
    stream = answer(labels, header)
    assert len(stream) == longest(60)
    decode(stream, *LAW)
