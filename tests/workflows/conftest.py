"""A world without GitHub: a bare repository, a maintainer's clone, a runner, and stand-ins for its commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tiny
from lnbench.record.folder import records_in
from workflows.runner import ROOT, Outcome, Runner

_COMMANDS = {
    "sudo": "#!/bin/sh\nexit 0\n",
    "python": f'#!/bin/sh\nexec "{sys.executable}" -P "$@"\n',
    "python3": f'#!/bin/sh\nexec "{sys.executable}" -P "$@"\n',
    # `pip install FOLDER`: a copy of the package, and a console script that imports nothing else of that name.
    "pip": """#!/bin/bash
set -eu
for folder; do :; done
folder=${folder%%[*}
site={site}
rm -rf "$site" && mkdir "$site" && cp -r "$folder/lnbench" "$site"
cat > "{commands}/lnbench" <<EOF
#!{python}
import os, sys
sys.path[0] = os.environ["PYTHONPATH"] = "$site"
from lnbench.cli import main
main()
EOF
chmod +x "{commands}/lnbench"
""",
    # One pull request at a time may be open from bot/board; number 66, a fork's from its own bot/board, is newer.
    "gh": """#!/bin/bash
set -eu
echo "$*" >> "{state}/gh.log"
case "$1 $2" in
  "auth setup-git") ;;
  "pr list")
    case "$*" in *"select(.isCrossRepository | not)"*) [ ! -e "{state}/open" ] || echo 1 ;; *) echo 66 ;; esac ;;
  "pr create") [ ! -e "{state}/forbidden" ] && touch "{state}/open" ;;
  "pr edit") [ "$3" = 1 ] && [ -e "{state}/open" ] ;;
  *) exit 2 ;;
esac
""",
}


@dataclass
class World:
    """The project, its board, and its runner.

    Attributes:
        folder: everything is in here.
        clone: a maintainer's clone.
        runner: where workflows run.
        base: main's commit when a pull request was opened, by number.
    """

    folder: Path
    clone: Path
    runner: Runner
    base: dict[int, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        """What git printed in the maintainer's clone."""
        command = ["git", "-C", str(self.clone), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(self.runner.environment))
        return done.stdout.strip()

    def open(self, number: int, files: Mapping[str, str], delete: tuple[str, ...] = ()) -> None:
        """A stranger opens a pull request; GitHub makes its merge commit."""
        self.base[number] = self.git("rev-parse", "main")
        self.git("switch", "-q", "-C", f"pull-{number}", "main")
        for name, text in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            self.git("add", name)
        for name in delete:
            self.git("rm", "-q", name)
        self.git("commit", "-q", "-m", f"pull request {number}")
        self.git("switch", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", "merge", f"pull-{number}")
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/pull/{number}/merge")
        self.git("switch", "-q", "main")

    def check(self, number: int) -> Outcome:
        """`check-submission.yml` on a pull request."""
        self.runner.artifacts.clear()
        context = {"github.event.pull_request.base.sha": self.base[number]}
        return self.runner.run("check-submission", "check", context, f"refs/pull/{number}/merge")

    def merge(self, branch: str) -> dict[str, str]:
        """A maintainer merges a branch; what the push event says."""
        before = self.git("rev-parse", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"merge {branch}", branch)
        self.git("push", "-q", "origin", "main")
        return {"github.event.before": before, "github.sha": self.git("rev-parse", "main")}

    def records(self) -> list[str]:
        """Names of the board's records on main, without those that were there at the start."""
        every = self.git("ls-tree", "-r", "--name-only", "main", "leaderboard/records").splitlines()
        return sorted(Path(name).name.rpartition("-")[0] for name in every if "random_flip" not in name)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """This working tree as a project of its own, whose default track takes seconds."""
    folder = tmp_path_factory.mktemp("world")
    state, commands, machines = folder / "state", folder / "bin", folder / "machines"
    for path in (state, commands, machines, folder / "home"):
        path.mkdir()
    places = {"site": folder / "site", "commands": commands, "state": state, "python": sys.executable}
    for name, text in _COMMANDS.items():
        for key, value in places.items():
            text = text.replace(f"{{{key}}}", str(value))
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
        **{f"GIT_{who}_NAME": "A. Maintainer" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "maintainer@example.org" for who in ("AUTHOR", "COMMITTER")},
        **{"HOME": str(folder / "home"), "GIT_CONFIG_NOSYSTEM": "1", "CI": "true", "GITHUB_ACTIONS": "true"},
        **{"LNBENCH_CACHE": str(folder / "cache"), "LNBENCH_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    remote, clone = folder / "origin.git", folder / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True, env=environment)
    runner = Runner(machines, remote, commands, environment)
    made = World(folder, clone, runner)
    _project(clone)
    made.git("init", "-q", "-b", "main")
    made.git("config", "--file", str(remote / "config"), "uploadpack.allowAnySHA1InWant", "true")
    made.git("remote", "add", "origin", remote.as_uri())
    subprocess.run([commands / "pip", "install", clone], check=True, env=environment)
    subprocess.run([commands / "lnbench", "leaderboard", "build"], check=True, env=environment, cwd=clone)
    made.git("add", ".")
    made.git("commit", "-q", "-m", "first")
    made.git("push", "-q", "origin", "main")
    return made


def _project(clone: Path) -> None:
    """A copy of what the workflows use, with the default track made tiny and one row of another version of it."""
    ignored = shutil.ignore_patterns("__pycache__", "records", "figures", "seasons.toml", "verifications")
    for name in ("lnbench", "attacks", "submissions", "leaderboard", ".github"):
        shutil.copytree(ROOT / name, clone / name, ignore=ignored)
    shutil.copy(ROOT / ".gitignore", clone)
    tracks = clone / "lnbench" / "protocol" / "tracks"
    for path in tracks.iterdir():
        path.unlink()
    keys = tiny.document() | {"name": "digits-9to0", "calibrated": True}
    keys |= {"stealth": {"clean_pp": 100.0, "source_clean_pp": 100.0}}
    tiny.write(tracks / "digits-9to0.toml", keys)
    rows = (row for row in records_in(ROOT / "leaderboard" / "records", "digits-9to0") if "random_flip-" in row.name)
    (old,) = (row for row in rows if json.loads(row.read_bytes())["track"]["version"] == 0)
    kept = clone / "leaderboard" / "records" / "digits-9to0"
    kept.mkdir(parents=True)
    shutil.copy(old, kept)
