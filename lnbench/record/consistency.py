"""What a record must satisfy by itself: everything that can be checked without the data it was made on."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lnbench.errors import RecordError
from lnbench.protocol import CLEAN, MATCHED, OWN, POISONED, PUBLIC_SALT, RANDOM, allocation, arms_of, sha256, unpack
from lnbench.protocol.documents import difference
from lnbench.record import salts
from lnbench.record.flags import FLAGS
from lnbench.record.reached import base_and_reach
from lnbench.record.record import Record
from lnbench.record.schema import Victim
from lnbench.record.tables import Tables

_TOLERANCE = 2e-9
"""Derived floats are rounded to 1e-9; another machine's last bit may fall on the other side."""

Flip = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """One named check.

    Attributes:
        name: what was checked.
        passed: True or False; None if it could not be done here.
        sentence: the outcome.
    """

    name: str
    passed: bool | None
    sentence: str


def checks(record: Record) -> list[Check]:
    """All checks of a record by itself, in a fixed order."""
    return [_run(name, test, record) for name, test in _CHECKS.items()]


def _run(name: str, test: Callable[[Record], str], record: Record) -> Check:
    try:
        return Check(name, True, test(record))
    except RecordError as error:
        return Check(name, False, str(error))


def _source(record: Record) -> str:
    source, stated = record.poisoner.source, record.poisoner.sha256
    actual = sha256(source.encode())
    if actual != stated:
        raise RecordError(f"the source has sha256 {actual[:12]}…, the record states {stated[:12]}….")
    return f"{len(source)} characters of source have the stated sha256."


def _salt(record: Record) -> str:
    public = salts.is_public(record.salt_commitment)
    if public != (record.salt == PUBLIC_SALT):
        raise RecordError("the salt's commitment is not that of the salt it states.")
    own = record.salt == OWN
    if own and record.streams() is None:
        raise RecordError("the salt's commitment is not that of the salt that track, source and parameters give.")
    if (public or own) and record.season is not None:
        raise RecordError(f"a season draws with a salt of its own, this record with {record.salt!r}.")
    if public or own:
        return "the public salt." if public else "the salt that its own track, source and parameters give."
    return f"season {record.season}'s salt." if record.season else "a private salt."


def _flips(record: Record) -> str:
    flips, (splits, seeds), budget = record.flips, _size(record), record.track.noise.budget
    draws = record.track.replication.random_draws
    per_split = [flips.poisoned, flips.random, record.labels_sha256, record.trainings]
    if any(len(entries) != splits for entries in (*per_split, *([flips.matched] if flips.matched else []))):
        raise RecordError(f"flips, label hashes and trainings are not given once for each of the {splits} splits.")
    if bool(flips.matched) != (MATCHED in arms_of(record.track)):
        raise RecordError("flips matched to the poisoner's allocation belong to splits with several pairs, and there.")
    for split, made in enumerate(flips.poisoned):
        _legal(record, split, made, f"the poisoner's flips of split {split}")
    for arm, lists, each in ((RANDOM, flips.random, draws), (MATCHED, flips.matched or (), 1)):
        for split, per_seed in enumerate(lists):
            if len(per_seed) != seeds * each:
                raise RecordError(
                    f"split {split} has {len(per_seed)} sets of {arm} flips, not {seeds * each} for {seeds} seeds."
                )
            for number, drawn in enumerate(per_seed):
                what = f"the {arm} flips of split {split}, seed {number // each}"
                what += f", draw {number % each}" if each > 1 else ""
                _legal(record, split, drawn, what)
                if arm == RANDOM and len(drawn) != budget:
                    raise RecordError(f"{what} are {len(drawn)}, not {budget}.")
                if arm == MATCHED and allocation(drawn) != allocation(flips.poisoned[split]):
                    raise RecordError(f"{what} are not allocated as the poisoner's.")
    most = max(len(made) for made in flips.poisoned)
    return f"every flip moves along a pair; the poisoner made at most {most} of {budget} a split."


def _size(record: Record) -> tuple[int, int]:
    return record.replication.splits, record.replication.seeds


def _legal(record: Record, split: int, flips: Sequence[Flip], what: str) -> None:
    track = record.track
    pairs = track.pairs(split)
    if len(flips) > track.noise.budget:
        raise RecordError(f"{what} are {len(flips)}, the budget is {track.noise.budget}.")
    places = [index for index, _, _ in flips]
    if places != sorted(set(places)) or (places and places[-1] >= track.data.train):
        raise RecordError(f"{what} are not ascending indices below {track.data.train}, each once.")
    for index, old, new in flips:
        if (old, new) not in pairs:
            raise RecordError(f"{what} move point {index} from {old} to {new}, which is none of the split's pairs.")


def _victims(record: Record) -> str:
    track, tables = record.track, record.tables
    steps = {v.name: v.recipe.steps for v in track.victims}
    for victim in tables.victims:
        name, clean, asked = victim.key, victim.clean, steps[victim.architecture]
        if not (
            victim.train_correct <= victim.train_points == track.data.train
            and victim.memorised_count <= victim.flipped <= track.noise.budget
            and victim.memorised_count <= victim.train_correct
            and max(clean.correct, clean.source_points) <= clean.points
            and clean.source_correct + clean.source_to_target <= clean.source_points
            and clean.source_correct <= clean.correct
            and max(victim.zero_gradient.targeted, victim.zero_gradient.untargeted) <= clean.source_points
        ):
            raise RecordError(f"victim {name} counts more of a thing than there are.")
        if victim.steps > asked or (victim.steps < asked and not victim.diverged):
            raise RecordError(f"victim {name} was trained for {victim.steps} steps, the track asks for {asked}.")
        given = _flips_of(record, victim)
        if victim.flipped != given:
            raise RecordError(f"victim {name} was trained on {victim.flipped} flips, its arm has {given}.")
    points = tables.every("clean.points")
    if not (points == points[:1, :1, :, :1]).all():
        raise RecordError("the victims of a split disagree on its number of test points.")
    arms, draws = len(arms_of(track)), track.replication.random_draws
    shape = f"{len(tables.names)} architectures × {tables.splits} splits × {tables.seeds} seeds × {arms} arms"
    shape += f" with {draws} draws of the random one" if draws > 1 else ""
    return f"all {len(tables.victims)} victims, {shape}, with counts that are possible."


def _flips_of(record: Record, victim: Victim) -> int:
    """How many flips a victim's arm has in its split and seed."""
    flips = record.flips
    try:
        if victim.arm == POISONED:
            return len(flips.poisoned[victim.split])
        by_seed = {RANDOM: flips.random, MATCHED: flips.matched or ()}.get(victim.arm)
        draws = record.track.replication.random_draws if victim.arm == RANDOM else 1
        return 0 if by_seed is None else len(by_seed[victim.split][victim.seed * draws + (victim.draw or 0)])
    except IndexError:
        raise RecordError(f"victim {victim.key} has no flips in the record.") from None


def _bits(record: Record) -> str:
    return check_bits(record.tables)


def check_bits(tables: Tables) -> str:
    """Compare every count at the score's radius with its bits.

    Raises:
        RecordError: naming the first victim whose bits are broken, or are not as many as it counts.
    """
    at = {v.name: tables.track.scored_index(v.name) for v in tables.track.victims}
    goals = ("targeted", "untargeted", *(("damage",) if tables.has_damage else ()))
    for victim in tables.victims:
        for goal in goals:
            try:
                broken = int(unpack(victim.bits[goal], victim.clean.source_points).sum())
            except ValueError as error:
                raise RecordError(f"the {goal} bits of victim {victim.key} are broken: {error}.") from None
            stated = victim.broken.damage if goal == "damage" else victim.broken[goal][at[victim.architecture]]
            if broken != stated:
                raise RecordError(f"victim {victim.key} has {broken} {goal} bits set and counts {stated} broken.")
    return "every count at the score's radius is the number of its bits."


def _reached(record: Record) -> str:
    track, known = record.track, {v.key[:3]: v for v in record.tables.victims if v.reached}
    for key, victim in known.items():
        if victim.reached:
            points, scored = victim.clean.source_points, track.scored_index(victim.architecture)
            try:
                base, _ = base_and_reach(victim.reached, points, scored)
            except RecordError as error:
                raise RecordError(f"victim {victim.key}: {error}") from None
            for other in record.tables.victims:
                if other.key[:4] == (*key, CLEAN) and (unpack(other.bits.targeted, points) != base).any():
                    raise RecordError(f"victim {other.key} is broken elsewhere than single flips say.")
    return (
        "what single flips reach is counted as its bits say."
        if known
        else "the record does not say what single flips reach."
    )


def _curve(record: Record) -> str:
    return check_curves(record.tables)


def check_curves(tables: Tables) -> str:
    """Compare the curves with the number of points.

    Raises:
        RecordError: naming the first victim that breaks more than there are.
    """
    for victim in tables.victims:
        points = victim.clean.source_points
        for goal in ("targeted", "untargeted"):
            most = max(victim.broken[goal])
            if most > points:
                raise RecordError(f"the {goal} curve of victim {victim.key} breaks {most} of {points} points.")
    return "no curve breaks more points than there are."


def _score(record: Record) -> str:
    return _same(record, "score")


def _arms(record: Record) -> str:
    return _same(record, "arms")


def _flags(record: Record) -> str:
    unknown = [flag for flag in record.flags if flag.split(":")[0] not in FLAGS]
    if unknown:
        raise RecordError(f"no flag is called {unknown[0]!r}.")
    return _same(record, "flags")


def _ranked(record: Record) -> str:
    return _same(record, "ranked")


def _same(record: Record, block: str) -> str:
    """Compare one block with what follows from the others."""
    place = difference(record.document[block], record.derived[block], _TOLERANCE)
    if place is not None:
        path, came, derived = place
        says = f"it states {str(came)[:60]}, they give {str(derived)[:60]}"
        raise RecordError(f"{block}{path} does not follow from the victims: {says}.")
    return f"the block `{block}` follows from the victims."


def _thumbnails(record: Record) -> str:
    shown, poisoned = record.thumbnails, record.flips.poisoned
    if shown is None:
        return "it has no pictures."
    size = math.prod(shown.shape)
    for image in shown.images:
        flip = image.index, image.old, image.new
        if image.split >= len(poisoned) or flip not in poisoned[image.split]:
            raise RecordError(
                f"it has a picture of point {image.index} of split {image.split}, which was not flipped so."
            )
        try:
            length = len(base64.b64decode(image.pixels, validate=True))
        except binascii.Error:
            length = -1
        if length != size:
            raise RecordError(f"its picture of point {image.index} of split {image.split} is not of {size} bytes.")
    return f"its {len(shown.images)} pictures are of flipped points."


_CHECKS: dict[str, Callable[[Record], str]] = {
    "source": _source,
    "salt": _salt,
    "flips": _flips,
    "victims": _victims,
    "thumbnails": _thumbnails,
    "bits": _bits,
    "reached": _reached,
    "curve": _curve,
    "score": _score,
    "arms": _arms,
    "flags": _flags,
    "ranked": _ranked,
}
