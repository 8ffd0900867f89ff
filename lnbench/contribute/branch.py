"""The branch with one submission in it, and its way to GitHub."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.poison.submission import Submission
from lnbench.text import plain


def checkout(start: Path) -> Path | None:
    """The root of the clone of lnbench that a folder lies in, or None."""
    try:
        root = Path(_git(start, "rev-parse", "--show-toplevel"))
    except (UnavailableError, ProtocolError):
        return None
    return root if (root / "lnbench" / "protocol").is_dir() and (root / "submissions").is_dir() else None


@dataclass(frozen=True)
class Branch:
    """A branch with one commit that adds or changes one file.

    Attributes:
        name: `submit/<poisoner>`.
        base: what it starts from.
        commit: its commit.
    """

    name: str
    base: str
    commit: str


def make(root: Path, submission: Submission) -> Branch:
    """Make the branch `submit/<name>` with this file in `submissions`; the work tree and its index stay as they are.

    Raises:
        ProtocolError: if the file is on the main branch already, a branch of that name holds another one, or git
            refuses, for example because it was not told who commits.
        UnavailableError: if there is no git.
    """
    path, name = f"submissions/{submission.file}", f"submit/{submission.name}"
    blob = _git(root, "hash-object", "-w", "--no-filters", "--stdin", given=submission.source.encode())
    mains = {"upstream/main": "remotes/upstream/main", "origin/main": "remotes/origin/main", "main": "heads/main"}
    base = next((short for short, ref in mains.items() if _resolved(root, f"refs/{ref}")), "HEAD")
    if _resolved(root, f"{base}:{path}") == blob:
        raise ProtocolError(f"{path} is on {base} already, exactly as it is; there is nothing to submit.")
    if there := _resolved(root, f"refs/heads/{name}"):
        if _resolved(root, f"{there}:{path}") == blob:
            return Branch(name, base, there)
        raise ProtocolError(f"the branch {name} holds another {path}; delete it (git branch -D {name}) and try again.")
    index = Path(_git(root, "rev-parse", "--absolute-git-dir")) / f"lnbench-index-{os.getpid()}"
    try:
        _git(root, "read-tree", base, index=index)
        _git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", index=index)
        tree = _git(root, "write-tree", index=index)
    finally:
        index.unlink(missing_ok=True)
    commit = _git(root, "commit-tree", tree, "-p", base, "-m", f"Submit {submission.name}")
    _git(root, "update-ref", f"refs/heads/{name}", commit, "0" * 40)
    return Branch(name, base, commit)


def steps(branch: Branch, title: str, body: Path) -> list[str]:
    """The commands that bring a branch to the project by hand, from a fork; FORK stands for its address."""
    return [
        f"git push FORK {branch.name}",
        shlex.join(["gh", "pr", "create", "--base", "main", "--head", f"YOU:{branch.name}", "--title", title])
        + f" --body-file {shlex.quote(str(body))}",
    ]


def publish(root: Path, branch: Branch, title: str, body: Path) -> str:
    """Push a branch, to a fork where the project itself may not be written, and open the pull request with `gh`.

    Returns:
        the pull request's address.

    Raises:
        UnavailableError: if `gh` or `git push` fails, with what they said.
    """
    fields = "nameWithOwner,viewerPermission,isFork,parent"
    here = json.loads(_command(root, "gh", "repo", "view", "--json", fields))
    project, remote, head = here["nameWithOwner"], "origin", branch.name
    if here["isFork"]:
        head = f"{project.partition('/')[0]}:{branch.name}"
        project = f"{here['parent']['owner']['login']}/{here['parent']['name']}"
    elif here["viewerPermission"] not in ("ADMIN", "MAINTAIN", "WRITE"):
        login = _command(root, "gh", "api", "user", "--jq", ".login")
        remote = _remote_of(root, login) or "fork"
        if remote not in _git(root, "remote").split():
            _command(root, "gh", "repo", "fork", "--remote", "--remote-name", remote)
        head = f"{login}:{branch.name}"
    reference = f"refs/heads/{branch.name}"
    _command(root, "git", "push", remote, f"{reference}:{reference}")
    made = ["--base", "main", "--head", head, "--title", title, "--body-file", str(body.resolve())]
    return _command(root, "gh", "pr", "create", "--repo", project, *made).rpartition("\n")[2]


def _remote_of(root: Path, login: str) -> str | None:
    """The remote that is a repository of this account on GitHub: a clone of one's fork has it as `origin`."""
    for line in _git(root, "remote", "-v").splitlines():
        name, address = line.split()[:2]
        if re.search(rf"github\.com[:/]{re.escape(login)}/[^/]+$", address, re.IGNORECASE):
            return name
    return None


def _resolved(root: Path, name: str) -> str:
    """The object a name stands for; empty if none."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", name)
    except ProtocolError:
        return ""


def _git(where: Path, *arguments: str, given: bytes | None = None, index: Path | None = None) -> str:
    """What a git command printed.

    Raises:
        ProtocolError: with git's last line, if it fails.
        UnavailableError: if there is no git.
    """
    environment = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=where, input=given or b"", capture_output=True, env=environment, check=False
        )
    except OSError:
        raise UnavailableError("git is not installed here; `lnbench submit` makes a branch with it.") from None
    if done.returncode:
        raise ProtocolError(f"git {arguments[0]} failed: {_last(done.stderr)}")
    return done.stdout.decode(errors="replace").strip()


def _command(where: Path, *arguments: str) -> str:
    """What a command printed; UnavailableError with its last line if it fails."""
    try:
        done = subprocess.run(arguments, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise UnavailableError(f"{arguments[0]} cannot be run: {error.strerror}.") from None
    if done.returncode:
        raise UnavailableError(f"{shlex.join(arguments[:3])} failed: {_last(done.stderr)}")
    return done.stdout.decode(errors="replace").strip()


def _last(output: bytes) -> str:
    return plain(output.decode(errors="replace").strip().rpartition("\n")[2], 300) or "it did not say why."
