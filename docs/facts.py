"""Every figure of the documentation, from committed records, tracks and audits: what `{{ … }}` in a page stands for.

{{ score["digits-9to0"].my_poisoner }}        a row's score with its interval, as the board has it
{{ gap("digits-9to0", "matched_search", "random_search") }}    a paired difference
{{ truth("digits-9to0", "a", "mlp", "best_1", "random") }}     a finding of a table of truth
{{ left("digits-9to0", "gce") }}  the drop left by an attacker who knows a defence
{{ defences("digits-9to0") }}     which cheap defence is enough, and which attacks pass it
{{ memorised_by_pair("digits-pairs") }}  how many random flips a pair are memorised on the pair with the fewest
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.board import defences as page_of_defences
from lnbench.board.row import Row
from lnbench.board.tables import Table, load
from lnbench.evaluation.matrix import KNOWING
from lnbench.protocol import Track
from lnbench.protocol import track as tracks
from lnbench.record import comparison, optimum
from lnbench.record.folder import audit_beside, records_in
from lnbench.record.record import Record, read
from lnbench.record.score import welch_interval
from lnbench.text import cell, interval, points, ranks, share

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "leaderboard" / "records"
TRUTH = ROOT / "leaderboard" / "truth"
DEFENCES = ROOT / "leaderboard" / "defences"
SHOWN = 5
"""Rows of a short table."""


@functools.cache
def tables() -> Mapping[str, Table]:
    """The board's tables of public splits, by their track's name."""
    return {table.track.name: table for table in _all_tables() if table.season is None}


@functools.cache
def _all_tables() -> tuple[Table, ...]:
    """Those of seasons, too; every record is derived from its bits for it, once."""
    return tuple(load(RECORDS).tables)


def row(track: str, label: str) -> Row:
    """A row of the board by its label, `random_search(surrogates=16, victims=mlp)` say; KeyError if there is none."""
    return {row.record.label: row for row in tables()[track].rows}[label]


def record(track: str, label: str) -> Record:
    """The whole record of a row."""
    return read(RECORDS / row(track, label).path)


def with_interval(drop: float | None, ends: tuple[float, float] | None) -> str:
    """Points with their interval, `+8.7 [+6.0, +11.5]`."""
    return f"{points(drop)} {interval(ends)}"


def scores() -> dict[str, dict[str, str]]:
    """Track -> label -> score with its interval."""
    return {
        name: {
            row.record.label: with_interval(row.record.score.drop_pp, row.record.score.ci95_pp) for row in table.rows
        }
        for name, table in tables().items()
    }


def own(track: str, label: str) -> str:
    """A row's score on the splits that its own source draws."""
    beside = row(track, label).own
    if beside is None:
        raise KeyError(f"{label} has no record on its own splits of {track}")
    return with_interval(beside.score.drop_pp, beside.score.ci95_pp)


def above_own(track: str, label: str) -> str:
    """How much higher a row's score is on the public splits than on its own: two independent samples (Welch's t)."""
    beside = row(track, label).own
    if beside is None:
        raise KeyError(f"{label} has no record on its own splits of {track}")
    both = (np.array(one.score.split_drops_pp, float) for one in (record(track, label), beside))
    found = welch_interval(*both)
    return with_interval(found.mean, found.ends)


def gap(track: str, first: str, second: str) -> str:
    """How much higher one row's score is than another's, paired by split."""
    total = comparison.compare(record(track, first), record(track, second)).total
    return with_interval(total.mean_pp, total.ci95_pp)


def alone(track: str, label: str, architecture: str) -> str:
    """A row's score on one architecture."""
    of = record(track, label).score.per_architecture[architecture]
    return with_interval(of.drop_pp, of.ci95_pp)


def memorised(track: str, label: str, architecture: str, arm: str = "poisoned") -> str:
    """The share of an arm's flips that an architecture memorised, in percent."""
    return share(record(track, label).arms[arm].per_architecture[architecture].memorised)


def resists(track: str, label: str, arm: str) -> str:
    """Targeted AA of an arm of a row at the scored radius, in percent."""
    return f"{100 * record(track, label).arms[arm].adv_acc:.0f}"


def memorised_by_pair(track: str) -> str:
    """How many of a pair's random flips are memorised on the pair with the fewest, `157 of 160`.

    Random arms of all salts on the board count, each once, and the architectures that have to memorise.
    """
    kept, given, seen = Counter[int](), Counter[int](), set[tuple[Any, ...]]()
    spec = tracks.load(track)
    strict = {victim.name for victim in spec.victims if victim.memorised_min is not None}
    for path in records_in(RECORDS, track):
        document = read(path).document
        if document["track"]["sha256"] != spec.sha256:
            continue
        for victim in document["victims"]:
            place = [victim.get(name) for name in ("architecture", "split", "seed", "draw")]
            key = (document["salt_commitment"], *place)
            if victim["arm"] == "random" and victim["architecture"] in strict and key not in seen:
                seen.add(key)
                pair = victim["split"] % len(spec.noise.pairs)
                kept[pair] += victim["memorised_count"]
                given[pair] += victim["flipped"]
    least = min(given, key=lambda pair: kept[pair] / given[pair])
    return f"{kept[least]} of {given[least]}"


def season(name: str, track: str, label: str) -> str:
    """A row's score under a season's salt."""
    (table,) = [t for t in _all_tables() if (t.track.name, t.season) == (track, name)]
    row = {row.record.label: row for row in table.rows}[label]
    return with_interval(row.drop, row.record.score.ci95_pp)


def found(track: str, label: str, arm: str = "poisoned") -> str:
    """The share of an arm's flips among the k points that cleanlab suspects most, in percent, by the row's audit."""
    audit = row(track, label).audit
    if audit is None:
        raise KeyError(f"{label} has no audit on {track}")
    return share(audit.found if arm == "poisoned" else audit.found_random)


def found_by(track: str, told: str) -> str:
    """The least and the largest share of flips found, of the rows that are so told from random flips, in percent."""
    shares = [row.audit.found for row in tables()[track].rows if row.audit and row.beats_random == told]
    known = [one for one in shares if one is not None]
    return f"{share(min(known))} to {share(max(known))}"


def audited(track: str) -> dict[str, str]:
    """How many rows have an audit, the most that the score moves down and up, and the rows that do not hold."""
    rows = [row for row in tables()[track].rows if row.audit is not None]
    moves = [row.audit.drop_pp - row.drop for row in rows if row.audit and row.audit.drop_pp is not None]
    return {
        "rows": str(len(rows)),
        "down": points(min(moves)),
        "up": points(max(moves)),
        "failed": ", ".join(f"`{row.record.label}`" for row in rows if row.audit and not row.audit.survives),
        "otherwise": str(sum(not row.audit.reproduced for row in rows if row.audit)),
    }


def strong(track: str, label: str) -> str:
    """A row's score under the strong adversary of its audit."""
    audit = row(track, label).audit
    if audit is None or audit.drop_pp is None or audit.ci95_pp is None:
        raise KeyError(f"{label} has no audit with a score on {track}")
    return with_interval(audit.drop_pp, audit.ci95_pp)


def damage(track: str, label: str) -> str:
    """A row's damage score."""
    of = record(track, label).score.damage
    return with_interval(of.drop_pp, of.ci95_pp)


def strong_damage(track: str, label: str) -> str:
    """A row's damage score under the strong adversary of its audit."""
    audit = row(track, label).audit
    if audit is None or audit.damage is None:
        raise KeyError(f"{label} has no audit with a damage score on {track}")
    return with_interval(audit.damage.drop_pp, audit.damage.ci95_pp)


def harder(arm: str, track: str = "digits-9to0", goal: str = "adv_acc") -> str:
    """By how many points the audits' strong adversary lowers an arm's AA below the record's, from least to most."""
    gaps = list[float]()
    for row in tables()[track].rows:
        path = audit_beside(RECORDS / row.path)
        if path.exists():
            arms = json.loads(path.read_bytes())["arms"][arm]
            gaps.append(100 * (arms[f"plain_{goal}"] - arms[goal]))
    low, high = (f"{end:.1f}" for end in (min(gaps), max(gaps)))
    return low if low == high else f"{low} to {high}"


def pairs_of(track: Track) -> str:
    """A track's pairs in a few words."""
    pairs = track.noise.pairs
    if len(pairs) == 1:
        return f"{pairs[0][0]}→{pairs[0][1]}"
    return f"{len(pairs)} pairs"


def track_table() -> str:
    """The tracks as a table of Markdown."""
    lines = ["| track | what | pair | flips | victims | splits × seeds | ranks |", "|---|---|---|---|---|---|---|"]
    for name in tracks.names():
        track = tracks.load(name)
        lines.append(
            f"| `{name}` | {track.title} | {pairs_of(track)} | {track.noise.budget:,} of {track.data.train:,} | "
            f"{', '.join(victim.name for victim in track.victims)} | "
            f"{track.replication.splits} × {track.replication.seeds} | "
            f"{'yes' if track.calibrated else 'not calibrated yet'} |"
        )
    return "\n".join(lines)


def top_table() -> str:
    """The first rows of every table as Markdown."""
    parts = list[str]()
    for name, table in tables().items():
        parts += [f"**{name}**, {len(table.rows)} rows", ""]
        parts += ["| rank | poisoner | own splits, pp | targeted, pp | beats random |", "|---|---|---|---|---|"]
        for row in table.rows[:SHOWN]:
            own = with_interval(row.own.score["drop_pp"], row.own.score["ci95_pp"]) if row.own else "–"
            score = with_interval(row.record.score.drop_pp, row.record.score.ci95_pp)
            cells = ranks(row.ranks), cell(row.record.label), own, score, row.beats_random or "–"
            parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def exact() -> dict[str, str]:
    """What the best flips of `digits-exact` do, and how many random ones do as much."""
    best = optimum.of_track(tracks.load("digits-exact"))
    assert best is not None
    worth = next(entry for entry in best.worth if entry.budget == best.budget)
    mine = row("digits-exact", "my_poisoner")
    assert mine.optimal is not None and mine.worth is not None
    return {
        "best": f"{100 * best.best.mean():.0f}",
        "random": f"{100 * sum(split.random_accuracy for split in best.splits) / len(best.splits):.0f}",
        "worth": f"{worth.flips:.1f}",
        "mine": share(mine.optimal.mean),
        "mine_worth": f"{mine.worth.flips:.1f}",
    }


def truth(track: str, table: str, architecture: str, *keys: str) -> str:
    """A finding of a track's table of truth: a mean with its interval, in points; a bare number if it has none."""
    value: Any = json.loads((TRUTH / f"{track}.json").read_bytes())["tables"][table]["findings"][architecture]
    for key in keys:
        value = value[key]
    if not isinstance(value, dict):
        return f"{value:.1f}"
    if keys[-1] == "rank_correlation":
        return f"{value['mean']:.2f} [{value['ci95'][0]:.2f}, {value['ci95'][1]:.2f}]".replace("-", "−")
    return with_interval(value["mean"], value["ci95"]) if value["ci95"] else points(value["mean"])


def defences(track: str) -> str:
    """The sentence that the page of defences has of a track."""
    return page_of_defences.sentence(json.loads((DEFENCES / f"{track}.json").read_bytes()))


def left(track: str, name: str, attack: str = KNOWING) -> str:
    """The drop that an attack makes on victims that a defence defends, with its interval; by default who knows it."""
    made = _defended(track, name, attack)["defended"]
    return with_interval(made["mean_pp"], made["ci95_pp"])


def withstood(track: str, name: str, arm: str = "poisoned", attack: str = KNOWING, how: str = "defended") -> str:
    """AA of an arm with a defence, or without, in %."""
    return share(_defended(track, name, attack)["arms"][arm][how]["adv_acc"])


def _defended(track: str, name: str, attack: str) -> Mapping[str, Any]:
    """What the page of defences has of a pair; KeyError if there is none."""
    document = json.loads((DEFENCES / f"{track}.json").read_bytes())
    made = {(pair["defence"], pair["attack"]): pair for pair in document["pairs"]}[name, attack]["outcome"]
    return dict(made)


def facts() -> dict[str, Any]:
    """Name -> value or function, for the pages."""
    of_rows: list[Callable[..., Any]] = [gap, own, above_own, season, alone, strong, memorised, memorised_by_pair]
    calls: list[Callable[..., Any]] = [
        *of_rows,
        resists,
        found,
        found_by,
        audited,
        damage,
        strong_damage,
        harder,
        truth,
        defences,
        left,
        withstood,
    ]
    return {
        "score": scores(),
        "rows": {name: len(table.rows) for name, table in tables().items()},
        "told": {name: Counter(row.beats_random or "–" for row in table.rows) for name, table in tables().items()},
        "damages": {name: Counter(row.damages or "–" for row in table.rows) for name, table in tables().items()},
        "tracks_table": track_table(),
        "top_table": top_table(),
        "exact": exact(),
        **{call.__name__: call for call in calls},
    }
