"""`.github/publish` with stand-ins for lnbench and gh: which rows the board's pull request holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from workflows.runner import ROOT

_COMMANDS = {
    # `lnbench leaderboard add --submissions S --folder F RECORD` puts the record where it belongs; all else is well.
    "lnbench": """#!/bin/bash
set -eu
if [ "$1 $2" = "leaderboard add" ]; then
  mkdir -p "$6/records/digits" && cp "$7" "$6/records/digits/"
fi
""",
    "gh": """#!/bin/bash
set -eu
case "$1 $2" in
  "pr create") while [ "$1" != --body-file ]; do shift; done; cat "$2" > "{body}" ;;
esac
""",
}


class Project:
    """A repository with a board of one row, and its remote."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clone = folder, folder / "clone"
        (folder / "bin").mkdir()
        for name, text in _COMMANDS.items():
            (folder / "bin" / name).write_text(text.replace("{body}", str(folder / "body")))
            (folder / "bin" / name).chmod(0o755)
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "remote")], check=True)
        self.clone.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(folder / "remote"))
        self.commit("old-00000000.json", "{}")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.clone, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def commit(self, name: str, text: str | None) -> None:
        """Put a row on main, or take it off."""
        path = self.clone / "leaderboard" / "records" / "digits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)
        self.git("push", "-q", "origin", "main")

    def publish(self, name: str) -> list[str]:
        """Publish one record; the names of the rows that the pull request's text has."""
        folder = self.folder / name
        folder.mkdir()
        (folder / f"{name}.json").write_text(f'{{"name": "{name}"}}')
        done = subprocess.run(
            [str(ROOT / ".github" / "publish"), str(folder)],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted(line.split("/")[-1].rstrip("`") for line in self.text().splitlines() if line.startswith("- "))

    def text(self) -> str:
        return (self.folder / "body").read_text()

    def branch(self) -> list[str]:
        """The rows on the bot's branch."""
        self.git("fetch", "-q", "origin", "bot/board")
        listed = self.git("ls-tree", "-r", "--name-only", "FETCH_HEAD", "leaderboard/records")
        return sorted(Path(line).name for line in listed.splitlines())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_rows_that_wait_are_proposed_with_the_new_one(project: Project) -> None:
    assert project.publish("a-11111111") == ["a-11111111.json"]
    assert project.publish("b-22222222") == ["a-11111111.json", "b-22222222.json"]
    assert project.branch() == ["a-11111111.json", "b-22222222.json", "old-00000000.json"]


def test_a_row_that_was_taken_off_the_board_does_not_come_back(project: Project) -> None:
    project.publish("a-11111111")
    project.commit("old-00000000.json", None)
    assert project.publish("b-22222222") == ["a-11111111.json", "b-22222222.json"]
    assert project.branch() == ["a-11111111.json", "b-22222222.json"]


def test_a_row_that_was_merged_and_then_taken_off_does_not_come_back(project: Project) -> None:
    project.publish("a-11111111")
    project.commit("a-11111111.json", '{"name": "a-11111111"}')  # squashed, and the branch was left
    project.commit("a-11111111.json", None)
    assert project.publish("b-22222222") == ["b-22222222.json"]
    assert project.branch() == ["b-22222222.json", "old-00000000.json"]


def test_a_row_that_was_merged_is_not_proposed_again(project: Project) -> None:
    project.publish("a-11111111")
    project.commit("a-11111111.json", '{"name": "a-11111111"}')
    assert project.publish("b-22222222") == ["b-22222222.json"]
