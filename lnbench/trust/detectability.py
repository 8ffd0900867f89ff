"""Would somebody who looks at the data find the flips? Confident learning against a record's labels.

A logistic regression predicts each training point's label from folds that do not hold it; cleanlab scores how much the
given label disagrees with it, class by class adjusted (Northcutt et al., "Confident learning", 2021). Points whose
clean label is of a source class are ranked by that, and the flips should stand at the top. The same is done to the
random arm's labels: what counts is whether crafted flips are easier or harder to find than random ones.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import UnavailableError
from lnbench.protocol import Streams, applied, eligible
from lnbench.record.record import Record
from lnbench.record.score import t_interval

FOLDS = 5
DEPTHS = (1, 2, 5)
"""Recall is taken among this many times k suspects."""
_ITERATIONS = 200


def detectability(
    record: Record, streams: Streams, on_split: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """How well the poisoner's flips are found, beside those of the random arm (its first seed), mean over splits.

    Args:
        on_split: called with the number of splits done and in all.

    Returns:
        `recall` ("k", "2k", "5k" -> arm -> share of the flips among so many most suspect source-class points),
        `average_precision` (arm -> area under the precision-recall curve of that ranking), `easier_pp` (by how many
        points the poisoned arm's average precision is above the random arm's: `mean`, `ci95`, over splits), `accuracy`
        (arm -> share of out-of-fold predictions that are the true label), `method`, `splits`. None where a poisoner
        flipped nothing.

    Raises:
        UnavailableError: if cleanlab is not installed.
        DataError: if the data is not here.
    """
    version = _version()
    flips, k = record.document["flips"], record.track.noise.budget
    arms = {"poisoned": flips["poisoned"], "random": [per_seed[0] for per_seed in flips["random"]]}
    splits = len(flips["poisoned"])
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    for split in range(splits):
        points = data.load(record.track, split, streams)
        candidates = eligible(points.labels, record.track.pairs(split))
        for arm, lists in arms.items():
            labels = applied(points.labels, lists[split])
            quality, right = suspicion(points.inputs, labels, points.labels, streams.integer("folds", split) >> 31)
            if lists[split]:
                flipped = (labels != points.labels)[candidates]
                found[arm].append({**ranking(-quality[candidates], flipped, k), "accuracy": right})
        on_split(split + 1, splits)
    both = [a["average_precision"] - b["average_precision"] for a, b in zip(*found.values(), strict=False)]
    easier = t_interval(100 * np.array(both)) if len(found["poisoned"]) == splits else t_interval(np.empty(0))
    return {
        "method": f"cleanlab {version}, logistic regression, {FOLDS} folds",
        "splits": splits,
        "recall": {_depth(d): {arm: _mean(found[arm], _depth(d)) for arm in arms} for d in DEPTHS},
        "average_precision": {arm: _mean(found[arm], "average_precision") for arm in arms},
        "easier_pp": {"mean": easier.mean, "ci95": None if easier.ends is None else list(easier.ends)},
        "accuracy": {arm: _mean(found[arm], "accuracy") for arm in arms},
    }


def suspicion(inputs: np.ndarray, labels: np.ndarray, truth: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Label quality of every point, (n,), low where the label is suspect, and the out-of-fold accuracy.

    Args:
        inputs: (n, *shape); labels: (n,), those to be judged; truth: (n,), for the accuracy alone.
        seed: draws the folds, below 2³².
    """
    import warnings

    from cleanlab.rank import get_label_quality_scores
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    flat = inputs.reshape(len(inputs), -1)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=_ITERATIONS)
        predicted = cross_val_predict(model, flat, labels, cv=folds, method="predict_proba")
    quality = get_label_quality_scores(labels, predicted, method="normalized_margin", adjust_pred_probs=True)
    return np.asarray(quality), float((predicted.argmax(axis=1) == truth).mean())


def ranking(suspect: np.ndarray, flipped: np.ndarray, k: int) -> dict[str, float]:
    """Recall among the k, 2k, 5k most suspect, and average precision.

    Args:
        suspect: (m,), larger is more suspect; equal ones stand in the order given.
        flipped: (m,) bool, at least one True.
    """
    order = flipped[np.argsort(-suspect, kind="stable")]
    hits = np.cumsum(order)
    precision = hits / np.arange(1, len(order) + 1)
    recalls = {_depth(d): float(order[: d * k].sum() / order.sum()) for d in DEPTHS}
    return {**recalls, "average_precision": float(precision[order].mean())}


def sentences(found: dict[str, Any], k: int) -> list[str]:
    """What a person reads of it."""
    poisoned, random = found["average_precision"]["poisoned"], found["average_precision"]["random"]
    if poisoned is None or random is None:
        return ["Detectability: there are no flips to find."]
    recalls = ", ".join(
        f"{_percent(arms['poisoned'])} of the flips among the {depth} most suspect (random: {_percent(arms['random'])})"
        for depth, arms in found["recall"].items()
    )
    ends = found["easier_pp"]["ci95"]
    side = "not told apart from random flips"
    if ends is not None and (ends[0] > 0 or ends[1] < 0):
        side = "easier to find than random flips" if ends[0] > 0 else "harder to find than random flips"
    return [
        f"Detectability, k = {k}: {recalls}.",
        f"Average precision {_percent(poisoned)}, random {_percent(random)}: {side}.",
    ]


def _version() -> str:
    try:
        return importlib.metadata.version("cleanlab")
    except importlib.metadata.PackageNotFoundError:
        raise UnavailableError(
            "how easily the flips are found is measured with cleanlab, which is not installed: "
            "pip install 'lnbench[detect]'."
        ) from None


def _depth(times: int) -> str:
    return "k" if times == 1 else f"{times}k"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _mean(found: Sequence[dict[str, float]], name: str) -> float | None:
    return float(np.mean([values[name] for values in found])) if found else None
