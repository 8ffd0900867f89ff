"""What a record that is consistent with itself is still refused for, by every door that leads to the board."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import factories
from lnbench import data, record
from lnbench.board import add, admission, build, check, load
from lnbench.cli import cli
from lnbench.errors import RecordError
from lnbench.protocol import pack
from lnbench.protocol import track as tracks
from lnbench.record import seasons
from lnbench.record.record import Record
from lnbench.trust import verify

TRACK = factories.small(2, 1)
SALT = "secret"
OTHER_TRACK = factories.track(name="another", replication=dict(TRACK.document["replication"]))


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty leaderboard in a repository; two tracks ship."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, OTHER_TRACK)
    folder = tmp_path / "repository" / "leaderboard"
    (folder / "records").mkdir(parents=True)
    return folder


def file_of(board: Path, made: Record, name: str = "made.json") -> Path:
    """A record's file, not on the board."""
    record.write(made, board.parent / name)
    return board.parent / name


def put(board: Path, made: Record) -> Path:
    """A record on the board, through the front door."""
    (added,) = add([file_of(board, made)], board / "records")
    return added


def force(board: Path, made: Record) -> Path:
    """A record in the folder, past the door."""
    path = board / "records" / made.track.name / made.filename
    record.write(made, path)
    return path


def lnbench(*arguments: str | Path) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def dated(day: str) -> Record:
    run = {**factories.make(TRACK).document["run"], "started": f"{day}T00:00:00Z"}
    return factories.make(TRACK, run=run)


# --- a season's row made without the salt


def forged(**parts: Any) -> Record:
    """A season's record by somebody who has only its public commitment: splits, flips and bits are invented."""
    return factories.make(
        TRACK, season="s1", salt="guess", streams_commitment=seasons.commitment(SALT), name="forged", **parts
    )


def only_random_invented() -> Record:
    """A season's record with true labels but random flips of another stream."""
    honest, other = (factories.make(TRACK, season="s1", salt=salt, name="forged") for salt in (SALT, "guess"))
    document = copy.deepcopy(dict(honest.document))
    document["flips"]["random"] = [
        [[[index, old, new] for index, old, new in flips] for flips in per_seed]
        for per_seed in (document["flips"]["poisoned"][w : w + 1] for w in range(2))
    ]
    assert other.document["flips"]["random"] != document["flips"]["random"]
    return factories.rehashed(document)


@pytest.fixture
def season(board: Path) -> Path:
    """An open season."""
    path = board / "seasons.toml"
    path.write_text(f'[s1]\ncommitment = "{seasons.commitment(SALT)}"\nopened = "2026-01-01"\n')
    (board.parent / "s1.salt").write_text(f"{SALT}\n")
    return path


def close(board: Path) -> Any:
    return lnbench("season", "close", "s1", "--salt-file", board.parent / "s1.salt", "--folder", board)


@pytest.mark.parametrize("make", [forged, only_random_invented])
def test_a_season_row_made_without_the_salt_is_refused_by_all_who_know_it(
    board: Path, season: Path, make: Callable[[], Record]
) -> None:
    made = make()
    honest = put(board, factories.make(TRACK, season="s1", salt=SALT, name="honest", source="# honest\n"))
    record.write(made, board.parent / "made.json")
    assert not verify.verify(board.parent / "made.json", salt=SALT).passed

    path = force(board, made)  # as somebody would who knows neither
    before = season.read_bytes()
    done = close(board)
    assert done.exit_code == 1 and path.name in done.stderr and "its check '" in done.stderr
    assert season.read_bytes() == before, "it stays open"

    hashes = [record.read(honest).sha256, made.sha256]
    seasons.close_season(season, "s1", SALT, hashes, datetime.date(2026, 2, 1))  # by an older lnbench
    with pytest.raises(RecordError, match=rf"{path.name}: its check '(labels|random arm)' fails"):
        check(board / "records", board)
    path.unlink()
    with pytest.raises(RecordError, match=r"its check '(labels|random arm)' fails"):
        add([board.parent / "made.json"], board / "records")
    assert not path.exists()


def test_while_the_salt_is_secret_a_row_is_shown_as_unchecked(board: Path, season: Path) -> None:
    put(board, factories.make(TRACK, season="s1", salt=SALT))
    done = lnbench("leaderboard", "build", "--folder", board)
    assert done.exit_code == 0 and "| season (open, unchecked) |" in (board / "README.md").read_text()
    done = lnbench("leaderboard", "check", "--folder", board)
    assert done.exit_code == 0
    assert done.stderr == ("unchecked: 1 record of season s1 not compared with the data: the salt is still secret.\n")
    assert close(board).exit_code == 0
    assert "| season |" in (board / "README.md").read_text()
    done = lnbench("leaderboard", "check", "--folder", board)
    assert done.exit_code == 0 and done.stderr == ""


def test_labels_that_the_data_does_not_give_are_refused_under_the_public_salt(board: Path) -> None:
    document = copy.deepcopy(dict(factories.make(TRACK).document))
    document["labels_sha256"][1] = "0" * 64
    made = factories.rehashed(document)
    with pytest.raises(RecordError, match="its check 'labels' fails: the labels of split 1 have sha256"):
        put(board, made)
    path = force(board, made)
    build(board / "records", board)
    with pytest.raises(RecordError, match=f"{path.name}: its check 'labels' fails"):
        check(board / "records", board)


def test_data_that_is_not_here_is_said_and_never_downloaded(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(board, factories.make(TRACK))
    build(board / "records", board)
    said: list[str] = []
    monkeypatch.setattr(data, "here", lambda track: False)
    monkeypatch.setattr(admission, "compare", lambda *_: pytest.fail("nothing is loaded"))
    assert check(board / "records", board, tell=said.append) == []
    assert said == ["1 record of digits-9to0 not compared with the data: the data is not on this machine."]


def test_data_of_a_track_that_does_not_ship_is_not_loaded(board: Path) -> None:
    """A record's track is its author's: its data could be anything, anywhere."""
    elsewhere = {**TRACK.document["data"], "train": 900}
    noise = {**TRACK.document["noise"], "eta": 4.5 / 900}
    made = factories.make(factories.track(name="mine", data=elsewhere, noise=noise))
    waiting, said = admission.DataCheck({}), list[str]()
    waiting.add(made, Path("made.json"))
    waiting.run(said.append)
    assert said == ["1 record of mine not compared with the data: no track of this lnbench uses its data."]
    with pytest.raises(RecordError, match="1 record of mine not compared"):
        waiting.run()


def test_what_would_be_downloaded_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LNBENCH_DATA", "LNBENCH_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    here = {name: data.here(tracks.load(name)) for name in ("digits-9to0", "mnist-9to0", "cifar10-9to0")}
    assert here == {"digits-9to0": True, "mnist-9to0": False, "cifar10-9to0": False}


# --- arms that are not shared


@pytest.mark.parametrize("arm", ["clean", "random"])
def test_rows_of_one_environment_have_the_same_clean_and_random_arms(board: Path, arm: str) -> None:
    first = put(board, factories.make(TRACK, name="first"))

    def better(victim: dict[str, Any]) -> None:
        if victim["arm"] == arm and victim["split"] == 1:
            victim["clean"]["correct"] -= 1

    made = factories.make(TRACK, name="other", source="# other\n", change=better)
    sentence = (
        f"other.*: its clean and random arms are not those of {first.name}, although environment, code, track and"
    )
    with pytest.raises(RecordError, match=sentence.replace("other.*", "made.json")):
        put(board, made)
    force(board, made)
    with pytest.raises(RecordError, match=f"{made.filename}: its clean and random arms are not those of {first.name}"):
        check(board / "records", board)


@pytest.mark.parametrize(
    "differs",
    [{"environment": {"id": "f" * 64, "parts": {}}}, {"code_sha256": "d" * 64}, {"made_on": OTHER_TRACK}],
)
def test_another_environment_code_or_track_may_have_other_arms(board: Path, differs: dict[str, Any]) -> None:
    put(board, factories.make(TRACK, name="first"))
    put(board, factories.make(**{"made_on": TRACK, **differs}, name="other", source="# other\n", level=0.45))
    assert check(board / "records", board)  # it only has to be built


# --- names


@pytest.mark.parametrize("name", ["attack-one", "attack_0ne", "attack_one"])
def test_two_names_that_look_alike_do_not_come_from_two_sources(board: Path, name: str) -> None:
    first = put(board, factories.make(TRACK, name="attack_one", parameters={"a": 1}))
    made = factories.make(TRACK, name=name, parameters={"a": 2}, source="# another\n", seed=1)
    if name == "attack_one":  # a new version of it
        put(board, made)
        return
    with pytest.raises(RecordError, match=f"its name {name} can be taken for attack_one of {first.name}, which has an"):
        put(board, made)
    force(board, made)
    with pytest.raises(RecordError, match="can be taken for"):
        check(board / "records", board)


def test_one_source_may_have_two_such_names(board: Path) -> None:
    put(board, factories.make(TRACK, name="attack_one", parameters={"a": 1}))
    put(board, factories.make(TRACK, name="attack-one", parameters={"a": 2}))
    check(board / "records", board)
    assert {path.name.rsplit("-", 1)[0] for path in board.rglob("*.json")} == {"attack_one", "attack-one"}


@pytest.mark.parametrize("folder", ["attacks", "submissions"])
def test_a_row_is_not_named_after_another_file_of_the_repository(board: Path, folder: str) -> None:
    path = board.parent / folder / "matched.py"
    path.parent.mkdir()
    path.write_text("# the real one\n")
    words = f"it is called matched, and was made from another file than {folder}/matched.py"
    with pytest.raises(RecordError, match=words):
        put(board, factories.make(TRACK, name="matched"))
    put(board, factories.make(TRACK, name="matched", source="# the real one\n"))
    build(board / "records", board)
    assert f"[matched](../{folder}/matched.py)" in (board / "README.md").read_text()


# --- dates


@pytest.mark.parametrize("day", ["9999-12-31", "2019-01-01", "2025-12-31", "0001-01-01", "2026-99-99"])
def test_a_run_is_not_dated_before_lnbench_or_after_today(board: Path, day: str) -> None:
    with pytest.raises(RecordError):
        put(board, dated(day))


def test_a_date_that_cannot_be_true_is_found_past_the_door(board: Path) -> None:
    made = dated("2025-12-31")
    sentence = "its run is dated 2025-12-31; expected a day from 2026-01-01 to today, 20"
    with pytest.raises(RecordError, match=sentence):
        put(board, made)
    path = force(board, made)
    with pytest.raises(RecordError, match=f"{path.name}: {sentence}"):
        check(board / "records", board)


def test_where_it_is_tomorrow_already_a_run_may_be_of_today(board: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    put(board, dated((today + datetime.timedelta(days=1)).isoformat()))
    with pytest.raises(RecordError, match="its run is dated"):
        put(board, dated((today + datetime.timedelta(days=2)).isoformat()))


# --- several at once, and what is not a record


def everything(board: Path) -> dict[str, bytes]:
    return {str(path.relative_to(board)): path.read_bytes() for path in board.rglob("*") if path.is_file()}


def test_add_takes_all_or_none(board: Path) -> None:
    good = file_of(board, factories.make(TRACK, name="good"))
    bad = file_of(board, factories.make(TRACK, name="bad", sandbox="none", source="# bad\n"), "bad.json")
    before = everything(board)
    done = lnbench("leaderboard", "add", good, bad, "--folder", board)
    assert done.exit_code == 1 and f"{bad}: it is not ranked" in done.stderr and done.stdout == ""
    assert everything(board) == before
    more = file_of(board, factories.make(TRACK, name="more", source="# more\n", seed=1), "more.json")
    done = lnbench("leaderboard", "add", good, more, "--folder", board)
    assert done.exit_code == 0 and done.stdout.count("added: ") == 2 and check(board / "records", board) == []


def test_add_goes_on_where_a_killed_run_stopped(board: Path) -> None:
    some = [factories.make(TRACK, name=name, source=f"# {name}\n") for name in ("first", "second", "third")]
    paths = [file_of(board, made, f"{made.name}.json") for made in some]
    add(paths[:1], board / "records")
    added = add(paths, board / "records")
    assert [path.name for path in added] == [made.filename for made in some]
    assert len(load(board / "records").tables[0].rows) == 3
    with pytest.raises(RecordError, match=r"first\.json: first from the same source is already there: first-"):
        add(paths, board / "records")
    assert len(load(board / "records").tables[0].rows) == 3


def test_two_new_records_are_compared_with_each_other(board: Path) -> None:
    one = file_of(board, factories.make(TRACK, name="good"), "one.json")
    two = file_of(board, factories.make(TRACK, name="good", seed=1), "two.json")
    with pytest.raises(RecordError, match=r"two\.json: good from the same source is already there: one\.json"):
        add([one, two], board / "records")
    assert load(board / "records").tables == ()


def test_a_record_that_cannot_be_written_takes_the_others_with_it(board: Path) -> None:
    one = file_of(board, factories.make(TRACK, name="good"), "one.json")
    two = file_of(board, factories.make(OTHER_TRACK, name="good"), "two.json")
    (board / "records" / "another").write_text("in the way")
    done = lnbench("leaderboard", "add", one, two, "--folder", board)
    assert done.exit_code == 3 and "cannot be written" in done.stderr
    assert not list((board / "records" / TRACK.name).iterdir())


@pytest.mark.parametrize("verb", [("leaderboard", "add"), ("verify",)])
def test_an_audit_is_told_from_a_record(board: Path, verb: tuple[str, ...]) -> None:
    added = put(board, factories.make(TRACK))
    audit = factories.write_audit(added.with_name(f"{added.stem}.audit.json"), factories.audit(record.read(added)))
    build(board / "records", board)
    assert check(board / "records", board) == [], "it lies among the records and is none"
    done = lnbench(*verb, audit)
    said = f"{audit}: this is the audit of the record {record.read(added).sha256[:12]}…, not a record"
    assert done.exit_code == 1 and said in done.output.replace("\n", " ")


def test_a_board_that_cannot_be_built_takes_nothing(board: Path) -> None:
    force(board, factories.make(TRACK, name="bad", sandbox="none", source="# bad\n"))
    with pytest.raises(RecordError, match="it is not ranked"):
        put(board, factories.make(TRACK))
    assert not list((board / "records" / TRACK.name).glob("made_up-*"))


@pytest.mark.parametrize(("arm", "all_broken", "shown"), [("clean", True, "0.0"), ("random", False, "100.0")])
def test_no_environment_explains_an_arm_far_from_the_other_rows(
    board: Path, arm: str, all_broken: bool, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = factories.small(6, 2)
    factories.ship(monkeypatch, tmp_path / "larger", track)
    first = put(board, factories.make(track, name="first"))

    def invented(victim: dict[str, Any]) -> None:
        if victim["arm"] == arm:
            points = victim["clean"]["source_points"]
            for goal in ("targeted", "untargeted"):
                victim["bits"][goal] = pack(np.full(points, all_broken))
                victim["broken"][goal] = [points * all_broken] * len(victim["broken"][goal])
            victim["clean"]["source_to_target"] = 0

    elsewhere = {"id": "anything at all", "parts": {}}
    made = factories.make(track, name="other", source="# other\n", change=invented, environment=elsewhere)
    words = f"are not those of {first.name}: targeted AA of .* on the {arm} arm is {shown} % here"
    with pytest.raises(RecordError, match=words):
        put(board, made)


def test_rounding_may_move_the_arms_of_another_environment(board: Path) -> None:
    put(board, factories.make(TRACK, name="first"))

    def rounded(victim: dict[str, Any]) -> None:
        if victim["arm"] == "clean":
            victim["clean"]["correct"] -= 1

    elsewhere = {"id": "f" * 64, "parts": {"device": "cuda"}}
    added = put(board, factories.make(TRACK, name="other", source="# other\n", change=rounded, environment=elsewhere))
    assert added.is_file() and len(load(board / "records").tables[0].rows) == 2
