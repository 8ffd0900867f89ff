"""A submission never has an attack's name, or one that can be taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import tiny
from lnbench.cli import cli
from lnbench.confusable import skeleton
from lnbench.contribute import names
from lnbench.errors import SubmissionError
from lnbench.evaluation import bundled, submissions
from lnbench.poison.submission import Submission

FORGED = ["matched_search", "matched-search", "rnatched_search", "random_fl1p"]


@pytest.mark.parametrize("name", FORGED)
def test_no_verb_of_a_contributor_takes_such_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new = CliRunner().invoke(cli, ["new", name])
    assert new.exit_code == 2 and "a bundled attack" in new.stderr and not list(tmp_path.glob("*.py"))
    path = tmp_path / f"{name}.py"
    path.write_text(tiny.POISONER)
    for verb in ("check", "submit"):
        done = CliRunner().invoke(cli, [verb, str(path)])
        assert done.exit_code == 1 and done.stderr.startswith(f"error: {name}.py: {name} ")
        assert done.stderr.endswith("a bundled attack, which a submission may not have; choose another.\n") or (
            "can be taken for" in done.stderr
        )


def test_the_attacks_themselves_may_be_checked_but_not_submitted() -> None:
    own = Submission.from_file(bundled.attacks()["random_flip"])
    names.check(own, attacks=True)
    with pytest.raises(SubmissionError, match="is the name of a bundled attack"):
        names.check(own, attacks=False)


def test_names_of_their_own_pass() -> None:
    assert not any(map(names.trouble, ("my_poisoner", "matched_search2", "random", "flip_random")))
    every = bundled.bundled()
    assert len({skeleton(name) for name in every}) == len(every), "no two files of ours look alike"


def test_a_submission_never_stands_for_an_attack_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as `submissions/random_flip.py` was taken for `random_flip`, everybody's comparison was a stranger's."""
    package = tmp_path / "lnbench" / "evaluation" / "bundled.py"
    for folder, name in (("attacks", "random_flip"), ("submissions", "random_flip"), ("submissions", "mine")):
        path = tmp_path / folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {folder}\n")
    monkeypatch.setattr(bundled, "__file__", str(package))
    monkeypatch.delenv("LNBENCH_ATTACKS", raising=False)
    monkeypatch.chdir(tmp_path / "submissions")
    assert submissions.find("random_flip") == tmp_path / "attacks" / "random_flip.py"
    assert submissions.find("mine") == tmp_path / "submissions" / "mine.py"
