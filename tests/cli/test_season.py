"""A season from its opening to its reveal, and a signature under a verification, as the command line does them."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import factories
import tiny
from lnbench import record
from lnbench.cli import cli
from lnbench.errors import UnavailableError
from lnbench.evaluation import conductor
from lnbench.poison import diagnosis
from lnbench.protocol import canonical_json
from lnbench.record import seasons
from lnbench.record.consistency import Check
from lnbench.record.record import Record
from lnbench.trust import audit, rerun, retrain, verification

TRACK = factories.small(2, 1)


def lnbench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a board, a poisoner, and a track that ships."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    (tmp_path / "leaderboard" / "records").mkdir(parents=True)
    (tmp_path / "first.py").write_text(tiny.POISONER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `evaluate` was asked for; it answers with a made-up record under the same salt."""
    words: dict[str, Any] = {}

    def fake(submission: Any, track: Any, **given: Any) -> Record:
        words.update(given)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return factories.make(TRACK, salt=given["salt"], season=given["season"], started=now)

    monkeypatch.setattr(conductor, "evaluate", fake)
    monkeypatch.setattr(diagnosis, "mode", lambda: "bubblewrap")
    return words


def test_open_evaluate_add_close_verify(place: Path, asked: dict[str, Any]) -> None:
    done = lnbench("season", "open", "s1")
    assert done.exit_code == 0 and "season s1 is open" in done.stdout and "never s1.salt" in done.stderr
    salt = seasons.read_salt("s1.salt")
    assert salt not in done.output
    done = lnbench("evaluate", "first.py", "--season", "s1", "--salt-file", "s1.salt")
    assert done.exit_code == 0, done.output
    assert (asked["salt"], asked["season"]) == (salt, "s1") and salt not in done.output
    (path,) = Path("records").rglob("*.json")
    assert salt not in path.read_text()
    assert lnbench("leaderboard", "add", path).exit_code == 0

    shown = lnbench("verify", path)
    assert shown.exit_code == 0 and "ok      season: season 's1', open since" in shown.stdout
    assert "skipped data: the record's salt is not public" in shown.stdout

    done = lnbench("season", "close", "s1", "--salt-file", "s1.salt")
    assert done.exit_code == 0 and f"closed with 1 rows; its salt is {salt}" in done.stdout
    shown = lnbench("verify", path)
    assert shown.exit_code == 0 and "among its rows" in shown.stdout and "ok      data:" in shown.stdout
    listed = lnbench("season", "list")
    assert f"s1: opened {seasons.read('leaderboard/seasons.toml')['s1'].opened}, closed" in listed.stdout
    late = lnbench("evaluate", "first.py", "--season", "s1", "--salt-file", "s1.salt")
    assert late.exit_code == 2 and "its rows are complete" in late.stderr


def test_an_audit_takes_the_salt_of_a_closed_season_from_the_board(
    place: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    salts: set[str] = set()

    def no_training(cells: list[dict[str, Any]], *_: object, **__: object) -> None:
        salts.update(cell["salt"] for cell in cells)
        raise UnavailableError("nothing is trained in this test.")

    monkeypatch.setattr(audit, "train_all", no_training)
    lnbench("season", "open", "s1")
    lnbench("evaluate", "first.py", "--season", "s1", "--salt-file", "s1.salt")
    (path,) = Path("records").rglob("*.json")
    assert lnbench("leaderboard", "add", path).exit_code == 0
    done = lnbench("audit", path)
    assert done.exit_code == 1 and "give the season's salt once it is revealed" in done.stderr and not salts
    salt = seasons.read_salt("s1.salt")
    lnbench("season", "close", "s1", "--salt-file", "s1.salt")
    done = lnbench("audit", path)
    assert done.exit_code == 3 and "nothing is trained" in done.stderr
    assert salts == {salt}


def test_a_salt_is_not_brought_near_an_unboxed_submission(
    place: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lnbench("season", "open", "s1")
    request = ["evaluate", "first.py", "--season", "s1", "--salt-file", "s1.salt"]
    done = lnbench(*request, "--unsafe-no-sandbox")
    assert done.exit_code == 3 and "only bubblewrap" in done.stderr
    monkeypatch.setattr(diagnosis, "mode", lambda: "landlock")
    assert lnbench(*request).exit_code == 3
    assert asked == {}


@pytest.mark.parametrize(
    "options", [["--season", "s1"], ["--salt-file", "s1.salt"], ["--season", "s2", "--salt-file", "s1.salt"]]
)
def test_name_and_salt_come_together(place: Path, asked: dict[str, Any], options: list[str]) -> None:
    lnbench("season", "open", "s1")
    done = lnbench("evaluate", "first.py", *options)
    assert done.exit_code == 2 and done.stderr.startswith("error: ") and asked == {}


@pytest.fixture
def made(place: Path) -> Path:
    record.write(factories.make(TRACK), "made.json")
    return Path("made.json")


def again(monkeypatch: pytest.MonkeyPatch, *, retrained: bool = True, power: float = 1.0) -> None:
    """Stand-ins for poisoning and training again."""
    verdict = Check("retrain", retrained, "it holds." if retrained else "it differs.")
    monkeypatch.setattr(diagnosis, "mode", lambda: "bubblewrap")
    monkeypatch.setattr(rerun, "repoison", lambda *_, **__: Check("repoison", True, "it holds."))
    monkeypatch.setattr(verification, "train_again", lambda *_, **__: retrain.Retraining(verdict, 4, power))


def test_what_was_made_again_can_be_signed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(monkeypatch)
    assert lnbench("leaderboard", "add", made).exit_code == 0
    done = lnbench("verify", made, "--repoison", "--retrain", "1000000", "--sign", "A. Reader")
    assert done.exit_code == 0 and "verification: leaderboard/verifications/digits-9to0/made_up-" in done.stderr
    (stated,) = Path("leaderboard/verifications/digits-9to0").iterdir()
    assert json.loads(stated.read_text())["cells"] == 4  # those that were trained, not those that were asked for
    assert lnbench("leaderboard", "build").exit_code == 0
    assert "| said by “A. Reader” |" in Path("leaderboard/README.md").read_text()


def test_nothing_is_signed_by_cells_too_few_to_find_a_forgery(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(monkeypatch, power=0.79)
    assert lnbench("leaderboard", "add", made).exit_code == 0
    done = lnbench("verify", made, "--repoison", "--retrain", "1000", "--sign", "A. Reader")
    assert done.exit_code == 2 and "with a probability of 79 %, and signing takes 80 %; train more cells" in done.stderr
    assert not Path("leaderboard/verifications").exists()


def test_cells_too_few_to_sign_for_are_refused_before_the_work(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("it began")

    monkeypatch.setattr(verification, "verify_again", work)
    assert lnbench("leaderboard", "add", made).exit_code == 0
    least = retrain.enough(record.read(made))
    few = str(least - 1)
    done = lnbench("verify", made, "--repoison", "--retrain", few, "--sign", "A. Reader")
    assert done.exit_code == 2
    assert f"--retrain {few}: too few to sign for this record, expected {least} or more" in done.stderr


def test_what_contradicts_itself_is_said_to_and_not_counted(made: Path) -> None:
    """A split without its random flips: its cells cannot be planned, so how many are enough is not asked."""
    document = json.loads(made.read_bytes())
    document["flips"]["random"].pop()
    document["sha256"] = record.digest(document)
    forged = Path("leaderboard/records/digits-9to0") / record.Record(document, TRACK).filename
    forged.parent.mkdir(parents=True, exist_ok=True)
    forged.write_bytes(canonical_json(document))
    done = lnbench("verify", forged, "--repoison", "--retrain", "1", "--sign", "A. Reader")
    assert done.exit_code == 1 and "does not hold" in done.stderr, done.stderr
    assert not Path("leaderboard/verifications").exists()


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_key_makes_it_verified(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(monkeypatch)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    assert lnbench("leaderboard", "add", made).exit_code == 0
    assert lnbench("verify", made, "--key", "key").exit_code == 2
    done = lnbench("verify", made, "--repoison", "--retrain", "1000", "--sign", "A. Reader", "--key", "key")
    assert done.exit_code == 0, done.stderr
    refused = lnbench("leaderboard", "build")
    assert refused.exit_code == 1 and "its signature is not by a key" in refused.stderr
    Path("leaderboard/allowed_signers").write_text(f"a-reader {Path('key.pub').read_text()}")
    assert lnbench("leaderboard", "build").exit_code == 0
    assert "| verified |" in Path("leaderboard/README.md").read_text()


def test_nothing_is_signed_that_was_not_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lnbench("verify", made, "--sign", "A. Reader").exit_code == 2
    assert lnbench("verify", made, "--sign", "A. Reader", "--repoison").exit_code == 2
    again(monkeypatch, retrained=False)
    request: list[str | Path] = ["verify", made, "--sign", "A. Reader", "--repoison", "--retrain", "99"]
    done = lnbench(*request)
    assert done.exit_code == 2 and "is not on the board in leaderboard" in done.stderr
    assert lnbench("leaderboard", "add", made).exit_code == 0
    done = lnbench(*request)
    assert done.exit_code == 1 and not Path("leaderboard/verifications").exists()
