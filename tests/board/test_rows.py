"""Rows of a board that is there already: found by name, without loading a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lnbench import record
from lnbench.board import rows
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation.bundled import board
from lnbench.protocol.track import DEFAULT


def test_every_row_of_the_shipped_board_has_its_record_under_its_name() -> None:
    known = json.loads((board() / "board.json").read_bytes())["tables"]
    assert [(t.track.name, len(t.rows)) for t in rows.tables()] == [(t["track"]["name"], len(t["rows"])) for t in known]
    for table in rows.tables():
        for row in table.rows:
            path = rows.record_file(row.stem, table.track.name)
            assert path.is_file()
            if table.season is None:
                assert rows.record_file(row.label, table.track.name) == path


def test_a_poisoners_name_is_that_of_its_row_on_public_splits_and_a_seasons_row_has_its_records() -> None:
    public, *seasons = rows.of_track(DEFAULT)
    assert public.season is None and seasons
    both = {row.label: row for row in public.rows}
    for row in seasons[0].rows:
        assert rows.record_file(row.label, DEFAULT).name == f"{both[row.label].stem}.json"
        assert rows.record_file(row.stem, DEFAULT).name == f"{row.stem}.json" != f"{both[row.label].stem}.json"


def test_a_row_says_what_its_record_says() -> None:
    row = rows.best(DEFAULT)["my_poisoner"]
    made = record.read(rows.record_file("my_poisoner", DEFAULT))
    assert (row.label, row.sha256, row.score.drop_pp) == (made.label, made.sha256, made.score.drop_pp)
    assert row.score.ci95_pp == made.score.ci95_pp and row.poisoner.description == made.poisoner.description
    assert row.document["label"] == "my_poisoner" and row.document["record"].endswith(made.filename)


def test_the_best_row_of_a_poisoner_is_that_of_highest_score() -> None:
    table, *_ = rows.of_track(DEFAULT)
    scores = [row.score.drop_pp for row in table.rows if row.poisoner.name == "high_degree"]
    assert len(scores) > 1 and rows.best(DEFAULT)["high_degree"].score.drop_pp == max(scores)
    assert rows.best("mnist-9to0") == {}


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my_poisoner"
    path.write_text("{}")
    assert rows.record_file(str(path), DEFAULT) == path
    with pytest.raises(ProtocolError, match=r"there is no file none\.json\."):
        rows.record_file("none.json", DEFAULT)


@pytest.mark.parametrize(
    ("name", "track", "words"),
    [
        ("my_poisone", DEFAULT, "no row of that name; did you mean my_poisoner"),
        ("my_poisoner", "digits-9to1", "no row of a track called 'digits-9to1'; did you mean digits-9to0"),
        ("matched_search-0", "digits-exact", "there is no file 'matched_search-0', and digits-exact has no row"),
    ],
)
def test_a_name_that_is_nobodys_gets_its_nearest(name: str, track: str, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        rows.record_file(name, track)


def _board(folder: Path, *labels: tuple[str, dict[str, int]]) -> Path:
    """A board of one track with these rows, without their records."""
    document = json.loads((board() / "board.json").read_bytes())
    table = document["tables"][0]
    first = table["rows"][0]
    table["rows"] = [
        first | {"poisoner": first["poisoner"] | {"name": name, "parameters": settings}, "record": f"t/{name}-{i}.json"}
        for i, (name, settings) in enumerate(labels)
    ]
    (folder / "board.json").write_text(json.dumps({**document, "tables": [table]}))
    return folder


def test_a_name_of_several_rows_is_asked_about(tmp_path: Path) -> None:
    folder = _board(tmp_path, ("a", {"k": 1}), ("a", {"k": 2}), ("b", {}), ("b", {}))
    with pytest.raises(ProtocolError, match=r"several rows .* called 'a': a\(k=1\), a\(k=2\); name one of them"):
        rows.record_file("a", DEFAULT, folder)
    with pytest.raises(ProtocolError, match=r"several rows .* called 'b': b-2, b-3; name one of them"):
        rows.record_file("b", DEFAULT, folder)
    assert rows.record_file("a(k=2)", DEFAULT, folder) == folder / "records" / "t" / "a-1.json"


def test_what_is_no_board_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"there is no .*lnbench leaderboard build"):
        rows.tables(tmp_path)
    for text in ("{", '{"tables": [{"rows": 3}]}', '{"tables": [{"track": {}, "season": null, "rows": []}]}'):
        (tmp_path / "board.json").write_text(text)
        with pytest.raises(RecordError, match="is not a board"):
            rows.tables(tmp_path)
