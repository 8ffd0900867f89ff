"""Problems small enough for an attack's answer to be known, and how attacks are loaded by path."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import lnbench
from lnbench.protocol.poisoner import Problem, Threat

ROOT = Path(__file__).resolve().parents[1]


def module(name: str) -> ModuleType:
    """An attack's or a submission's file as a module."""
    (path,) = (p for p in (ROOT / folder / f"{name}.py" for folder in ("attacks", "submissions")) if p.exists())
    return loaded(path)


def loaded(path: Path) -> ModuleType:
    """A file as a module of its own, named as the file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def attack(name: str, **parameters: Any) -> lnbench.Poisoner:
    """The attack of this name."""
    own = vars(module(name)).values()
    (found,) = (c for c in own if isinstance(c, type) and issubclass(c, lnbench.Poisoner) and c.__module__ == name)
    made: lnbench.Poisoner = found(**parameters)
    return made


def problem(source: np.ndarray, target: np.ndarray | None = None, budget: int = 1, **fields: Any) -> Problem:
    """Source points, of class 1, may be flipped to the class 0 of the target points; both are (n, *shape)."""
    target = np.zeros((3, *source.shape[1:])) if target is None else target
    given = {
        "inputs": np.concatenate([source, target]).astype(np.float32),
        "labels": np.array([1] * len(source) + [0] * len(target), dtype=np.int64),
        "num_classes": 2,
        "budget": budget,
        "pairs": ((1, 0),),
        "threat": Threat("linf", 0.1, 5),
        "rng": np.random.default_rng(0),
    }
    return Problem(**{**given, **fields})


def flips(name: str, given: Problem, **parameters: Any) -> list[int]:
    """What an attack flips, ascending."""
    labels = attack(name, **parameters).poison(given)
    assert labels.shape == given.labels.shape and np.issubdtype(labels.dtype, np.integer)
    assert (labels[labels != given.labels] == 0).all()
    return np.flatnonzero(labels != given.labels).tolist()


def star() -> np.ndarray:
    """Seven points: 0 is as near to each of the others, as no two of those are to each other. (7, 1, 3, 1)."""
    rays = np.concatenate([np.eye(3), -np.eye(3)]) * 0.4
    return (np.concatenate([np.zeros((1, 3)), rays]) + 0.5).reshape(7, 1, 3, 1)
