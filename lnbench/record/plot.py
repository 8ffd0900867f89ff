"""A record as a figure: what it scored on each split, and adversarial accuracy against the attack's radius."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lnbench import plotting
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import CLEAN, MATCHED, POISONED, RANDOM
from lnbench.record.presentation import Shown
from lnbench.text import interval, plain, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NORMS = {"linf": "ℓ∞", "l2": "ℓ2", "l1": "ℓ1"}
"""A track's norm -> its sign."""
_COLOURS = {
    CLEAN: plotting.CLEAN,
    RANDOM: plotting.RANDOM,
    POISONED: plotting.POISONED,
    MATCHED: plotting.THIRD,
}


@dataclass(frozen=True)
class Plot:
    """A record's figure; a notebook shows it by itself.

    Attributes:
        record: the record that is drawn.
    """

    record: Shown

    @property
    def figure(self) -> Figure:
        """The figure as matplotlib's, drawn anew.

        Raises:
            UnavailableError: if matplotlib is missing.
        """
        plotting.require()
        import matplotlib as mpl
        from matplotlib.figure import Figure

        track = self.record.track
        with mpl.rc_context(plotting.STYLE):
            figure = Figure(figsize=(3.4 * (1 + len(track.victims)), 3.1))
            first, *rest = figure.subplots(1, 1 + len(track.victims))
            _splits(first, self.record)
            for axes, victim in zip(rest, track.victims, strict=True):
                _curves(axes, self.record, victim.name, track.epsilon(victim))
            figure.suptitle(title(self.record), x=0.01, ha="left", parse_math=False)
        return figure

    def image(self, kind: Literal["svg", "png"]) -> bytes:
        """The figure as a file's bytes.

        Raises:
            UnavailableError: if matplotlib is missing.
        """
        return plotting.image(lambda: self.figure, kind, "a record of lnbench")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the figure to an .svg or .png file; folders are made.

        Raises:
            ProtocolError: if the file is to be of another kind.
            UnavailableError: if matplotlib is missing, or the file cannot be written.
        """
        place = Path(path)
        kinds: dict[str, Literal["svg", "png"]] = {".svg": "svg", ".png": "png"}
        if place.suffix.lower() not in kinds:
            raise ProtocolError(f"expected a figure's file ending in .svg or .png, got {plain(place.name)}.")
        try:
            write_atomically(place, self.image(kinds[place.suffix.lower()]), parents=True)
        except OSError as error:
            raise UnavailableError(f"{place} cannot be written: {(error.strerror or str(error)).lower()}.") from None

    def _repr_svg_(self) -> str:
        return self.image("svg").decode()


def title(record: Shown) -> str:
    """Who was scored on which track, and what came of it."""
    score = record.score
    ends = None if score.ci95_pp is None else list(score.ci95_pp)
    return f"{plain(record.label, 60)} on {record.track.name}: {points(score.drop_pp)} pp {interval(ends)}"


def _splits(axes: Axes, record: Shown) -> None:
    """The score of each split, with their mean and its interval."""
    score = record.score
    drops = [(split, drop) for split, drop in enumerate(score.split_drops_pp) if drop is not None]
    axes.axhline(0.0, color=plotting.GREY, linewidth=0.9)
    axes.plot(*zip(*drops, strict=True) if drops else ([], []), "o", color=plotting.THIRD, markersize=3.5)
    if score.drop_pp is not None:
        axes.axhline(score.drop_pp, color=plotting.THIRD)
    if score.ci95_pp is not None:
        axes.axhspan(*score.ci95_pp, color=plotting.THIRD, alpha=0.16, linewidth=0)
    what = "score of each split, mean, 95 % interval"
    axes.set(title=what, xlabel="split", ylabel="AA(random) − AA(poisoned), points")


def _curves(axes: Axes, record: Shown, name: str, scored: float) -> None:
    """AA of each arm against the radius, on one architecture; the radius of the score is marked."""
    for arm, means in record.arms.items():
        curve = means.curve[name]
        if curve.targeted is not None:
            shares = [100 * value for value in curve.targeted]
            axes.plot(curve.epsilons, shares, marker="o", color=_COLOURS[arm], label=arm)
    axes.axvline(scored, color=plotting.GREY, linestyle=":", label="scored here")
    norm = NORMS[record.track.adversary.norm]
    axes.set(title=name, xlabel=f"ε, radius of the {norm} ball", ylabel="adversarial accuracy, %", ylim=(-2, 103))
    axes.legend(loc="best")
