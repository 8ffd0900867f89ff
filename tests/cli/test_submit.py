"""`lnbench new`, `check --metadata` and `submit`: from nothing to a branch and a pull request's text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import factories
import tiny
from lnbench import cli, record
from lnbench.protocol import track as tracks


def lnbench(*args: str | Path) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli.cli, [str(arg) for arg in args])


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a clone with lnbench's folders, a tiny track, and no gh on the path."""
    monkeypatch.chdir(tmp_path)
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, *more, **rest: None if name == "gh" else which(name, *more, **rest)
    )
    for name in ("lnbench/protocol", "submissions"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / ".keep").write_text("")
    tiny.write(tmp_path / "tiny.toml")
    for command in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "A. Author"],
        ["config", "user.email", "author@example.org"],
        ["add", "."],
        ["commit", "-q", "-m", "first"],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    return tmp_path


def test_a_new_file_passes_its_check_and_is_submitted(clone: Path) -> None:
    made = lnbench("new", "my_idea")
    assert made.exit_code == 0 and made.stdout.startswith("wrote submissions/my_idea.py; now try\n  lnbench check ")
    assert 'author = "A. Author"' in (clone / "submissions/my_idea.py").read_text()

    checked = lnbench("check", "submissions/my_idea.py", "--track", "tiny.toml", "--metadata")
    assert checked.exit_code == 0, checked.stderr
    assert checked.stdout.splitlines()[0] == "author A. Author, licence Apache-2.0, paper none"

    untouched = lnbench("submit", "submissions/my_idea.py", "--track", "tiny.toml")
    assert untouched.exit_code == 1 and "still the one that `lnbench new` wrote" in untouched.stderr
    assert not (clone / "records").exists()

    path = clone / "submissions/my_idea.py"
    path.write_text(path.read_text().replace("problem.rng.permutation(problem.eligible)", "problem.eligible"))
    submitted = lnbench("submit", "submissions/my_idea.py", "--track", "tiny.toml", "--workers", "1")
    assert submitted.exit_code == 0, submitted.stderr
    lines = submitted.stdout.splitlines()
    (path,) = (clone / "records" / "tiny").glob("my_idea-*.json")
    assert f"record: {path.relative_to(clone)}" in lines
    text = path.with_suffix(".md").read_text()
    assert record.read(path).sha256 in text and "One line that becomes the row's description." in text
    assert "branch: submit/my_idea, one commit on main" in lines
    assert "  git push FORK submit/my_idea" in lines and "`gh` is not installed" in submitted.stdout
    shown = subprocess.run(["git", "show", "--stat", "--format=%s", "submit/my_idea"], capture_output=True, text=True)
    assert shown.stdout.splitlines()[0] == "Submit my_idea" and " 1 file changed" in shown.stdout


@pytest.mark.parametrize("verb", [["check", "--metadata"], ["submit"]])
def test_a_file_without_an_author_goes_nowhere(verb: list[str], clone: Path) -> None:
    (clone / "first.py").write_text(tiny.POISONER)
    result = lnbench(*verb, "first.py", "--track", "tiny.toml")
    assert result.exit_code == 1 and "error: first.py: expected an author, got none" in result.stderr
    assert not (clone / "records").exists()


def test_the_docstring_may_say_who_and_under_which_licence(clone: Path) -> None:
    """The class's field wins over its docstring, the docstring over the file's."""
    head = '"""A file.\n\nAuthor: File\nLicence: MIT\nPaper: arXiv:2101.00001\n"""\n'
    body = tiny.POISONER.replace("flipped.", "flipped.\n\n    Author: Class\n    ").replace(
        "more: int", 'license = "BSD-3-Clause"\n    more: int'
    )
    (clone / "first.py").write_text(head + body)
    result = lnbench("check", "first.py", "--track", "tiny.toml", "--metadata")
    assert result.stdout.splitlines()[0] == "author Class, licence BSD-3-Clause, paper arXiv:2101.00001", result.stderr


def test_an_authors_name_that_is_too_long_is_not_cut_in_silence(clone: Path) -> None:
    (clone / "first.py").write_text(tiny.POISONER.replace("more: int", f'author = "{"a" * 101}"\n    more: int'))
    result = lnbench("check", "first.py", "--track", "tiny.toml", "--metadata")
    assert result.exit_code == 1 and "at most 100 characters of author" in result.stderr


def test_a_record_of_another_file_cannot_be_submitted(clone: Path) -> None:
    source = tiny.POISONER.replace("more: int", 'author = "A"\n    license = "MIT"\n    more: int')
    (clone / "first.py").write_text(source)
    record.write(factories.make(tracks.load(tracks.DEFAULT), name="first", source=source), clone / "same.json")
    record.write(factories.make(tracks.load(tracks.DEFAULT), name="first", source="#"), clone / "other.json")
    result = lnbench("submit", "first.py", "--record", "other.json")
    assert result.exit_code == 1 and "evaluate the file as it is now" in result.stderr
    result = lnbench("submit", "first.py", "--record", "same.json", "--repository", "/")
    assert result.exit_code == 0 and "/ is not a clone of lnbench" in result.stdout, result.stderr
    assert (clone / "same.md").exists()


def test_a_quick_record_cannot_be_submitted(clone: Path) -> None:
    source = tiny.POISONER.replace("more: int", 'author = "A"\n    license = "MIT"\n    more: int')
    (clone / "first.py").write_text(source)
    made = factories.make(tracks.load(tracks.DEFAULT), name="first", source=source, quick=True)
    record.write(made, clone / "quick.json")
    result = lnbench("submit", "first.py", "--record", "quick.json")
    assert result.exit_code == 1 and "A quick run: fewer splits and seeds" in result.stderr
    assert "Evaluate the file in full" in result.stderr and not (clone / "quick.md").exists()
