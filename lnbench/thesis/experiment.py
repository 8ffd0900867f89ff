"""What an experiment of the thesis must provide, and the form of its results.

An experiment is a module in `experiments/` with the names of `Experiment`; `lnbench reproduce NAME` finds it by its
file name. `cells` cuts the work into independent pieces, and `measure` does one of them in a worker process. `verdicts`
and `draw` see only the settings and what `measure` returned. So an interrupted run resumes, and every verdict and
figure follows from the experiment's JSON file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lnbench.thesis.verdicts import Verdict

LEVELS = {
    "quick": "direction only",
    "full": "at least 20 seeds a point, or the sizes of the thesis",
}
"""Level -> how far its numbers carry."""

ABSENT = "absent"
"""Key of a cell's result, true if the cell's data is not on this machine. The verdicts and the figure then say so."""

Settings = Mapping[str, Any]
Results = Sequence[Mapping[str, Any]]
"""One `{"cell": …, "result": …}` per cell, in the order of `cells`: what a document holds as `found`."""


class Experiment(Protocol):
    """What a module in `experiments/` provides.

    Attributes:
        TITLE: what the figure shows, in one line.
        THESIS: the section and figure of the thesis.
        QUICK, FULL: the settings of the two levels, JSON values under the same keys.
        CHOICES: what had to be chosen because the thesis leaves it open, in sentences; `{name}` stands for a setting,
            `{architecture}` for their network in words.

    One whose claims are statistical has a `PLAN` beside its settings: name -> the `plan.Plan` of a claim, which its
    verdict gets.
    """

    TITLE: str
    THESIS: str
    QUICK: Settings
    FULL: Settings
    CHOICES: tuple[str, ...]

    def cells(self, settings: Settings) -> list[dict[str, Any]]:
        """Cut the work into independent pieces: JSON objects, each with everything that its result depends on."""
        ...

    def measure(self, cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
        """Do one piece and return its result, a JSON object; `report` takes the share that is done, 0 … 1."""
        ...

    def verdicts(self, settings: Settings, results: Results) -> list[Verdict]:
        """Say what the numbers make of each claim of the thesis.

        An experiment whose claims are about memorised flips adds a `verdicts.memorised`. If too few of the flips are
        memorised, `run` makes every other verdict void. An experiment adds none if memorisation is what it asks about,
        or if it measures nothing but memorised flips.
        """
        ...

    def draw(self, settings: Settings, results: Results) -> Figure:
        """Draw the figure."""
        ...


def settings_of(experiment: Experiment, level: str) -> Settings:
    """The settings of a level of `LEVELS`."""
    return {"quick": experiment.QUICK, "full": experiment.FULL}[level]


def collect(results: Results, *keys: str | int) -> np.ndarray:
    """One quantity from the result of every cell, (cell, …).

    Args:
        keys: the way to the quantity inside a result.

    >>> collect([{"cell": {}, "result": {"aa": {"random": [0.5, 0.75]}}}], "aa", "random")
    array([[0.5 , 0.75]])
    """
    values = []
    for entry in results:
        value = entry["result"]
        for key in keys:
            value = value[key]
        values.append(value)
    return np.array(values)
