"""Would the score survive a stronger adversary? A record's victims are trained again and attacked by the best we have.

A weak attack flatters whichever arm is harder to attack (gradient masking), so all three arms are attacked again,
targeted and untargeted, at the damage radius too where the track has one: with twice the steps, by random search
without gradients, and by the strong adversary of `lnbench.adversary.strong`. The result is a document of its own, with
its own hash, that names the record it is about.
"""

from __future__ import annotations

import copy
import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnbench import __version__, data
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import nodes
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import cell_name
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.stages import train_all
from lnbench.evaluation.store import Store
from lnbench.protocol import Streams, Track, arms_of, pack, sha256_json
from lnbench.protocol.exactness import is_exact
from lnbench.record import audits
from lnbench.record.audits import STRENGTH
from lnbench.record.derived import derive, rounded
from lnbench.record.record import Record
from lnbench.trust import detectability
from lnbench.trust.rank_stability import others_in, sentence, standing
from lnbench.trust.rerun import cells_of, streams_of

if TYPE_CHECKING:
    from lnbench.evaluation.cells import Trained

SCHEMA = 1
GOALS = ("targeted", "untargeted")
"""What is attacked at the scored radius."""


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
        {
            **cell_name(track, streams, where["id"], cell, arm, points),
            "strength": dict(STRENGTH),
            **({} if track.damage is None else {"goals": goals_of(track)}),
        }
        for arm, cell in cells
    ]
    results = train_all(
        [cell for _, cell in cells],
        names,
        nodes.engine("local", workers, device),
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
    goals = goals_of(track)
    reproduced, shares = 0, {arm: {goal: dict[str, list[float]]() for goal in goals} for arm in arms_of(track)}
    for victim in strong["victims"]:
        entry = found[victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")]
        at = track.scored_index(victim["architecture"])
        reproduced += all(entry["plain"][goal] == victim["bits"][goal] for goal in goals)
        for goal in goals:
            victim["bits"][goal] = entry["strong"][goal]
            if goal == audits.DAMAGE:
                victim["broken"][goal] = entry["broken"][goal]
            else:
                victim["broken"][goal][at] = entry["broken"][goal]
            for flag, share in entry["doubts"][goal].items():
                shares[victim["arm"]][goal].setdefault(flag, []).append(share)
    blocks = derive(track, strong, fixed_test_set=fixed)
    doubts = {
        arm: {goal: {flag: sum(v) / len(v) for flag, v in flags.items()} for goal, flags in of_arm.items()}
        for arm, of_arm in shares.items()
    }
    survives, verdict = audits.verdict(record, blocks)
    accuracies = ["adv_acc", "untargeted_adv_acc", *(["damage_adv_acc"] if audits.DAMAGE in goals else [])]
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
            arm: {name: blocks["arms"][arm][name] for name in accuracies}
            | {f"plain_{name}": record.arms[arm][name] for name in accuracies}
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


def goals_of(track: Track) -> list[str]:
    """What the victims of a track are attacked for."""
    return [*GOALS, *([] if track.damage is None else [audits.DAMAGE])]


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


def run_cell(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train one cell's victims again and attack them: plainly, with twice the steps, without gradients, strongly.

    Args:
        cell: as for `lnbench.evaluation.cells.trained`.

    Returns:
        `seconds`, and `victims`, one per victim: `plain` and `strong` (goal -> base64 bits at the scored radius),
        `broken` (goal -> count), `doubts` (goal -> flag -> share of its examples).
    """
    from lnbench.evaluation import cells

    begin = time.perf_counter()
    made = cells.trained(cell, lambda share: report(0.2 * share))
    entries: list[dict[str, Any]] = [
        {"split": split, "seed": seed, "plain": {}, "strong": {}, "broken": {}, "doubts": {}}
        for split, seed in cell["places"]
    ]
    goals = goals_of(made.track)
    for number, goal in enumerate(goals):
        _attack_again(made, goal, number, entries)
        report(0.2 + 0.8 * (number + 1) / len(goals))
    return {"victims": entries, "seconds": round(time.perf_counter() - begin, 3)}


def _attack_again(made: Trained, goal: str, number: int, entries: list[dict[str, Any]]) -> None:
    """Attack trained victims for one goal, and write what came of it into their entries.

    Args:
        number: of the goal, for the random streams.
        entries: one per victim, as `run_cell` returns them.
    """
    import torch

    from lnbench.adversary import pgd, signs_of_masking, strong
    from lnbench.evaluation import cells

    adversary, damage = made.track.adversary, made.track.damage
    inputs, targets, labels = made.examples
    common: dict[str, Any] = {
        "targeted": goal == "targeted",
        "bounds": made.points[0].bounds,
        "norm": adversary.norm,
    }
    doubled: dict[str, Any]
    if goal == audits.DAMAGE:
        attacked, at, asked = cells.damage(made), 0, made.track.damage_epsilon(made.spec)
        if attacked is None or damage is None or asked is None:
            raise RuntimeError(f"the track {made.track.name} has no damage radius")
        once, epsilon = attacked, asked
        radii = torch.full((*labels.shape[:-1], 1, labels.shape[-1]), epsilon, device=made.device)
        doubled = {"steps": 2 * damage.steps, "loss": damage.loss}
    else:
        once, at = cells.attack(made, goal == "targeted"), made.track.scored_index(made.spec.name)
        epsilon = made.track.epsilon(made.spec)
        radii = made.radii([epsilon])
        doubled = {"steps": 2 * adversary.steps, "step_factor": adversary.step_factor, "rule": adversary.rule}
    classes = targets if goal == "targeted" else labels
    rest: dict[str, Any] = {"epsilons": radii, "generator": torch.Generator().manual_seed(made.start ^ number)}
    plain = once.broken[:, at : at + 1]
    twice = pgd(made.victims, inputs, classes, epsilons=radii, **doubled, **common).broken
    search = strong(
        made.victims,
        inputs,
        classes,
        queries=STRENGTH["queries"],
        components=("square",),
        broken=plain,
        **rest,
        **common,
    ).broken
    full = strong(
        made.victims,
        inputs,
        classes,
        components=("apgd-ce", "apgd-dlr", "apgd-t"),
        broken=plain | twice | search,
        steps=STRENGTH["steps"],
        restarts=STRENGTH["restarts"],
        all_targets=STRENGTH["all_targets"],
        **rest,
        **common,
    ).broken
    for row, entry in enumerate(entries):
        m = len(made.goals(row)[0])
        one = (slice(row, row + 1), ..., slice(m))
        entry["plain"][goal] = pack(plain[row, 0, :m].cpu().numpy())
        entry["strong"][goal] = pack(full[row, 0, :m].cpu().numpy())
        entry["broken"][goal] = int(full[row, 0, :m].sum())
        alone = type(once)(once.broken[one], once.zero_gradient[one], once.undefined[one])
        scored = type(once)(plain[one], once.zero_gradient[one], once.undefined[one])
        signs = signs_of_masking(scored, epsilons=[epsilon], doubled=twice[one], black_box=search[one])
        if goal != audits.DAMAGE:
            signs |= signs_of_masking(alone, epsilons=made.track.epsilons(made.spec))
        entry["doubts"][goal] = rounded(signs)
