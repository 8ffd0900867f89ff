"""A suite's victims: trained on exactly the labels of its record, and checked to be said to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnbench import data
from lnbench.errors import RecordError
from lnbench.evaluation import machine, nodes, plan, saved_victims
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.saved_victims import SavedVictim
from lnbench.protocol import Streams
from lnbench.record.record import Record


def build(
    record: Record,
    streams: Streams,
    folder: Path,
    *,
    splits: int,
    device: str,
    workers: int | None,
    notify: OnProgress,
) -> int:
    """Train the victims of a record's first splits again, from the flips it holds, and keep them as safetensors.

    Victims are trained in stacks of consecutive splits, as an evaluation trains them; the whole stacks that hold the
    first splits are kept. Where environment and code are those of the record, they must count what it says.

    Args:
        splits: of how many splits at least.
        folder: made if it is not there; what is there and right is not trained again.

    Returns:
        how many victims the folder holds.

    Raises:
        RecordError: if a victim counts otherwise than the record says.
        UnavailableError: if the folder cannot be written, or the device is not there.
    """
    track, replication = record.track, record.document["replication"]
    device = machine.resolved_device(device)
    where = environment(device, track)
    points = [data.load(track, split, streams) for split in range(replication["splits"])]
    flips = dict(record.document["flips"])
    planned = plan.plan(track, streams, device, replication["splits"], replication["seeds"], flips)
    planned = [(arm, cell) for arm, cell in planned if min(split for split, _ in cell["places"]) < splits]
    cells = [cell for _, cell in planned]
    names = [plan.cell_name(track, streams, where["id"], cell, arm, points) for arm, cell in planned]
    same = (where["id"], code_sha256(track)) == (record.document["environment"]["id"], record.code_sha256)
    results = [_result(record, arm, cell) for arm, cell in planned] if same else None
    pool = nodes.engine("local", workers, device)
    saved_victims.save(cells, names, results, folder, pool, notify)
    saved_victims.write_card(record, folder)
    return sum(len(cell["places"]) for cell in cells)


def _result(record: Record, arm: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says that a cell's victims count."""
    entries = {
        (v["split"], v["seed"]): v
        for v in record.document["victims"]
        if (v["architecture"], v["arm"], v.get("draw")) == (cell["victim"], arm, cell.get("draw"))
    }
    return {"victims": [entries[split, seed] for split, seed in cell["places"]]}


def check_victim(
    victim: SavedVictim, record: Record, architecture: str, split: int, arm: str, seed: int, draw: int
) -> None:
    """Raise RecordError unless a victim's file says that it is the one of this place, and a network of the track.

    That it was trained on these labels is its maker's word: training it again is the only proof.
    """
    name = victim.facts["name"]
    stated = name["track"], name["salt"], name["victim"], name["arm"], name.get("draw", 0)
    expected = record.track.sha256, record.salt_commitment, architecture, arm, draw
    if (*stated, victim.facts["split"], victim.facts["seed"]) != (*expected, split, seed):
        raise RecordError(f"the victim {architecture} of arm {arm}, split {split}, seed {seed} is another one.")
    spec = record.track.spec(architecture)
    if (victim.facts["architecture"], victim.facts["options"]) != (spec.architecture, dict(spec.options)):
        raise RecordError(f"the network of the victim {architecture} is not the one of the track.")
