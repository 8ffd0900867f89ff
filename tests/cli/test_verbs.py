"""Every verb but `evaluate`: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import factories
import tiny
from lnbench import __version__, cli, record
from lnbench.board import rows as board_rows
from lnbench.cli import _options
from lnbench.errors import UnavailableError
from lnbench.evaluation import calibration
from lnbench.poison import diagnosis
from lnbench.protocol import canonical_json
from lnbench.protocol import track as tracks


def lnbench(*args: str | Path) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli.cli, [str(arg) for arg in args])


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A poisoner that flips the first points, one too many with `more=1`."""
    path = tmp_path / "first.py"
    path.write_text(tiny.POISONER)
    return path


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """The tiny track's file."""
    return tiny.write(tmp_path / "tiny.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick record's file."""
    path = tmp_path_factory.mktemp("record") / "made.json"
    record.write(factories.make(tracks.load(tracks.DEFAULT), name="made_up", quick=True), path)
    return path


# --- the group


def test_help_names_every_verb_in_its_own_words() -> None:
    result = lnbench("--help")
    assert result.exit_code == 0
    for verb, line in cli.VERBS.items():
        command = cli.cli.get_command(None, verb)  # type: ignore[arg-type]
        assert command is not None and (command.help or "").split("\n")[0] == line
        assert verb in result.stdout and " ".join(line.split()[:4]) in result.stdout


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_and_its_parts_have_help(verb: str) -> None:
    command = cli.cli.get_command(None, verb)  # type: ignore[arg-type]
    for part in ["", *getattr(command, "commands", {})]:
        result = lnbench(verb, *part.split(), "-h")
        assert result.exit_code == 0 and "Usage:" in result.stdout


def test_the_version_is_the_packages() -> None:
    assert lnbench("--version").stdout == f"lnbench {__version__}\n"


def test_an_unknown_verb_gets_its_nearest() -> None:
    result = lnbench("evaluat", "x")
    assert result.exit_code == 2
    assert "no command is called 'evaluat'; did you mean evaluate?" in result.stderr
    assert "there are: evaluate, show" in lnbench("zzzz").stderr


def test_the_default_track_in_the_help_is_the_default_track() -> None:
    assert f"[default: {tracks.DEFAULT}]" in " ".join(lnbench("check", "--help").stdout.split())
    assert _options.load_track(None).name == tracks.DEFAULT


# --- check


def test_check_accepts_valid_labels(first: Path, track: Path) -> None:
    result = lnbench("check", first, "--track", track)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[:2]] == ["split 0: 4 of 4 flips", "split 1: 4 of 4 flips"]
    assert "the same labels twice" in lines[0]
    assert lines[2] == "first.py: its labels are valid on tiny."


def test_check_names_labels_that_differ_from_run_to_run(tmp_path: Path, track: Path) -> None:
    path = tmp_path / "dice.py"
    path.write_text(
        tiny.POISONER.replace("[: problem.budget + self.more]", "[__import__('os').urandom(1)[0] % 50 :][:1]")
    )
    results = [lnbench("check", path, "--track", track) for _ in range(2)]
    assert all(result.exit_code == 0 for result in results)
    assert any("DIFFERENT labels" in r.stdout and "problem.rng" in r.stderr for r in results)


def test_check_refuses_invalid_labels(first: Path, track: Path) -> None:
    result = lnbench("check", first, "--track", track, "--set", "more=1")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: first.py: expected at most 4 changed labels, got 5")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.py"], "there is no file none.py"),
        (["no_such_attack"], "no file or bundled attack is called 'no_such_attack'"),
        (["{first}", "--track", "digits-9to1"], "no track is called 'digits-9to1'; did you mean digits-9to0"),
        (["{first}", "--set", "more"], "expected NAME=VALUE, got 'more'"),
        (["{first}", "--set", "=3"], "expected NAME=VALUE, got '=3'"),
        (["{first}", "--set", "more=1", "--set", "more=2"], "more is set twice"),
        (["{first}", "--set", "mor=1"], "no parameter is called 'mor'; did you mean 'more'?"),
        (["{first}", "--set", "more=x"], "parameter more is of type int (default 0), got 'x'"),
    ],
)
def test_a_request_that_makes_no_sense_is_usage(arguments: list[str], words: str, first: Path) -> None:
    result = lnbench("check", *[str(first) if a == "{first}" else a for a in arguments])
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr


# --- tracks


def test_tracks_lists_what_ships() -> None:
    result = lnbench("tracks")
    assert result.exit_code == 0 and result.stdout == lnbench("tracks", "list").stdout
    assert all(name in result.stdout for name in tracks.names())


def test_tracks_show_prints_the_hashed_document(track: Path) -> None:
    result = lnbench("tracks", "show", track)
    first, *lines = result.stdout.splitlines()
    assert first == f"# tiny, version 0, sha256 {tracks.load(str(track)).sha256}"
    assert "noise.pairs = [[9, 0]]" in lines and "victims[0].recipe.steps = 30" in lines
    assert f"# {tracks.DEFAULT}, " in lnbench("tracks", "show").stdout


def test_tracks_validate_says_which_file_is_wrong(track: Path, tmp_path: Path) -> None:
    assert lnbench("tracks", "validate", "--rules", track, tracks.DEFAULT).exit_code == 0
    bad = tiny.write(tmp_path / "bad.toml", tiny.document() | {"version": -1})
    result = lnbench("tracks", "validate", track, bad)
    assert result.exit_code == 2
    assert result.stderr == "error: bad.toml: version: expected at least 0, got -1.\n"


# --- calibration and power


def test_a_run_calibrates_a_track_and_says_what_it_lacks(
    track: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lnbench("power", track).exit_code == 3, "nothing has been measured yet"
    result = lnbench("tracks", "validate", track, "--workers", "1")
    assert result.exit_code == 1
    assert "error: tiny: 2 × 2 resolve" in result.stderr
    found = json.loads((tmp_path / "tiny.calibration.json").read_bytes())
    (path,) = (tmp_path / "records" / "tiny").glob("random_flip-*.json")
    assert found["record_sha256"] == record.read(path).sha256
    assert found["run"]["seconds"] > 0 and found["run"]["peak_mib"] > 50
    assert "σ in points: split " in result.stdout and "MiB in the largest process" in result.stdout
    again = lnbench("tracks", "validate", track, "--record", path)
    assert "time not measured" in again.stdout
    told = lnbench("power", track, "--effect", "20")
    assert told.exit_code == 0 and told.stdout.startswith("tiny: 2 splits × 2 seeds")
    assert "To find 20 pp with 80 % power:" in told.stdout and "Holm" not in told.stdout, "it has no board"
    wrong = lnbench("tracks", "validate", tracks.DEFAULT, "--record", path)
    assert wrong.exit_code == 1 and "of another track or version than digits-9to0" in wrong.stderr


def test_power_of_the_default_track_is_what_its_calibration_says() -> None:
    found = calibration.read(tracks.DEFAULT)
    result = lnbench("power")
    assert result.exit_code == 0
    resolves = calibration.resolved(found["components_pp"]["total"], found["splits"])
    assert f"They find a true drop of {resolves:.1f} pp" in result.stdout
    count = len(board_rows.of_track(tracks.DEFAULT)[0].rows)
    first = calibration.resolved(found["components_pp"]["total"], found["splits"], calibration.ALPHA / count)
    assert first is not None and resolves is not None and first > resolves
    assert f"over the board's {count} rows, a row needs {first:.1f} pp." in result.stdout
    assert lnbench("power", "--effect", "0").exit_code == 2
    assert lnbench("power", "--alpha", "1").exit_code == 2


# --- show, verify, leaderboard


def test_show_prints_arms_score_verdict_and_standing(made: Path) -> None:
    result = lnbench("show", made)
    assert result.exit_code == 0, result.stderr
    found = record.read(made)
    rows = [line.split() for line in result.stdout.splitlines()]
    arms = [row for row in rows if row and row[0] in ("clean", "random", "poisoned") and row[1][:1].isdigit()]
    assert [row[0] for row in arms] == ["clean", "random", "poisoned"]
    assert arms[1][1] == f"{100 * found.arms['random']['adv_acc']:.1f}" and arms[0][-1] == "–"
    assert [row[0] for row in rows if row and row[0] in ("mlp", "cnn", "all")] == ["mlp", "cnn", "all"]
    assert found.verdict in result.stdout.replace("\n", " ")
    assert "Not ranked:\n  - " in result.stdout and "  - A quick run" in result.stdout


def test_show_json_is_the_record(made: Path) -> None:
    assert json.loads(lnbench("show", made, "--json").stdout) == record.read(made).document


def test_verify_accepts_a_record_and_names_what_fails(made: Path, tmp_path: Path) -> None:
    accepted = lnbench("verify", made)
    assert accepted.exit_code == 0 and accepted.stdout.endswith(f"{made} says what its bits say.\n")
    document = json.loads(made.read_bytes())
    document["score"]["drop_pp"] += 1.0
    document["sha256"] = record.digest(document)
    forged = tmp_path / "forged.json"
    forged.write_bytes(canonical_json(document))
    result = lnbench("verify", forged)
    assert result.exit_code == 1
    assert any(line.startswith("FAILED  score:") for line in result.stdout.splitlines())
    assert result.stderr == f"error: {forged} does not hold: score.\n"
    assert lnbench("verify", tmp_path / "none.json").exit_code == 2


def test_verify_of_something_else_is_a_no(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")
    result = lnbench("verify", path)
    assert result.exit_code == 1 and "FAILED" in result.stdout


def test_the_board_is_built_checked_and_found_drifted(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    (folder / "records").mkdir(parents=True)
    assert lnbench("leaderboard", "check", "--folder", folder).exit_code == 1
    assert lnbench("leaderboard", "build", "--folder", folder).exit_code == 0
    assert lnbench("leaderboard", "check", "--folder", folder).exit_code == 0
    readme = folder / "README.md"
    readme.write_text(readme.read_text() + "by hand\n")
    result = lnbench("leaderboard", "check", "--folder", folder)
    assert result.exit_code == 1
    assert result.stdout == f"differs: {readme}\n"
    assert "run `lnbench leaderboard build`" in result.stderr


def test_the_board_refuses_an_unranked_record(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "board"
    (folder / "records").mkdir(parents=True)
    result = lnbench("leaderboard", "add", made, "--folder", folder)
    assert result.exit_code == 1 and result.stderr.startswith(f"error: {made}: ")
    assert list((folder / "records").iterdir()) == []
    assert lnbench("leaderboard", "add", tmp_path / "none.json", "--folder", folder).exit_code == 2


# --- cache


def test_cache_says_where_and_how_much_and_clears(cache: Path) -> None:
    from lnbench.evaluation.store import Store

    Store().put("cells", {"a": 1}, {"b": 2})
    (cache / "data" / "MNIST").mkdir(parents=True)
    (cache / "data" / "MNIST" / "file").write_bytes(b"x" * 2500)
    assert lnbench("cache", "path").stdout == f"{cache / 'store'}\n"
    size = lnbench("cache", "size").stdout.splitlines()
    assert size[0].startswith("results: 1 in ") and size[1] == f"data: 2.5 kB, {cache / 'data'}"

    asked = lnbench("cache", "clear")
    assert asked.exit_code == 2 and "add --yes" in asked.stderr
    assert Store().size()[0] == 1
    assert lnbench("cache", "clear", "--yes").exit_code == 0
    assert Store().size() == (0, 0) and (cache / "data" / "MNIST" / "file").exists()
    assert lnbench("cache", "clear", "--yes", "--data").exit_code == 0
    assert not (cache / "data").exists()


# --- doctor


def test_doctor_says_what_works_here(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = lnbench("doctor")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert f"lnbench   {__version__}, Python {sys.version.split()[0]}" in result.stdout
    assert f"cache     {cache / 'store'}, writable" in result.stdout
    assert f"track     {tracks.DEFAULT}: its data is here and unaltered" in result.stdout
    assert f"sandbox   {diagnosis.mode()}: " in result.stdout
    assert result.stdout.splitlines()[-1].startswith("ready: ")


def test_doctor_names_remedies_and_refuses_where_nothing_could_run(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "diagnose", lambda: diagnosis.Diagnosis("none", "it is missing.", ("install it",)))
    result = lnbench("doctor")
    assert "only --unsafe-no-sandbox runs a file" in result.stdout and "- install it" in result.stdout
    assert result.exit_code == 3 and result.stdout.splitlines()[-1].startswith("not ready: ")


@pytest.mark.parametrize("verb", ["evaluate", "check", "submit"])
@pytest.mark.parametrize("ci", ["", "true"])
def test_nothing_runs_unboxed_unless_that_is_asked_for(
    verb: str, ci: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that does not work is an error, never a reason to run a file with the user's rights."""
    monkeypatch.setenv("CI", ci)
    broken = diagnosis.Diagnosis("none", "bubblewrap cannot build the sandbox: it broke.", ("mend it",))
    monkeypatch.setattr(diagnosis, "diagnose", lambda: broken)
    mark = tmp_path / "ran"
    (tmp_path / "mark.py").write_text(f"open({str(mark)!r}, 'w')\n{tiny.POISONER}")
    track = tiny.write(tmp_path / "tiny.toml")
    result = lnbench(verb, str(tmp_path / "mark.py"), "--track", str(track))
    assert result.exit_code == 3 and not mark.exists()
    said = " ".join(result.stderr.split())
    assert "none works here: bubblewrap cannot build the sandbox: it broke. Try this: mend it." in said
    assert "--unsafe-no-sandbox" in said
    if verb == "check":
        assert (
            "NO SANDBOX"
            in lnbench(verb, str(tmp_path / "mark.py"), "--track", str(track), "--unsafe-no-sandbox").stderr
        )
        assert mark.exists()


def test_doctor_says_that_the_sandbox_could_not_be_tried(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose() -> None:
        raise UnavailableError("something killed its trial.")

    monkeypatch.setattr(diagnosis, "diagnose", diagnose)
    result = lnbench("doctor")
    assert result.exit_code == 3 and "sandbox   unknown: something killed its trial." in result.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_doctor_names_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "locked"))
    result = lnbench("doctor")
    assert result.exit_code == 3 and "cannot be written" in result.stdout


def test_doctor_names_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "file"))
    result = lnbench("doctor")
    assert result.exit_code == 3 and "set LNBENCH_CACHE to a folder that can" in result.stdout
