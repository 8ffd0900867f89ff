"""The digits: fresh stratified halves of all 1,797 points."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.datasets

from lnbench import data
from lnbench.data import digits
from lnbench.errors import DataError
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks

TRACK = tracks.load("digits-9to0")


def _load(split: int, salt: str = "public") -> data.Split:
    return data.load(TRACK, split, Streams(TRACK.sha256, salt))


def test_a_split_has_the_shapes_it_promises() -> None:
    split = _load(0)
    assert split.inputs.shape == (898, *digits.SHAPE) and split.test_inputs.shape == (899, *digits.SHAPE)
    assert split.inputs.dtype == split.test_inputs.dtype == np.float32
    assert split.labels.dtype == split.test_labels.dtype == split.index.dtype == np.int64
    assert split.bounds == (0.0, 1.0)
    assert split.inputs.min() == 0.0 and split.inputs.max() == 1.0


def test_the_halves_are_stratified() -> None:
    split = _load(0)
    inside, outside = np.bincount(split.labels, minlength=10), np.bincount(split.test_labels, minlength=10)
    assert (np.abs(inside - outside) <= 1).all(), "every class is halved"
    assert np.abs(inside - 898 * (inside + outside) / 1797).max() < 1


def test_the_halves_are_disjoint_and_cover_everything() -> None:
    images = sklearn.datasets.load_digits().images.astype(np.float32).reshape(-1, 1, 8, 8) / 16
    labels = sklearn.datasets.load_digits().target
    for number in range(3):
        split = _load(number)
        rest = np.setdiff1d(np.arange(1797), split.index)
        assert len(np.unique(split.index)) == 898 and len(rest) == 899
        assert (split.inputs == images[split.index]).all() and (split.labels == labels[split.index]).all()
        assert sorted(map(bytes, split.test_inputs)) == sorted(map(bytes, images[rest]))


def test_the_order_is_random_and_not_by_class() -> None:
    labels = _load(0).labels
    assert 0.05 < (labels[1:] == labels[:-1]).mean() < 0.2, "a tenth of neighbours agree by chance"


def test_splits_and_salts_differ_and_repeat() -> None:
    drawn = [_load(split, salt).index for split, salt in [(0, "public"), (1, "public"), (0, "other")]]
    for i, one in enumerate(drawn):
        for other in drawn[i + 1 :]:
            share = len(np.intersect1d(one, other)) / 898
            assert 0.4 < share < 0.6, "two independent halves share a half"
    assert (_load(0).index == drawn[0]).all()
    assert _load(0).index[:5].tolist() == [1314, 218, 806, 733, 919], "pinned: a released track's splits never change"


def test_every_split_has_its_own_test_set() -> None:
    assert data.fixed_test_set(TRACK) is False


def test_altered_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sklearn.datasets.load_digits

    def altered() -> object:
        bunch = real()
        bunch.images[0, 0, 0] += 1
        return bunch

    monkeypatch.setattr(sklearn.datasets, "load_digits", altered)
    with pytest.raises(DataError, match=r"bundled digits have sha256 .*, expected 65e5b4619795…; reinstall it: pip"):
        _load(0)


@pytest.mark.parametrize("error", [OSError("gone"), EOFError("cut"), ValueError("no number")])
def test_unreadable_data_is_refused(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(sklearn.datasets, "load_digits", broken)
    with pytest.raises(DataError, match=rf"cannot be read \({error}\); reinstall it") as caught:
        _load(0)
    assert caught.value.exit_code == 3
