"""Flags on their edges: how few memorised flips are too few, and when a drop is redirection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import factories
from lnbench.record import flags

LARGE = factories.track(
    replication={"splits": 10, "seeds": 2, "quick_splits": 2, "quick_seeds": 1},
)


def _forgets(splits: int) -> Any:
    """Victims of the random arm's CNN forget one of their flips on so many of the ten splits."""

    def change(victim: dict[str, Any]) -> None:
        if victim["arm"] == "random" and victim["architecture"] == "cnn":
            victim["memorised_count"] = victim["flipped"] - (victim["split"] < splits)

    return change


@pytest.mark.parametrize(("splits", "flagged"), [(1, False), (3, False), (9, True)])
def test_the_minimum_of_memorised_flips_is_held_against_the_interval_and_not_the_mean(
    splits: int, flagged: bool
) -> None:
    made = factories.make(LARGE, change=_forgets(splits))
    share = made.arms["random"].per_architecture["cnn"].memorised
    (least,) = {victim.memorised_min for victim in LARGE.victims}
    assert share is not None and least is not None
    assert share == pytest.approx(1 - splits / 40) and least == 0.95
    assert ("memorised-low:random:cnn" in made.flags) is flagged
    if splits == 3:
        assert share < least, "the mean alone would have flagged it, and three splits do not show it"


@pytest.mark.parametrize(
    ("damage", "targeted", "untargeted", "redirects"),
    [
        (None, 10.0, 4.9, True),
        (None, 10.0, 5.1, False),
        (0.03, 10.0, 1.9, True),  # 10 of 50 points that could fall is a fifth, 1.9 of 20 less than half of that
        (0.03, 10.0, 2.1, False),
    ],
)
def test_a_drop_is_redirection_if_the_untargeted_one_loses_less_than_half_of_its_share(
    damage: float | None, targeted: float, untargeted: float, redirects: bool
) -> None:
    track: Any = SimpleNamespace(damage=damage)
    score: Any = SimpleNamespace(drop_pp=targeted, untargeted_drop_pp=untargeted)
    random: Any = SimpleNamespace(adv_acc=0.5, untargeted_adv_acc=0.2)
    assert flags._redirects(track, score, random) is redirects
