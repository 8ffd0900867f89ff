"""How an evaluation is cut into cells."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

import tiny
from lnbench.evaluation.plan import merged, plan
from lnbench.protocol import ARMS, Streams, Track


def _track(stack: int) -> Track:
    document = tiny.document()
    document["victims"][0]["stack"] = stack
    return Track.from_document(document)


def _plan(stack: int, splits: int, seeds: int, device: str = "cpu") -> list[tuple[str, dict[str, Any]]]:
    track = _track(stack)
    flips: dict[str, list[Any]] = {
        "poisoned": [[[split, 9, 0]] for split in range(splits)],
        "random": [[[[10 * split + seed, 9, 0]] for seed in range(seeds)] for split in range(splits)],
    }
    return plan(track, Streams(track.sha256), device, splits, seeds, flips)


@pytest.mark.parametrize(("stack", "sizes"), [(1, [1] * 6), (4, [4, 2]), (6, [6]), (16, [6])])
def test_cells_hold_consecutive_victims_of_one_arm_and_every_victim_once(stack: int, sizes: list[int]) -> None:
    cells = _plan(stack, 3, 2)
    for arm in ARMS:
        of_arm = [cell for found, cell in cells if found == arm]
        assert [len(cell["places"]) for cell in of_arm] == sizes
        places = [place for cell in of_arm for place in cell["places"]]
        assert places == [[split, seed] for split in range(3) for seed in range(2)]
        for cell in of_arm:
            for (split, seed), flips in zip(cell["places"], cell["flips"], strict=True):
                assert (
                    flips
                    == {
                        "clean": [],
                        "random": [[10 * split + seed, 9, 0]],
                        "poisoned": [[split, 9, 0]],
                    }[arm]
                )


def test_a_gpu_takes_larger_stacks_whatever_the_track_says_of_cpus() -> None:
    assert [len(cell["places"]) for _, cell in _plan(4, 40, 2, "cuda")] == [64, 16] * 3


def test_results_come_back_with_their_arm_and_architecture() -> None:
    cells = _plan(4, 2, 2)
    results = [{"victims": [{"split": s, "seed": v} for s, v in cell["places"]]} for _, cell in cells]
    entries = merged(cells, results)
    assert len(entries) == 12
    assert {(e["arm"], e["architecture"], e["split"], e["seed"]) for e in entries} == {
        (arm, "mlp", split, seed) for arm in ARMS for split in range(2) for seed in range(2)
    }


def test_cells_say_nothing_of_the_machine_that_planned_them() -> None:
    """What a worker computes is the cell's alone: no path, no setting, no variable of the planner's environment."""
    for _, cell in _plan(4, 2, 2):
        assert cell.keys() == {"track", "salt", "victim", "places", "flips", "device"}
        text = json.dumps(cell)
        assert not any(value in text for value in (os.getcwd(), os.path.expanduser("~"), os.environ["LNBENCH_CACHE"]))
