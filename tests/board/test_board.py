"""The board as a whole: what is let in, what is written, what drifts."""

from __future__ import annotations

import copy
import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from doors import force, put
from lnbench import record
from lnbench.board import add, admission, build, check, load
from lnbench.errors import RecordError, UnavailableError
from lnbench.protocol import Streams, Track, canonical_json
from lnbench.record.record import Record
from lnbench.record.score import holm, rank_intervals

TRACK = factories.small(4, 2)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, factories.track(name="another"))


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """An empty leaderboard in a repository."""
    (tmp_path / "repository" / "attacks").mkdir(parents=True)
    (tmp_path / "repository" / "leaderboard" / "records").mkdir(parents=True)
    return tmp_path / "repository" / "leaderboard"


def filled(board: Path) -> Path:
    for i, effect in enumerate((0.0, 0.3, 0.05)):
        put(board, factories.make(TRACK, name=f"attack_{i}", effect=effect, seed=i, parameters={"bucket": i}))
    return board


def page(board: Path) -> str:
    build(board / "records", board)
    return (board / "README.md").read_text()


def test_a_board_is_built_from_records_and_then_agrees(board: Path) -> None:
    filled(board)
    changed = build(board / "records", board)
    names = {path.relative_to(board).as_posix() for path in changed}
    assert {"README.md", "index.html", "board.json", "board.csv", "board.bib"} < names
    assert "figures/digits-9to0-scores.svg" in names
    assert check(board / "records", board) == []
    assert build(board / "records", board) == []


def test_the_same_records_give_the_same_bytes(board: Path, tmp_path: Path) -> None:
    filled(board)
    build(board / "records", board)
    first = {p.relative_to(board): p.read_bytes() for p in board.rglob("*") if p.is_file()}
    other = tmp_path / "elsewhere" / "leaderboard"
    (other / "records" / TRACK.name).mkdir(parents=True)
    (other.parent / "attacks").mkdir()
    for path in reversed(sorted((board / "records" / TRACK.name).iterdir())):
        (other / "records" / TRACK.name / path.name).write_bytes(path.read_bytes())
    build(other / "records", other)
    assert first == {p.relative_to(other): p.read_bytes() for p in other.rglob("*") if p.is_file()}


@pytest.mark.parametrize("drift", ["change", "delete", "leave"])
def test_drift_is_found_and_mended(board: Path, drift: str) -> None:
    filled(board)
    build(board / "records", board)
    path = board / "figures" / "digits-9to0-curves.svg"
    if drift == "change":
        path.write_text(path.read_text() + " ")
    elif drift == "delete":
        path.unlink()
    else:
        path = board / "figures" / "old-track-scores.svg"
        path.write_text("<svg/>")
    assert check(board / "records", board) == [path]
    assert build(board / "records", board) == [path]
    assert check(board / "records", board) == []


def test_a_new_record_is_drift(board: Path) -> None:
    filled(board)
    build(board / "records", board)
    put(board, factories.make(TRACK, name="newcomer", seed=9))
    assert board / "README.md" in check(board / "records", board)


def test_rows_stand_by_score_with_ranks_and_corrected_verdicts(board: Path) -> None:
    (table,) = load(filled(board) / "records").tables
    assert [row.record.name for row in table.rows] == ["attack_1", "attack_2", "attack_0"]
    assert table.rows[0].ranks == (1, 1)
    assert table.rows[0].beats_random == "yes"
    accuracies = np.stack([row.accuracies for row in table.rows])
    assert [row.ranks for row in table.rows] == [tuple(r) for r in rank_intervals(accuracies).tolist()]
    assert [row.p_holm for row in table.rows] == holm([row.p or 0.0 for row in table.rows]).tolist()
    assert [row.p for row in table.rows] == pytest.approx([row.record.score["p_value"] for row in table.rows], abs=1e-9)
    assert "victims" not in table.rows[0].record.document


def test_worse_than_random_is_said(board: Path) -> None:
    put(board, factories.make(TRACK, effect=-0.3))
    assert load(board / "records").tables[0].rows[0].beats_random == "worse"
    assert "worse (p" in page(board)


def test_names_link_to_their_files(board: Path) -> None:
    filled(board)
    (board.parent / "attacks" / "attack_1.py").write_text(factories.taking(factories.SOURCE, {"bucket": 1}))
    (board.parent / "attacks" / "attack_0.py").write_text(factories.SOURCE + "# another\n")
    text = page(board)
    assert r"[attack\_1(bucket=1)](../attacks/attack_1.py)" in text
    assert r"| attack\_0(bucket=0) |" in text, "a file of its name that is not the one it was made from"
    assert "attacks/attack_0.py" not in (board / "index.html").read_text()
    for path in (board / "records" / TRACK.name).iterdir():
        assert f"(records/{TRACK.name}/{path.name})" in text


def test_tracks_without_rows_are_named(board: Path) -> None:
    assert "No ranked record yet: `another`, `digits-9to0`." in page(board)
    assert "There is no ranked record yet." in (board / "index.html").read_text()
    assert "No ranked record yet: `another`." in page(filled(board))


def test_rows_of_an_old_version_are_history(board: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filled(board)
    newer = factories.track(version=1, replication=dict(TRACK.document["replication"]))
    factories.ship(monkeypatch, tmp_path / "newer", newer)
    put(board, factories.make(newer, name="attack_new"))
    shown = load(board / "records")
    assert [t.track.version for t in shown.tables] == [1]
    assert [t.track.version for t in shown.history] == [0]
    assert [row.ranks for row in shown.history[0].rows] == [None] * 3
    text = page(board)
    assert text.index("attack\\_new") < text.index("## History") < text.index("attack\\_1")
    data = json.loads((board / "board.json").read_text())
    assert [len(data["tables"][0]["rows"]), len(data["history"][0]["rows"])] == [1, 3]


def test_history_has_only_versions_that_shipped(board: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise a track with rules of one's own, under the name of a known one, would stand on the board unchecked."""
    filled(board)
    newer = factories.track(version=1, replication=dict(TRACK.document["replication"]))
    factories.ship(monkeypatch, tmp_path / "newer", newer)
    build(board / "records", board)
    with pytest.raises(RecordError, match=rf"{TRACK.sha256[:8]} \(version 0\), which neither ships"):
        check(board / "records", board)
    monkeypatch.setattr(admission, "_former", lambda: {TRACK.name: {"0": TRACK.sha256}})
    assert check(board / "records", board) == []


def _unranked(made: Record) -> Record:
    return factories.make(TRACK, sandbox="none")


def _foreign(made: Record) -> Record:
    return factories.make(factories.small(5, 2))


def _unknown(made: Record) -> Record:
    return factories.make(factories.track(name="mine", replication=dict(TRACK.document["replication"])))


def _forged(made: Record) -> Record:
    document = copy.deepcopy(dict(made.document))
    document["score"]["drop_pp"] += 5.0
    return factories.rehashed(document)


def _claimed(made: Record) -> Record:
    document = copy.deepcopy(dict(factories.make(TRACK, sandbox="none").document))
    document |= {"ranked": True, "flags": []}
    return factories.rehashed(document)


def _season(made: Record) -> Record:
    return factories.make(TRACK, season="s1", salt="secret")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_unranked, "not ranked (no-sandbox)"),
        (_foreign, "it was run on digits-9to0"),
        (_unknown, "no track called mine ships"),
        (_forged, "its check 'score' fails"),
        (_claimed, "its check 'flags' fails"),
        (_season, "no season is called 's1'"),
    ],
)
def test_add_refuses_with_a_sentence(board: Path, make: Callable[[Record], Record], sentence: str) -> None:
    with pytest.raises(RecordError) as caught:
        put(board, make(factories.make(TRACK)))
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    assert list((board / "records").rglob("*.json")) == []


def test_add_refuses_an_altered_file(board: Path) -> None:
    made = factories.make(TRACK)
    path = board.parent / "made.json"
    path.write_bytes(canonical_json({**made.document, "trainings": [1, 2, 3, 4]}))
    with pytest.raises(RecordError, match="sha256"):
        add([path], board / "records")


def test_add_refuses_the_same_row_twice(board: Path) -> None:
    put(board, factories.make(TRACK, parameters={"a": 1}))
    with pytest.raises(RecordError, match="already there: made_up-"):
        put(board, factories.make(TRACK, parameters={"a": 1}, seed=5, name="renamed"))
    put(board, factories.make(TRACK, parameters={"a": 2}))
    put(board, factories.make(TRACK, parameters={"a": 1}, source="# edited\n"))
    assert len(load(board / "records").tables[0].rows) == 3


def test_add_names_the_file_by_name_and_hash(board: Path) -> None:
    made = factories.make(TRACK)
    assert put(board, made) == board / "records" / "digits-9to0" / f"made_up-{made.sha256[:8]}.json"


@pytest.mark.parametrize("make", [_unranked, _season])
def test_build_refuses_what_was_put_past_the_door(board: Path, make: Callable[[Record], Record]) -> None:
    path = force(board, make(factories.make(TRACK)))
    with pytest.raises(RecordError, match=path.name):
        build(board / "records", board)
    assert not (board / "README.md").exists()


def test_check_finds_a_forgery_that_was_put_past_the_door(board: Path) -> None:
    force(board, _forged(factories.make(TRACK)))
    build(board / "records", board)
    with pytest.raises(RecordError, match="'score' fails"):
        check(board / "records", board)


def test_build_refuses_twins_strangers_and_noise(board: Path) -> None:
    force(board, factories.make(TRACK, seed=1))
    twin = force(board, factories.make(TRACK, seed=2))
    with pytest.raises(RecordError, match="the same poisoner"):
        build(board / "records", board)
    moved = board / "records" / "another" / twin.name
    moved.parent.mkdir()
    twin.rename(moved)
    with pytest.raises(RecordError, match="another track's"):
        build(board / "records", board)
    moved.write_text("{}")
    with pytest.raises(RecordError, match=moved.name):
        build(board / "records", board)
    with pytest.raises(RecordError, match="no such folder"):
        build(board / "nothing", board)


def test_a_season_has_its_own_table(board: Path) -> None:
    commitment = Streams(TRACK.sha256, "secret").commitment
    (board / "seasons.toml").write_text(f'[s1]\ncommitment = "{commitment}"\nopened = "2026-01-01"\n')
    filled(board)
    put(board, factories.make(TRACK, season="s1", salt="secret", name="attack_1"))
    shown = load(board / "records")
    assert [(t.id, len(t.rows)) for t in shown.tables] == [("digits-9to0", 3), ("digits-9to0-s1", 1)]
    assert shown.tables[1].rows[0].trust == "season (open, unchecked)"
    assert "## digits-9to0, season s1" in page(board)
    with pytest.raises(RecordError, match="committed to"):
        put(board, factories.make(TRACK, season="s1", salt="other"))
    (board / "seasons.toml").write_text("[s1\n")
    with pytest.raises(RecordError, match="cannot be read"):
        build(board / "records", board)


def test_a_place_that_cannot_be_written_is_said(board: Path) -> None:
    filled(board)
    (board / "figures").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        build(board / "records", board)


def test_the_flags_of_a_table_are_explained(board: Path) -> None:
    put(board, factories.make(TRACK, level=0.9, effect=0.05))
    text = page(board)
    assert "`ceiling:mlp`" in text
    assert "above 70 %" in text


def test_csv_and_json_say_what_the_records_say(board: Path) -> None:
    filled(board)
    build(board / "records", board)
    rows = list(csv.DictReader(io.StringIO((board / "board.csv").read_text())))
    blocks = json.loads((board / "board.json").read_text())["tables"][0]["rows"]
    assert len(rows) == len(blocks) == 3
    for line, block in zip(rows, blocks, strict=True):
        stored = record.read(board / "records" / block["record"])
        assert float(line["drop_pp"]) == block["score"]["drop_pp"] == stored.score["drop_pp"]
        assert float(line["poisoned_adv_acc"]) == stored.arms["poisoned"]["adv_acc"]
        assert line["clean_memorised"] == ""
        assert block["sha256"] == stored.sha256 == line["sha256"]


def test_figures_are_xml_with_every_row(board: Path) -> None:
    filled(board)
    build(board / "records", board)
    paths = sorted((board / "figures").glob("*.svg"))
    names = [p.name.removeprefix("digits-9to0-") for p in paths]
    assert names == ["board-dark.svg", "board-light.svg", "architectures.svg", "curves.svg", "scores.svg"]
    for path in paths:
        root = ET.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        texts = " ".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))
        assert "attack_1(bucket=1)" in texts
        if "curves" not in path.name:
            assert all(f"attack_{i}" in texts for i in range(3))


def test_the_board_needs_no_torch(board: Path) -> None:
    filled(board)
    for path in (board / "records" / TRACK.name).iterdir():
        assert path.suffix == ".json"
    code = (
        "import sys; from lnbench.board import build; build(sys.argv[1], sys.argv[2]); "
        "bad = {'torch', 'sklearn', 'matplotlib'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(board / "records"), str(board)], check=True)


MARKUP = "x|y<script>alert(1)</script>*b*_i_`c`[l](http://e)&amp;"
HOSTILE: dict[str, Any] = {
    "description": "</details><img src=x onerror=alert(2)>| `a` \n\n# h ‮evil",
    "author": "\\input{/etc/passwd} & {Ann}",
    "paper": 'javascript:alert(3)" onclick="x',
    "license": "<!--",
}


@pytest.fixture
def hostile(board: Path) -> Path:
    made: Track = TRACK
    first = factories.make(made, parameters={"p": MARKUP})
    poisoner = {**first.document["poisoner"], **HOSTILE}
    run = {**first.document["run"], "command": "</code><script>", "device": "<i>"}
    put(board, factories.make(made, poisoner=poisoner, run=run))
    put(board, factories.make(made, name="other", seed=3))
    build(board / "records", board)
    return board


def test_markdown_cells_stay_cells(hostile: Path) -> None:
    lines = (hostile / "README.md").read_text().splitlines()
    both = [line for line in lines if line.startswith("| ")]
    assert len(both) == 8
    for table in (both[:4], both[4:]):  # what a row is ranked by, and all else
        bars = [len(line.replace("\\|", "").split("|")) for line in table]
        assert len(set(bars)) == 1
        row = next(line for line in table if "script" in line)
        assert "<" not in row.replace("p < .001", "")
        assert r"\*b\*\_i\_\`c\`\[l\](http\://e)&amp;amp;" in row


def test_no_markup_of_a_stranger_reaches_the_page(hostile: Path) -> None:
    text = (hostile / "index.html").read_text()
    assert text.count("<script>") == 1
    for bad in ("<img", "<b>", "<i>", "</code><script", 'onclick="', "<!--", "\u202e", 'href="javascript'):
        assert bad not in text
    for path in (hostile / "figures").glob("*.svg"):
        ET.fromstring(path.read_text())


def test_other_formats_are_safe_too(hostile: Path) -> None:
    text = (hostile / "board.bib").read_text()
    assert r"\textbackslash{}input\{/etc/passwd\} \& \{Ann\}" in text
    assert text.count("@misc{") == 2
