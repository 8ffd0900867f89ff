"""A record made of its parts: what the conductor measured, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.errors import RecordError
from lnbench.protocol import Track, canonical_json
from lnbench.record.derived import derive
from lnbench.record.record import Record, digest, parse
from lnbench.record.schema import SCHEMA
from lnbench.record.tables import expected_victims


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
        salt: `"public"`, `"own"`, or None for a secret one.
        poisoner, flips, environment, run, thumbnails: the blocks of these names; `lnbench.record.schema` has their
            fields. Without pictures `thumbnails` is None.
        labels_sha256: per split, of the poisoned labels as little-endian int64.
        trainings: per split, victims that the poisoner says it trained.
        victims: in any order, with the fields of `lnbench.record.schema.Victim`.
        fixed_test_set: whether all splits share one test set (`lnbench.data.fixed_test_set`).
        flags: flags that only the run can know.

    Raises:
        RecordError: if a part is malformed or a victim is missing.
    """
    order = {victim: place for place, victim in enumerate(expected_victims(track, splits, seeds))}
    keys = [(v["architecture"], v["split"], v["seed"], v["arm"], v.get("draw")) for v in victims]
    strange = [key for key in keys if key not in order]
    if strange:
        raise RecordError(f"the track asks for no victim {strange[0]}.")
    ordered = sorted(zip(keys, victims, strict=True), key=lambda pair: order[pair[0]])
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
        "victims": [victim for _, victim in ordered],
        "environment": environment,
        "code_sha256": code_sha256,
        "sandbox": sandbox,
        "run": run,
    }
    if thumbnails is not None:
        document["thumbnails"] = thumbnails
    document |= derive(track, document, fixed_test_set=fixed_test_set, reported=flags)
    try:
        document["sha256"] = digest(document)
        data = canonical_json(document)
    except (TypeError, ValueError) as error:
        raise RecordError(f"a part of the record cannot be written as JSON: {error}.") from None
    return parse(data)
