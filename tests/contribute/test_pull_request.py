"""What a submission must say about itself, its pull request's text, and its branch."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest

import factories
from lnbench.contribute import pull_request
from lnbench.errors import ProtocolError, RecordError, SubmissionError, UnavailableError
from lnbench.poison.reading import Details
from lnbench.poison.submission import Submission

ROOT = Path(__file__).resolve().parents[2]
GOOD = Details(description="Flips.", author="A. Author", paper="", license="MIT")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"license": "apache-2.0 OR mit"},
        {"paper": "https://example.org/a_paper.pdf"},
        {"paper": "10.1000/xyz123"},
        {"paper": "doi:10.1000/xyz(12)3"},
        {"paper": "arXiv:2101.00001v2"},
        {"paper": "arXiv:cs/0101001"},
        {"paper": "Crafting Label Noise (2021), section 4.10"},
    ],
)
def test_proper_metadata_is_accepted(fields: dict[str, str]) -> None:
    pull_request.check_metadata(dataclasses.replace(GOOD, **fields), "x.py")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"author": ""}, "expected an author, got none"),
        ({"author": " – "}, "expected an author, got none"),
        ({"author": "a" * 99 + "…"}, "expected at most 100 characters of author"),
        ({"license": ""}, "expected a licence, got none"),
        ({"license": "free for all"}, "SPDX expression .* got 'free for all'"),
        ({"license": "LicenseRef-mine"}, "a custom licence says nothing"),
        ({"paper": "http://example.org"}, "expected the paper as an https address"),
        ({"paper": "https://example.org/<script>"}, "expected the paper as an https address"),
        ({"paper": "a paper of ours"}, "citation with its year"),
        ({"paper": "javascript:alert(1)"}, "expected the paper"),
    ],
)
def test_what_is_missing_or_wrong_is_named(fields: dict[str, str], words: str) -> None:
    with pytest.raises(SubmissionError, match=rf"^x\.py: .*{words}"):
        pull_request.check_metadata(dataclasses.replace(GOOD, **fields), "x.py")


def test_the_pull_requests_text_shows_the_result_and_the_rules() -> None:
    record = factories.make(name="mine", parameters={"skip": 2})
    text, title = pull_request.text(record), pull_request.title(record)
    assert title == "Submission: mine(skip=2)"
    assert record.sha256 in text and f"{record.score['drop_pp']:+.1f}" in text and "skip=2" in text
    assert text.count("- [ ] ") == len(pull_request.RULES) and "`submissions/mine.py`" in text
    assert "| may rank | yes |" in text
    assert "| may rank | no: " in pull_request.text(factories.make(name="mine", quick=True))


def test_a_strangers_words_are_no_markup() -> None:
    record = factories.make(name="mine")
    block = record.document["poisoner"] | {"author": "a|b <img src=x> @everyone", "description": "[x](http://y)"}
    text = pull_request.text(factories.rehashed(record.document | {"poisoner": block}))
    assert "<img" not in text and "a\\|b" in text and "[x](" not in text and " @everyone" not in text


def test_the_pull_request_template_lists_the_same_rules() -> None:
    template = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert (
        tuple(re.findall(r"^- \[ \] (.*)$", template.partition("<!-- rules -->")[2], re.MULTILINE))
        == pull_request.RULES
    )


def test_a_record_of_another_file_is_refused() -> None:
    record = factories.make(name="mine", source="a = 1\n")
    pull_request.check_same(record, Submission.from_bytes("mine.py", b"a = 1\n"))
    for file, source in (("mine.py", b"a = 2\n"), ("yours.py", b"a = 1\n")):
        with pytest.raises(RecordError, match="evaluate the file as it is now"):
            pull_request.check_same(record, Submission.from_bytes(file, source))


# --- the branch


def git(where: Path, *arguments: str) -> str:
    """What git printed."""
    return subprocess.run(["git", *arguments], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the folders of lnbench, somebody's unfinished work in it, and an author."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A. Author")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "author@example.org")
    folder = tmp_path / "clone"
    for name in ("lnbench/protocol", "submissions"):
        (folder / name).mkdir(parents=True)
        (folder / name / "here.py").write_text("")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "switch", "-q", "-c", "work")
    (folder / "unfinished").write_text("")
    git(folder, "add", "unfinished")
    return folder


MINE = Submission.from_bytes("mine.py", b"a = 1\n")


def test_a_branch_is_one_commit_with_one_file_and_leaves_the_work_alone(clone: Path) -> None:
    root = pull_request.checkout(clone / "lnbench")
    assert root is not None and root.samefile(clone)
    made = pull_request.branch(root, MINE)
    assert (made.name, made.base) == ("submit/mine", "main")
    assert git(clone, "diff", "--name-status", "main", made.name) == "A\tsubmissions/mine.py"
    assert git(clone, "rev-list", "--count", f"main..{made.name}") == "1"
    assert git(clone, "show", f"{made.name}:submissions/mine.py") == "a = 1"
    assert git(clone, "status", "--short", "--branch").splitlines() == ["## work", "A  unfinished"]
    assert pull_request.branch(root, MINE) == made, "the same file again is the same branch"


def test_a_branch_is_never_lost_and_never_empty(clone: Path) -> None:
    made = pull_request.branch(clone, MINE)
    with pytest.raises(ProtocolError, match=r"holds another submissions/mine\.py; delete it"):
        pull_request.branch(clone, Submission.from_bytes("mine.py", b"a = 2\n"))
    assert git(clone, "rev-parse", made.name) == made.commit
    git(clone, "branch", "-f", "main", made.name)
    with pytest.raises(ProtocolError, match="on main already"):
        pull_request.branch(clone, MINE)


def test_a_folder_that_is_no_clone_is_said_to_be_none(tmp_path: Path, clone: Path) -> None:
    assert pull_request.checkout(tmp_path) is None
    git(clone, "rm", "-rq", "submissions")
    assert pull_request.checkout(clone) is None


@pytest.mark.parametrize(
    ("view", "pushed_to", "head", "project"),
    [
        ('{"nameWithOwner":"org/lnbench","viewerPermission":"WRITE","isFork":false}', "origin", "", "org/lnbench"),
        ('{"nameWithOwner":"org/lnbench","viewerPermission":"READ","isFork":false}', "fork", "me:", "org/lnbench"),
        (
            '{"nameWithOwner":"me/lnbench","viewerPermission":"ADMIN","isFork":true,'
            '"parent":{"name":"lnbench","owner":{"login":"org"}}}',
            "origin",
            "me:",
            "org/lnbench",
        ),
    ],
)
def test_gh_pushes_to_where_its_user_may(
    view: str, pushed_to: str, head: str, project: str, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for gh and bare repositories for GitHub: which commands it gets and where the branch goes."""
    for name in ("origin", "fork.git"):
        git(tmp_path, "init", "-q", "--bare", name)
    git(clone, "remote", "add", "origin", str(tmp_path / "origin"))
    log = tmp_path / "log"
    stub = tmp_path / "bin" / "gh"
    stub.parent.mkdir()
    stub.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\ncase "$1 $2" in\n"repo view") echo \'{view}\' ;;\n'
        f'"repo fork") git remote add fork {tmp_path}/fork.git ;;\n"api user") echo me ;;\n'
        '"pr create") echo "Creating…"; echo https://example.org/pull/7 ;;\n*) exit 1 ;;\nesac\n'
    )
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")
    made = pull_request.branch(clone, MINE)
    body = tmp_path / "body.md"
    assert pull_request.publish(clone, made, "Submission: mine", body) == "https://example.org/pull/7"
    remote = tmp_path / ("origin" if pushed_to == "origin" else "fork.git")
    assert git(remote, "rev-parse", "submit/mine") == made.commit
    (created,) = [line for line in log.read_text().splitlines() if line.startswith("pr create")]
    assert f"--repo {project} --base main --head {head}submit/mine" in created and str(body) in created


def test_what_gh_says_when_it_fails_is_told(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "bin" / "gh"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'run gh auth login' >&2\nexit 4\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match="gh repo view failed: run gh auth login"):
        pull_request.publish(clone, pull_request.branch(clone, MINE), "title", tmp_path / "body.md")
