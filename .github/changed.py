"""Which submissions a pull request or a push brings: read from git's own tables, never from a work tree.

    changed.py pull-request CLONE    CLONE's HEAD is the merge commit; at most one submission, as `submission=…`
    changed.py push                  the commits BEFORE..AFTER of this clone, or INPUT_SUBMISSION of a dispatch, crossed
                                     with CPU_TRACKS and GPU_TRACKS (JSON lists), as the matrices `cpu=…` and `gpu=…`

Outputs go to $GITHUB_OUTPUT, words for people to $GITHUB_STEP_SUMMARY. Exit 1: the verdict is no; 2: wrong use.
It runs before anything is installed, so it imports the standard library only, and takes one function from the file
lnbench/confusable.py beside it, which does the same. All of a pull request, file names too, is a stranger's.
"""

import html
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterable

NAME = re.compile(r"submissions/([a-z0-9_-]{1,40})\.py")
REGULAR = {"100644", "100755"}


def main() -> int:
    """Do what the command line asks for; the exit code."""
    if len(sys.argv) == 3 and sys.argv[1] == "pull-request":
        return pull_request(sys.argv[2])
    if sys.argv[1:] == ["push"]:
        return push()
    print(__doc__, file=sys.stderr)
    return 2


def pull_request(clone: str) -> int:
    """The one submission that merging would add or change."""
    if git(clone, "rev-list", "--parents", "-n", "1", "HEAD").count(" ") != 2:
        return no(f"{clone} is not at a merge commit of the pull request and its base.")
    brought, others = [], []
    for status, mode, path in changes(clone, "HEAD^1", "HEAD"):
        if status != "D" and path.startswith("submissions/"):
            if not NAME.fullmatch(path):
                return no(
                    f"{shown(path)}: expected a file name of up to 40 of a–z, 0–9, '_' and '-', ending in .py, "
                    "directly in submissions."
                )
            if mode not in REGULAR:
                return no(f"{shown(path)}: expected a regular file, got git's mode {mode}.")
            brought.append((status, path))
        else:
            others.append(path)
    if len(brought) > 1:
        return no(f"a pull request brings one submission, this one {len(brought)}: {listed(p for _, p in brought)}.")
    for status, path in brought:
        if why := impersonates(clone, "HEAD^1", path, new=status == "A"):
            return no(f"{shown(path)}: {why}")
    if others:
        say(
            f"⚠️ **This pull request also changes {len(others)} other file(s)**: {listed(others)}. Nothing of them was "
            "used here, the code that checked is the base branch's. A submission needs none of them."
        )
    if not brought:
        say("No submission is added or changed.")
        return 0
    ((status, path),) = brought
    say(f"Submission: <code>{path}</code>, {'a new file' if status == 'A' else 'a change of a file that is there'}.")
    output("submission", path)
    return 0


def push() -> int:
    """The submissions to evaluate, on the tracks of each kind of machine."""
    names = []
    if wanted := os.environ.get("INPUT_SUBMISSION", ""):
        if not NAME.fullmatch(f"submissions/{wanted}.py") or not os.path.isfile(f"submissions/{wanted}.py"):
            return no(f"there is no submission called {shown(wanted)}; give the file's name without .py.")
        if why := impersonates(".", "HEAD", f"submissions/{wanted}.py", new=False):
            return no(f"{shown(wanted)}: {why}")
        names = [wanted]
    else:
        before, after = os.environ["BEFORE"], os.environ["AFTER"]
        known = subprocess.run(["git", "merge-base", "--is-ancestor", before, after], capture_output=True)
        if known.returncode:  # a first or a forced push
            before = f"{after}^1"
        for status, mode, path in changes(".", before, after):
            match = NAME.fullmatch(path)
            if status == "D" or not path.startswith("submissions/"):
                continue
            if not match or mode not in REGULAR:
                say(f"Not evaluated: {shown(path)} is not a submission.")
            elif why := impersonates(".", after, path, new=False):
                say(f"Not evaluated: {shown(path)}: {why}")
            else:
                names.append(match[1])
    only = os.environ.get("INPUT_TRACK", "")
    every = {kind: json.loads(os.environ.get(f"{kind.upper()}_TRACKS") or "[]") for kind in ("cpu", "gpu")}
    if only and not any(only in tracks for tracks in every.values()):
        known = ", ".join(f"<code>{track}</code>" for tracks in every.values() for track in tracks)
        return no(f"no machine here evaluates {shown(only)}; the tracks are {known}.")
    for kind, tracks in every.items():
        jobs = [{"submission": n, "track": t} for n in sorted(set(names)) for t in tracks if only in ("", t)]
        output(kind, json.dumps(jobs))
        for job in jobs:
            say(f"- `{job['submission']}` on `{job['track']}` ({kind.upper()})")
    return 0


def impersonates(clone: str, commit: str, path: str, new: bool) -> str:
    """Why a submission's name would pass its row off as another's, in one sentence; empty if it does not.

    Args:
        commit: what the names are compared with.
        new: whether the file is new there: then its name may not look like one that is there either.
    """
    confusable = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "lnbench", "confusable.py")
    skeleton = runpy.run_path(confusable)["skeleton"]
    name = stem(path)
    for other in git(clone, "ls-tree", "-z", "--name-only", commit, "attacks/", "submissions/").split("\0"):
        if other.startswith("attacks/") and stem(other) == name:
            return f"{name} is the name of an attack of lnbench; rename the file, its name becomes the row's."
        if new and other.endswith(".py") and other != path and skeleton(stem(other)) == skeleton(name):
            return (
                f"{name} can be taken for {stem(other)}, which is there; rename the file, its name becomes the row's."
            )
    return ""


def stem(path: str) -> str:
    """A file's name without folder and `.py`."""
    return path.rpartition("/")[2].removesuffix(".py")


def changes(clone: str, before: str, after: str) -> list[tuple[str, str, str]]:
    """(status, new mode, path) of every file that differs between two commits."""
    fields = git(clone, "diff-tree", "-r", "-z", "--raw", "--no-renames", before, after).split("\0")[:-1]
    return [(f.split()[4][0], f.split()[1], path) for f, path in zip(fields[::2], fields[1::2], strict=True)]


def git(clone: str, *arguments: str) -> str:
    """What a git command printed; bytes that are not UTF-8 become surrogates."""
    done = subprocess.run(["git", "-C", clone, *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8", errors="surrogateescape")


def listed(paths: Iterable[str]) -> str:
    """At most twenty paths."""
    every = [shown(path) for path in paths]
    return ", ".join(every[:20]) + (f" and {len(every) - 20} more" if len(every) > 20 else "")


def shown(text: str) -> str:
    """A stranger's text as inert HTML of one line."""
    inert = ascii(text)[1:-1][:200].replace("##[", "## [")  # the runner takes that for a command anywhere in a line
    return f"<code>{html.escape(inert)}</code>"


def no(sentence: str) -> int:
    """The verdict, for the log and for people."""
    print("error:", html.unescape(re.sub("</?code>", "", sentence)))
    say(f"### ❌ {sentence}")
    return 1


def say(text: str) -> None:
    """Add a paragraph to the job's summary."""
    append("GITHUB_STEP_SUMMARY", f"{text}\n\n")


def output(name: str, value: str) -> None:
    """Set an output of the step."""
    append("GITHUB_OUTPUT", f"{name}={value}\n")


def append(variable: str, text: str) -> None:
    """Write to the file that the runner named, or to the terminal."""
    if path := os.environ.get(variable):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
