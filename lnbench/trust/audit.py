"""Would the score survive a stronger adversary? A record's victims are trained again and attacked by the best we have.

A weak attack flatters whichever arm is harder to attack (gradient masking), so all three arms are attacked again,
targeted and untargeted: with twice the steps, by random search without gradients, and by the strong adversary of
`lnbench.adversary.strong`. The result is a document of its own, with its own hash, that names the record it is about.
"""

from __future__ import annotations

import copy
import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lnbench import __version__, data
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import cell_name
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.stages import train_all
from lnbench.evaluation.store import Store
from lnbench.protocol import Streams, arms_of, pack, sha256_json
from lnbench.protocol.exactness import is_exact
from lnbench.record.derived import derive, rounded
from lnbench.record.record import Record
from lnbench.trust import detectability
from lnbench.trust.rank_stability import others_in, sentence, standing
from lnbench.trust.rerun import cells_of, streams_of

SCHEMA = 1
STRENGTH: Mapping[str, int] = {"steps": 50, "restarts": 1, "all_targets": 9, "queries": 500}
"""The strong adversary's settings; see `lnbench.adversary.strong`."""
GOALS = ("targeted", "untargeted")


def audit(
    record: Record,
    *,
    device: str = "cpu",
    workers: int = 1,
    salt: str | None = None,
    board: Path | None = None,
    store: Store | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Attack a record's victims again, with the strong adversary.

    Args:
        board: a folder of records, `<track>/<file>.json`; the record's rank among them is looked at if given.

    Returns:
        A document: `record` (sha256), `strength`, `reproduced` (victims whose plain attack gave the record's bits
        again, of all), `score` and `arms` as they are under the strong adversary beside the record's own, `doubts`
        (arm -> goal -> flag -> share), `flags`, `survives`, `verdict` (sentences), `detectability` (see
        `lnbench.trust.detectability`; null without cleanlab), `standing` (see
        `lnbench.trust.rank_stability`; null without a board),
        `victims` (bits), `environment`, `code_sha256`, `run`, and `sha256` of all but `run`.

    Raises:
        RecordError: if the record's salt is not known.
        ProtocolError: if the record's adversary is exact.
    """
    if is_exact(record.track):
        raise ProtocolError(f"the adversary of {record.track.name} is exact: there is no stronger one to audit it by.")
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    where, streams, store = environment(device, record.track), streams_of(record, salt), store or Store()
    track, splits = record.track, record.document["replication"]["splits"]
    points = [data.load(track, split, streams) for split in range(splits)]
    cells = cells_of(record, streams, device)
    names = [
        {**cell_name(track, streams, where["id"], cell, arm, points), "strength": dict(STRENGTH)} for arm, cell in cells
    ]
    results = train_all(
        [cell for _, cell in cells],
        names,
        make_engine("local", workers),
        store,
        on_progress or (lambda progress: None),
        function="lnbench.trust.audit:run_cell",
        kind="audits",
    )
    found = {
        (cell["victim"], entry["split"], entry["seed"], arm, cell.get("draw")): entry
        for (arm, cell), result in zip(cells, results, strict=True)
        for entry in result["victims"]
    }
    document = _document(record, found, data.fixed_test_set(track))
    document["detectability"], said = _detected(record, streams)
    document["standing"] = None
    if board is not None:
        rows, audits = others_in(board, record)
        document["standing"] = standing(record, document["score"]["split_drops_pp"], rows, audits)
        said.append(sentence(document["standing"]))
    document["verdict"] += said
    document |= {"environment": where, "code_sha256": code_sha256(track)}
    document["sha256"] = sha256_json(document)
    document["run"] = {
        "started": started.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "seconds": round(time.monotonic() - clock, 1),
        "version": __version__,
        "workers": workers,
    }
    return document


def _detected(record: Record, streams: Streams) -> tuple[dict[str, Any] | None, list[str]]:
    """How easily the flips are found, and sentences on it; None and why where cleanlab is missing."""
    try:
        found = detectability.detectability(record, streams)
    except UnavailableError as error:
        return None, [f"Detectability was not measured: {error}"]
    return rounded(found), detectability.sentences(found, record.track.noise.budget)


def _document(record: Record, found: Mapping[tuple[Any, ...], dict[str, Any]], fixed: bool) -> dict[str, Any]:
    """Everything that follows from the attacked victims."""
    track, strong = record.track, copy.deepcopy(dict(record.document))
    reproduced, shares = 0, {arm: {goal: dict[str, list[float]]() for goal in GOALS} for arm in arms_of(record.track)}
    for victim in strong["victims"]:
        entry = found[victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")]
        at = track.scored_index(victim["architecture"])
        reproduced += all(entry["plain"][goal] == victim["bits"][goal] for goal in GOALS)
        for goal in GOALS:
            victim["bits"][goal] = entry["strong"][goal]
            victim["broken"][goal][at] = entry["broken"][goal]
            for flag, share in entry["doubts"][goal].items():
                shares[victim["arm"]][goal].setdefault(flag, []).append(share)
    blocks = derive(track, strong, fixed_test_set=fixed)
    doubts = {
        arm: {goal: {flag: sum(v) / len(v) for flag, v in flags.items()} for goal, flags in of_arm.items()}
        for arm, of_arm in shares.items()
    }
    survives, verdict = _verdict(record, blocks)
    return {
        "kind": "audit",
        "schema": SCHEMA,
        "record": record.sha256,
        "track": {"name": track.name, "sha256": track.sha256},
        "poisoner": {"name": record.name, "parameters": dict(record.parameters)},
        "strength": dict(STRENGTH),
        "reproduced": [reproduced, len(strong["victims"])],
        "score": blocks["score"],
        "arms": {
            arm: {
                "adv_acc": blocks["arms"][arm]["adv_acc"],
                "untargeted_adv_acc": blocks["arms"][arm]["untargeted_adv_acc"],
                "plain_adv_acc": record.arms[arm]["adv_acc"],
                "plain_untargeted_adv_acc": record.arms[arm]["untargeted_adv_acc"],
            }
            for arm in arms_of(track)
        },
        "doubts": rounded(doubts),
        "flags": _flags(doubts),
        "survives": survives,
        "verdict": verdict,
        "victims": [
            {key: victim[key] for key in ("architecture", "split", "seed", "arm", "draw", "bits") if key in victim}
            for victim in strong["victims"]
        ],
    }


def _flags(doubts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """`arm:goal:flag` wherever a share is above its limit; `lnbench.adversary.SIGNS` says what each means."""
    from lnbench.adversary import SIGNS

    return sorted(
        f"{arm}:{goal}:{flag}"
        for arm, of_arm in doubts.items()
        for goal, flags in of_arm.items()
        for flag, share in flags.items()
        if share > SIGNS[flag].limit
    )


def _verdict(record: Record, blocks: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Whether the conclusion of the record holds under the strong adversary, and why, in sentences."""
    before, after = record.score, blocks["score"]
    if before["ci95_pp"] is None or after["ci95_pp"] is None:
        return False, ["There is no interval to compare: too few victims converged."]
    was, now = _side(before["ci95_pp"]), _side(after["ci95_pp"])
    said = {1: "beats random", 0: "is not told apart from random", -1: "is worse than random"}
    inside = before["ci95_pp"][0] <= after["drop_pp"] <= before["ci95_pp"][1]
    verdict = [
        f"Under the strong adversary the score is {after['drop_pp']:+.1f} pp "
        f"[{after['ci95_pp'][0]:.1f}, {after['ci95_pp'][1]:.1f}]; the record says {before['drop_pp']:+.1f} "
        f"[{before['ci95_pp'][0]:.1f}, {before['ci95_pp'][1]:.1f}].",
        f"The poisoner {said[now]}, as in the record."
        if was == now
        else f"The poisoner {said[now]}; in the record it {said[was]}.",
    ]
    if not inside:
        verdict.append("The strong score lies outside the record's interval.")
    ranked = blocks["ranked"] == record.ranked
    if not ranked:
        verdict.append("Under the strong adversary the record's standing (ranked or not) would change.")
    return was == now and inside and ranked, verdict


def _side(interval: list[float]) -> int:
    return (interval[0] > 0) - (interval[1] < 0)


def run_cell(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train one cell's victims again and attack them: plainly, with twice the steps, without gradients, strongly.

    Args:
        cell: as for `lnbench.evaluation.cells.trained`.

    Returns:
        `seconds`, and `victims`, one per victim: `plain` and `strong` (goal -> base64 bits at the scored radius),
        `broken` (goal -> count), `doubts` (goal -> flag -> share of its examples).
    """
    import torch

    from lnbench.adversary import pgd, signs_of_masking, strong
    from lnbench.evaluation import cells

    begin = time.perf_counter()
    made = cells.trained(cell, lambda share: report(0.2 * share))
    adversary, epsilon = made.track.adversary, made.track.epsilon(made.spec)
    at = made.track.scored_index(made.spec.name)
    inputs, targets, labels = made.examples
    radii = made.radii([epsilon])
    common: dict[str, Any] = {"bounds": made.points[0].bounds, "norm": adversary.norm}
    entries: list[dict[str, Any]] = [
        {"split": split, "seed": seed, "plain": {}, "strong": {}, "broken": {}, "doubts": {}}
        for split, seed in cell["places"]
    ]

    for number, (goal, classes) in enumerate(zip(GOALS, (targets, labels), strict=True)):
        targeted = goal == "targeted"
        generator = torch.Generator().manual_seed(made.start ^ number)
        once = cells.attack(made, targeted)
        plain = once.broken[:, at : at + 1]
        twice = pgd(
            made.victims,
            inputs,
            classes,
            targeted=targeted,
            epsilons=radii,
            steps=2 * adversary.steps,
            step_factor=adversary.step_factor,
            rule=adversary.rule,
            **common,
        ).broken
        report(0.2 + 0.4 * number + 0.1)
        search = strong(
            made.victims,
            inputs,
            classes,
            targeted=targeted,
            epsilons=radii,
            generator=generator,
            queries=STRENGTH["queries"],
            components=("square",),
            broken=plain,
            **common,
        ).broken
        full = strong(
            made.victims,
            inputs,
            classes,
            targeted=targeted,
            epsilons=radii,
            generator=generator,
            components=("apgd-ce", "apgd-dlr", "apgd-t"),
            broken=plain | twice | search,
            steps=STRENGTH["steps"],
            restarts=STRENGTH["restarts"],
            all_targets=STRENGTH["all_targets"],
            **common,
        ).broken
        report(0.2 + 0.4 * (number + 1))
        for row, entry in enumerate(entries):
            m = len(made.goals(row)[0])
            one = (slice(row, row + 1), ..., slice(m))
            entry["plain"][goal] = pack(plain[row, 0, :m].cpu().numpy())
            entry["strong"][goal] = pack(full[row, 0, :m].cpu().numpy())
            entry["broken"][goal] = int(full[row, 0, :m].sum())
            alone = type(once)(once.broken[one], once.zero_gradient[one], once.undefined[one])
            scored = type(once)(plain[one], once.zero_gradient[one], once.undefined[one])
            at_radius = signs_of_masking(scored, epsilons=[epsilon], doubled=twice[one], black_box=search[one])
            over_curve = signs_of_masking(alone, epsilons=made.track.epsilons(made.spec))
            entry["doubts"][goal] = rounded(at_radius | over_curve)
    return {"victims": entries, "seconds": round(time.perf_counter() - begin, 3)}
