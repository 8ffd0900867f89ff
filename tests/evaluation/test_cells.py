"""Cells: victims of several splits in one stack, each on its own data and judged on its own test points."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from lnbench import data
from lnbench.errors import UnavailableError
from lnbench.evaluation import cells
from lnbench.protocol import PUBLIC_SALT, Streams, Track, random_flips
from lnbench.victims import Victims, architecture, predicted_bytes, train


@pytest.fixture
def track() -> Track:
    return Track.from_document(tiny.document())


def _cell(track: Track, places: list[list[int]]) -> dict[str, Any]:
    streams = Streams(track.sha256)
    flips = []
    for split, seed in places:
        labels = data.load(track, split, streams).labels
        flips.append(random_flips(labels, track.noise.pairs, 4, streams.generator("random", split, seed)))
    name = track.victims[0].name
    fixed = {"track": track.document, "salt": PUBLIC_SALT, "victim": name, "device": "cpu"}
    return {**fixed, "places": places, "flips": flips}


def test_victims_of_several_splits_are_as_in_cells_of_their_own(track: Track) -> None:
    places = [[0, 0], [0, 1], [1, 0]]
    together = cells.trained(_cell(track, places))
    for row, place in enumerate(places):
        alone = cells.trained(_cell(track, [place]))
        for name, value in together.victims.parameters.items():
            torch.testing.assert_close(value[row], alone.victims.parameters[name][0], rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(together.base[together.subset[row]].numpy(), alone.points[0].inputs)
    entries = cells.run(_cell(track, places))["victims"]
    assert [[e["split"], e["seed"]] for e in entries] == places
    for entry, place in zip(entries, places, strict=True):
        (alone_entry,) = cells.run(_cell(track, [place]))["victims"]
        assert abs(entry["clean"]["correct"] - alone_entry["clean"]["correct"]) <= 2
        assert entry["clean"]["source_points"] == alone_entry["clean"]["source_points"]


def test_splits_with_test_sets_of_different_sizes_are_padded_and_the_padding_does_not_count(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = data.load

    def shorter(track: Track, split: int, streams: Streams | None = None) -> data.Split:
        points = load(track, split, streams)
        if split == 0:
            return points
        keep = np.setdiff1d(np.arange(len(points.test_labels)), np.flatnonzero(points.test_labels == 9)[:7])
        return dataclasses.replace(points, test_inputs=points.test_inputs[keep], test_labels=points.test_labels[keep])

    whole = cells.run(_cell(track, [[0, 0], [1, 0]]))["victims"]
    monkeypatch.setattr(data, "load", shorter)
    made = cells.trained(_cell(track, [[0, 0], [1, 0]]))
    inputs, targets, labels = made.examples
    assert inputs.shape[:2] == targets.shape == labels.shape == (2, whole[0]["clean"]["source_points"])
    first, second = cells.run(_cell(track, [[0, 0], [1, 0]]))["victims"]
    assert first == whole[0]
    assert second["clean"]["source_points"] == whole[1]["clean"]["source_points"] - 7
    assert second["clean"]["points"] == whole[1]["clean"]["points"] - 7
    for goal in ("targeted", "untargeted"):
        most, least = whole[1]["broken"][goal], second["broken"][goal]
        assert all(b - 7 <= a <= b for a, b in zip(least, most, strict=True))
        bits = np.unpackbits(np.frombuffer(base64.b64decode(second["bits"][goal]), np.uint8))
        at = track.epsilons(track.victims[0]).index(track.epsilon(track.victims[0]))
        assert bits.sum() == least[at]


def test_a_device_without_room_trains_the_victims_in_parts(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]]
    sizes: list[int] = []
    whole = cells.trained(_cell(track, places))

    def tight(room: int) -> None:
        def some(*args: Any, **kwargs: Any) -> Victims:
            if len(kwargs["init"]) > room:
                raise torch.OutOfMemoryError("CUDA out of memory")
            sizes.append(len(kwargs["init"]))
            return train(*args, **kwargs)

        monkeypatch.setattr(cells, "train", some)

    tight(2)
    shares: list[float] = []
    made = cells.trained(_cell(track, places), shares.append)
    assert made.in_parts
    assert not whole.in_parts
    assert sizes == [2, 1, 2]
    assert shares == sorted(shares)
    for name, value in whole.victims.parameters.items():
        torch.testing.assert_close(made.victims.parameters[name], value, rtol=1e-3, atol=1e-4)
    assert cells.run(_cell(track, places))["in_parts"]
    tight(0)
    with pytest.raises(UnavailableError, match="no room for a single victim"):
        cells.trained(_cell(track, places))


def test_a_stack_too_large_for_a_gpus_free_memory_is_divided_before_it_starts(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]]
    sizes: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Victims:
        sizes.append(len(kwargs["init"]))
        return train(*args, **kwargs)

    whole, spec = cells.trained(_cell(track, places)), track.victims[0]
    family, shape = architecture(spec.architecture, spec.options), whole.base.shape[1:]
    of_two = predicted_bytes(
        family, spec.recipe, tuple(shape), track.data.classes, 2, whole.labels.shape[1], len(whole.base)
    )
    monkeypatch.setattr(cells, "train", counted)
    monkeypatch.setattr(cells, "_free_bytes", lambda device: int(of_two / 0.85) + 1)
    assert cells.trained(_cell(track, places)).in_parts
    assert sizes == [2, 1, 2]
    sizes.clear()
    monkeypatch.setattr(cells, "_free_bytes", lambda device: 1)
    assert len(cells.trained(_cell(track, places)).victims) == 5  # a single victim is always tried
    assert sizes == [1] * 5


@pytest.mark.parametrize(
    ("architecture", "options", "recipe"),
    [
        (
            "timm",
            {"model": "vit_tiny_patch16_224", "patch": 4, "arguments": {"depth": 1, "embed_dim": 8, "num_heads": 2}},
            {"crop": 1, "label_smoothing": 0.1},
        ),
        (
            "spectral",
            {"options": {"width": 8, "depth": 1}, "last_norm": 8},
            {"adversarial": {"epsilon": 0.1, "steps": 2}},
        ),
    ],
)
def test_other_architectures_and_recipes_go_through_a_cell(
    architecture: str, options: dict[str, Any], recipe: dict[str, Any]
) -> None:
    document = tiny.document()
    document["victims"][0] |= {"architecture": architecture, "options": options}
    document["victims"][0]["recipe"] = {"steps": 4, "batch": 32, "learning_rate": 0.01, **recipe}
    shares: list[float] = []
    found = cells.run(_cell(Track.from_document(document), [[0, 0], [1, 0]]), shares.append)
    assert shares == sorted(shares)
    for entry in found["victims"]:
        assert not entry["diverged"]
        assert 0 < entry["train_correct"] < entry["train_points"]
        assert sorted(entry["broken"]["untargeted"]) == entry["broken"]["untargeted"]
