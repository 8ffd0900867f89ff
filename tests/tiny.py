"""A track small enough to be evaluated in seconds, and a poisoner; all but its size is like `digits-9to0`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

_DOCUMENT: dict[str, Any] = {
    "name": "tiny",
    "version": 0,
    "title": "nines to zeros, in seconds",
    "calibrated": False,
    "data": {"source": "digits", "train": 898, "classes": 10},
    "noise": {"budget": 4, "eta": 0.00446, "pairs": [[9, 0]]},
    "replication": {"splits": 2, "seeds": 2, "quick_splits": 2, "quick_seeds": 1},
    "adversary": {"epsilon": 0.1, "epsilons": [0.05, 0.1], "steps": 3},
    "victims": [
        {
            "name": "mlp",
            "architecture": "mlp",
            "options": {"width": 16, "depth": 1},
            "recipe": {"steps": 30, "batch": 32, "learning_rate": 0.01},
        }
    ],
    "limits": {"seconds": 60},
}

POISONER = """import lnbench


class First(lnbench.Poisoner):
    \"\"\"Flip the first points that may be flipped.\"\"\"

    more: int = 0

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget + self.more])
"""


def document() -> dict[str, Any]:
    """A fresh copy of the track's keys."""
    return copy.deepcopy(_DOCUMENT)


def write(path: Path, keys: dict[str, Any] | None = None) -> Path:
    """The track as a TOML file."""
    keys = keys or document()
    tables = {name: value for name, value in keys.items() if isinstance(value, (dict, list))}
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items() if name not in tables]
    lines += [f"{name} = {_inline(value)}" for name, value in tables.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_inline(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
