"""What reads the board that comes with lnbench: `leaderboard show`, `attacks`, `compare`, `show` by a row's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import factories
from lnbench import record
from lnbench.api.records import compare, read_record
from lnbench.board import rows
from lnbench.cli import _plot, cli
from lnbench.errors import RecordError
from lnbench.evaluation.bundled import attacks, board
from lnbench.protocol import OWN
from lnbench.protocol.track import DEFAULT
from lnbench.text import interval, points


def lnbench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_leaderboard_show_prints_every_row_of_a_track_best_first() -> None:
    result = lnbench("leaderboard", "show")
    assert result.exit_code == 0 and result.stdout == lnbench("leaderboard", "show", DEFAULT).stdout
    table, *seasons = rows.of_track(DEFAULT)
    assert table.season is None and all(f"{DEFAULT}, season {one.season}: " in result.stdout for one in seasons)
    first, *_ = [line for line in result.stdout.splitlines() if table.rows[0].label in line.split()]
    own = table.rows[0].own_splits
    assert own is not None and f" {points(own.score.drop_pp)} {interval(own.score.ci95_pp)} " in first
    assert f" {points(table.rows[0].score.drop_pp)} " in first
    for row in table.rows:
        assert any(row.label in line and interval(row.score.ci95_pp) in line for line in result.stdout.splitlines())
    assert "Other tracks with rows: digits-exact (" in result.stdout


def test_leaderboard_show_gives_the_rows_as_json() -> None:
    (table,) = json.loads(lnbench("leaderboard", "show", "digits-exact", "--json").stdout)
    assert table["track"]["name"] == "digits-exact" and table["rows"][0]["label"] == "my_poisoner"
    result = lnbench("leaderboard", "show", "digits-exac")
    assert result.exit_code == 2 and "did you mean digits-exact" in result.stderr


def test_leaderboard_show_reads_another_board(tmp_path: Path) -> None:
    result = lnbench("leaderboard", "show", "--board", tmp_path)
    assert result.exit_code == 2 and "there is no" in result.stderr and "leaderboard build" in result.stderr


def test_attacks_says_what_each_does_its_parameters_and_its_best_score() -> None:
    result = lnbench("attacks")
    assert result.exit_code == 0 and result.stdout == lnbench("attacks", "list").stdout
    heads = [line.partition(":")[0] for line in result.stdout.splitlines() if not line.startswith(" ")][:-1]
    assert sorted(heads) == sorted(attacks())
    best = rows.best(DEFAULT)["random_search"]
    assert f"random_search: {points(best.score.drop_pp)} {interval(best.score.ci95_pp)}, rank " in result.stdout
    assert "    Uniformly random flips: the baseline" in result.stdout
    assert "    Parameters: surrogates=64, victims=mlp,cnn" in result.stdout


def test_attacks_of_a_track_without_rows_have_none() -> None:
    found = json.loads(lnbench("attacks", "--track", "mnist-9to0", "--json").stdout)
    assert found["track"] == "mnist-9to0" and {one["best"] for one in found["attacks"]} == {None}
    by_name = {one["name"]: one for one in found["attacks"]}
    assert by_name["bilevel"]["parameters"]["steps"] == 120 and by_name["bilevel"]["description"].startswith("Flip ")


def test_compare_says_who_is_higher_on_which_architecture(tmp_path: Path) -> None:
    track, paths = factories.small(8, 2), []
    for name, effect in (("strong", 0.4), ("weak", 0.0)):
        paths.append(tmp_path / f"{name}.json")
        record.write(factories.make(track, name=name, effect=effect), paths[-1])
    result = lnbench("compare", *paths)
    assert result.exit_code == 0
    first, *table = result.stdout.splitlines()
    assert first.startswith("strong beats weak on digits-9to0 by ") and "paired over 8 splits" in first
    shown = [line.split()[0] for line in table if line.rstrip().endswith("strong is higher")]
    assert shown == ["mlp", "cnn", "all"]
    found = json.loads(lnbench("compare", *reversed(paths), "--json").stdout)
    assert found["total"]["mean_pp"] < 0 and len(found["differences_pp"]) == 8 and found["sentence"] == first


def test_compare_takes_rows_by_their_names() -> None:
    found = json.loads(lnbench("compare", "my_poisoner", "high_degree", "--json").stdout)
    assert (found["first"], found["second"], found["track"]) == ("my_poisoner", "high_degree", DEFAULT)
    known = [rows.best(DEFAULT)[name].score.drop_pp for name in ("my_poisoner", "high_degree")]
    assert found["total"]["mean_pp"] == pytest.approx(known[0] - known[1], abs=1e-6)
    result = lnbench("compare", rows.record_file("my_poisoner", "digits-exact"), rows.record_file("alfa", DEFAULT))
    assert result.exit_code == 1 and "records of different tracks" in result.stderr


def test_in_python_a_rows_track_is_the_other_records() -> None:
    made = read_record("my_poisoner", "digits-exact")
    assert compare(made, "random_flip").track == "digits-exact"
    assert compare("my_poisoner", made).track == "digits-exact"
    assert compare("my_poisoner", "my_poisoner", track="digits-pairs").track == "digits-pairs"
    for call in (lambda: read_record("none.json"), lambda: compare(made, "none.json")):
        with pytest.raises(RecordError, match="there is no such file"):
            call()


def test_show_takes_a_rows_name() -> None:
    path = rows.record_file("my_poisoner", "digits-exact")
    result = lnbench("show", "my_poisoner", "--track", "digits-exact")
    assert result.exit_code == 0 and result.stdout == lnbench("show", path).stdout
    assert "my_poisoner on digits-exact: " in result.stdout


def test_show_takes_any_record_of_the_board_and_says_whose_splits_it_has() -> None:
    (table, season, *_) = rows.of_track(DEFAULT)
    own = next(row for row in table.rows if row.label == "matched_search")
    names = {
        path.stem: record.read(path) for path in (board() / "records" / DEFAULT).glob("matched_search-*[0-9a-f].json")
    }
    (alone,) = (stem for stem, made in names.items() if made.salt == OWN)
    assert own.own_splits is not None and alone not in {row.stem for row in table.rows}
    shown = {stem: lnbench("show", stem).stdout.splitlines()[1] for stem in (own.stem, season.rows[0].stem, alone)}
    assert [line.partition(" seed")[2].partition(",")[2].split(",")[0].strip() for line in shown.values()] == [
        "4 flips in 898 labels",
        "the splits of season 2026a",
        "splits of its own",
    ]
    result = lnbench("show", "a" * 300)
    assert result.exit_code == 2 and "has no row of that name" in result.stderr
    told = lnbench("compare", alone, own.stem).stderr
    assert "records of different salts (own splits, " in told and "; public, " in told


def test_show_plots_in_the_terminal_and_into_a_file(tmp_path: Path) -> None:
    made = factories.make(factories.small(3, 1))
    record.write(made, path := tmp_path / "made.json")
    result = lnbench("show", path, "--plot")
    assert result.exit_code == 0 and result.stdout == lnbench("show", "--plot", path).stdout
    assert result.stdout.startswith(f"made_up on digits-9to0: {points(made.score.drop_pp)} pp [")
    bars = [line for line in result.stdout.splitlines() if "│" in line]
    assert [line.split()[1] for line in bars] == [points(drop) for drop in made.score.split_drops_pp]
    scored = [line.split() for line in result.stdout.splitlines() if "← scored" in line]
    assert [line[:2] for line in scored] == [[v.name, f"{made.track.epsilon(v):g}"] for v in made.track.victims]
    pytest.importorskip("matplotlib")
    result = lnbench("show", path, "--plot", tmp_path / "new" / "made.png")
    assert result.exit_code == 0 and result.stderr == f"figure: {tmp_path / 'new' / 'made.png'}\n"
    assert (tmp_path / "new" / "made.png").read_bytes().startswith(b"\x89PNG")


def test_show_refuses_another_kind_of_figure_and_no_record(tmp_path: Path) -> None:
    record.write(factories.make(factories.small(2, 1)), path := tmp_path / "made.json")
    result = lnbench("show", path, "--plot", "made.pdf")
    assert result.exit_code == 2 and "--plot takes a file ending in .svg or .png, got 'made.pdf'" in result.stderr
    assert lnbench("show", "--plot").exit_code == lnbench("show").exit_code == 2


def test_bars_end_where_the_largest_scores_are() -> None:
    lines = _plot.bars((10.0, -10.0, 0.0, None), 21)
    assert [len(line.rstrip()) for line in lines[:2]] == [13 + 21, 13 + 11]
    assert [line.count("█") for line in lines] == [10, 10, 0, 0]
    assert _plot.bars((None,), 5) == ["  0       –  │"]
