"""Audits, defences' records, curves and statements: shown by `show`, and taken for a record by nobody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import factories
from lnbench import record
from lnbench.adversary import SIGNS
from lnbench.cli import cli
from lnbench.cli._other_kinds import DOUBTS
from lnbench.evaluation import budget_curve
from lnbench.protocol import canonical_json

GOLDEN = Path(__file__).parents[1] / "golden"


def lnbench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record, its audit, a curve over budgets and a statement."""
    folder = tmp_path_factory.mktemp("kinds")
    made = factories.make(factories.small(2, 1))
    record.write(made, folder / "made.json")
    document = {**factories.audit(made), "standing": None}
    factories.write_audit(folder / "made.audit.json", document)
    curve = budget_curve.curve(made.track, [factories.make(made.track.with_budget(k)) for k in (1, 2)])
    (folder / "budgets.json").write_bytes(canonical_json(curve))
    shutil.copy(GOLDEN / "verification-1.json", folder / "statement.json")
    return folder


FILES = {
    "made.audit.json": ("this is the audit of the record ", "victims gave the record's bits again"),
    "budgets.json": ("this is the curve over budgets of made_up", "none of these records ranks"),
    "statement.json": ("this is somebody's statement on the record 438df5ad90eb", "4 cells trained again"),
}


@pytest.mark.parametrize("name", FILES)
def test_show_shows_it(name: str, home: Path) -> None:
    shown, document = lnbench("show", home / name), lnbench("show", home / name, "--json")
    assert shown.exit_code == 0 and FILES[name][1] in shown.stdout and shown.stderr == ""
    assert json.loads(document.stdout) == json.loads((home / name).read_bytes())


def test_an_audits_doubts_are_said_in_words(home: Path, tmp_path: Path) -> None:
    assert DOUBTS.keys() == SIGNS.keys()
    document = json.loads((home / "made.audit.json").read_bytes())
    flags = ["clean:targeted:black-box", "random:targeted:black-box", "random:damage:more-steps", "of another kind"]
    path = factories.write_audit(tmp_path / "made.audit.json", {**document, "flags": flags})
    shown = " ".join(lnbench("show", path).stdout.split())
    assert f"Doubt, clean targeted, random targeted: {DOUBTS['black-box']} (black-box)." in shown
    assert f"Doubt, random damage: {DOUBTS['more-steps']} (more-steps)." in shown
    assert "a sign that this lnbench does not know" in shown


@pytest.mark.parametrize("name", FILES)
def test_verify_says_what_it_is(name: str, home: Path) -> None:
    done = lnbench("verify", home / name)
    assert done.exit_code == 1 and FILES[name][0] in done.stdout


@pytest.mark.parametrize("name", ["made.audit.json"])
@pytest.mark.parametrize(
    "command",
    [
        "audit {}",
        "leaderboard add {} --board board",
        "push {} --repo a/b",
        "defend early_stopping --against {}",
        "submit my_poisoner --record {}",
        "hub poisoner {} out --repo a/b",
        "tracks validate digits-9to0 --record {}",
    ],
)
def test_whoever_wants_a_record_says_what_it_is(
    command: str, name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lnbench.contribute.submit.described", lambda submission: None)
    done = lnbench(*command.format(home / name).split())
    assert done.exit_code == 1 and "Traceback" not in done.stderr
    assert FILES[name][0] in " ".join((done.stdout + done.stderr).split()), done.stderr
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize(
    "document", [{"kind": "audit"}, {"kind": "budgets", "points": 3}, {"kind": "audit", "arms": []}]
)
def test_a_file_that_only_looks_like_one_is_refused_in_a_sentence(document: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(canonical_json(document))
    done = lnbench("show", path)
    assert done.exit_code == 1 and done.stderr.startswith(f"error: {path}: it is not a") and done.stdout == ""
