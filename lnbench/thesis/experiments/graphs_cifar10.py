"""Flips picked on class graphs of CIFAR-10 in four spaces, all classes to the next one (thesis §4.1.1–4.1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lnbench.thesis import drawing, images
from lnbench.thesis.experiment import ABSENT, Results, Settings
from lnbench.thesis.experiments import graphs
from lnbench.thesis.verdicts import UNDECIDED, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "CIFAR-10, all classes to the next: flips picked on class graphs in four spaces, against random flips"
THESIS = "§4.1.1–4.1.4"
QUICK = {
    **{name: value for name, value in graphs.QUICK.items() if name not in ("depth", "width")},
    "said": "convolutions of 16 and 32 channels (5×5, stride 2), 128 hidden units, trained by Adam",
    "network": ["cnn", {"channels": [16, 32], "kernel": 5, "stride": 2, "padding": 2, "hidden": 128}],
    "train": 1000,
    "splits": 6,
    "steps": 500,
    "rate": 0.003,
    "recipe": {},
    "device": "cpu",
    "epsilon": 0.004,
}
FULL = {
    **QUICK,
    "said": "a ResNet-18 whose stem is made for small images, trained by SGD with weight decay .0005",
    "network": ["timm", {"model": "resnet18", "stem": "cifar"}],
    "train": 50000,
    "test": 100,
    "per_class": 25,
    "splits": 24,
    "steps": 11700,
    "batch": 128,
    "rate": 0.1,
    "recipe": {"optimiser": "sgd", "weight_decay": 0.0005},
    "device": "cuda",
    "epsilon": [0.001, 0.002, 0.004, 0.00784, 0.0157],
}
PLAN = graphs.PLAN
CHOICES = (
    "Every one of {splits} splits draws {train} of CIFAR-10's 50,000 training points anew and tests on up to {test} "
    "points of each class. The interval is over splits. The data is the original or, if that is not on this machine, "
    "the JPEG copy of the track `cifar10jpeg-9to0`.",
    "The network: {said} (the thesis names none); one-cycle, {steps} steps of {batch}, peak rate {rate}.",
    *graphs.CHOICES[2:-1],
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells({name: value for name, value in settings.items() if name != "said"})


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """The measurement of `graphs`, on CIFAR-10."""
    loaded = images.load_cifar10(cell["train"], cell["split"])
    if loaded is None:
        return {ABSENT: True}
    source, points = loaded
    return {"source": source, **graphs.compare(cell, images.sample(cell, points), report)}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The claims of `graphs`."""
    if _absent(results):
        return [Verdict("Flips picked on class graphs of CIFAR-10 differ from random ones.", UNDECIDED, _ABSENT)]
    return graphs.verdicts(settings, results)


def draw(settings: Settings, results: Results) -> Figure:
    """The figure of `graphs`."""
    if not _absent(results):
        return graphs.draw(settings, results)
    figure, ((axis,),) = drawing.panels(width=5.6, height=1.5)
    axis.set_axis_off()
    axis.text(0.5, 0.5, _ABSENT, ha="center", va="center", transform=axis.transAxes)
    return figure


_ABSENT = "CIFAR-10 is not on this machine"


def _absent(results: Results) -> bool:
    return any(entry["result"].get(ABSENT) for entry in results)
