"""The page of defences: of every track a heat map, a table, and the sentence that a practitioner wants.

A pure function of the documents that `lnbench matrix` writes: the same documents give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lnbench.board import figures
from lnbench.errors import RecordError, UnavailableError
from lnbench.evaluation import matrix
from lnbench.evaluation.matrix import KNOWING, Pair
from lnbench.files import write_atomically
from lnbench.protocol import canonical_json
from lnbench.record import defence
from lnbench.record.defence import DefenceRecord
from lnbench.text import cell, interval, plain, points, replicates, share

NAME = "README.md"
CHEAP = 1.5
"""A defence is cheap if its training takes at most this many times the passes of an undefended one."""
CLEAN_PP = 1.0
"""And if clean accuracy on clean labels falls by at most so many points."""
_WHO_KNOWS = "an attacker who knows it"
_KNOWERS = ("knowing_search", "knowing_labels")
"""The attacks of one who knows the defence; a document calls both by the first's name."""


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write a track's document and heat map, and the page of all tracks in the folder; returns the files.

    Raises:
        RecordError: if the folder holds a document that is not one.
        UnavailableError: if the folder cannot be written.
    """
    path = folder / f"{document['track']['name']}.json"
    try:
        write_atomically(path, canonical_json(document), parents=True)
        documents = read_all(folder)
        files = _files(documents)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise UnavailableError(f"the page of defences cannot be written to {folder}: {error.strerror}.") from None
    return [path, *(folder / name for name in files)]


def records_of(folder: Path, track: str) -> Path:
    """Where the records of a track's pairs lie."""
    return folder / "records" / track


def drifted(folder: Path) -> list[Path]:
    """The files of a folder that are not what its documents say, and the records that do not say what these do.

    A document's number is right if the pair's record is there, has the hash that the document names, and says what
    follows from its own victims; the rest of the document has to be what these records give. Raises as `read_all`.
    """
    documents = read_all(folder)
    wrong = [folder / name for name, data in _files(documents).items() if not _is(folder / name, data)]
    for document in documents:
        track = document["track"]["name"]
        pairs, missing = list[Pair](), list[Path]()
        for pair in document["pairs"]:
            path, record = records_of(folder, track) / str(pair.get("record")), None
            if "outcome" in pair or "record" in pair:
                record = _record(path, pair)
                missing += [path] if record is None else []
            pairs.append(Pair(pair["defence"], pair["attack"], record, str(pair.get("error", ""))))
        wrong += missing
        if not missing and not _follows(document, pairs):
            wrong.append(folder / f"{track}.json")
    return wrong


def _record(path: Path, pair: Mapping[str, Any]) -> DefenceRecord | None:
    """The record in a file, if it is sound and the one that a pair was taken from."""
    try:
        record = defence.read(path)
        outcome = record.document["outcome"]
        same = record.sha256 == pair["sha256"] and record.derived == outcome == pair["outcome"]
    except (RecordError, KeyError):
        return None
    return record if same else None


def _follows(document: Mapping[str, Any], pairs: Sequence[Pair]) -> bool:
    """Whether a document is what its pairs' records give, all names, sizes and costs included."""
    records = [(pair, pair.record) for pair in pairs if pair.record is not None]
    for pair, record in records:
        attacks = {record.undefended.label} | ({KNOWING} if record.undefended.name in _KNOWERS else set())
        if pair.defence != record.label or pair.attack not in attacks:
            return False
    if not records:
        return True
    sizes = {record.undefended.replication for _, record in records}
    tracks = {record.undefended.track.sha256 for _, record in records}
    made = matrix.document(pairs, records[0][1].undefended.track)
    return len(sizes) == len(tracks) == 1 and canonical_json(made) == canonical_json(document)


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The documents in a folder, by name.

    Raises:
        RecordError: naming the first file that is not the document of a matrix.
    """
    documents = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_bytes())
            _section(document)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            raise RecordError(
                f"{path}: expected a document that `lnbench matrix` wrote; remove it, or run that again."
            ) from None
        documents.append(document)
    return documents


def _is(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _files(documents: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    maps = {f"{document['track']['name']}.svg": figures.alone(heat_map(document)).encode() for document in documents}
    return {**maps, NAME: page(documents).encode()}


def page(documents: Sequence[Mapping[str, Any]]) -> str:
    """The page as markdown."""
    head = [
        "<!-- Generated by `lnbench matrix` from the documents beside it; `lnbench matrix --check` compares. -->",
        "",
        "# Defences",
        "",
        "Each defence is run on the labels of every arm and is not told which. *Share removed* is the part of an",
        "attack's drop of adversarial accuracy (AA) below random flips that is gone when both arms are defended; its",
        "95 % interval is Fieller's, and missing where the undefended drop cannot be told from 0. *Cost* is in passes",
        "of an undefended training. AA and clean accuracy are in %, without the defence → with it. *AA at worst* is",
        "that of defended victims under the attack that lowers it most: the least of several means, with no interval,",
        "and ≤ where no attacker who knows the defence was tried. The AAs beside it are of defended victims, too.",
        "",
        "*An attacker who knows it* trains its surrogates with the defence's recipe (`knowing_search`), or runs the",
        "defence and flips what it lets pass (`knowing_labels`). Its flips are made for defended victims and may do",
        "nothing to others; what counts is the drop on defended victims. At least so much is left: a search among 16",
        "sets of flips is not the best that one who knows can do. The record of each pair lies in `records`;",
        "`lnbench matrix --check` compares.",
    ]
    return "\n".join([*head, *(line for document in documents for line in ["", *_section(document)])]) + "\n"


def _section(document: Mapping[str, Any]) -> list[str]:
    track, size = document["track"]["name"], document["replication"]
    lines = [
        f"## {track}",
        "",
        f"{replicates(size['splits'], size['seeds'])}. {sentence(document)}",
        "",
        *_worst(document),
        f"![Share of the drop that each defence removes on {track}]({track}.svg)",
        "",
        "| defence | attack | share removed, % | drop, pp | drop defended, pp | AA clean | AA random | AA poisoned "
        "| clean acc. | memorised | clean cost, pp | cost |",
        "|" + " --- |" * 12,
    ]
    costs = {about["name"]: about["cost"] for about in document["defences"]}
    for pair in document["pairs"]:
        names = f"| {cell(pair['defence'])} | {_called(pair['attack'])} |"
        if "error" in pair:
            lines.append(f"{names} not possible: {cell(pair['error'], 300)} |" + " – |" * 9)
            continue
        made, arms = pair["outcome"], pair["outcome"]["arms"]
        shares = [_change(arms[arm], "adv_acc") for arm in ("clean", "random", "poisoned")]
        cells = [
            _share(made),
            f"{points(made['undefended']['mean_pp'])} {interval(made['undefended']['ci95_pp'])}",
            f"{points(made['defended']['mean_pp'])} {interval(made['defended']['ci95_pp'])}",
            *shares,
            _change(arms["clean"], "clean_acc"),
            _change(arms["poisoned"], "memorised"),
            points(made["clean_cost"]["mean_pp"]),
            f"{costs[pair['defence']]:g} ×",
        ]
        lines.append(f"{names} {' | '.join(cells)} |")
        if certificate := made.get("certificate"):
            kind = "certified" if certificate["sound"] else "not certified, since networks heed others' labels"
            shown = ", ".join(f"{share(value)} % for {r}" for r, value in enumerate(certificate["shares"]))
            lines.append(f"| | | {kind}: clean predictions against r wrong labels: {shown} |" + " |" * 9)
    return lines


def _worst(document: Mapping[str, Any]) -> list[str]:
    """A table of the defences by the AA that they keep under the attack that lowers it most; none for a single one."""
    rows = []
    for about in document["defences"]:
        made = _of_defence(document, about["name"], document["attacks"])
        if not made:
            continue
        kept = {attack: row["arms"]["poisoned"]["defended"]["adv_acc"] for attack, row in made.items()}
        attack = min(kept, key=kept.__getitem__)
        one = made[attack]
        if all(row["defended"] == row["undefended"] for row in made.values()):
            known = "–"
        elif KNOWING in made:
            known = f"{points(made[KNOWING]['defended']['mean_pp'])} {interval(made[KNOWING]['defended']['ci95_pp'])}"
        else:
            known = "error" if any(_is_knowing(pair, about["name"]) for pair in document["pairs"]) else "not tried"
        cells = [
            cell(about["name"]),
            share(kept[attack]) if KNOWING in made or known == "–" else f"≤ {share(kept[attack])}",
            _called(attack),
            share(one["arms"]["random"]["defended"]["adv_acc"]),
            share(one["arms"]["clean"]["defended"]["adv_acc"]),
            known,
            points(one["clean_cost"]["mean_pp"]),
            f"{about['cost']:g} ×",
        ]
        rows.append((-kept[attack], f"| {' | '.join(str(one) for one in cells)} |"))
    if len(rows) < 2:
        return []
    return [
        "| defence | AA at worst | under | AA random | AA clean | drop left to one who knows it, pp | clean cost, pp "
        "| cost |",
        "|" + " --- |" * 8,
        *(line for _, line in sorted(rows)),
        "",
    ]


def _is_knowing(pair: Mapping[str, Any], defence: str) -> bool:
    """Whether a pair is of this defence and of the attacker who knows it."""
    return bool((pair["defence"], pair["attack"]) == (defence, KNOWING))


def sentence(document: Mapping[str, Any]) -> str:
    """Which cheap defence is enough, and which attacks pass it.

    The share is of the attacks that are the same for all defences. One that knows a defence was made for the defended
    victims, so that its undefended drop says nothing: it passes if it lowers their AA below defended random flips. To
    remove more than the whole drop, so that crafted flips do less than random ones, counts as the whole.
    """
    attacks = [attack for attack in document["attacks"] if attack != KNOWING and _known(document, attack)]
    if not attacks:
        return "Here no attack is shown to lower AA below random flips, so that no defence has anything to remove."
    cheap = {}
    for about in document["defences"]:
        made = _of_defence(document, about["name"], attacks)
        affordable = about["cost"] is not None and about["cost"] <= CHEAP
        harmless = all((row["clean_cost"]["mean_pp"] or 0.0) <= CLEAN_PP for row in made.values())
        if affordable and harmless and {*attacks} <= made.keys():
            cheap[about["name"]] = made
    shown = {n: made for n, made in cheap.items() if any((row["share_ci95"] or [-1])[0] > 0 for row in made.values())}
    limits = f"(at most {CHEAP:g} × the training, at most {CLEAN_PP:g} point of clean accuracy)"
    if not shown:
        return f"No cheap defence {limits} is shown to remove any of the drop of {_and(attacks)}."
    means = {n: _mean(min(1.0, row["share_removed"]) for row in made.values()) for n, made in shown.items()}
    best = max(means, key=means.__getitem__)
    before, after = (
        share(_mean(row["arms"]["poisoned"][which]["adv_acc"] for row in shown[best].values()))
        for which in ("undefended", "defended")
    )
    tried = {**shown[best], **_of_defence(document, best, [KNOWING])}
    passing = [attack for attack, row in tried.items() if (row["defended"]["ci95_pp"] or [0])[0] > 0]
    rest = f"{_and(passing)} still pass{'es' * (len(passing) == 1)} it" if passing else "no attack is shown to pass it"
    if KNOWING not in tried:
        failed = any(_is_knowing(pair, best) for pair in document["pairs"])
        rest += (
            ", and the attack by one who knows it ended in an error"
            if failed
            else ", and no attacker who knows it was tried"
        )
    return (
        f"Of the cheap defences {limits} {cell(best)} removes the most, {100 * means[best]:.0f} % of the drop on "
        f"average, and takes AA on poisoned labels from {before} to {after} %; {rest}.{_at_worst(document)}"
    )


def _at_worst(document: Mapping[str, Any]) -> str:
    """Which defence keeps the most AA whatever the attack, among those that an attacker who knows them tried."""
    floors, costs, passes = {}, {}, {}
    for about in document["defences"]:
        made = _of_defence(document, about["name"], document["attacks"])
        if KNOWING in made and made.keys() == {*document["attacks"]}:
            floors[about["name"]] = min(row["arms"]["poisoned"]["defended"]["adv_acc"] for row in made.values())
            costs[about["name"]] = max(row["clean_cost"]["mean_pp"] or 0.0 for row in made.values())
            passes[about["name"]] = about["cost"]
    if len(floors) < 2:
        return ""
    best = max(floors, key=floors.__getitem__)
    prices = {n: f"{c:.2f} points of clean accuracy" if c >= 0.005 else "no clean accuracy" for n, c in costs.items()}
    said = (
        f" Of the {len(floors)} defences that were tried against an attacker who knows them, {cell(best)} keeps the "
        f"most: under every attack AA stays at {share(floors[best])} % or above; it costs {prices[best]} and takes "
        f"{passes[best]:g} × the training."
    )
    fast = {name: floor for name, floor in floors.items() if passes[name] <= CHEAP}
    if passes[best] <= CHEAP or not fast:
        return said
    second = max(fast, key=fast.__getitem__)
    return (
        f"{said} Of those that take at most {CHEAP:g} × the training {cell(second)} does: "
        f"{share(fast[second])} %, for {prices[second]}."
    )


def _known(document: Mapping[str, Any], attack: str) -> bool:
    """Whether an attack's undefended drop can be told from 0."""
    made = [pair["outcome"] for pair in document["pairs"] if pair["attack"] == attack and "outcome" in pair]
    return bool(made) and all(row["share_ci95"] is not None for row in made)


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def _of_defence(document: Mapping[str, Any], name: str, attacks: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Attack -> a defence's outcome, for those of these attacks that were tried against it."""
    made = {p["attack"]: p["outcome"] for p in document["pairs"] if p["defence"] == name and "outcome" in p}
    return {attack: made[attack] for attack in attacks if attack in made}


def heat_map(document: Mapping[str, Any]) -> Markup:
    """Share of the drop removed, one row a defence and one column an attack; green removes, red adds.

    Of the attacker who knows the defence, the drop that it makes on defended victims.
    """
    names, attacks = [about["name"] for about in document["defences"]], document["attacks"]
    made = {(pair["defence"], pair["attack"]): pair.get("outcome") for pair in document["pairs"]}
    heads = [_WHO_KNOWS if attack == KNOWING else plain(attack, 20) for attack in attacks]
    left, wide, pitch, top = 250, 150, 24, 54
    body = [figures.text(left + 20 + wide * (i + 0.5), top - 8, name, "middle") for i, name in enumerate(heads)]
    for r, name in enumerate(names):
        y = top + pitch * r
        body.append(figures.text(left, y + 16, plain(name, 34), "end"))
        for c, attack in enumerate(attacks):
            outcome, x = made.get((name, attack)), left + 20 + wide * c
            if attack == KNOWING and outcome is not None and outcome["defended"]["ci95_pp"] is not None:
                drop, (low, high) = outcome["defended"]["mean_pp"], outcome["defended"]["ci95_pp"]
                opacity = 0.05 + 0.05 * min(10.0, abs(drop)) if low > 0 or high < 0 else 0.05
                body.append(figures.rectangle("bad" if drop > 0 else "good", x, y + 2, wide - 4, pitch - 4, opacity))
                body.append(figures.text(x + wide / 2 - 2, y + 16, f"{points(drop)} pp left", "middle"))
                continue
            value = None if outcome is None or outcome["share_ci95"] is None else outcome["share_removed"]
            if value is None or outcome is None:
                body.append(figures.text(x + wide / 2 - 2, y + 16, "–", "middle"))
                continue
            told = outcome["share_ci95"][0] > 0 or outcome["share_ci95"][1] < 0
            opacity = 0.05 + 0.5 * min(1.0, abs(value)) if told else 0.05
            body.append(figures.rectangle("good" if value >= 0 else "bad", x, y + 2, wide - 4, pitch - 4, opacity))
            body.append(figures.text(x + wide / 2 - 2, y + 16, f"{100 * value:.0f} %".replace("-", "−"), "middle"))
    track = document["track"]["name"]
    title = f"Share of the drop removed on {track}; pale if not told from 0, – if unknown"
    return figures.svg(
        max(left + 40 + wide * len(attacks), 560),
        top + pitch * len(names) + 12,
        title,
        [figures.text(10, 18, title), *body],
    )


def _share(made: Mapping[str, Any]) -> str:
    if made["share_removed"] is None:
        return "–"
    ends = made["share_ci95"]
    span = " (no interval)" if ends is None else f" [{100 * ends[0]:.0f}, {100 * ends[1]:.0f}]"
    return f"{100 * made['share_removed']:.0f}{span}".replace("-", "−")


def _change(pair: Mapping[str, Any], name: str) -> str:
    return f"{share(pair['undefended'][name])} → {share(pair['defended'][name])}"


def _called(attack: str) -> str:
    """An attack's name on the page."""
    return _WHO_KNOWS if attack == KNOWING else str(cell(attack))


def _and(names: Sequence[str]) -> str:
    shown = [_called(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
