"""The record: one evaluation as one canonical JSON file, the only file format lnbench owns.

The hash covers everything but `run` (when, where, how long) and itself. A file that is not its own canonical form is
refused, so equal records are equal bytes. `poisoner.parameters` holds the parameters that differ from the class's
defaults: with the name they are a row's identity. Fractions are in [0, 1], names ending in `_pp` percentage points.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.protocol import Track, canonical_json, sha256, sha256_json
from lnbench.record import schema
from lnbench.record.derived import (
    FLAGS,
    LABELS_ONLY,
    Tables,
    derive,
    expected_victims,
    key,
    pack,
    rounded,
    split_accuracies,
    unpack,
)

__all__ = ["FLAGS", "Record", "RefusedError", "assemble", "meaning", "pack", "read", "rounded", "unpack", "write"]

SCHEMA = 1
LARGEST = 64 << 20
"""Bytes of the largest file that is read."""
_OUTSIDE = ("run", "sha256")


class RefusedError(RecordError):
    """A file is no record. `check` names what failed: file, json, canonical, schema, track or hash."""

    def __init__(self, check: str, sentence: str) -> None:
        super().__init__(sentence)
        self.check = check


@dataclass(frozen=True, eq=False)
class Record:
    """One evaluation of one poisoner on one track.

    Attributes:
        document: the JSON object; not to be changed.
        track: the track it was run on, as the record itself carries it.
    """

    document: Mapping[str, Any]
    track: Track

    @property
    def name(self) -> str:
        """The poisoner's name: its file's stem."""
        return str(self.document["poisoner"]["name"])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The poisoner's parameters that are not at their defaults."""
        return dict(self.document["poisoner"]["parameters"])

    @property
    def label(self) -> str:
        """Name and non-default parameters, as in `adversarial_path(bucket=3)`."""
        shown = ", ".join(f"{k}={v}" for k, v in sorted(self.parameters.items()))
        return f"{self.name}({shown})" if shown else self.name

    @property
    def score(self) -> Mapping[str, Any]:
        """The `score` block."""
        return dict(self.document["score"])

    @property
    def arms(self) -> Mapping[str, Any]:
        """The `arms` block."""
        return dict(self.document["arms"])

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader should know; see `FLAGS` and `meaning`."""
        return tuple(self.document["flags"])

    @property
    def ranked(self) -> bool:
        """Whether it may stand on the leaderboard."""
        return bool(self.document["ranked"])

    @property
    def labels_only(self) -> bool:
        """Whether it scores published labels, whose place on the Hub stands for the poisoner's source."""
        return str(self.document["poisoner"]["source"]).startswith(LABELS_ONLY)

    @property
    def season(self) -> str | None:
        """The season whose salt drew the splits, or None for the public salt."""
        season: str | None = self.document["season"]
        return season

    @property
    def started(self) -> str:
        """When the run began, ISO 8601; outside the hash."""
        return str(self.document["run"]["started"])

    @property
    def sha256(self) -> str:
        """Hash of everything but `run` and itself."""
        return str(self.document["sha256"])

    @property
    def filename(self) -> str:
        """`<name>-<first 8 digits of the hash>.json`, with a name that is safe in any file system."""
        slug = re.sub(r"[^A-Za-z0-9_]+", "-", self.name).strip("-")[:60] or "poisoner"
        return f"{slug}-{self.sha256[:8]}.json"

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two records the same row: track, salt, source and parameters."""
        poisoner = self.document["poisoner"]
        salt = str(self.document["salt_commitment"])
        return self.track.sha256, salt, str(poisoner["sha256"]), canonical_json(poisoner["parameters"]).decode()

    @functools.cached_property
    def tables(self) -> Tables:
        """The victims as arrays.

        Raises:
            RecordError: if they are incomplete or disagree with the track.
        """
        return Tables(self.track, self.document)

    @functools.cached_property
    def split_accuracies(self) -> np.ndarray:
        """AA of the poisoned arm, mean over architectures and seeds, (split,).

        Raises:
            RecordError: if the victims are incomplete or disagree with the track.
        """
        return split_accuracies(self.tables)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        score = self.document["score"]
        drop, ends = score["drop_pp"], score["ci95_pp"]
        if drop is None:
            return "No score: of every architecture, split and seed, a victim of some arm diverged."
        if ends is None:
            return f"No verdict: a drop of {drop:.1f} points on a single split has no interval."
        span = f"(95 % interval {ends[0]:.1f} to {ends[1]:.1f}, p = {score['p_value']:.2g})"
        if ends[0] > 0:
            return f"Beats random flips: adversarial accuracy is {drop:.1f} points lower {span}."
        if ends[1] < 0:
            return f"Worse than random flips: adversarial accuracy is {-drop:.1f} points higher {span}."
        return f"Not told apart from random flips: adversarial accuracy differs by {drop:.1f} points {span}."


def meaning(flag: str) -> str:
    """The sentence behind a flag; its parts after a colon name what it is about."""
    name, _, about = flag.partition(":")
    sentence = FLAGS[name][1] if name in FLAGS else "A flag this lnbench does not know."
    return f"{about.replace(':', ', ')}: {sentence}" if about else sentence


def assemble(
    *,
    track: Track,
    streams_commitment: str,
    salt: str | None,
    season: str | None,
    quick: bool,
    splits: int,
    seeds: int,
    poisoner: Mapping[str, Any],
    flips: Mapping[str, Any],
    labels_sha256: Sequence[str],
    trainings: Sequence[int],
    victims: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
    code_sha256: str,
    sandbox: str,
    fixed_test_set: bool,
    run: Mapping[str, Any],
    flags: Sequence[str] = (),
    thumbnails: Mapping[str, Any] | None = None,
) -> Record:
    """The record of one evaluation: arms, score, flags, ranking and hash follow from the parts.

    Args:
        streams_commitment: `Streams.commitment` of the streams used.
        salt: `"public"`, or None for a salt that is not public.
        poisoner: name, parameters (only those off their defaults), description, author, paper, license, source,
            sha256 (of the source's bytes).
        flips: `poisoned`: per split, `random`: per split and seed, [[index, old, new], …].
        labels_sha256: per split, of the poisoned labels as little-endian int64.
        trainings: per split, victims that the poisoner says it trained.
        victims: in any order; see the module `_record_schema` for the fields.
        fixed_test_set: whether all splits share one test set (`lnbench.data.fixed_test_set`).
        flags: flags that only the run can know.
        thumbnails: pictures of flipped points, or None.

    Raises:
        RecordError: if a part is malformed or a victim is missing.
    """
    order = {victim: place for place, victim in enumerate(expected_victims(track, splits, seeds))}
    strange = [key(v) for v in victims if key(v) not in order]
    if strange:
        raise RecordError(f"the track asks for no victim {strange[0]}.")
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "track": {"name": track.name, "version": track.version, "sha256": track.sha256, "document": track.document},
        "season": season,
        "salt": salt,
        "salt_commitment": streams_commitment,
        "replication": {"splits": splits, "seeds": seeds, "quick": quick},
        "poisoner": poisoner,
        "labels_sha256": labels_sha256,
        "flips": flips,
        "trainings": trainings,
        "victims": sorted(victims, key=lambda v: order[key(v)]),
        "environment": environment,
        "code_sha256": code_sha256,
        "sandbox": sandbox,
        "run": run,
        "sha256": "0" * 64,
    }
    if thumbnails is not None:
        document["thumbnails"] = thumbnails
    document |= derive(track, document, fixed_test_set=fixed_test_set, reported=flags)
    try:
        document = json.loads(canonical_json(document))
    except (TypeError, ValueError) as error:
        raise RecordError(f"a part of the record cannot be written as JSON: {error}.") from None
    document["sha256"] = digest(document)
    return _READERS[SCHEMA](document, canonical_json(document))


def digest(document: Mapping[str, Any], data: bytes | None = None) -> str:
    """The hash of a record's document: SHA-256 of the canonical JSON of all but `run` and `sha256`.

    Args:
        data: the document's canonical JSON, if it is at hand: the victims, by far the most of it and the last key,
            are then taken from there.
    """
    inside = {name: value for name, value in document.items() if name not in _OUTSIDE}
    if data is None or max(document) != "victims":
        return sha256_json(inside)
    before = len(canonical_json({**document, "victims": 0})) - len(b"0}\n")
    return sha256(canonical_json({**inside, "victims": 0})[: -len(b"0}\n")] + data[before:])


def read(path: str | Path) -> Record:
    """The record in a file.

    Raises:
        RecordError: in one sentence, if the file cannot be read, is no canonical JSON, breaks the schema, carries a
            track that is not what its hash says, or has another hash than it states.
    """
    path = Path(path)
    if not path.is_file():
        raise RefusedError("file", f"{path}: there is no such file.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise RefusedError("file", f"{path}: it cannot be read ({error.strerror}).") from None
    try:
        return parse(data)
    except RefusedError as error:
        raise RefusedError(error.check, f"{path}: {error}") from None


def parse(data: bytes) -> Record:
    """The record in some bytes; see `read`."""
    if len(data) > LARGEST:
        raise RefusedError("file", f"it is larger than {LARGEST >> 20} MiB, the most a record may be.")
    try:
        document = json.loads(data.decode("ascii"))
        same = canonical_json(document) == data
        if b"\\ud" in data:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise RefusedError("canonical", "it holds bytes that are not ASCII.") from None
    except UnicodeEncodeError:
        raise RefusedError("json", "it holds half of a surrogate pair, which is no text.") from None
    except RecursionError:
        raise RefusedError("json", "it is nested too deeply.") from None
    except ValueError as error:
        raise RefusedError("json", f"it is not JSON: {str(error)[:120]}.") from None
    if not same:
        raise RefusedError("canonical", "it is not in canonical form (sorted keys, no spaces, each key once).")
    version = document.get("schema") if isinstance(document, dict) else None
    if type(version) is not int or version not in _READERS:
        known = ", ".join(str(v) for v in _READERS)
        raise RefusedError("schema", f"it has no schema version that this lnbench reads ({known}).")
    return _READERS[version](document, data)


def write(record: Record, path: str | Path) -> None:
    """Write the canonical JSON to a file, whole or not at all; folders are made.

    Raises:
        UnavailableError: if the disk is full or the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(canonical_json(record.document))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"the record cannot be written to {path}: {error.strerror}.") from None


def _read_1(document: dict[str, Any], data: bytes) -> Record:
    try:
        schema.RECORD.one(document)
    except schema.Wrong as wrong:
        raise RefusedError("schema", f"{wrong}.") from None
    track = _track(canonical_json(document["track"]))
    found = digest(document, data)
    if found != document["sha256"]:
        raise RefusedError("hash", f"its content has sha256 {found[:12]}…, it states {document['sha256'][:12]}….")
    return Record(document, track)


@functools.lru_cache(maxsize=64)
def _track(block: bytes) -> Track:
    stated = json.loads(block)
    try:
        track = Track.from_document(stated["document"], "track: document")
    except (ProtocolError, RecursionError, OverflowError, ValueError) as error:
        raise RefusedError("track", f"its track is not one: {str(error)[:300]}") from None
    for field, value in (("name", track.name), ("version", track.version), ("sha256", track.sha256)):
        if stated[field] != value:
            raise RefusedError("track", f"its track's document has {field} {value!r}, it states {stated[field]!r}.")
    return track


_READERS: dict[int, Callable[[dict[str, Any], bytes], Record]] = {1: _read_1}
