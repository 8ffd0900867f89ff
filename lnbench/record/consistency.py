"""What a record must satisfy by itself: everything that can be checked without the data it was made on."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lnbench.errors import RecordError
from lnbench.protocol import MATCHED, PUBLIC_SALT, Streams, allocation, arms_of, sha256
from lnbench.record.derived import FLAGS, REPORTED, derive, key, scored_at, unpack
from lnbench.record.record import Record

_TOLERANCE = 2e-9
"""Derived floats are rounded to 1e-9; another machine's last bit may fall on the other side."""


@dataclass(frozen=True)
class Check:
    """One named check.

    Attributes:
        name: what was looked at.
        passed: True or False; None if it could not be done here.
        sentence: what was found.
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
    poisoner = record.document["poisoner"]
    found = sha256(poisoner["source"].encode())
    if found != poisoner["sha256"]:
        raise RecordError(f"the source has sha256 {found[:12]}…, the record states {poisoner['sha256'][:12]}….")
    return f"{len(poisoner['source'])} characters of source have the stated sha256."


def _salt(record: Record) -> str:
    document = record.document
    public = Streams(record.track.sha256, PUBLIC_SALT).commitment == document["salt_commitment"]
    if public != (document["salt"] == PUBLIC_SALT):
        raise RecordError("the salt's commitment is not that of the salt it states.")
    if public and document["season"] is not None:
        raise RecordError("a season draws with its own salt, this record with the public one.")
    return "the public salt." if public else f"season {record.season}'s salt." if record.season else "a private salt."


def _flips(record: Record) -> str:
    document, replication = record.document, record.document["replication"]
    splits, seeds, budget = replication["splits"], replication["seeds"], record.track.noise.budget
    lists = document["flips"]
    per_split = [lists["poisoned"], lists["random"], document["labels_sha256"], document["trainings"]]
    per_split += [lists[MATCHED]] if MATCHED in lists else []
    if any(len(entries) != splits for entries in per_split):
        raise RecordError(f"flips, label hashes and trainings are not given once for each of the {splits} splits.")
    for split, flips in enumerate(lists["poisoned"]):
        _legal(record, flips, f"the poisoner's flips of split {split}")
    for split, per_seed in enumerate(lists["random"]):
        if len(per_seed) != seeds:
            raise RecordError(f"split {split} has random flips for {len(per_seed)} seeds, not {seeds}.")
        for seed, flips in enumerate(per_seed):
            _legal(record, flips, f"the random flips of split {split}, seed {seed}")
            if len(flips) != budget:
                raise RecordError(f"the random flips of split {split}, seed {seed} are {len(flips)}, not {budget}.")
    if (MATCHED in lists) != (MATCHED in arms_of(record.track)):
        raise RecordError("flips matched to the poisoner's allocation belong to tracks with several pairs, and there.")
    for split, per_seed in enumerate(lists.get(MATCHED, [])):
        for seed, flips in enumerate(per_seed):
            _legal(record, flips, f"the matched flips of split {split}, seed {seed}")
            if allocation(flips) != allocation(lists["poisoned"][split]):
                raise RecordError(
                    f"the matched flips of split {split}, seed {seed} are not allocated as the poisoner's."
                )
    most = max(len(flips) for flips in lists["poisoned"])
    return f"every flip moves along a pair; the poisoner made at most {most} of {budget} a split."


def _legal(record: Record, flips: Sequence[Sequence[int]], what: str) -> None:
    track = record.track
    if len(flips) > track.noise.budget:
        raise RecordError(f"{what} are {len(flips)}, the budget is {track.noise.budget}.")
    places = [index for index, _, _ in flips]
    if places != sorted(set(places)) or (places and places[-1] >= track.data.train):
        raise RecordError(f"{what} are not ascending indices below {track.data.train}, each once.")
    for index, old, new in flips:
        if (old, new) not in track.noise.pairs:
            raise RecordError(f"{what} move point {index} from {old} to {new}, which is none of the track's pairs.")


def _victims(record: Record) -> str:
    document, track = record.document, record.track
    tables = record.tables
    flips = document["flips"]
    made: dict[str, Callable[[int, int], int]] = {
        "clean": lambda split, seed: 0,
        "random": lambda split, seed: len(flips["random"][split][seed]),
        "poisoned": lambda split, seed: len(flips["poisoned"][split]),
        MATCHED: lambda split, seed: len(flips[MATCHED][split][seed]),
    }
    for victim in tables.victims:
        name, clean = key(victim), victim["clean"]
        if not (
            victim["train_correct"] <= victim["train_points"] == track.data.train
            and victim["memorised_count"] <= victim["flipped"] <= track.noise.budget
            and victim["memorised_count"] <= victim["train_correct"]
            and max(clean["correct"], clean["source_points"]) <= clean["points"]
            and clean["source_correct"] + clean["source_to_target"] <= clean["source_points"]
            and clean["source_correct"] <= clean["correct"]
            and max(victim["zero_gradient"].values()) <= clean["source_points"]
        ):
            raise RecordError(f"victim {name} counts more of a thing than there are.")
        steps = track.spec(victim["architecture"]).recipe.steps
        if victim["steps"] > steps or (victim["steps"] < steps and not victim["diverged"]):
            raise RecordError(f"victim {name} was trained for {victim['steps']} steps, the track asks for {steps}.")
        try:
            expected = made[victim["arm"]](victim["split"], victim["seed"])
        except (IndexError, KeyError):
            raise RecordError(f"victim {name} has no flips in the record.") from None
        if victim["flipped"] != expected:
            raise RecordError(f"victim {name} was trained on {victim['flipped']} flips, its arm has {expected}.")
    points = tables.table("clean", "points")
    if not (points == points[:1, :1, :, :1]).all():
        raise RecordError("the victims of a split disagree on its number of test points.")
    arms = len(arms_of(track))
    shape = f"{len(tables.names)} architectures × {tables.splits} splits × {tables.seeds} seeds × {arms} arms"
    return f"all {len(tables.victims)} victims, {shape}, with counts that are possible."


def _bits(record: Record) -> str:
    track = record.track
    at = {v.name: scored_at(track, v.name) for v in track.victims}
    for victim in record.tables.victims:
        for goal, bits in victim["bits"].items():
            try:
                broken = int(unpack(bits, victim["clean"]["source_points"]).sum())
            except ValueError as error:
                raise RecordError(f"the {goal} bits of victim {key(victim)} are broken: {error}.") from None
            stated = victim["broken"][goal][at[victim["architecture"]]]
            if broken != stated:
                raise RecordError(f"victim {key(victim)} has {broken} {goal} bits set and counts {stated} broken.")
    return "every count at the score's radius is the number of its bits."


def _curve(record: Record) -> str:
    for victim in record.tables.victims:
        points = victim["clean"]["source_points"]
        for goal, counts in victim["broken"].items():
            if max(counts) > points:
                raise RecordError(f"the {goal} curve of victim {key(victim)} breaks {max(counts)} of {points} points.")
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
    """Derive one block anew and compare."""
    document = record.document
    reported = [flag for flag in record.flags if flag in REPORTED]
    fixed = document["score"]["fixed_test_set"]
    expected = derive(record.track, document, fixed_test_set=fixed, reported=reported)[block]
    path = difference(document[block], expected)
    if path is not None:
        raise RecordError(f"{block}{path} does not follow from the victims: {_at(document[block], expected)}.")
    return f"the block `{block}` follows from the victims."


def difference(found: Any, expected: Any) -> str | None:
    """Where two JSON values first differ by more than rounding, as a path, or None."""
    if isinstance(expected, float) and isinstance(found, float):
        return None if abs(found - expected) <= _TOLERANCE else ""
    if type(found) is not type(expected):
        return ""
    if isinstance(expected, Mapping):
        if found.keys() != expected.keys():
            return ""
        parts = [(f".{k}", found[k], expected[k]) for k in expected]
    elif isinstance(expected, list):
        if len(found) != len(expected):
            return ""
        parts = [(f"[{i}]", f, e) for i, (f, e) in enumerate(zip(found, expected, strict=True))]
    else:
        return None if found == expected else ""
    for step, f, e in parts:
        path = difference(f, e)
        if path is not None:
            return step + path
    return None


def _at(found: Any, expected: Any) -> str:
    """The two values where they first differ."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and found.keys() == expected.keys():
        return next(_at(found[k], expected[k]) for k in expected if difference(found[k], expected[k]) is not None)
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        return next(_at(f, e) for f, e in zip(found, expected, strict=True) if difference(f, e) is not None)
    return f"it states {str(found)[:60]}, they give {str(expected)[:60]}"


def _thumbnails(record: Record) -> str:
    found = record.document.get("thumbnails")
    if found is None:
        return "it has no pictures."
    size, flips = math.prod(found["shape"]), record.document["flips"]["poisoned"]
    for image in found["images"]:
        flip = [image["index"], image["old"], image["new"]]
        if image["split"] >= len(flips) or flip not in [list(f) for f in flips[image["split"]]]:
            raise RecordError(
                f"it has a picture of point {flip[0]} of split {image['split']}, which was not flipped so."
            )
        try:
            length = len(base64.b64decode(image["pixels"], validate=True))
        except binascii.Error:
            length = -1
        if length != size:
            raise RecordError(f"its picture of point {flip[0]} of split {image['split']} is not of {size} bytes.")
    return f"its {len(found['images'])} pictures are of flipped points."


_CHECKS: dict[str, Callable[[Record], str]] = {
    "source": _source,
    "salt": _salt,
    "flips": _flips,
    "victims": _victims,
    "thumbnails": _thumbnails,
    "bits": _bits,
    "curve": _curve,
    "score": _score,
    "arms": _arms,
    "flags": _flags,
    "ranked": _ranked,
}
