"""What a record says that follows from its victims: the arms, the score, the flags, and whether it may rank."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from lnbench.errors import RecordError
from lnbench.protocol import ARMS, PUBLIC_SALT, Streams, Track, arms_of
from lnbench.record.score import POISONED, RANDOM, Counts, Score, score, split_means

FLAGS: dict[str, tuple[bool, str]] = {
    "quick": (True, "A quick run: fewer splits and seeds than the track asks for."),
    "replication": (True, "Its splits and seeds are not the track's."),
    "uncalibrated": (True, "The track has not been calibrated, so its score may hit the floor or resolve nothing."),
    "labels-only": (True, "Only labels were handed in, from the Hub: nothing shows how they were made."),
    "no-sandbox": (True, "The poisoner ran without a sandbox: nothing kept it from the test points."),
    "weak-sandbox": (True, "The poisoner ran in a sandbox weaker than bubblewrap."),
    "foreign-salt": (True, "Neither the public salt nor a season's drew the splits: they may have been chosen."),
    "diverged": (True, "A victim diverged; its architecture, split and seed are left out of every mean, in all arms."),
    "memorised-low": (True, "The victims of this arm and architecture memorised too few of the flips they were given."),
    "stealth": (True, "Clean accuracy, overall or of the source class, fell too far below the random arm's."),
    "redirection": (False, "The untargeted drop is under half of the targeted one: errors moved rather than came."),
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
        False,
        "Run twice on the first split, the poisoner flipped different labels: nobody can derive this row again.",
    ),
    "split-block": (False, "A block of victims was trained in parts for want of memory: its last bits depend on that."),
}
"""Flag (the part before the first colon) -> (whether it keeps a record from ranking, what it means)."""

LABELS_ONLY = "hf://"
"""What the source of a record begins with that was made of published labels instead of by a poisoner."""

REPORTED = frozenset({"non-deterministic", "split-block"})
"""Flags that only the run can know; all others follow from the record."""

ZERO_GRADIENT, NOT_MONOTONE = 0.01, 0.02
"""Shares above which an arm's attack is doubted; `lnbench.adversary.masking` has the per-example versions."""

BAND = (0.30, 0.70)
"""Where the random arm's adversarial accuracy should lie."""


def pack(broken: np.ndarray) -> str:
    """Base64 of the packed flags of the examples, (example,) bool, first example in the highest bit."""
    return base64.b64encode(np.packbits(np.asarray(broken, dtype=bool)).tobytes()).decode("ascii")


def unpack(bits: str, points: int) -> np.ndarray:
    """The flags that `pack` packed, (points,) bool.

    Raises:
        ValueError: if this is not the base64 of exactly `points` flags and zeros up to a whole byte.
    """
    try:
        data = base64.b64decode(bits, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from None
    if len(data) != -(-points // 8):
        raise ValueError(f"{len(data)} bytes for {points} points")
    flags = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).astype(bool)
    if flags[points:].any() or base64.b64encode(data).decode("ascii") != bits:
        raise ValueError(f"set beyond the {points} points")
    return flags[:points]


def expected_victims(track: Track, splits: int, seeds: int) -> list[tuple[str, int, int, str]]:
    """(architecture, split, seed, arm) of every victim of a record, in the record's order."""
    return list(product([v.name for v in track.victims], range(splits), range(seeds), arms_of(track)))


def key(victim: Mapping[str, Any]) -> tuple[str, int, int, str]:
    """(architecture, split, seed, arm)."""
    return victim["architecture"], victim["split"], victim["seed"], victim["arm"]


def scored_at(track: Track, architecture: str) -> int:
    """Place of the architecture's own ε on its curve."""
    victim = track.spec(architecture)
    return track.epsilons(victim).index(track.epsilon(victim))


class Tables:
    """The victims of a record as arrays (arm, architecture, split, seed).

    Raises:
        RecordError: if the victims are not exactly those that the track and the replication ask for, a curve has
            another length than the track's, or the victims of a split disagree on its test points.
    """

    def __init__(self, track: Track, document: Mapping[str, Any]) -> None:
        self.track, self.document = track, document
        replication = document["replication"]
        self.splits, self.seeds = replication["splits"], replication["seeds"]
        self.names = tuple(v.name for v in track.victims)
        self.shape = len(self.names), self.splits, self.seeds, len(arms_of(track))
        self.victims: Sequence[Mapping[str, Any]] = document["victims"]
        expected = math.prod(self.shape)
        if len(self.victims) != expected:
            raise RecordError(f"the record has {len(self.victims)} victims where the track asks for {expected}.")
        for victim, wanted in zip(self.victims, expected_victims(track, self.splits, self.seeds), strict=True):
            if key(victim) != wanted:
                raise RecordError(
                    f"the victims are not each of the track's once, in order: {key(victim)} for {wanted}."
                )
        for victim in self.victims:
            length = len(track.epsilons(track.spec(victim["architecture"])))
            if not len(victim["broken"]["targeted"]) == len(victim["broken"]["untargeted"]) == length:
                raise RecordError(f"victim {key(victim)} has no count for each of the {length} radii of its curve.")
        points = self.table("clean", "source_points")
        self.points = points[0, 0, :, 0]
        if not (points == self.points[:, None]).all():
            raise RecordError("the victims of a split disagree on its number of source-class test points.")
        self.valid = np.asarray(self.table("diverged").max(axis=0) == 0)

    def table(self, *path: str) -> np.ndarray:
        """One integer of every victim."""
        values = list(self.victims)
        for step in path:
            values = [v[step] for v in values]
        return np.moveaxis(np.array(values, dtype=np.int64).reshape(self.shape), -1, 0)

    def curve(self, a: int, goal: str) -> np.ndarray:
        """Broken counts of architecture `a`, (arm, split, seed, epsilon)."""
        block = len(self.victims) // len(self.names)
        values = np.array([v["broken"][goal] for v in self.victims[a * block : (a + 1) * block]], dtype=np.int64)
        return np.moveaxis(values.reshape(*self.shape[1:], -1), 2, 0)

    def counts(self, *, flags: bool) -> Counts:
        """The counts that `score` wants, with the examples' flags if asked for.

        Raises:
            RecordError: if the flags do not decode, or the splits of a fixed test set differ in size.
        """
        curves = {goal: [self.curve(a, goal) for a in range(len(self.names))] for goal in ("targeted", "untargeted")}
        at = [scored_at(self.track, name) for name in self.names]
        broken = None
        if flags:
            if len(set(self.points.tolist())) != 1:
                raise RecordError("the test set is fixed, yet its source-class points differ in number by split.")
            try:
                rows = [unpack(v["bits"]["targeted"], int(self.points[0])) for v in self.victims]
            except ValueError as error:
                raise RecordError(f"the targeted bits of a victim are broken: {error}.") from None
            broken = np.moveaxis(np.stack(rows).reshape(*self.shape, -1), 3, 0)
        return Counts(
            architectures=self.names,
            epsilons=tuple(self.track.epsilons(v) for v in self.track.victims),
            points=self.points,
            targeted=np.stack([c[..., i] for c, i in zip(curves["targeted"], at, strict=True)], axis=1),
            untargeted=np.stack([c[..., i] for c, i in zip(curves["untargeted"], at, strict=True)], axis=1),
            to_target=self.table("clean", "source_to_target"),
            curve=tuple(curves["targeted"]),
            valid=self.valid,
            broken=broken,
        )


def derive(
    track: Track, document: Mapping[str, Any], *, fixed_test_set: bool, reported: Sequence[str] = ()
) -> dict[str, Any]:
    """The blocks `score`, `arms`, `flags` and `ranked` of a record, from its other blocks.

    Args:
        reported: those of the `REPORTED` flags that the run raised.

    Raises:
        RecordError: if the victims are incomplete or disagree with the track.
    """
    strange = sorted(set(reported) - REPORTED)
    if strange:
        raise RecordError(f"a run reports only {', '.join(sorted(REPORTED))} as a flag, not {strange[0]!r}.")
    tables = Tables(track, document)
    counts = tables.counts(flags=fixed_test_set)
    result = score(counts, fixed_test_set=fixed_test_set)
    blocks = {arm: _arm(tables, counts, a) for a, arm in enumerate(arms_of(track))}
    flags = sorted({*_flags(track, document, tables, result, blocks), *reported})
    return {
        "score": rounded(result.document()),
        "arms": rounded(blocks),
        "flags": flags,
        "ranked": not any(FLAGS[flag.split(":")[0]][0] for flag in flags),
    }


def rounded(value: Any) -> Any:
    """The value with every float in it rounded to 1e-9, and no negative zero."""
    if isinstance(value, float):
        return round(value, 9) + 0.0
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return value


def split_accuracies(tables: Tables) -> np.ndarray:
    """AA of the poisoned arm, mean over architectures and seeds, (split,): what rows are compared by."""
    counts = tables.counts(flags=False)
    return split_means(1.0 - counts.targeted[POISONED] / counts.points[:, None], counts.valid)


def _arm(tables: Tables, counts: Counts, arm: int) -> dict[str, Any]:
    points, valid = counts.points[:, None], counts.valid
    clean = {name: tables.table("clean", name)[arm] for name in ("points", "correct", "source_correct")}
    flipped = tables.table("flipped")[arm]
    shares = {
        "adv_acc": (1.0 - counts.targeted[arm] / points, valid),
        "untargeted_adv_acc": (1.0 - counts.untargeted[arm] / points, valid),
        "clean_acc": (clean["correct"] / clean["points"], valid),
        "source_clean_acc": (clean["source_correct"] / points, valid),
        "memorised": (tables.table("memorised_count")[arm] / np.maximum(flipped, 1), valid & (flipped > 0)),
    }
    curve = {}
    for a, name in enumerate(tables.names):
        alone: dict[str, Any] = {"epsilons": list(counts.epsilons[a])}
        for goal in ("targeted", "untargeted"):
            accuracy = 1.0 - tables.curve(a, goal)[arm] / points[..., None]
            values = [_mean(accuracy[None, ..., e], valid[a : a + 1]) for e in range(accuracy.shape[-1])]
            alone[goal] = None if None in values else values
        curve[name] = alone
    return {
        **{name: _mean(*table) for name, table in shares.items()},
        "train_acc": _mean(tables.table("train_correct")[arm] / tables.table("train_points")[arm], valid),
        "zero_gradient": {
            goal: _mean(tables.table("zero_gradient", goal)[arm] / points, valid) for goal in ("targeted", "untargeted")
        },
        "curve": curve,
        "per_architecture": {
            name: {share: _mean(values[a : a + 1], ok[a : a + 1]) for share, (values, ok) in shares.items()}
            for a, name in enumerate(tables.names)
        },
    }


def _flags(
    track: Track, document: Mapping[str, Any], tables: Tables, result: Score, arms: Mapping[str, Any]
) -> list[str]:
    flags = []
    replication, asked = document["replication"], track.replication
    if replication["quick"]:
        flags.append("quick")
        wanted = asked.quick_splits, asked.quick_seeds
    else:
        wanted = asked.splits, asked.seeds
    if (tables.splits, tables.seeds) != wanted:
        flags.append("replication")
    if not track.calibrated:
        flags.append("uncalibrated")
    if str(document["poisoner"]["source"]).startswith(LABELS_ONLY):
        flags.append("labels-only")
    else:
        flags += {"none": ["no-sandbox"], "landlock": ["weak-sandbox"]}.get(document["sandbox"], [])
    public = document["salt_commitment"] == Streams(track.sha256, PUBLIC_SALT).commitment
    if document["season"] is None and not (public and document["salt"] == PUBLIC_SALT):
        flags.append("foreign-salt")
    if not tables.valid.all():
        flags.append("diverged")
    for victim in track.victims:
        for arm in arms_of(track)[1:]:
            memorised = arms[arm]["per_architecture"][victim.name]["memorised"]
            if victim.memorised_min is not None and memorised is not None and memorised < victim.memorised_min - 1e-9:
                flags.append(f"memorised-low:{arm}:{victim.name}")
        level = arms[ARMS[RANDOM]]["per_architecture"][victim.name]["adv_acc"]
        if level is not None and level < BAND[0]:
            flags.append(f"floor:{victim.name}")
        if level is not None and level > BAND[1]:
            flags.append(f"ceiling:{victim.name}")
    flags += _doubts(arms)
    for name, share, most in (
        ("clean", "clean_acc", track.stealth.clean_pp),
        ("source", "source_clean_acc", track.stealth.source_clean_pp),
    ):
        before, after = arms[ARMS[RANDOM]][share], arms[ARMS[POISONED]][share]
        if before is not None and after is not None and 100.0 * (before - after) > most + 1e-7:
            flags.append(f"stealth:{name}")
    if result.ci95_pp is not None and result.ci95_pp[0] > 0 and result.drop_pp is not None:
        if (result.untargeted_drop_pp or 0.0) < 0.5 * result.drop_pp:
            flags.append("redirection")
    return flags


def _doubts(arms: Mapping[str, Any]) -> list[str]:
    """Signs in the record's own counts that an arm's attack was weak, which would flatter that arm."""
    flags = []
    for arm in arms:
        shares = arms[arm]["zero_gradient"].values()
        if any(share is not None and share > ZERO_GRADIENT for share in shares):
            flags.append(f"zero-gradient:{arm}")
        for name, curve in arms[arm]["curve"].items():
            for goal in ("targeted", "untargeted"):
                accuracy = curve[goal] or []
                rises = (b - a for a, b in pairwise(accuracy))
                if any(rise > NOT_MONOTONE for rise in rises) and f"not-monotone:{arm}:{name}" not in flags:
                    flags.append(f"not-monotone:{arm}:{name}")
    return flags


def _mean(values: np.ndarray, valid: np.ndarray) -> float | None:
    """Mean over splits of the mean over the valid (architecture, seed); arguments (architecture, split, seed)."""
    means = split_means(values, valid)
    return float(means.mean()) if len(means) else None
