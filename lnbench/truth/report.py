"""The findings of a track's tables: one JSON file, a page with figures made from it, and whether they still agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import Track, canonical_json, sha256, sha256_json
from lnbench.protocol.track import DEFAULT
from lnbench.record.random_budgets import parse
from lnbench.truth import analysis, figures, folder, page
from lnbench.truth.analysis import Choices, Scores
from lnbench.truth.ground_truth import GroundTruth, ground_truth
from lnbench.truth.sets import TABLES

_BY_OTHERS = ("scores", "choices")
"""Findings that need more than the table."""
PointScores = Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]]
"""Split -> points that may be flipped, ascending, and the scores of each."""


def tables_in(tables: Path, track: Track) -> dict[str, GroundTruth]:
    """The tables of a folder, by name.

    Raises:
        DataError: if a file is not a table.
        ProtocolError: if one is of another track or version.
    """
    found = {}
    for table in TABLES:
        path = folder.place(tables, table)
        if path.is_file():
            found[table] = of_track(path, track)
    return found


def of_track(path: Path, track: Track) -> GroundTruth:
    """The table in a file; raises as `tables_in`."""
    truth = ground_truth(path)
    if truth.track_sha256 != track.sha256:
        raise ProtocolError(
            f"{path} is of {truth.track} with another hash than {track.name} has here; give its --track."
        )
    return truth


def facts(truth: GroundTruth, path: Path, track: Track) -> dict[str, Any]:
    """Which table it is: the hash of its file, the command that builds it, and its size."""
    words = [f"lnbench truth build --table {truth.table} --splits {truth.splits[0]}-{truth.splits[-1]}"]
    if track.name != DEFAULT:
        words.append(f"--track {track.name}")
    if set(truth.architectures) != {victim.name for victim in track.victims}:
        words += [f"--victim {name}" for name in truth.architectures]
    return {
        "file_sha256": sha256(path.read_bytes()),
        "command": " ".join(words),
        "splits": truth.splits,
        "networks": len(truth.rows),
    }


def findings(
    truth: GroundTruth, track: Track, scores: PointScores | None = None, choices: Choices | None = None
) -> dict[str, Any]:
    """What a table says; of table n, AA under random flips as `lnbench.record.random_budgets` has it.

    Args:
        track: of the table.
        scores, choices: as for `analysis.summary`.
    """
    if truth.table == "n":
        budgets, curve = analysis.random_curve(truth)
        return {
            "architectures": truth.architectures,
            "splits": truth.splits,
            "budgets": budgets,
            "accuracies": curve.round(6).tolist(),
        }
    budget = track.noise.budget if truth.table == "a" else 0  # the other tables hold one split, or part of a class
    return analysis.summary(truth, _of_singles(truth, scores or {}), choices, budget)


def document(track: Track, made: Mapping[str, dict[str, Any]], command: str) -> dict[str, Any]:
    """The JSON document of a track.

    Args:
        made: `facts` and `findings` of each table.
        command: that made it.
    """
    body = {
        "command": command,
        "track": track.name,
        "version": track.version,
        "track_sha256": track.sha256,
        "tables": dict(made),
    }
    return {**body, "sha256": sha256_json(body)}


def known(out: Path, track: Track) -> dict[str, Any]:
    """The tables of this version of a track in a folder of reports; none if it has no report.

    Raises:
        RecordError: if the report is broken.
    """
    path = out / f"{track.name}.json"
    if not path.is_file():
        return {}
    stored = parse(path.read_bytes(), str(path))
    return dict(stored["tables"]) if stored["track_sha256"] == track.sha256 else {}


def write(made: Mapping[str, Any], out: Path) -> list[Path]:
    """Write a track's report, and the page of all reports in the folder; returns what was written.

    Raises:
        RecordError: if another report in the folder is broken.
        UnavailableError: if the folder cannot be written.
    """
    own = f"{made['track']}.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / own, canonical_json(made))
        files = _rendered(out)
        for name, content in files.items():
            write_atomically(out / name, content)
    except OSError as error:
        raise UnavailableError(f"{out} cannot be written: {error.strerror}.") from None
    return [out / name for name in (own, *files)]


def drifted(out: Path, tables: Path, track: Track) -> list[str]:
    """Which files of a folder of reports are not what its JSON files say, and which tables that are here are not what
    the track's report says.

    Raises:
        ProtocolError: if the folder has no report.
        RecordError, DataError: as `known`, `tables_in`.
    """
    files = _rendered(out)
    if not files:
        raise ProtocolError(f"{out} has no report of a track; `lnbench truth report` makes one.")
    wrong = [str(out / n) for n, content in files.items() if not _is(out / n, content)]
    wrong += [str(path) for path in sorted(out.glob("*.svg")) if path.name not in files]
    stored = known(out, track)
    for table, truth in tables_in(tables, track).items():
        path = folder.place(tables, table)
        one, now = stored.get(table), facts(truth, path, track)
        if one is None or {key: one.get(key) for key in now} != now:
            wrong.append(str(path))
        elif _bare(one["findings"]) != findings(truth, track):
            wrong.append(f"{out / track.name}.json")
    return wrong


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _bare(value: Any) -> Any:
    """Findings without those that need more than the table."""
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if key not in _BY_OTHERS}
    return value


def _rendered(out: Path) -> dict[str, bytes]:
    """The page and the figures of a folder of reports, by name."""
    reports = [parse(path.read_bytes(), str(path)) for path in sorted(out.glob("*.json"))]
    drawn = {name: svg for one in reports for name, svg in figures.all_of(one).items()}
    return {page.NAME: page.render(reports, sorted(drawn)), **drawn} if reports else {}


def _of_singles(truth: GroundTruth, scores: PointScores) -> Scores:
    """The scores of the single flips that a table holds, in its order."""
    chosen = {}
    for split in truth.splits:
        if split in scores:
            points, values = scores[split]
            at = np.searchsorted(points, [some[0] for some in truth.sets(split) if len(some) == 1])
            chosen[split] = {name: each[at] for name, each in values.items()}
    return chosen
