"""What a record says that follows from its victims: the arms, the score, the flags, and whether it may rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from lnbench.errors import RecordError
from lnbench.protocol import POISONED, Track, arms_of
from lnbench.protocol.documents import WrongError, read
from lnbench.record.flags import FLAGS, REPORTED, raised
from lnbench.record.schema import Accuracies, Arm, Curve, SplitsAndSeeds, Victim, ZeroGradientShares
from lnbench.record.score import INDEX, Counts, score, split_means
from lnbench.record.tables import Tables


def derive(
    track: Track,
    document: Mapping[str, Any],
    *,
    fixed_test_set: bool,
    reported: Sequence[str] = (),
    tables: Tables | None = None,
) -> dict[str, Any]:
    """The blocks `score`, `arms`, `flags` and `ranked` of a record, from its other blocks.

    Args:
        reported: those of the `REPORTED` flags that the run raised.
        tables: the victims of the document, if they are at hand as arrays.

    Raises:
        RecordError: if the victims are malformed or incomplete, or disagree with the track.
    """
    strange = sorted(set(reported) - REPORTED)
    if strange:
        raise RecordError(f"a run reports only {', '.join(sorted(REPORTED))} as a flag, not {strange[0]!r}.")
    tables = tables or tables_of(track, document)
    counts = tables.counts(flags=fixed_test_set)
    result = score(counts, fixed_test_set=fixed_test_set)
    arms = {arm: _arm(tables, counts, a) for a, arm in enumerate(arms_of(track))}
    flags = sorted({*raised(tables, document, result, arms), *reported})
    return {
        "score": rounded(msgspec.to_builtins(result)),
        "arms": rounded(msgspec.to_builtins(arms)),
        "flags": flags,
        "ranked": not any(FLAGS[flag.split(":")[0]][0] for flag in flags),
    }


def tables_of(track: Track, document: Mapping[str, Any]) -> Tables:
    """The victims of a record's document as arrays; raises as `Tables`, also if one is malformed."""
    try:
        return Tables(
            track, read(document["replication"], SplitsAndSeeds), read(document["victims"], tuple[Victim, ...])
        )
    except WrongError as wrong:
        raise RecordError(f"a victim or the replication is malformed: {wrong}") from None


def rounded(value: Any) -> Any:
    """The value with every float in it rounded to 1e-9, and no negative zero."""
    if isinstance(value, float):
        return round(value, 9) + 0.0
    if isinstance(value, Mapping):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return value


def split_accuracies(tables: Tables) -> np.ndarray:
    """AA of the poisoned arm, mean over architectures and seeds, (split,): what rows are compared by."""
    counts = tables.counts(flags=False)
    return split_means(1.0 - counts.targeted[INDEX[POISONED]] / counts.points[:, None], counts.valid)


def split_damage_accuracies(tables: Tables) -> np.ndarray | None:
    """The same under the damage attack; None on tracks without one."""
    broken = tables.counts(flags=False).damage
    if broken is None:
        return None
    return split_means(1.0 - broken[INDEX[POISONED]] / tables.points[:, None], tables.valid)


def _arm(tables: Tables, counts: Counts, arm: int) -> Arm:
    points, valid, whole = counts.points[:, None], counts.valid, range(len(tables.names))
    flipped = tables.table("flipped")[arm]
    shares = {
        "adv_acc": (1.0 - counts.targeted[arm] / points, valid),
        "untargeted_adv_acc": (1.0 - counts.untargeted[arm] / points, valid),
        "clean_acc": (tables.table("clean.correct")[arm] / tables.table("clean.points")[arm], valid),
        "source_clean_acc": (tables.table("clean.source_correct")[arm] / points, valid),
        "memorised": (tables.table("memorised_count")[arm] / np.maximum(flipped, 1), valid & (flipped > 0)),
    }

    if counts.damage is not None:
        shares["damage_adv_acc"] = (1.0 - counts.damage[arm] / points, valid)

    def means(a: slice) -> dict[str, float | None]:
        return {name: _mean(values[a], ok[a]) for name, (values, ok) in shares.items()}

    zero_gradient = {
        g: _mean(tables.table(f"zero_gradient.{g}")[arm] / points, valid) for g in ("targeted", "untargeted")
    }
    return Arm(
        **means(slice(None)),
        train_acc=_mean(tables.table("train_correct")[arm] / tables.table("train_points")[arm], valid),
        zero_gradient=ZeroGradientShares(**zero_gradient),
        curve={tables.names[a]: _curve(tables, counts, arm, a) for a in whole},
        per_architecture={tables.names[a]: Accuracies(**means(slice(a, a + 1))) for a in whole},
    )


def _curve(tables: Tables, counts: Counts, arm: int, a: int) -> Curve:
    means: dict[str, tuple[float, ...] | None] = {}
    for goal in ("targeted", "untargeted"):
        accuracy = 1.0 - tables.curve(a, goal)[arm] / counts.points[:, None, None]
        values = [_mean(accuracy[None, ..., e], counts.valid[a : a + 1]) for e in range(accuracy.shape[-1])]
        known = [value for value in values if value is not None]
        means[goal] = tuple(known) if len(known) == len(values) else None
    return Curve(epsilons=counts.epsilons[a], **means)


def _mean(values: np.ndarray, valid: np.ndarray) -> float | None:
    """Mean over splits of the mean over the valid (architecture, seed); arguments (architecture, split, seed)."""
    means = split_means(values, valid)
    return float(means.mean()) if len(means) else None
