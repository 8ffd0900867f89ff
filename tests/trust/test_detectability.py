"""Detectability: a ranking by hand, and flips that must and must not be found on the real digits."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest

import factories
from lnbench.errors import UnavailableError
from lnbench.protocol import Streams
from lnbench.trust import detectability


def test_a_ranking_by_hand() -> None:
    """Suspects in order: flip, no, flip, no, no, no, no; a third flip last. k = 1."""
    flipped = np.array([False, True, False, False, False, True, False, True])
    suspect = np.array([0.8, 0.9, 0.6, 0.5, 0.4, 0.7, 0.3, 0.1])
    found = detectability.ranking(suspect, flipped, 1)
    assert (found["k"], found["2k"], found["5k"]) == pytest.approx((1 / 3, 1 / 3, 2 / 3))
    assert found["average_precision"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 8) / 3)


def test_average_precision_is_scikit_learns() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    for _ in range(20):
        suspect, flipped = rng.random(50), rng.random(50) < 0.2
        flipped[0] = True
        expected = average_precision_score(flipped, suspect)
        assert detectability.ranking(suspect, flipped, 5)["average_precision"] == pytest.approx(expected)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    record = factories.make(factories.small(2, 1))
    return detectability.detectability(record, Streams(record.track.sha256))


def test_random_nines_called_zeros_are_found(found: dict[str, Any]) -> None:
    """Both arms of the made-up record are random flips of digits: a linear model sees them."""
    assert set(found["recall"]) == {"k", "2k", "5k"}
    for arm in ("poisoned", "random"):
        recalls = [found["recall"][depth][arm] for depth in ("k", "2k", "5k")]
        assert recalls == sorted(recalls) and recalls[-1] > 0.7
        assert found["average_precision"][arm] > 0.6
        assert found["accuracy"][arm] > 0.9
    first, second = detectability.sentences(found, 4)
    assert first.startswith("Detectability, k = 4: ") and "not told apart from random flips" in second


def test_a_label_among_its_like_is_the_least_suspect() -> None:
    """A zero called nine stands out among the nines; a nine called nine does not."""
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    rng = np.random.default_rng(0)
    inputs = np.concatenate([rng.normal(0, 1, (100, 5)), rng.normal(4, 1, (100, 5))]).astype(np.float32)
    truth = np.repeat([0, 1], 100)
    labels = truth.copy()
    labels[:5] = 1
    quality, right = detectability.suspicion(inputs, labels, truth, 0)
    assert set(np.argsort(quality)[:5]) == set(range(5))
    assert right > 0.95


def test_nothing_flipped_is_nothing_to_find() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    made = factories.make(factories.small(2, 1))
    made.document["flips"]["poisoned"] = [[], []]
    found = detectability.detectability(made, Streams(made.track.sha256))
    assert found["average_precision"]["poisoned"] is None and found["easier_pp"] == {"mean": None, "ci95": None}
    assert detectability.sentences(found, 4) == ["Detectability: there are no flips to find."]


def test_without_cleanlab_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    made = factories.make(factories.small(2, 1))
    with pytest.raises(UnavailableError, match=r"pip install 'lnbench\[detect\]'"):
        detectability.detectability(made, Streams(made.track.sha256))
