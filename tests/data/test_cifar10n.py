"""CIFAR-10N: the join of people's labels to the images of the copy, on a small stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnbench import data
from lnbench.data import cifar10n, parquet
from lnbench.errors import DataError, ProtocolError
from lnbench.evaluation.human import human_labels
from lnbench.protocol import Streams, applied, sha256
from lnbench.protocol import track as tracks

CLASSES, OF_CLASS = 10, 6
POINTS = CLASSES * OF_CLASS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Sixty images whose pixels tell class and number within it, stored in another order; people mistake two of ten."""
    generator = np.random.default_rng(0)
    clean = generator.permutation(np.repeat(np.arange(CLASSES), OF_CLASS))
    number = np.array([int((clean[:i] == c).sum()) for i, c in enumerate(clean)])
    stored = generator.permutation(POINTS)
    images = np.zeros((POINTS, 3, 32, 32), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = clean[stored], number[stored]
    names = [f"{cifar10n._CLASSES[clean[i]]}/{number[i]:04d}.jpg" for i in stored]
    worse = clean.copy()
    worse[clean == 9] = [1, 1, 0, 1, 9, 9]
    arrays = {"clean_label": clean, "aggre_label": clean, "worse_label": worse}
    folder = tmp_path / "cifar10n"
    folder.mkdir()
    stated: dict[str, Any] = {name: values.astype(np.uint8) for name, values in arrays.items()}
    np.savez(folder / "labels.npz", **stated)
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(cifar10n, "_POINTS", POINTS)
    monkeypatch.setattr(cifar10n, "_OF_CLASS", OF_CLASS)
    pinned = {k: sha256(v.astype(np.uint8).tobytes()) for k, v in arrays.items()}
    monkeypatch.setattr(cifar10n, "_PINNED", pinned)
    tests = np.zeros((5, 3, 32, 32), np.float32), np.array([9, 9, 1, 0, 2])
    monkeypatch.setattr(parquet, "arrays", lambda where: (images, clean[stored], *tests))
    monkeypatch.setattr(parquet, "names", lambda where: names)
    cifar10n._order.cache_clear()
    cifar10n._said.cache_clear()
    yield clean, number, folder
    cifar10n._order.cache_clear()
    cifar10n._said.cache_clear()


def _track(train: int = POINTS, budget: int = 2) -> Any:
    document = tracks.load("cifar10n-9to1").document
    noise = {"budget": budget, "eta": budget / train + 1e-6, "pairs": [[9, 1]]}
    return tracks.Track.from_document({**document, "data": {**document["data"], "train": train}, "noise": noise})


def test_images_stand_where_cifar_10_has_them(small: Any) -> None:
    clean, number, _ = small
    track = _track()
    points = data.load(track, 0, Streams(track.sha256))
    assert np.array_equal(points.labels, clean[points.index])
    pixels = np.rint(points.inputs[:, 0, 0, :2] * 255).astype(int)
    assert np.array_equal(pixels, np.stack([clean, number], 1)[points.index])
    assert not np.array_equal(points.index, data.load(track, 1, Streams(track.sha256)).index)


def test_people_s_mistakes_are_the_human_arm(small: Any) -> None:
    clean, _, _ = small
    track = _track()
    made = human_labels(track, {})
    for split in range(3):
        points = data.load(track, split, Streams(track.sha256))
        (answer,) = made.poisoned(track, [points.labels])[:1] if split == 0 else [None]
        wrong = np.flatnonzero(applied(points.labels, made.flips[split]) != points.labels)
        mistaken = set(np.flatnonzero((clean == 9) & (small_worse(clean) == 1)).tolist())
        assert len(wrong) == 2 and set(points.index[wrong].tolist()) <= mistaken
        assert answer is None or (answer.sandbox == "none" and answer.license == "CC-BY-NC-4.0")
    with pytest.raises(
        ProtocolError, match="people took 0 of split 0's points of class 9 for class 1, fewer than the budget"
    ):
        human_labels(track, {"labels": "aggre"})
    with pytest.raises(ProtocolError, match="labels: expected aggre or worse, got 'mine'"):
        human_labels(track, {"labels": "mine"})
    with pytest.raises(ProtocolError, match="digits-9to0 has no labels of people; take a track of CIFAR-10N"):
        human_labels(tracks.load("digits-9to0"), {})


def small_worse(clean: np.ndarray) -> np.ndarray:
    worse = clean.copy()
    worse[clean == 9] = [1, 1, 0, 1, 9, 9]
    return worse


def test_labels_that_are_altered_or_missing_are_told(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, folder = small
    track = _track()
    with np.load(folder / "labels.npz") as file:
        arrays = dict(file)
    arrays["worse_label"][0] ^= 1
    np.savez(folder / "labels.npz", **arrays)
    with pytest.raises(
        DataError, match=r"labels\.npz: worse_label has sha256 .*, expected .*; `lnbench\.data\.cifar10n` says"
    ):
        data.load(track, 0)
    (folder / "labels.npz").unlink()
    with pytest.raises(DataError):
        data.load(track, 0)
    assert track.name == "cifar10n-9to1"
