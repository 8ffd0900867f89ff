"""The referee's law: whatever bytes come, either valid labels or a verdict in one sentence."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench.characters import first_unseen
from lnbench.errors import LnbenchError, SubmissionError
from lnbench.poison import guest
from lnbench.poison.labels import MAGIC, MESSAGE_CHARACTERS, check_labels, decode, longest

CLEAN = np.arange(60, dtype=np.int64) % 4
LAW = ("a.py", CLEAN, 4, 3, [(3, 0), (2, 1)])


def answer(labels: np.ndarray, kind: bytes = b"L", trainings: int = 0) -> bytes:
    return MAGIC + kind + labels.astype("<i8").tobytes() + struct.pack("<q", trainings)


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
    result = decode(answer(labels, trainings=7), *LAW)
    assert np.array_equal(result.labels, labels) and result.labels.dtype == np.int64 and result.trainings == 7


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
        (MAGIC + b"L", "but 0 bytes came"),
        (answer(CLEAN)[:-1], "but 487 bytes came"),
        (answer(CLEAN) + b"\0", "but 489 bytes came"),
        (answer(CLEAN, kind=b"X"), "no known kind"),
        (answer(CLEAN, kind=b"D"), "no known kind"),
        (answer(CLEAN, kind=b"U"), "no known kind"),
        (MAGIC + b"R", "its message is missing"),
        (MAGIC + b"R \n", "its message is missing"),
    ],
)
def test_malformed(stream: bytes, words: str) -> None:
    assert words in verdict(stream)


def test_messages_of_the_guest() -> None:
    text = "no\x1b[31m\n::error::x \ud800 ".encode("utf-8", "surrogatepass") + b"\xff" + b"y" * 5000
    with pytest.raises(SubmissionError) as caught:
        decode(MAGIC + b"R" + text, *LAW)
    assert str(caught.value).startswith("a.py: no\ufffd[31m ::error::x \ufffd")
    assert len(str(caught.value)) == len("a.py: ") + 600 and str(caught.value).isprintable()


def _lawful(labels: np.ndarray) -> bool:
    changed = np.flatnonzero(labels != CLEAN)
    moves = {(int(CLEAN[i]), int(labels[i])) for i in changed}
    return len(changed) <= 3 and moves <= {(3, 0), (2, 1)}


def _holds(stream: bytes) -> None:
    try:
        result = decode(stream, *LAW)
    except LnbenchError as error:
        assert str(error).startswith("a.py: ") and first_unseen(str(error)) is None and len(str(error)) < 800
        return
    assert _lawful(result.labels) and 0 <= result.trainings <= 10**9


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes(tail: bytes) -> None:
    _holds(tail)
    _holds(MAGIC + tail)
    _holds(MAGIC + b"L" + tail)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=700) | st.text(max_size=700).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_message(text: bytes) -> None:
    _holds(MAGIC + b"R" + text)


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
    stream = bytearray(answer(flipped((3, 0))))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    _holds(bytes(stream))


def test_longest_is_exact() -> None:
    many = np.zeros(10**4, dtype=np.int64)
    assert len(answer(many)) == longest(10**4)
    assert longest(0) == len(MAGIC + b"R" + ("\N{GRINNING FACE}" * MESSAGE_CHARACTERS).encode())
