"""A record's claims made again: its labels by rerunning its stored source, its victims by training some of them anew.

`verify` asks whether a record says what its bits say; these ask whether the bits are what the protocol gives.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from lnbench import data
from lnbench.errors import RecordError, SubmissionError
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import plan
from lnbench.evaluation.stages import poison_split
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, changed
from lnbench.record import against_data
from lnbench.record.consistency import Check
from lnbench.record.record import Record

TOLERANCE_SD = 0.1
"""Standard deviation of one victim's adversarial accuracy between trainings that differ only in rounding, as bits in
another environment do; measured σ of the seed and the residual together is .06 to .1."""

OnSplit = Callable[[int, int], None]


def streams_of(record: Record, salt: str | None = None) -> Streams:
    """The random streams of a record.

    Raises:
        RecordError: if its salt is not public and the one given is not the one it committed to.
    """
    streams = against_data.streams_of(record, salt)
    if streams is None:
        raise RecordError("the record's salt is not public; give the season's salt once it is revealed.")
    return streams


def cells_of(record: Record, streams: Streams, device: str) -> list[tuple[str, dict[str, Any]]]:
    """The cells that a record's victims came from, (arm, cell)."""
    document = record.document
    replication, flips = document["replication"], document["flips"]
    return plan(record.track, streams, device, replication["splits"], replication["seeds"], flips)


def repoison(record: Record, *, mode: str, salt: str | None = None, on_split: OnSplit | None = None) -> Check:
    """Run the record's own source in the sandbox on every split and compare the flips.

    Args:
        mode: the sandbox; see `lnbench.poison.diagnosis.mode`.
        on_split: called with the number of splits done and in all.
    """
    block, streams = record.document["poisoner"], streams_of(record, salt)
    if record.labels_only:
        return Check(
            "repoison", None, f"the record scores published labels ({block['source'][:200]}): no source to run."
        )
    stated = record.document["flips"]["poisoned"]
    submission = Submission.from_bytes(f"{block['name']}.py", block["source"].encode(), dict(block["parameters"]))
    for split, flips in enumerate(stated):
        points = data.load(record.track, split, streams)
        try:
            made = poison_split(submission, record.track, points, streams, split, mode)
        except SubmissionError as error:
            return Check("repoison", False, f"the stored source fails on split {split}: {error}")
        found = [list(flip) for flip in changed(points.labels, made.labels)]
        if found != [list(flip) for flip in flips]:
            same = len({tuple(f) for f in found} & {tuple(f) for f in flips})
            return Check(
                "repoison",
                False,
                f"the stored source flips {len(found)} labels of split {split}, of which {same} are among the record's "
                f"{len(flips)}; its labels are not these, or it is not deterministic.",
            )
        if on_split is not None:
            on_split(split + 1, len(stated))
    return Check("repoison", True, f"the stored source makes the record's flips again on all {len(stated)} splits.")


def retrain(
    record: Record,
    number: int,
    *,
    device: str = "cpu",
    workers: int = 1,
    salt: str | None = None,
    rng: random.Random | None = None,
    on_cell: OnSplit | None = None,
) -> Check:
    """Train `number` cells anew, drawn at random, and compare every victim.

    In the record's own environment and with its own code the results must be equal bit for bit. Elsewhere, unless they
    are equal all the same, the mean adversarial accuracy of an arm's n retrained victims must lie within
    4 · TOLERANCE_SD · √(2/n) of the record's, in every arm.

    Args:
        rng: draws the cells; the system's randomness if None, so that a forger cannot know which.
    """
    cells = cells_of(record, streams_of(record, salt), device)
    chosen = (rng or random.SystemRandom()).sample(range(len(cells)), min(number, len(cells)))
    alike = environment(device, record.track)["id"] == record.document["environment"]["id"]
    same = alike and code_sha256(record.track) == record.document["code_sha256"]
    differences: dict[str, list[float]] = {}
    done, equal = 0, True
    for at, _, result in make_engine("local", workers).map(
        "lnbench.evaluation.cells:run", [cells[i][1] for i in chosen]
    ):
        if result is None:
            continue
        arm, cell = cells[chosen[at]]
        stated = _stated(record, arm, cell)
        for entry, claim in zip(result["victims"], stated, strict=True):
            differs = any(claim[key] != value for key, value in entry.items())
            equal &= not differs
            if same and differs:
                field = next(key for key, value in entry.items() if claim[key] != value)
                return Check(
                    "retrain",
                    False,
                    f"trained again in the record's own environment, the {cell['victim']} of arm {arm}, split "
                    f"{entry['split']}, seed {entry['seed']} differs in {field}.",
                )
            shift = _accuracy(record, cell, entry) - _accuracy(record, cell, claim)
            differences.setdefault(arm, []).append(shift)
        done += 1
        if on_cell is not None:
            on_cell(done, len(chosen))
    n = sum(map(len, differences.values()))
    if equal:
        return Check("retrain", True, f"{n} victims of {len(chosen)} random cells trained again are equal bit for bit.")
    within, said = True, []
    for arm, shifts in sorted(differences.items()):
        mean, most = sum(shifts) / len(shifts), 4 * TOLERANCE_SD * math.sqrt(2 / len(shifts))
        within &= abs(mean) <= most
        said.append(f"{arm} {100 * mean:+.1f} (up to ±{100 * most:.1f} is expected of rounding)")
    return Check(
        "retrain",
        within,
        f"{n} victims of {len(chosen)} random cells trained again in another environment or with other code differ in "
        f"mean adversarial accuracy, in points: {', '.join(said)}.",
    )


def _stated(record: Record, arm: str, cell: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The record's victims of a cell, in its order."""
    found = {
        (v["split"], v["seed"]): v
        for v in record.document["victims"]
        if (v["arm"], v["architecture"]) == (arm, cell["victim"])
    }
    return [found[split, seed] for split, seed in cell["places"]]


def _accuracy(record: Record, cell: dict[str, Any], victim: dict[str, Any]) -> float:
    spec = record.track.spec(cell["victim"])
    at = record.track.epsilons(spec).index(record.track.epsilon(spec))
    return 1.0 - float(victim["broken"]["targeted"][at]) / float(victim["clean"]["source_points"])
