"""The thesis's experiments, one file each: measured again, drawn, and judged claim by claim.

An experiment is a module of this package with the names of `Experiment`; `lnbench reproduce NAME` finds it by its file
name. `cells` cuts the work into independent pieces, `cell` does one of them in a worker process, `judge` and `draw` see
nothing but what the cells returned. So a killed run resumes, and every figure and verdict follows from its JSON file.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from lnbench.errors import ProtocolError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lnbench.thesis.verdicts import Verdict

FOLDER = Path(__file__).parent / "experiments"

LEVELS = {
    "quick": "direction only",
    "full": "at least 20 seeds a point, or the sizes of the thesis",
}
"""Level -> how far its numbers carry."""

ABSENT = "absent"
"""In a cell's result, if true: the cell's data is not on this machine, and the figure says so."""

Settings = Mapping[str, Any]
Results = Sequence[Mapping[str, Any]]
"""One `{"cell": …, "result": …}` per cell, in the order of `cells`."""


class Experiment(Protocol):
    """What a module of this package provides.

    Attributes:
        TITLE: what the figure shows, in one line.
        THESIS: where the thesis has it.
        QUICK, FULL: the settings of the two levels, JSON values.
        CHOICES: what was chosen where the thesis says nothing, one sentence each; `{name}` stands for a setting.
    """

    TITLE: str
    THESIS: str
    QUICK: Settings
    FULL: Settings
    CHOICES: tuple[str, ...]

    def cells(self, settings: Settings) -> list[dict[str, Any]]:
        """Independent pieces of work, each a JSON object that holds everything its result depends on."""
        ...

    def cell(self, cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
        """Do one piece; `report` takes the share that is done."""
        ...

    def verdicts(self, settings: Settings, found: Results) -> list[Verdict]:
        """The thesis's claims, each with what the numbers say about it."""
        ...

    def draw(self, settings: Settings, found: Results) -> Figure:
        """The figure."""
        ...


def names() -> list[str]:
    """Every experiment there is, in the order of the thesis."""
    files = [p for p in FOLDER.glob("*.py") if not p.name.startswith("_")]
    return sorted((p.stem.replace("_", "-") for p in files), key=lambda name: (_section(about(name)["THESIS"]), name))


def about(name: str) -> dict[str, str]:
    """`TITLE` and `THESIS` of an experiment, read without importing it."""
    tree = ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_bytes())
    return {
        node.targets[0].id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and node.targets[0].id in ("TITLE", "THESIS")
    }


def load(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        ProtocolError: if there is none, with the nearest names.
    """
    known = names()
    if name not in known:
        raise ProtocolError(f"no experiment is called {name!r}; {nearest(name, known)}")
    return cast(Experiment, importlib.import_module(f"lnbench.thesis.experiments.{name.replace('-', '_')}"))


def settings_of(experiment: Experiment, level: str) -> Settings:
    """The settings of a level."""
    return {"quick": experiment.QUICK, "full": experiment.FULL}[level]


def run_cell(request: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One cell in a worker: `{"experiment": name, "cell": …}`."""
    import torch

    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    return load(request["experiment"]).cell(request["cell"], report)


def _section(thesis: str) -> tuple[int, ...]:
    """`§4.10.3, figure 17` -> (4, 10, 3)."""
    digits = thesis.split(",")[0].split("–")[0].lstrip("§")
    return tuple(int(part) for part in digits.split("."))
