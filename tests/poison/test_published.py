"""Published labels are checked as a submission's are."""

from __future__ import annotations

import numpy as np
import pytest

import tiny
from lnbench import data
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.poison.published import Published
from lnbench.protocol import Flip, Track, sha256

SOURCE = "hf://somebody/poisoned@" + "0" * 40


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.from_document(tiny.document())


@pytest.fixture(scope="module")
def clean(track: Track) -> np.ndarray:
    return data.load(track, 0).labels


def _published(flips: list[Flip]) -> Published:
    return Published("first", SOURCE, {0: flips}, {0: 3}, description="Said.", parameters={"skip": 1})


def test_labels_within_the_rules_are_the_answer(track: Track, clean: np.ndarray) -> None:
    places = np.flatnonzero(clean == 9)[:4]
    (answer,) = _published([(int(i), 9, 0) for i in places]).poisoned(track, [clean])
    assert np.flatnonzero(answer.labels != clean).tolist() == places.tolist()
    assert (answer.trainings, answer.sandbox, answer.description) == (3, "none", "Said.")
    assert answer.overrides == {"skip": 1}
    assert _published([]).sha256 == sha256(SOURCE.encode())


@pytest.mark.parametrize(
    ("count", "target", "sentence"),
    [(5, 0, "expected at most 4 changed labels, got 5"), (1, 1, "expected changes along 9 → 0 only")],
)
def test_labels_beyond_the_rules_are_refused(
    count: int, target: int, sentence: str, track: Track, clean: np.ndarray
) -> None:
    flips = [(int(i), 9, target) for i in np.flatnonzero(clean == 9)[:count]]
    with pytest.raises(SubmissionError, match=sentence):
        _published(flips).poisoned(track, [clean])


def test_a_split_that_was_not_published_cannot_be_scored(track: Track, clean: np.ndarray) -> None:
    with pytest.raises(
        ProtocolError, match="holds the labels of 1 splits and not of split 1; scoring needs splits 0 … 1"
    ):
        _published([]).poisoned(track, [clean, clean])
