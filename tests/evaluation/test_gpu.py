"""Whole cells on real hardware, through the engine that evaluations use."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tiny
from lnbench import data
from lnbench.evaluation import nodes
from lnbench.protocol import PUBLIC_SALT, Streams, Track, random_flips

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
PLACES = [[0, 0], [0, 1], [1, 0]]


def victims_on(device: str) -> list[dict[str, Any]]:
    """The entries of three victims, trained and attacked in a worker process of its own."""
    track = Track.from_document(tiny.document())
    streams, flips = Streams(track.sha256), []
    for split, seed in PLACES:
        labels = data.load(track, split, streams).labels
        flips.append(random_flips(labels, track.noise.pairs, 4, streams.generator("random", split, seed)))
    cell = {
        "track": track.document,
        "salt": PUBLIC_SALT,
        "victim": track.victims[0].name,
        "device": device,
        "places": PLACES,
        "flips": flips,
    }
    results = [r for _, _, r in nodes.engine("local", 1, device).map("lnbench.evaluation.cells:run", [cell]) if r]
    entries: list[dict[str, Any]] = results[0]["victims"]
    return entries


def test_a_cell_gives_the_same_bits_twice() -> None:
    assert victims_on("cuda") == victims_on("cuda")


def test_a_cell_agrees_with_the_cpu_up_to_rounding() -> None:
    for there, here in zip(victims_on("cuda"), victims_on("cpu"), strict=True):
        assert abs(there["clean"]["correct"] - here["clean"]["correct"]) <= 3
        for goal in ("targeted", "untargeted"):
            assert all(abs(a - b) <= 3 for a, b in zip(there["broken"][goal], here["broken"][goal], strict=True))
