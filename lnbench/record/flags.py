"""Flags: what a reader of a score should know, and what keeps a record from ranking."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from lnbench.protocol import CLEAN, OWN, POISONED, PUBLIC_SALT, RANDOM, Track
from lnbench.protocol.weakness import NOT_MONOTONE, ZERO_GRADIENT
from lnbench.record import salts
from lnbench.record.schema import Arm
from lnbench.record.score import split_means, t_interval
from lnbench.record.score_schema import Score
from lnbench.record.tables import Tables

FLAGS: dict[str, tuple[bool, str]] = {
    "quick": (True, "A quick run: fewer splits and seeds than the track asks for."),
    "replication": (True, "Its splits and seeds are not the track's."),
    "uncalibrated": (True, "The track has not been calibrated, so its score may hit the floor or resolve nothing."),
    "labels-only": (True, "Only labels were handed in, from the Hub: nothing shows how they were made."),
    "human-labels": (True, "These labels are people's own mistakes: no poisoner made them, so there is none to rank."),
    "no-sandbox": (True, "The poisoner ran without a sandbox: nothing kept it from the test points."),
    "weak-sandbox": (True, "The poisoner ran in a sandbox weaker than bubblewrap."),
    "foreign-salt": (
        True,
        "Neither the public salt, nor a season's, nor its own drew the splits: they may have been chosen.",
    ),
    "diverged": (True, "A victim diverged; its architecture, split and seed are left out of every mean, in all arms."),
    "memorised-low": (
        True,
        "The victims of this arm and architecture memorised too few of the flips they were given: the 95 % interval of "
        "their share lies below the least that the track asks for.",
    ),
    "stealth": (True, "Clean accuracy, overall or of the source class, fell too far below the random arm's."),
    "redirection": (
        False,
        "Of what could still fall, untargeted adversarial accuracy lost less than half of the share that the targeted "
        "one lost: errors moved rather than came. On tracks without a damage radius the drops themselves are compared.",
    ),
    "floor": (False, "The random arm's adversarial accuracy on this architecture is below 30 %: little room to fall."),
    "ceiling": (False, "The random arm's adversarial accuracy on this architecture is above 70 %: a weak adversary."),
    "zero-gradient": (
        False,
        "More than 1 % of this arm's attacks found no input gradient at the clean input (saturation, dead units or "
        "underflow): a gradient attack has nothing to follow there. Run `lnbench audit`.",
    ),
    "not-monotone": (
        False,
        "Somewhere on the ε curve of this arm and architecture a larger radius broke clearly fewer examples, which "
        "nested balls cannot: the attack missed them. Run `lnbench audit`.",
    ),
    "non-deterministic": (
        True,
        "Run twice on splits that it could not know, the poisoner flipped different labels: nobody can derive this row "
        "again.",
    ),
    "public-above-own": (
        False,
        "The score on the public splits is shown to be above the one on the row's own splits (Welch's t, one-sided, "
        "p < .01 after Holm over the rows that have both): it may have been chosen on the public ones.",
    ),
    "split-block": (False, "A block of victims was trained in parts for want of memory: its last bits depend on that."),
}
"""Flag (the part before the first colon) -> (whether it keeps a record from ranking, what it means)."""

LABELS_ONLY = "hf://"
"""The source of a record of published labels begins with this: their place on the Hub stands for a poisoner's code."""

HUMAN = "human: "
"""And that of a record of people's own mistakes with this."""

REPORTED = frozenset({"non-deterministic", "split-block"})
"""Flags that only the run can know; all others follow from the record."""

BAND = (0.30, 0.70)
"""Where the random arm's adversarial accuracy should lie."""


def meaning(flag: str) -> str:
    """The sentence behind a flag; its parts after a colon name what it is about."""
    name, _, about = flag.partition(":")
    sentence = FLAGS[name][1] if name in FLAGS else "A flag this lnbench does not know."
    return f"{about.replace(':', ', ')}: {sentence}" if about else sentence


def raised(tables: Tables, document: Mapping[str, Any], score: Score, arms: Mapping[str, Arm]) -> list[str]:
    """The flags that follow from a record: all but the `REPORTED` ones.

    Args:
        document: the record's, for who made its labels, how and on which splits.
        score, arms: what follows from the victims, not rounded.
    """
    track, flags = tables.track, []
    asked, quick = track.replication, document["replication"]["quick"]
    if quick:
        flags.append("quick")
    if (tables.splits, tables.seeds) != (
        (asked.quick_splits, asked.quick_seeds) if quick else (asked.splits, asked.seeds)
    ):
        flags.append("replication")
    if not track.calibrated:
        flags.append("uncalibrated")
    source = str(document["poisoner"]["source"])
    if source.startswith(LABELS_ONLY):
        flags.append("labels-only")
    elif source.startswith(HUMAN):
        flags.append("human-labels")
    else:
        flags += {"none": ["no-sandbox"], "landlock": ["weak-sandbox"]}.get(document["sandbox"], [])
    public = salts.is_public(document["salt_commitment"]) and document["salt"] == PUBLIC_SALT
    if document["season"] is None and not public and document["salt"] != OWN:
        flags.append("foreign-salt")
    if not tables.valid.all():
        flags.append("diverged")
    flags += _of_architectures(tables, arms)
    flags += _weak_attacks(arms)
    for name, share, most in (
        ("clean", "clean_acc", track.stealth.clean_pp),
        ("source", "source_clean_acc", track.stealth.source_clean_pp),
    ):
        before, after = arms[RANDOM][share], arms[POISONED][share]
        if before is not None and after is not None and 100.0 * (before - after) > most + 1e-7:
            flags.append(f"stealth:{name}")
    if score.ci95_pp is not None and score.ci95_pp[0] > 0 and score.drop_pp is not None:
        if _redirects(track, score, arms[RANDOM]):
            flags.append("redirection")
    return flags


def _redirects(track: Track, score: Score, random: Arm) -> bool:
    """Whether a poisoner that beats random flips moved errors to the target rather than made them."""
    targeted, untargeted = score.drop_pp or 0.0, score.untargeted_drop_pp or 0.0
    if track.damage is None:
        return untargeted < 0.5 * targeted
    return untargeted * (random.adv_acc or 0.0) < 0.5 * targeted * (random.untargeted_adv_acc or 0.0)


def _of_architectures(tables: Tables, arms: Mapping[str, Arm]) -> list[str]:
    """Architectures that memorised too little, and those on which the random arm leaves too little room or too much."""
    flags = []
    for a, victim in enumerate(tables.track.victims):
        for place, arm in enumerate(arms):
            memorised = arms[arm].per_architecture[victim.name].memorised
            if arm == CLEAN or victim.memorised_min is None or memorised is None:
                continue
            if memorised < victim.memorised_min - 1e-9 and _shown_below(tables, place, a, victim.memorised_min):
                flags.append(f"memorised-low:{arm}:{victim.name}")
        level = arms[RANDOM].per_architecture[victim.name].adv_acc
        if level is not None and level < BAND[0]:
            flags.append(f"floor:{victim.name}")
        if level is not None and level > BAND[1]:
            flags.append(f"ceiling:{victim.name}")
    return flags


def _shown_below(tables: Tables, arm: int, a: int, least: float) -> bool:
    """Whether the 95 % interval over splits of an arm's memorised share lies below `least` on an architecture."""
    flipped = tables.table("flipped")[arm, a : a + 1]
    share = tables.table("memorised_count")[arm, a : a + 1] / np.maximum(flipped, 1)
    ends = t_interval(split_means(share, tables.valid[a : a + 1] & (flipped > 0))).ends
    return ends is None or ends[1] < least - 1e-9


def _weak_attacks(arms: Mapping[str, Arm]) -> list[str]:
    """Signs in the record's own counts that an arm's attack was weak, which would flatter that arm."""
    flags = []
    for name, arm in arms.items():
        shares = arm.zero_gradient.targeted, arm.zero_gradient.untargeted
        if any(share is not None and share > ZERO_GRADIENT for share in shares):
            flags.append(f"zero-gradient:{name}")
        for architecture, curve in arm.curve.items():
            rises = [b - a for accuracy in (curve.targeted, curve.untargeted) for a, b in pairwise(accuracy or ())]
            if any(rise > NOT_MONOTONE for rise in rises):
                flags.append(f"not-monotone:{name}:{architecture}")
    return flags
