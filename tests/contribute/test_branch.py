"""The branch of a submission, and which commands bring it to GitHub."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lnbench.contribute import branch
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.poison.submission import Submission


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
    root = branch.checkout(clone / "lnbench")
    assert root is not None and root.samefile(clone)
    made = branch.make(root, MINE)
    assert (made.name, made.base) == ("submit/mine", "main")
    assert git(clone, "diff", "--name-status", "main", made.name) == "A\tsubmissions/mine.py"
    assert git(clone, "rev-list", "--count", f"main..{made.name}") == "1"
    assert git(clone, "show", f"{made.name}:submissions/mine.py") == "a = 1"
    assert git(clone, "status", "--short", "--branch").splitlines() == ["## work", "A  unfinished"]
    assert branch.make(root, MINE) == made, "the same file again is the same branch"


def test_a_branch_is_never_lost_and_never_empty(clone: Path) -> None:
    made = branch.make(clone, MINE)
    with pytest.raises(ProtocolError, match=r"holds another submissions/mine\.py; delete it"):
        branch.make(clone, Submission.from_bytes("mine.py", b"a = 2\n"))
    assert git(clone, "rev-parse", made.name) == made.commit
    git(clone, "branch", "-f", "main", made.name)
    with pytest.raises(ProtocolError, match="on main already"):
        branch.make(clone, MINE)


def test_a_folder_that_is_no_clone_is_said_to_be_none(tmp_path: Path, clone: Path) -> None:
    assert branch.checkout(tmp_path) is None
    git(clone, "rm", "-rq", "submissions")
    assert branch.checkout(clone) is None


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
    made = branch.make(clone, MINE)
    body = tmp_path / "body.md"
    assert branch.publish(clone, made, "Submission: mine", body) == "https://example.org/pull/7"
    remote = tmp_path / ("origin" if pushed_to == "origin" else "fork.git")
    assert git(remote, "rev-parse", "submit/mine") == made.commit
    (created,) = [line for line in log.read_text().splitlines() if line.startswith("pr create")]
    assert f"--repo {project} --base main --head {head}submit/mine" in created and str(body) in created


def test_a_clone_of_ones_fork_needs_no_second_remote(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `gh repo fork --clone` leaves it: `origin` is the fork, and `gh repo view` shows `upstream`, the project."""
    git(tmp_path, "init", "-q", "--bare", "fork.git")
    git(clone, "remote", "add", "origin", "https://github.com/Me/lnbench.git")
    git(clone, "remote", "add", "upstream", "git@github.com:org/lnbench.git")
    git(clone, "config", f"url.{tmp_path}/fork.git.pushInsteadOf", "https://github.com/Me/lnbench.git")
    log = tmp_path / "log"
    stub = tmp_path / "bin" / "gh"
    stub.parent.mkdir()
    view = '{"nameWithOwner":"org/lnbench","viewerPermission":"READ","isFork":false}'
    stub.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\ncase "$1 $2" in\n"repo view") echo \'{view}\' ;;\n"api user") echo me ;;\n'
        '"pr create") echo https://example.org/pull/8 ;;\n*) exit 1 ;;\nesac\n'
    )
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")
    made = branch.make(clone, MINE)
    assert branch.publish(clone, made, "Submission: mine", tmp_path / "body.md") == "https://example.org/pull/8"
    assert git(tmp_path / "fork.git", "rev-parse", "submit/mine") == made.commit
    assert "repo fork" not in log.read_text() and "--head me:submit/mine" in log.read_text()


def test_what_gh_says_when_it_fails_is_told(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "bin" / "gh"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'run gh auth login' >&2\nexit 4\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match="gh repo view failed: run gh auth login"):
        branch.publish(clone, branch.make(clone, MINE), "title", tmp_path / "body.md")
