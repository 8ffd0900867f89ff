"""The recipe of a defended victim: the track's, with the fields that a defence may change and the limits of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lnbench.errors import ProtocolError, SubmissionError
from lnbench.protocol.recipe import Recipe
from lnbench.protocol.track import Track, VictimSpec

_STEPS, _BATCH, _ATTACK_STEPS = 4, 4, 20
"""The most steps and examples a batch, in multiples of the track's largest, and steps of a training adversary."""
_FIXED = ("precision", "stop_when_memorised")
"""Fields of a recipe that are not a defence's to choose."""


def defended_recipe(spec: VictimSpec, changes: Mapping[str, Any], track: Track, file: str) -> Recipe:
    """The recipe of a track's victim with some fields changed.

    Raises:
        SubmissionError: naming the field that is unknown, out of range or not a defence's to choose.
    """
    for name in _FIXED:
        if name in changes:
            raise SubmissionError(f"{file}: recipe: {name} is the track's to choose; leave it out.")
    try:
        made = spec.recipe.changed(changes)
    except ProtocolError as wrong:
        text = str(wrong).removeprefix("recipe: ")
        raise SubmissionError(f"{file}: recipe: {text}") from None
    most = {
        "steps": _STEPS * max(victim.recipe.steps for victim in track.victims),
        "batch": min(track.data.train, _BATCH * max(victim.recipe.batch for victim in track.victims)),
    }
    for name, limit in most.items():
        if made[name] > limit:
            raise SubmissionError(
                f"{file}: recipe: {name}: expected at most {limit} on {track.name}, got {made[name]}."
            )
    if made.adversarial is not None and made.adversarial.steps > _ATTACK_STEPS:
        raise SubmissionError(
            f"{file}: recipe: adversarial.steps: expected at most {_ATTACK_STEPS}, got {made.adversarial.steps}."
        )
    return made
