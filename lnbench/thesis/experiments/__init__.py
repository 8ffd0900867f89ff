"""The experiments, one file each; here they are listed and loaded by name, the file's with `-` for `_`."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from lnbench.errors import ProtocolError, nearest
from lnbench.thesis.experiment import Experiment

FOLDER = Path(__file__).parent


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all experiments, in the order of the thesis."""
    every = [path.stem.replace("_", "-") for path in FOLDER.glob("*.py") if not path.name.startswith("_")]
    return tuple(sorted(every, key=lambda name: (_section(about(name)["THESIS"]), name)))


def about(name: str) -> dict[str, str]:
    """`TITLE` and `THESIS` of an experiment, read without importing it."""
    tree = ast.parse((FOLDER / f"{_module(name)}.py").read_bytes())
    return {
        node.targets[0].id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and node.targets[0].id in ("TITLE", "THESIS")
    }


def module_name(name: str) -> str:
    """The full name of an experiment's module."""
    return f"lnbench.thesis.experiments.{_module(name)}"


def load(name: str) -> Experiment:
    """Import an experiment.

    Raises:
        ProtocolError: if no experiment has this name; the sentence suggests the nearest names.
    """
    known = names()
    if name not in known:
        raise ProtocolError(f"no experiment is called {name!r}; {nearest(name, known)}")
    return cast(Experiment, importlib.import_module(module_name(name)))


def run_cell(request: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Measure one cell in a worker process; `request` is `{"experiment": name, "cell": …}`."""
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(1)
    return load(request["experiment"]).measure(request["cell"], report)


def _module(name: str) -> str:
    return name.replace("-", "_")


def _section(thesis: str) -> tuple[int, ...]:
    """`§4.10.3, figure 17` -> (4, 10, 3)."""
    digits = thesis.split(",")[0].split("–")[0].lstrip("§")
    return tuple(int(part) for part in digits.split("."))
