"""A record's claims made again: its labels by rerunning its stored source, its victims by training some of them anew.

`verify` asks whether a record says what its bits say; these ask whether the bits are what the protocol gives.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from lnbench import data
from lnbench.errors import RecordError, SubmissionError
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import plan
from lnbench.evaluation.stages import poison_split
from lnbench.poison.run import Submission
from lnbench.protocol import MATCHED, PUBLIC_SALT, Streams, Track, arms_of, changed
from lnbench.record.consistency import Check
from lnbench.record.record import Record
from lnbench.trust.limits import need_own_track

VICTIM_SD = 0.1
"""Standard deviation of one victim's adversarial accuracy between trainings that differ only in rounding, as bits in
another environment do: measured σ of the seed and the residual together is .06 to .1."""
_ENOUGH = 12
"""Degrees of freedom from which on it is estimated from the victims trained again."""

Z = 2.576
"""Standard errors by which a score may move: an honest record fails in 1 of 100 verifications elsewhere."""
RAISED_PP, POWER = 5.0, 0.8
"""What retraining must be able to find before it may be signed: this raise of the score, with this probability."""

OnSplit = Callable[[int, int], None]


def streams_of(record: Record, salt: str | None = None) -> Streams:
    """The random streams of a record.

    Raises:
        RecordError: if its salt is not public and the one given is not the one it committed to.
    """
    for known in (salt, record.document["salt"], PUBLIC_SALT):
        if (
            known is not None
            and (streams := Streams(record.track.sha256, known)).commitment == (record.document["salt_commitment"])
        ):
            return streams
    raise RecordError("the record's salt is not public; give the season's salt once it is revealed.")


def cells_of(record: Record, streams: Streams, device: str) -> list[tuple[str, dict[str, Any]]]:
    """The cells that a record's victims came from, (arm, cell)."""
    document = record.document
    replication, flips = document["replication"], document["flips"]
    return plan(record.track, streams, device, replication["splits"], replication["seeds"], flips)


def repoison(
    record: Record,
    *,
    mode: str,
    track: Track | None = None,
    salt: str | None = None,
    on_split: OnSplit | None = None,
) -> Check:
    """Run the record's own source in the sandbox on every split and compare the flips.

    Args:
        mode: the sandbox; see `lnbench.poison.diagnosis.mode`.
        track: the caller's own, for a record whose track does not ship with lnbench.
        on_split: called with the number of splits done and in all.

    Raises:
        ProtocolError: if the record's track neither ships with lnbench nor is the caller's.
    """
    need_own_track(record, track)
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
        made_again = [list(flip) for flip in changed(points.labels, made.labels)]
        if made_again != [list(flip) for flip in flips]:
            same = len({tuple(f) for f in made_again} & {tuple(f) for f in flips})
            return Check(
                "repoison",
                False,
                f"the stored source flips {len(made_again)} labels of split {split}, of which {same} are among the "
                f"record's {len(flips)}; its labels are not these, or it is not deterministic.",
            )
        if on_split is not None:
            on_split(split + 1, len(stated))
    return Check("repoison", True, f"the stored source makes the record's flips again on all {len(stated)} splits.")


@dataclass(frozen=True)
class Retraining:
    """What training some cells again showed.

    Attributes:
        check: the verdict.
        cells: cells that were trained again.
        power: with which probability a record would have been refused whose score somebody had raised by
            `RAISED_PP` points, by inventing victims of the random or the poisoned arm.
    """

    check: Check
    cells: int
    power: float


def retrain(
    record: Record,
    number: int,
    *,
    track: Track | None = None,
    device: str = "cpu",
    workers: int = 1,
    salt: str | None = None,
    rng: random.Random | None = None,
    on_cell: OnSplit | None = None,
) -> Retraining:
    """Train `number` cells anew, drawn at random from every arm and architecture in turn, and compare every victim.

    If the environment and the code are the record's, or if any cell of the clean or random arm comes out equal bit for
    bit, then all cells must. Elsewhere the score is compared: the mean change of adversarial accuracy of the
    random arm's victims less that of the poisoned arm's must lie within `Z` standard errors of zero.

    Args:
        number: cells; those of the poisoned arm come first, then random, matched and clean ones, and so on in turn.
        track: the caller's own, for a record whose track does not ship with lnbench.
        rng: draws the cells; the system's randomness if None, so that a forger cannot know which.

    Raises:
        ProtocolError: if the record's track neither ships with lnbench nor is the caller's.
    """
    need_own_track(record, track)
    cells = cells_of(record, streams_of(record, salt), device)
    chosen = stratified([(arm, cell["victim"]) for arm, cell in cells], number, rng or random.SystemRandom())
    alike = environment(device, record.track)["id"] == record.document["environment"]["id"]
    same = alike and code_sha256(record.track) == record.document["code_sha256"]
    shifts: dict[str, list[float]] = {}
    differing: list[str] = []
    equal = dict.fromkeys(arms_of(record.track), 0)
    done = count = 0
    requests = [cells[i][1] for i in chosen]
    for at, _, result in make_engine("local", workers).map("lnbench.evaluation.cells:run", requests):
        if result is None:
            continue
        arm, cell = cells[chosen[at]]
        before = len(differing)
        for entry, claim in zip(result["victims"], _stated(record, arm, cell), strict=True):
            fields = [key for key, value in entry.items() if claim[key] != value]
            if fields:
                where = f"the {cell['victim']} of arm {arm}, split {entry['split']}, seed {entry['seed']}"
                differing.append(f"{where} differs in {fields[0]}")
            shifts.setdefault(arm, []).append(_accuracy(record, cell, entry) - _accuracy(record, cell, claim))
        equal[arm] += len(differing) == before
        done, count = done + 1, count + len(result["victims"])
        if on_cell is not None:
            on_cell(done, len(chosen))
    if same or equal["clean"] or equal["random"] or not differing:
        check = _bit_for_bit(same, differing, count, len(chosen))
        return Retraining(check, len(chosen), _power_of_bits(record, cells, chosen))
    check, power = _by_score(shifts, len(chosen))
    return Retraining(check, len(chosen), power)


def stratified(strata: Sequence[tuple[str, str]], number: int, rng: random.Random) -> list[int]:
    """Indices of `number` cells, drawn from every (arm, architecture) in turn, the poisoned arm's first.

    Args:
        strata: (arm, architecture) of every cell.
    """
    order = {"poisoned": 0, "random": 1, MATCHED: 2, "clean": 3}
    left: dict[tuple[str, str], list[int]] = {}
    for i, stratum in enumerate(strata):
        left.setdefault(stratum, []).append(i)
    for indices in left.values():
        rng.shuffle(indices)
    first = list(left)
    rng.shuffle(first)  # which architecture comes first within an arm
    first.sort(key=lambda stratum: order[stratum[0]])
    chosen: list[int] = []
    while len(chosen) < min(number, len(strata)):
        for stratum in first:
            if left[stratum] and len(chosen) < number:
                chosen.append(left[stratum].pop())
    return sorted(chosen)


def _bit_for_bit(same: bool, differing: Sequence[str], count: int, cells: int) -> Check:
    """The verdict where victims must be equal."""
    if differing:
        why = "in the record's own environment" if same else "where other cells are equal bit for bit"
        return Check("retrain", False, f"trained again {why}, {differing[0]}.")
    return Check("retrain", True, f"{count} victims of {cells} random cells trained again are equal bit for bit.")


def _by_score(shifts: dict[str, list[float]], cells: int) -> tuple[Check, float]:
    """The verdict where only distributions can be equal, and its power."""
    drawn = shifts.get("random", []), shifts.get("poisoned", [])
    count = sum(map(len, shifts.values()))
    if not all(drawn):
        sentence = f"{count} victims of {cells} cells differ; comparing the score takes more cells, of both arms."
        return Check("retrain", None, sentence), 0.0
    deviations = [(shift - sum(of_arm) / len(of_arm)) ** 2 for of_arm in shifts.values() for shift in of_arm]
    free = count - len(shifts)
    deviation = math.sqrt(sum(deviations) / free) if free >= _ENOUGH else math.sqrt(2) * VICTIM_SD
    error = deviation * math.sqrt(sum(1 / len(of_arm) for of_arm in drawn))
    less = sum(drawn[0]) / len(drawn[0]) - sum(drawn[1]) / len(drawn[1])
    power = NormalDist().cdf(RAISED_PP / 100 / error - Z) if error > 0 else 1.0
    return Check(
        "retrain",
        abs(less) <= Z * error,
        f"{count} victims of {cells} random cells trained again in another environment or with other code move the "
        f"score by {100 * less:+.1f} points (up to ±{100 * Z * error:.1f} is expected of rounding); a score raised by "
        f"{RAISED_PP:g} points would be found out with a probability of {100 * power:.0f} %.",
    ), power


def _power_of_bits(record: Record, cells: Sequence[tuple[str, dict[str, Any]]], chosen: Sequence[int]) -> float:
    """With which probability the cells drawn hold one that was invented to raise the score by `RAISED_PP` points.

    A forger invents as few cells as possible, each worth at most the whole adversarial accuracy of a clean victim, in
    the arm and architecture where they are least likely to be drawn.
    """
    strata: dict[tuple[str, str], list[int]] = {}
    for i, (arm, cell) in enumerate(cells):
        if arm in ("random", "poisoned"):
            strata.setdefault((arm, cell["victim"]), []).append(i)
    victims = sum(len(cell["places"]) for arm, cell in cells if arm == "poisoned")
    each = (record.arms["clean"]["adv_acc"] or 1.0) / victims
    worst = 1.0
    for indices in strata.values():
        drawn, missed, gained = len(set(indices) & set(chosen)), 1.0, 0.0
        for forged, size in enumerate(sorted((len(cells[i][1]["places"]) for i in indices), reverse=True)):
            if gained >= RAISED_PP / 100:
                break
            gained += each * size
            missed *= max(0, len(indices) - drawn - forged) / (len(indices) - forged)
        worst = min(worst, 1.0 - missed)
    return worst


def _stated(record: Record, arm: str, cell: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The record's victims of a cell, in its order."""
    victims = {
        (v["split"], v["seed"]): v
        for v in record.document["victims"]
        if (v["arm"], v["architecture"]) == (arm, cell["victim"])
    }
    return [victims[split, seed] for split, seed in cell["places"]]


def _accuracy(record: Record, cell: dict[str, Any], victim: dict[str, Any]) -> float:
    spec = record.track.spec(cell["victim"])
    at = record.track.epsilons(spec).index(record.track.epsilon(spec))
    return 1.0 - float(victim["broken"]["targeted"][at]) / float(victim["clean"]["source_points"])
