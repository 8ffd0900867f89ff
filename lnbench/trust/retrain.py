"""A record's victims trained again: cells of every arm and architecture, compared bit for bit or by the score."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from lnbench.data.strangers import own_track
from lnbench.evaluation import nodes
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import worker
from lnbench.protocol import MATCHED, Track
from lnbench.record.consistency import Check
from lnbench.record.record import Record
from lnbench.record.rounding import SHIFT_SD, most_apart
from lnbench.trust.rerun import OnSplit, cells_of, streams_of

_SCORED = ("poisoned", "random")
"""The arms whose adversarial accuracies the score is the difference of."""
_ENOUGH = 12
"""Degrees of freedom from which on it is estimated from the victims trained again."""
_Z_OF_CELL = 4.0
"""Standard errors by which one cell may move."""

Z = 2.576
"""Standard errors by which a score may move: an honest record fails in 1 of 100 verifications elsewhere."""
RAISED_PP, POWER = 5.0, 0.8
"""What retraining must be able to find before it may be signed: this raise of the score, with this probability."""


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
    cells: Sequence[tuple[str, dict[str, Any]]] | None = None,
    track: Track | None = None,
    device: str = "cpu",
    workers: int = 1,
    salt: str | None = None,
    rng: random.Random | None = None,
    on_cell: OnSplit | None = None,
) -> Retraining:
    """Train `number` cells anew, drawn at random from every arm and architecture, and compare every victim.

    If the environment and the code are the record's, all victims must be equal bit for bit; otherwise those of every
    architecture whose clean and random victims are. Elsewhere no cell's adversarial accuracy may lie further from the
    record's than rounding explains, nor may the score: the mean change of the random arm's victims less that of the
    poisoned arm's must lie within `Z` standard errors of zero.

    Args:
        number: cells; see `stratified`.
        cells: where the record's victims came from, (arm, cell), if not from its labels alone.
        track: the caller's own, for a record whose track does not ship with lnbench.
        rng: draws the cells; the system's randomness if None, so that a forger cannot know which.

    Raises:
        ProtocolError: if the record's track neither ships with lnbench nor is the caller's.
    """
    own_track(record.track, track, "the record", option="--track-file")
    cells = cells_of(record, streams_of(record, salt), device) if cells is None else cells
    chosen = stratified([(arm, cell["victim"]) for arm, cell in cells], number, rng or random.SystemRandom())
    alike = environment(device, record.track)["id"] == record.document["environment"]["id"]
    same = alike and code_sha256(record.track) == record.document["code_sha256"]
    again: list[_CellAgain] = []
    requests = [cells[i][1] for i in chosen]
    for at, _, result in nodes.engine("local", workers, device).map(worker(record.track), requests):
        if result is None:
            continue
        again.append(_compared(record, *cells[chosen[at]], result["victims"]))
        if on_cell is not None:
            on_cell(len(again), len(chosen))
    exact = {name for name in {cell.architecture for cell in again} if same or _reproduces(again, name)}
    forged = [cell.differing for cell in again if cell.architecture in exact and cell.differing]
    power = _power_of_bits(record, cells, chosen)
    if not any(cell.differing for cell in again):
        victims = sum(len(cell.shifts) for cell in again)
        sentence = f"{victims} victims of {len(again)} random cells trained again are equal bit for bit."
        check = Check("retrain", True, sentence)
    elif forged:
        why = "in the record's own environment" if same else "where the other arms of it are equal bit for bit"
        check = Check("retrain", False, f"trained again {why}, {forged[0]}.")
    else:
        check, of_score = _by_score(again)
        power = min(power, of_score)
    if check.passed:
        found_out = f"A score raised by {RAISED_PP:g} points with invented victims is found out with a probability of"
        check = replace(check, sentence=f"{check.sentence} {found_out} {100 * power:.0f} %.")
    return Retraining(check, len(chosen), power)


@dataclass(frozen=True)
class _CellAgain:
    """One cell trained again.

    Attributes:
        arm, architecture: of its victims.
        differing: the first victim that is not equal bit for bit and its field, or empty.
        shifts: by how much each victim's adversarial accuracy lies above the record's.
    """

    arm: str
    architecture: str
    differing: str
    shifts: list[float]


def _compared(record: Record, arm: str, cell: dict[str, Any], victims: Sequence[dict[str, Any]]) -> _CellAgain:
    """A cell trained again beside what the record says of it."""
    differing, shifts = "", []
    for victim, claim in zip(victims, _stated(record, arm, cell), strict=True):
        field = next((name for name, value in victim.items() if claim[name] != value), None)
        if field and not differing:
            where = f"arm {arm}, split {victim['split']}, seed {victim['seed']}"
            differing = f"the {cell['victim']} of {where} differs in {field}"
        shifts.append(_accuracy(record, cell, victim) - _accuracy(record, cell, claim))
    return _CellAgain(arm, cell["victim"], differing, shifts)


def _reproduces(again: Sequence[_CellAgain], architecture: str) -> bool:
    """Whether the cells of the clean and random arm, whose labels no poisoner made, all came out equal bit for bit."""
    control = [cell for cell in again if cell.architecture == architecture and cell.arm in ("clean", "random")]
    return bool(control) and not any(cell.differing for cell in control)


def enough(record: Record, salt: str | None = None, device: str = "cpu") -> int:
    """The least number of cells that may be signed for if their victims come out equal bit for bit.

    Args:
        record: one that follows from its own bits.
        device: where they are trained: a GPU's cells hold more victims.

    Raises:
        RecordError: if the record's salt is not known.
    """
    cells = cells_of(record, streams_of(record, salt), device)
    strata = [(arm, cell["victim"]) for arm, cell in cells]

    def power(number: int) -> float:
        """The least of many draws: it depends on which architecture comes first in the last round."""
        draws = (stratified(strata, number, random.Random(seed)) for seed in range(32))
        return min(_power_of_bits(record, cells, chosen) for chosen in draws)

    return next(number for number in range(1, len(cells) + 1) if power(number) >= POWER)


def stratified(strata: Sequence[tuple[str, str]], number: int, rng: random.Random) -> list[int]:
    """Indices of `number` cells, drawn at random from every (arm, architecture).

    The first are one of each, the poisoned arm's before random, matched and clean ones. Then those come in turn whose
    victims the score is made of, poisoned and random, and what is left of the others comes last.

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
    scored = [stratum for stratum in first if stratum[0] in _SCORED]
    rounds = itertools.chain([first], itertools.repeat(scored, len(strata)), itertools.repeat(first, len(strata)))
    turns = (stratum for strata_of_round in rounds for stratum in strata_of_round)
    drawn = (left[stratum].pop() for stratum in turns if left[stratum])
    return sorted(itertools.islice(drawn, number))


def _by_score(again: Sequence[_CellAgain]) -> tuple[Check, float]:
    """The verdict where only distributions can be equal, and its power against a change of all victims alike."""
    shifts = {arm: [s for cell in again if cell.arm == arm for s in cell.shifts] for arm in {c.arm for c in again}}
    drawn, count = (shifts.get("random", []), shifts.get("poisoned", [])), sum(map(len, shifts.values()))
    if not all(drawn):
        sentence = f"{count} victims of {len(again)} cells differ; comparing the score takes more cells, of both arms."
        return Check("retrain", None, sentence), 0.0
    for cell in again:
        mean, most = sum(cell.shifts) / len(cell.shifts), most_apart(len(cell.shifts), _Z_OF_CELL)
        if abs(mean) > most:
            sentence = (
                f"a cell of {len(cell.shifts)} victims, {cell.architecture} of arm {cell.arm}, has an adversarial "
                f"accuracy {100 * mean:+.1f} points from the record's; up to ±{100 * most:.1f} is expected of rounding."
            )
            return Check("retrain", False, sentence), 0.0
    deviations = [(shift - sum(of_arm) / len(of_arm)) ** 2 for of_arm in shifts.values() for shift in of_arm]
    free = count - len(shifts)
    deviation = math.sqrt(sum(deviations) / free) if free >= _ENOUGH else SHIFT_SD
    error = deviation * math.sqrt(sum(1 / len(of_arm) for of_arm in drawn))
    less = sum(drawn[0]) / len(drawn[0]) - sum(drawn[1]) / len(drawn[1])
    power = NormalDist().cdf(RAISED_PP / 100 / error - Z) if error > 0 else 1.0
    sentence = (
        f"{count} victims of {len(again)} random cells trained again in another environment or with other code move "
        f"the score by {100 * less:+.1f} points; up to ±{100 * Z * error:.1f} is expected of rounding."
    )
    return Check("retrain", abs(less) <= Z * error, sentence), power


def _power_of_bits(record: Record, cells: Sequence[tuple[str, dict[str, Any]]], chosen: Sequence[int]) -> float:
    """With which probability the cells drawn hold one that was invented to raise the score by `RAISED_PP` points.

    A forger spreads what is invented over arms and architectures so that it is least likely to be drawn. An invented
    victim is taken to be worth the whole adversarial accuracy of a clean one, in the mean over its arm.
    """
    strata: dict[tuple[str, str], list[int]] = {}
    for i, (arm, cell) in enumerate(cells):
        if arm in _SCORED:
            strata.setdefault((arm, cell["victim"]), []).append(i)
    victims = {of: sum(len(cell["places"]) for arm, cell in cells if arm == of) for of in _SCORED}
    everyone = math.prod(victims.values())
    asked = math.ceil(RAISED_PP / 100 * everyone / (record.arms["clean"]["adv_acc"] or 1.0))
    best = {0: 1.0}  # what is gained, in units of a clean victim's accuracy / everyone -> how likely nothing is drawn
    for (of, _), indices in strata.items():
        drawn, missed, gained = len(set(indices) & set(chosen)), 1.0, 0
        choices = [(0, 1.0)]
        for forged, size in enumerate(sorted((len(cells[i][1]["places"]) for i in indices), reverse=True)):
            gained += size * everyone // victims[of]
            missed *= max(0, len(indices) - drawn - forged) / (len(indices) - forged)
            choices.append((gained, missed))
        spread: dict[int, float] = {}
        for (gain, miss), (more, less_likely) in itertools.product(best.items(), choices):
            total = min(asked, gain + more)
            spread[total] = max(spread.get(total, 0.0), miss * less_likely)
        best = spread
    return 1.0 - best.get(asked, 0.0)


def _stated(record: Record, arm: str, cell: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The record's victims of a cell, in its order."""
    victims = {
        (v["split"], v["seed"]): v
        for v in record.document["victims"]
        if (v["arm"], v["architecture"], v.get("draw")) == (arm, cell["victim"], cell.get("draw"))
    }
    return [victims[split, seed] for split, seed in cell["places"]]


def _accuracy(record: Record, cell: dict[str, Any], victim: dict[str, Any]) -> float:
    spec = record.track.spec(cell["victim"])
    at = record.track.epsilons(spec).index(record.track.epsilon(spec))
    return 1.0 - float(victim["broken"]["targeted"][at]) / float(victim["clean"]["source_points"])
