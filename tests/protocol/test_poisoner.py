"""The contract: what a poisoner is given, and what its class becomes."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import textwrap
import time
from typing import Any, ClassVar

import numpy as np
import pytest

import lnbench


def _problem(**changes: Any) -> lnbench.Problem:
    values: dict[str, Any] = {
        "inputs": np.zeros((5, 1, 2, 2), dtype=np.float32),
        "labels": np.array([9, 1, 5, 9, 0]),
        "num_classes": 10,
        "budget": 2,
        "pairs": ((9, 0), (9, 4), (5, 6)),
        "threat": lnbench.Threat("linf", 0.1, 20),
        "rng": np.random.default_rng(0),
    }
    return lnbench.Problem(**(values | changes))


class Skipping(lnbench.Poisoner):
    """Flip the first points that may be flipped."""

    skip: int = 0
    fraction: float = 0.5
    author: ClassVar[str] = "somebody"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        return problem.flipped(problem.eligible[self.skip :][: problem.budget])


def test_annotated_fields_are_parameters() -> None:
    assert Skipping.parameters() == {"skip": 0, "fraction": 0.5}
    assert Skipping(skip=1) == Skipping(skip=1, fraction=0.5) != Skipping()
    assert Skipping.author == "somebody", "a ClassVar is no parameter"


def test_parameters_are_named_and_frozen() -> None:
    with pytest.raises(TypeError, match="positional"):
        Skipping(1)  # type: ignore[call-arg]  # what is refused
    with pytest.raises(TypeError, match="unexpected keyword argument 'skp'"):
        Skipping(skp=1)  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Skipping().skip = 2  # type: ignore[misc]


def test_parameters_are_inherited() -> None:
    class Further(Skipping):
        again: bool = False

    assert Further.parameters() == {"skip": 0, "fraction": 0.5, "again": False}
    assert lnbench.Poisoner.parameters() == {}


def test_a_class_without_poison_says_so() -> None:
    class Empty(lnbench.Poisoner):
        pass

    with pytest.raises(TypeError, match=r"Empty does not define poison\(self, problem\)"):
        Empty().poison(_problem())


def test_poison_answers_with_labels() -> None:
    assert Skipping(skip=1).poison(_problem()).tolist() == [9, 1, 6, 0, 0]


def test_eligible_points_are_those_of_the_sources() -> None:
    assert _problem().eligible.tolist() == [0, 2, 3]


def test_flipped_moves_along_the_first_pair_of_the_class() -> None:
    problem = _problem()
    assert problem.flipped([0, 2]).tolist() == [0, 1, 6, 9, 0]
    assert problem.flipped(np.array([3])).tolist() == [9, 1, 5, 0, 0]
    assert problem.flipped([]).tolist() == problem.labels.tolist()


@pytest.mark.parametrize(
    "indices",
    [
        [0, 2],
        (0, 2),
        [2, 0, 0],
        np.array([0, 2], dtype=np.uint8),
        [np.int64(0), 2],
        np.array([True, False, True, False, False]),
        [True, False, True, False, False],
    ],
)
def test_flipped_takes_indices_or_a_mask(indices: Any) -> None:
    assert _problem().flipped(indices).tolist() == [0, 1, 6, 9, 0]


def test_flipped_takes_tensors() -> None:
    torch = pytest.importorskip("torch")
    assert _problem().flipped(torch.tensor([0, 2])).tolist() == [0, 1, 6, 9, 0]
    assert _problem().flipped(torch.tensor([9, 1, 5, 9, 0]) == 9).tolist() == [0, 1, 5, 0, 0]


def test_a_mask_flips_what_it_marks_on_a_track_of_many_pairs() -> None:
    """Where every class is the source of a pair, a mask read as indices would flip points 0 and 1 in silence."""
    problem = _problem(labels=np.array([0, 1, 2, 2]), num_classes=3, pairs=((0, 1), (1, 2), (2, 0)))
    assert problem.flipped(problem.labels == 2).tolist() == [0, 1, 0, 0]


EXPECTED = "expected indices of points, integers from 0 to 4, or a mask of 5 bools, got "


@pytest.mark.parametrize(
    ("indices", "words"),
    [
        ([0.0, 2.0], "values of type float64; round them yourself"),
        (np.array([0.5]), "values of type float64"),
        ([True, False], "2 bools; a mask is over all points, not over problem.eligible"),
        (np.zeros(0, dtype=bool), "0 bools"),
        ([-1], "-1; it counts from 0, and not from the end"),
        ([0, 5], "5; it counts from 0"),
        ([2**64], "values of type object"),
        (["0"], "values of type <U1"),
        ([None], "values of type object"),
        (2, r"an array of shape \(\)"),
        ([[0, 2]], r"an array of shape \(1, 2\)$"),
        (np.nonzero(np.array([1, 0, 1, 0, 0])), r"an array of shape \(1, 2\); take np.nonzero\(mask\)\[0\]"),
        ([[0], [2, 3]], "a list that is not an array"),
        ({0, 2}, r"an array of shape \(\)"),
    ],
)
def test_flipped_refuses_what_is_neither(indices: Any, words: str) -> None:
    with pytest.raises(ValueError, match="^" + EXPECTED + words):
        _problem().flipped(indices)


def test_a_problem_names_the_radius_of_every_victim() -> None:
    assert _problem().threats == {}
    own = {"mlp": lnbench.Threat("linf", 0.07, 20)}
    assert _problem(threats=own).threats["mlp"].epsilon == 0.07


def test_a_problem_travels_to_other_processes() -> None:
    problem = pickle.loads(pickle.dumps(_problem(threats={"mlp": lnbench.Threat("linf", 0.07, 20)})))
    assert problem.threats["mlp"].epsilon == 0.07 and problem.flipped([0]).tolist() == [0, 1, 5, 9, 0]


def test_flipped_leaves_the_problem_alone() -> None:
    labels = np.array([9, 1])
    labels.flags.writeable = False
    problem = _problem(labels=labels)
    made = problem.flipped([0])
    made[1] = 7
    assert problem.labels.tolist() == [9, 1]
    assert made.dtype == np.int64


def test_flipped_refuses_a_point_that_no_pair_starts_from() -> None:
    with pytest.raises(ValueError, match="point 1 has label 1, and no pair of this problem starts there"):
        _problem().flipped([0, 1])


def test_a_problem_is_frozen_and_counts_down() -> None:
    problem = _problem(deadline=time.monotonic() + 10)
    assert 9 < problem.seconds_left() <= 10
    assert _problem().seconds_left() == float("inf")
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.budget = 3  # type: ignore[misc]


def test_the_docstring_example_works() -> None:
    """It stands in the base class for people to copy."""
    text = inspect.getdoc(lnbench.Poisoner) or ""
    scope: dict[str, Any] = {"lnbench": lnbench}
    exec(textwrap.dedent(text[text.index("    class MyPoisoner") :]), scope)
    assert scope["MyPoisoner"]().poison(_problem()).tolist() == [0, 1, 6, 9, 0]
