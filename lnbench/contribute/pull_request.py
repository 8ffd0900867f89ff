"""A submission on its way to the project: what it must say about itself, its branch and its pull request's text."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import ProtocolError, RecordError, SubmissionError, UnavailableError
from lnbench.poison.reading import Details
from lnbench.poison.submission import Submission
from lnbench.record.record import Record, meaning
from lnbench.text import cell, interval, plain, points, probability, share

RULES = (
    "The file is mine to submit, under the licence it states.",
    "Labels come from the training set handed over: no constants derived from test points, no lists of known indices "
    "or images, no weights, no network.",
    "Everything random comes from `problem.rng`.",
    "A bucket or seed to choose is chosen inside the sandbox, or every one of them is submitted: no best of N.",
    "I know that the project evaluates the file again, that the row stays, and that others may refute it.",
)
"""What an author confirms; `.github/PULL_REQUEST_TEMPLATE.md` lists the same."""

_PAPERS = (
    re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%#?=&+:;,()-]*)?"),
    re.compile(r"(doi:|DOI:)?\s*10\.\d{4,9}/\S+"),
    re.compile(r"arXiv:\s*(\d{4}\.\d{4,5}|[a-z.-]+/\d{7})(v\d+)?", re.IGNORECASE),
    re.compile(r"(?!http).*\b(1[89]|20)\d{2}\b.*"),
)
_CUT = {"author": 100, "paper": 300, "license": 60}


def check_metadata(details: Details, file: str) -> None:
    """Check what a submission says about itself: who wrote it, under which licence, and where the idea is from.

    Args:
        details: as the sandboxed file gave them.
        file: its name, for the verdict.

    Raises:
        SubmissionError: naming the first field that is missing or is not what it should be.
    """
    for name, most in _CUT.items():
        if len(getattr(details, name)) >= most and getattr(details, name).endswith("…"):
            raise SubmissionError(f"{file}: expected at most {most} characters of {name}, got more; shorten it.")
    if not re.search(r"\w", details.author):
        raise SubmissionError(
            f'{file}: expected an author, got none; write `author = "Your Name"` in the class, or a line `Author: Your '
            "Name` in its docstring."
        )
    if not details.license:
        raise SubmissionError(
            f'{file}: expected a licence, got none; write `license = "Apache-2.0"`, or another SPDX expression, in the '
            "class."
        )
    if trouble := _no_license(details.license):
        raise SubmissionError(
            f"{file}: expected the licence as an SPDX expression such as Apache-2.0 or MIT, got {details.license!r} "
            f"({trouble}); the list is at https://spdx.org/licenses."
        )
    if details.paper and not any(kind.fullmatch(details.paper) for kind in _PAPERS):
        raise SubmissionError(
            f"{file}: expected the paper as an https address, a DOI (10.…/…), an arXiv number (arXiv:2101.00001) or a "
            f"citation with its year, got {details.paper!r}; leave it empty if there is none."
        )


def _no_license(text: str) -> str:
    """Why a text is no SPDX licence expression; empty if it is one."""
    from packaging import licenses

    try:
        licenses.canonicalize_license_expression(text)
    except licenses.InvalidLicenseExpression as error:
        return " ".join(str(error).split())
    return "a custom licence says nothing to others" if "licenseref-" in text.lower() else ""


def check_same(record: Record, submission: Submission) -> None:
    """Raise RecordError unless the record was made from exactly this file."""
    found = str(record.document["poisoner"]["sha256"])
    if (record.name, found) != (submission.name, submission.sha256):
        raise RecordError(
            f"the record is of {record.name}.py with sha256 {found[:12]}…, the file is {submission.file} with "
            f"{submission.sha256[:12]}…; evaluate the file as it is now."
        )


def title(record: Record) -> str:
    """The pull request's title."""
    return plain(f"Submission: {record.label}", 120)


def text(record: Record) -> str:
    """The pull request's text, in markdown: what it is, what it scored on its author's machine, and the rules."""
    poisoner, score, arms = record.document["poisoner"], record.score, record.arms
    facts = {
        "file": f"`submissions/{record.name}.py`, sha256 `{poisoner['sha256']}`",
        "author": cell(poisoner["author"]),
        "licence": cell(poisoner["license"]),
        "paper": cell(poisoner["paper"], 300) or "–",
        "parameters": cell(", ".join(f"{k}={v}" for k, v in sorted(record.parameters.items()))) or "defaults",
    }
    r = record.document["replication"]
    rows = {
        "score, pp": f"**{points(score['drop_pp'])}** {interval(score['ci95_pp'])}, {probability(score['p_value'])}",
        **{
            f"{cell(name)} alone, pp": f"{points(row['drop_pp'])} {interval(row['ci95_pp'])}"
            for name, row in score["per_architecture"].items()
        },
        "AA of the arms, %": " · ".join(f"{arm} {share(block['adv_acc'])}" for arm, block in arms.items()),
        "clean accuracy, %": " · ".join(f"{arm} {share(block['clean_acc'])}" for arm, block in arms.items()),
        "victim trainings used": str(sum(record.document["trainings"])),
        "may rank": "yes" if record.ranked else "no: " + "; ".join(cell(meaning(f), 200) for f in record.flags),
    }
    where = f"{record.track.name}, version {record.track.version}, {r['splits']} splits × {r['seeds']} seeds"
    run = record.document["run"]
    made = f"`{run['command']}` with lnbench {run['version']}" if run["command"] else "lnbench"
    return "\n".join(
        [
            f"{cell(poisoner['description'], 200) or cell(record.name)}",
            "",
            *_table("submission", "", facts),
            "",
            *_table("result of the author", cell(where), rows),
            "",
            f"Made by {made}, sandbox {record.document['sandbox']}; record sha256 `{record.sha256}`.",
            "",
            "**Rules** (tick what holds)",
            "",
            *(f"- [ ] {rule}" for rule in RULES),
            "",
        ]
    )


def _table(left: str, right: str, rows: dict[str, str]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


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


def branch(root: Path, submission: Submission) -> Branch:
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
        remote = "fork"
        if not _resolved_remote(root, remote):
            _command(root, "gh", "repo", "fork", "--remote", "--remote-name", remote)
        head = f"{_command(root, 'gh', 'api', 'user', '--jq', '.login')}:{branch.name}"
    reference = f"refs/heads/{branch.name}"
    _command(root, "git", "push", remote, f"{reference}:{reference}")
    made = ["--base", "main", "--head", head, "--title", title, "--body-file", str(body.resolve())]
    return _command(root, "gh", "pr", "create", "--repo", project, *made).rpartition("\n")[2]


def _resolved(root: Path, name: str) -> str:
    """The object a name stands for; empty if none."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", name)
    except ProtocolError:
        return ""


def _resolved_remote(root: Path, name: str) -> bool:
    return name in _git(root, "remote").split()


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
