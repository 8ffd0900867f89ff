"""How claims about the shape of a curve are tested, on many sets of replicates at once, and the power of these tests.

The verdicts of `lnbench.thesis.shapes` are these tests on one set; their power is how often they agree on curves that
have the shape, of replicates with normal noise that is independent from place to place.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np

from lnbench.thesis.intervals import limits

VALLEY, FALLING, LOWEST = "valley", "falling", "lowest"
KINDS = (VALLEY, FALLING, LOWEST)
TRIALS = 1000
"""Sets of replicates that a power is found on."""


class Turn(NamedTuple):
    """The fall to the minimum of a curve and the rise after it.

    Attributes:
        fall, rise: (..., replicate).
        places: (2, ...), the places of the minimum for the even and for the odd replicates, each chosen on the others;
            (1, ...) if the first replicates choose it for the rest.
    """

    fall: np.ndarray
    rise: np.ndarray
    places: np.ndarray


def turn(samples: np.ndarray) -> Turn:
    """Where curves turn; the place is chosen on one half of the replicates for the other, and the other way round.

    Args:
        samples: (..., x, replicate), at least two replicates.
    """
    halves = np.arange(samples.shape[-1]) % 2
    fall, rise = np.zeros((2, *samples.shape[:-2], samples.shape[-1]))
    places = []
    for half in (0, 1):
        lowest = samples[..., halves != half].mean(-1).argmin(-1)
        least = np.take_along_axis(samples, lowest[..., None, None], -2)[..., 0, :]
        fall[..., halves == half] = (samples[..., 0, :] - least)[..., halves == half]
        rise[..., halves == half] = (samples[..., -1, :] - least)[..., halves == half]
        places.append(lowest)
    return Turn(fall, rise, np.array(places))


def turn_again(samples: np.ndarray, seen: int) -> Turn:
    """Where the first replicates turn, and what the rest fall to there and rise by after it.

    Args:
        samples: as for `turn`.
        seen: how many replicates choose the place, and are not in the fall and the rise.
    """
    lowest = samples[..., :seen].mean(-1).argmin(-1)
    new = samples[..., seen:]
    least = np.take_along_axis(new, lowest[..., None, None], -2)[..., 0, :]
    return Turn(new[..., 0, :] - least, new[..., -1, :] - least, lowest[None])


def is_valley(samples: np.ndarray, tests: int = 1) -> np.ndarray:
    """Whether curves fall and then rise: both by intervals above zero, (...,) bool."""
    return turns(turn(samples), tests)


def turns(turned: Turn, tests: int = 1) -> np.ndarray:
    """Whether a fall and the rise after it are both shown, by intervals above zero, (...,) bool."""
    agrees: np.ndarray = (limits(turned.fall, tests)[1] > 0) & (limits(turned.rise, tests)[1] > 0)
    return agrees


def deepest(samples: np.ndarray, tests: int = 1) -> np.ndarray:
    """A limit of what a curve falls and then rises by, whichever is less, wherever it turns, (...,).

    At every place inside the limits of the fall and of the rise hold at once, and the smaller one counts; the largest
    of the places is returned.
    """
    inside = samples[..., 1:-1, :]
    down, up = (limits(samples[..., end, None, :] - inside, 2 * tests)[2] for end in (0, -1))
    least: np.ndarray = np.minimum(down, up).max(-1)
    return least


def rises(samples: np.ndarray) -> np.ndarray:
    """What every later place is above every earlier one, (..., pair, replicate), in the order of `pairs`."""
    first, second = (list(side) for side in zip(*pairs(samples.shape[-2]), strict=True))
    apart: np.ndarray = samples[..., second, :] - samples[..., first, :]
    return apart


def pairs(places: int) -> list[tuple[int, int]]:
    """Every earlier place with every later one."""
    return list(itertools.combinations(range(places), 2))


def is_falling(samples: np.ndarray, margin: float) -> np.ndarray:
    """Whether curves fall all the way: the last place below the first, and none above an earlier one by `margin`.

    All of it has to be shown, each by an interval of its own, (...,) bool.
    """
    falls = limits(samples[..., 0, :] - samples[..., -1, :])[1] > 0
    agrees: np.ndarray = falls & (limits(rises(samples))[2] < margin).all(-1)
    return agrees


def is_lowest(samples: np.ndarray, place: int) -> np.ndarray:
    """Whether every other place of curves is above one, each by an interval of its own, (...,) bool."""
    lead = np.delete(samples - samples[..., place, None, :], place, -2)
    agrees: np.ndarray = np.all(limits(lead)[1] > 0, axis=-1)
    return agrees


@functools.cache
def power(
    kind: str, effect: float, sd: float, places: int, replicates: int, tests: int = 1, slack: float = 0.0
) -> float:
    """How often a test agrees on curves that have the shape.

    Args:
        kind: `valley`, a fall by `effect` to the middle place and a rise by as much, both straight; `falling`, a
            straight fall by `effect` from the first place to the last; `lowest`, one place lower than all others by it.
        effect, slack: in percentage points; `slack` is the margin of `is_falling`.
        sd: of the difference of two places over replicates.
        places, replicates: at least three, and two.
        tests: as for `is_valley`.
    """
    middle = places // 2
    if kind == VALLEY:
        curve = np.interp(np.arange(places), [0, middle, places - 1], [effect, 0, effect])
    elif kind == FALLING:
        curve = np.linspace(effect, 0, places)
    else:
        curve = np.where(np.arange(places) == middle, 0.0, effect)
    noise = np.random.RandomState(0).standard_normal((TRIALS, places, replicates))  # a stream that NumPy keeps for good
    samples = curve[:, None] + sd / np.sqrt(2) * noise
    if kind == VALLEY:
        return float(is_valley(samples, tests).mean())
    return float((is_falling(samples, slack) if kind == FALLING else is_lowest(samples, middle)).mean())
