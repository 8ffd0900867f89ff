"""What a track can decide: the spread of its random arm, from one full run of `random_flip`, and the power it buys.

A score is the mean of W split means, each over V seeds. A random flip set's own effect on its split does not shrink
with more seeds of that split; what differs between seeds does. So of a split mean's variance σ_b² + σ_w² / V both parts
are stored, and what any number of splits and seeds would resolve follows from them. They are those of a null poisoner:
an attack that spreads its splits wider than random flips do needs more of them.

The numbers lie beside the track, `tracks/<name>.calibration.json`, and are no part of its hash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, stats

from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import ARMS, POISONED, RANDOM, Track
from lnbench.protocol import track as tracks
from lnbench.record.flags import BAND
from lnbench.record.record import Record
from lnbench.record.score import INDEX

POISONER = "random_flip"
POWER, ALPHA, EFFECT_PP = 0.8, 0.05, 5.0
"""What a track should resolve: an effect of `EFFECT_PP` points, with this power in a two-sided test."""
LEAST_PP = 10.0
"""What it must resolve to call itself calibrated: large attacks can be told from random flips, small ones need more."""
_NEAR = 0.05
"""A victim whose AA is within this of 0 or 1 is at the floor or at the ceiling."""
MOST_SPLITS = 1000
"""As many as a record may have."""


def calibrated(track: Track) -> Track:
    """The track as it is once it says `calibrated = true`, the form that its calibration is run on and is about."""
    return track if track.calibrated else Track.from_document({**track.document, "calibrated": True})


def place(name_or_path: str) -> Path:
    """Where the calibration of a shipped track, or of a track file, lies."""
    path = Path(name_or_path)
    return (path if path.suffix == ".toml" else tracks.FOLDER / f"{name_or_path}.toml").with_suffix(".calibration.json")


def read(name_or_path: str) -> dict[str, Any]:
    """The calibration of a track.

    Raises:
        UnavailableError: if there is none, or it is of another version of the track.
        ProtocolError: if the track or its calibration cannot be read.
    """
    track, path = calibrated(tracks.load(name_or_path)), place(name_or_path)
    remedy = f"`lnbench tracks validate {name_or_path}` makes one."
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        stated, known = made["track_sha256"], {"splits", "seeds", "components_pp", "architectures"} <= made.keys()
    except FileNotFoundError:
        raise UnavailableError(f"{track.name} has no calibration ({path.name}); {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ProtocolError(f"{path} is not the calibration of a track; {remedy}") from None
    if stated != track.sha256 or not known:
        raise UnavailableError(f"{path.name} is of another version of {track.name} or of lnbench; {remedy}")
    return dict(made)


def write(calibration: Mapping[str, Any], path: Path) -> None:
    """Write a calibration, whole or not at all.

    Raises:
        UnavailableError: if the place cannot be written.
    """
    try:
        write_atomically(path, (json.dumps(calibration, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise UnavailableError(f"the calibration cannot be written to {path}: {error.strerror}.") from None


def calibrate(record: Record, *, seconds: float | None = None, peak_mib: float | None = None) -> dict[str, Any]:
    """The numbers that one run of `random_flip` on the track's own splits and seeds gives.

    Args:
        seconds: the run's wall clock from an empty store, None if it is not known.
        peak_mib: resident memory of its largest process.

    Raises:
        RecordError: if it is a record of another poisoner, of fewer splits or seeds, or with diverged victims.
    """
    track, arms = record.track, record.arms
    _usable(record)
    counts = record.tables.counts(flags=False)
    accuracy = 1.0 - counts.targeted / counts.points[:, None]
    parts = components(
        100 * accuracy[INDEX[RANDOM]].mean(axis=0),
        100 * accuracy[INDEX[POISONED]].mean(axis=0),
        track.replication.random_draws,
    )
    splits, seeds = record.tables.splits, record.tables.seeds
    run = record.document["run"]
    return {
        "track_sha256": track.sha256,
        "record_sha256": record.sha256,
        "architectures": {
            name: {
                "epsilon": track.epsilons(track.spec(name))[track.scored_index(name)],
                **{
                    f"{arm}_{share}": _round(arms[arm]["per_architecture"][name][share], 4)
                    for arm in ARMS[:2]
                    for share in ("adv_acc", "untargeted_adv_acc", "clean_acc", "source_clean_acc", "memorised")
                    if (arm, share) != ("clean", "memorised")
                },
                "random_at_floor": _round(float((accuracy[INDEX[RANDOM], a] <= _NEAR).mean()), 4),
                "random_at_ceiling": _round(float((accuracy[INDEX[RANDOM], a] >= 1 - _NEAR).mean()), 4),
            }
            for a, name in enumerate(counts.architectures)
        },
        "splits": splits,
        "seeds": seeds,
        "components_pp": {name: _round(value, 3) for name, value in parts.items()},
        "sd_of_split_drops_pp": _round(sd_of_split(parts, seeds, seeds), 3),
        "resolves_pp_at_80_percent_power": _round(resolved(sd_of_split(parts, seeds, seeds), splits), 2),
        "run": {
            **{key: run[key] for key in ("started", "device", "cpu", "workers", "version")},
            "seconds": seconds,
            "peak_mib": peak_mib,
        },
    }


def components(random: np.ndarray, poisoned: np.ndarray, draws: int = 1) -> dict[str, float | None]:
    """Standard deviations behind a split mean of AA(random) − AA(poisoned), where both arms flip at random.

    With r and p of split w and seed v as r = μ + split_w + seed_wv + (mean over D draws of set_wvd + e_wvd) and
    p = μ + split_w + seed_wv + set_w + e': r − p has the variance σ_set² / D + (1 + 1/D)·σ_e² within a split, its split
    means σ_set² more than a V-th of that; the seeds' covariance of r and p within a split is σ_seed². Estimates below
    0 are 0.

    Args:
        random, poisoned: (split, seed), in points; the random arm has `draws` flip sets a seed, the poisoned one a
            single one a split.

    Returns:
        `total`, of a split mean with these seeds; `between` and `within`, so that total² = between² + within² / V;
        and what they are made of: `split`, `seed`, `label_set`, `residual`. With one seed only `total` is known.
    """
    drops, seeds = random - poisoned, random.shape[1]
    total = float(drops.mean(axis=1).var(ddof=1))
    names = ("between", "within", "split", "seed", "label_set", "residual")
    if seeds < 2:
        return {"total": math.sqrt(total), **dict.fromkeys(names)}
    within = float(drops.var(axis=1, ddof=1).mean())
    between = max(0.0, total - within / seeds)
    split = float(random.mean(axis=1).var(ddof=1)) - float(random.var(axis=1, ddof=1).mean()) / seeds
    centred = [arm - arm.mean(axis=1, keepdims=True) for arm in (random, poisoned)]
    seed = float((centred[0] * centred[1]).sum(axis=1).mean()) / (seeds - 1)
    squares = (between, within, split, seed, between, (within - between / draws) / (1 + 1 / draws))
    known = {name: math.sqrt(max(0.0, square)) for name, square in zip(names, squares, strict=True)}
    return {"total": math.sqrt(total), **known}


def sd_of_split(parts: Mapping[str, float | None], measured: int, seeds: int) -> float | None:
    """Standard deviation of a split mean over `seeds` seeds, in points; None if it cannot be told.

    Args:
        parts: as `components` returns them.
        measured: seeds of a split in the run that gave them.
    """
    if seeds == measured:
        return parts["total"]
    between, within = parts["between"], parts["within"]
    return None if between is None or within is None else math.sqrt(between**2 + within**2 / seeds)


def power(effect: float, sd: float, splits: int, alpha: float = ALPHA) -> float:
    """Chance that a two-sided t test over `splits` split means of this spread finds a true drop of `effect` points.

    Only findings of the right sign count.
    """
    if sd <= 0:
        return 1.0
    limit = float(stats.t.ppf(1 - alpha / 2, splits - 1))
    return float(stats.nct.sf(limit, splits - 1, effect * math.sqrt(splits) / sd))


def resolved(sd: float | None, splits: int, alpha: float = ALPHA) -> float | None:
    """The smallest true drop, in points, that is found with a power of 80 %."""
    if sd is None or sd <= 0 or splits < 2:
        return None if sd is None or splits < 2 else 0.0
    high = sd
    while power(high, sd, splits, alpha) < POWER:
        high *= 2
    return float(optimize.brentq(lambda effect: power(effect, sd, splits, alpha) - POWER, 0.0, high))


def splits_needed(effect: float, sd: float, alpha: float = ALPHA) -> int | None:
    """The fewest splits that find a drop of `effect` points with a power of 80 %; None if a thousand do not."""
    if power(effect, sd, MOST_SPLITS, alpha) < POWER:
        return None
    low, high = 1, MOST_SPLITS  # low fails, or is too few for a test; high succeeds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, sd, middle, alpha) >= POWER else (middle, high)
    return high


def faults(track: Track, calibration: Mapping[str, Any]) -> list[str]:
    """Why a track may not say `calibrated = true`, one sentence each; none if it may."""
    sentences = []
    for name, values in calibration["architectures"].items():
        level, memorised = values["random_adv_acc"], values["random_memorised"]
        if not BAND[0] <= level <= BAND[1]:
            sentences.append(
                f"{name}: the random arm's AA is {100 * level:.1f} %, outside "
                f"{100 * BAND[0]:.0f}–{100 * BAND[1]:.0f} %; take a {'smaller' if level < BAND[0] else 'larger'} ε "
                f"than {values['epsilon']:g}."
            )
        least = track.spec(name).memorised_min
        if least is not None and memorised < least:
            sentences.append(
                f"{name}: the random arm memorised {100 * memorised:.1f} % of its flips, "
                f"memorised_min is {100 * least:.0f} %; train for more steps."
            )
    resolves = calibration["resolves_pp_at_80_percent_power"]
    if resolves is None or resolves > LEAST_PP:
        sentences.append(
            f"{calibration['splits']} × {calibration['seeds']} resolve {resolves} pp at {POWER:.0%} power, "
            f"{LEAST_PP:g} are the least; `lnbench power` says how many splits that takes."
        )
    return sentences


def _usable(record: Record) -> None:
    """Raise RecordError if a record is not that of a calibration run."""
    asked, tables = record.track.replication, record.tables
    if record.name != POISONER or record.parameters:
        raise RecordError(f"a track is calibrated by {POISONER}; this is a record of {record.label}.")
    if (tables.splits, tables.seeds) != (asked.splits, asked.seeds):
        raise RecordError(
            f"a track is calibrated on its own {asked.splits} splits × {asked.seeds} seeds; this record has "
            f"{tables.splits} × {tables.seeds}."
        )
    if not tables.valid.all():
        raise RecordError("victims of this run diverged; the recipe must be mended before the track is calibrated.")


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
