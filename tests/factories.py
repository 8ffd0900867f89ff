"""Records without training: real tracks, real data and real flips, with made-up but consistent victims."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from lnbench import data, record
from lnbench.protocol import (
    MATCHED,
    OWN,
    PUBLIC_SALT,
    Streams,
    Track,
    applied,
    arms_of,
    canonical_json,
    matched_flips,
    pack,
    random_draw,
    random_flips,
    sha256,
    sha256_json,
    unpack,
)
from lnbench.protocol import track as tracks
from lnbench.record import defence
from lnbench.record.defence import DefenceRecord
from lnbench.record.record import Record
from lnbench.record.tables import expected_victims
from lnbench.trust import audit as audits

SOURCE = '"""A test\'s poisoner."""\n'


def _simple() -> dict[str, Any]:
    """The keys of `digits-9to0` as it began: one draw of random flips a seed, one score, two architectures."""
    document: dict[str, Any] = copy.deepcopy(dict(tracks.load("digits-9to0").document))
    document.pop("damage", None)
    document["replication"].pop("random_draws", None)
    return document | {"version": 0, "victims": document["victims"][:2]}


_DIGITS = _simple()


def track(**changes: Any) -> Track:
    """A simple track of digits, calibrated, with top-level keys of its document replaced."""
    document = copy.deepcopy(_DIGITS) | {"calibrated": True} | changes
    return Track.from_document(document)


def small(splits: int = 3, seeds: int = 2) -> Track:
    """The default track with few splits and seeds."""
    replication = {"splits": splits, "seeds": seeds, "quick_splits": 2, "quick_seeds": 1}
    return track(replication=replication)


_LOADED: dict[tuple[str, int, str], data.Split] = {}


def _load(t: Track, split: int, salt: str) -> data.Split:
    """One split; reading the digits anew for every record would take most of these tests' time."""
    name = t.sha256, split, salt
    if name not in _LOADED:
        _LOADED[name] = data.load(t, split, Streams(t.sha256, salt))
    return _LOADED[name]


def taking(source: str, parameters: Mapping[str, Any]) -> str:
    """A source that has these parameters, with other values: the same text for all values of the same types."""
    if not parameters or "class " in source:
        return source
    others = {int: -987, float: -987.5, str: "another", bool: False}
    lines = [f"    {name}: {type(value).__name__} = {others[type(value)]!r}" for name, value in parameters.items()]
    return "\n".join(
        [
            source,
            "import lnbench",
            "class Made(lnbench.Poisoner):",
            *lines,
            "    def poison(self, problem):",
            "        ...\n",
        ]
    )


def make(
    made_on: Track | None = None,
    *,
    name: str = "made_up",
    parameters: Mapping[str, Any] | None = None,
    source: str = SOURCE,
    effect: float = 0.1,
    level: float = 0.5,
    seed: int = 0,
    quick: bool = False,
    sandbox: str = "bubblewrap",
    season: str | None = None,
    salt: str = PUBLIC_SALT,
    started: str = "2026-01-02T03:04:05Z",
    change: Callable[[dict[str, Any]], None] | None = None,
    **parts: Any,
) -> Record:
    """A record whose poisoned victims break about `effect` more examples than the random arm's `1 − level`.

    Records of one track and salt share their clean and random arms, whatever their `seed`.

    Args:
        change: alters one victim's fields in place before the record is assembled.
        parts: arguments of `record.assemble` to replace.
    """
    t = made_on or small()
    source = taking(source, parameters or {})
    streams, rng = Streams(t.sha256, salt), np.random.default_rng(seed)
    r = t.replication
    splits, seeds = (r.quick_splits, r.quick_seeds) if quick else (r.splits, r.seeds)
    points = [_load(t, w, salt) for w in range(splits)]
    flips: dict[str, Any] = {
        "poisoned": [random_flips(p.labels, t.pairs(w), t.noise.budget, rng) for w, p in enumerate(points)],
        "random": [
            [
                random_draw(p.labels, t, streams, w, v, draw)
                for v in range(seeds)
                for draw in range(t.replication.random_draws)
            ]
            for w, p in enumerate(points)
        ],
    }
    if MATCHED in arms_of(t):
        flips[MATCHED] = [
            [matched_flips(p.labels, f, streams.generator(MATCHED, w, v)) for v in range(seeds)]
            for w, (p, f) in enumerate(zip(points, flips["poisoned"], strict=True))
        ]
    levels = {"random": level, "poisoned": level - effect, MATCHED: level - effect / 2}
    victims, shared = [], np.random.default_rng(0)
    for architecture, split, v, arm, draw in expected_victims(t, splits, seeds):
        drawn = shared if arm in ("clean", "random") else rng
        victim = _victim(t, split, points[split], architecture, arm, levels, drawn)
        victim |= {"architecture": architecture, "split": split, "seed": v, "arm": arm}
        victim |= {} if draw is None else {"draw": draw}
        if change is not None:
            change(victim)
        victims.append(victim)
    arguments: dict[str, Any] = {
        "track": t,
        "streams_commitment": streams.commitment,
        "salt": next((said for said in (PUBLIC_SALT, OWN) if salt.partition(":")[0] == said), None),
        "season": season,
        "quick": quick,
        "splits": splits,
        "seeds": seeds,
        "poisoner": {
            "name": name,
            "parameters": dict(parameters or {}),
            "description": "Flips what the test asks for.",
            "author": "",
            "paper": "",
            "license": "Apache-2.0",
            "source": source,
            "sha256": sha256(source.encode()),
        },
        "flips": flips,
        "labels_sha256": [
            sha256(applied(p.labels, f).astype("<i8").tobytes()) for p, f in zip(points, flips["poisoned"], strict=True)
        ],
        "trainings": [0] * splits,
        "victims": victims,
        "environment": {"id": "e" * 64, "parts": {"device": "cpu"}},
        "code_sha256": "c" * 64,
        "sandbox": sandbox,
        "fixed_test_set": data.fixed_test_set(t),
        "run": {
            "started": started,
            "seconds": 60.5,
            "poison_seconds": [0.5] * splits,
            "device": "cpu",
            "cpu": "a processor",
            "version": "0.1.0",
            "commit": None,
            "command": f"lnbench evaluate {name}",
            "engine": "local",
            "workers": 2,
        },
    }
    return record.assemble(**arguments | parts)


def hashed(treatment: Any) -> str:
    """The hash that a treatment's document has in a defence's record, whatever is in it."""
    return sha256(json.dumps(treatment, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n")


def defended(made: Record) -> DefenceRecord:
    """The record of a defence that changes nothing: its victims are those of the attack's record."""
    treatment: dict[str, Any] = {"labels": [[]], "weights": None, "partition": None, "recipe": {}}
    name, size = hashed(treatment), made.replication
    draws = size.seeds * made.track.replication.random_draws
    source = '"""A test\'s defender."""\n'
    block = {**made.document["poisoner"], "name": "idle", "source": source, "sha256": sha256(source.encode())}
    return defence.assemble(
        undefended=made,
        defender=block,
        told_budget=None,
        treatments={name: treatment},
        treated={
            "clean": [name] * size.splits,
            "random": [[name] * draws] * size.splits,
            "poisoned": [name] * size.splits,
        },
        victims=made.document["victims"],
        environment=made.document["environment"],
        code_sha256=made.document["code_sha256"],
        sandbox="bubblewrap",
        run=made.document["run"],
    )


def rehashed(document: Mapping[str, Any]) -> Record:
    """A record of this document, its hash made to fit: what a forger would do."""
    changed = copy.deepcopy(dict(document))
    changed["sha256"] = record.digest(changed)
    return Record(changed, Track.from_document(changed["track"]["document"]))


def audit(made: Record, spare: bool = False, damage: int = 0) -> dict[str, Any]:
    """An audit whose strong adversary breaks one more point of every poisoned victim; or spares one, if asked to.

    Args:
        damage: how many more it breaks of a poisoned victim at the damage radius.
    """
    attacked, goals = {}, audits.goals_of(made.track)
    for victim in made.document["victims"]:
        plain, n = victim["bits"], victim["clean"]["source_points"]
        strong = {goal: unpack(plain[goal], n).copy() for goal in goals}
        if victim["arm"] == "poisoned":
            flags = strong["targeted"]
            flags[np.flatnonzero(flags if spare else ~flags)[0]] = not spare
            if damage:
                strong["damage"][np.flatnonzero(~strong["damage"])[:damage]] = True
        key = victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")
        attacked[key] = {
            "plain": plain,
            "strong": {goal: pack(flags) for goal, flags in strong.items()},
            "broken": {goal: int(flags.sum()) for goal, flags in strong.items()},
            "doubts": {goal: {"black-box": 0.0} for goal in goals},
        }
    document = audits._document(made, attacked, bool(made.score.fixed_test_set))
    return {**document, "detectability": {"recall": {"k": {"poisoned": 0.75, "random": 0.5}}}}


def write_audit(path: Path, document: Mapping[str, Any]) -> Path:
    """The file of an audit, with the hash that fits."""
    hashed = {k: v for k, v in document.items() if k not in ("sha256", "run")}
    path.write_bytes(canonical_json({**hashed, "sha256": sha256_json(hashed), "run": {"seconds": 1.0}}))
    return path


def _victim(
    t: Track,
    split: int,
    points: data.Split,
    architecture: str,
    arm: str,
    levels: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    sources = [source for source, _ in t.pairs(split)]
    n = int(np.isin(points.test_labels, sources).sum())
    at, curve = t.scored_index(architecture), len(t.epsilons(t.spec(architecture)))
    bits, counts = {}, {}
    level = levels.get(arm, 0.9)
    for goal, share in (("targeted", level), ("untargeted", max(level - 0.1, 0.0))):
        broken = rng.random(n) < 1.0 - share
        slope = np.clip(np.arange(curve) - at, -4, 4) * (n // 12)
        row = np.clip(int(broken.sum()) + slope, 0, n)
        row[at] = int(broken.sum())
        bits[goal], counts[goal] = record.pack(broken), row.tolist()
    if t.damage is not None:
        broken = rng.random(n) < 0.6 * (1.0 - level)
        bits["damage"], counts["damage"] = record.pack(broken), int(broken.sum())
    budget = 0 if arm == "clean" else t.noise.budget
    return {
        "steps": t.spec(architecture).recipe.steps,
        "train_points": t.data.train,
        "train_correct": t.data.train,
        "flipped": budget,
        "memorised_count": budget,
        "diverged": False,
        "clean": {
            "points": len(points.test_labels),
            "correct": len(points.test_labels) - 12,
            "source_points": n,
            "source_correct": n - 3,
            "source_to_target": min(1, *counts["targeted"]),
        },
        "broken": counts,
        "zero_gradient": {"targeted": 0, "untargeted": 0},
        "bits": bits,
    }


def ship(monkeypatch: pytest.MonkeyPatch, folder: Path, *shipped: Track) -> None:
    """Let exactly these tracks ship with lnbench."""
    folder.mkdir(parents=True, exist_ok=True)
    for t in shipped:
        tiny.write(folder / f"{t.name}.toml", dict(t.document))
    monkeypatch.setattr(tracks, "FOLDER", folder)
