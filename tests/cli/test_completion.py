"""Completion: what a shell is told, asked as the shells ask, and by a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from lnbench.board import rows
from lnbench.cli import GROUPS, VERBS, cli
from lnbench.evaluation.bundled import attacks, defences
from lnbench.protocol import track as tracks
from lnbench.thesis import experiments
from walk import ROOT


def completed(*words: str) -> list[str]:
    """What is offered for the last of these words; `file` stands for the shell's own completion."""
    items = ShellComplete(cli, {}, "lnbench", "_LNBENCH_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value if item.type == "plain" else item.type for item in items]


def test_every_verb_is_in_one_group_and_completed() -> None:
    assert sum(map(len, GROUPS.values())) == len(VERBS) and next(iter(GROUPS)) == "Everyday"
    assert completed("") == list(VERBS) and completed("comp") == ["compare", "completion"]
    assert "--version" in completed("--")


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--track", ""),
        ("attacks", "--track", ""),
        ("leaderboard", "show", ""),
        ("tracks", "show", ""),
        ("tracks", "validate", ""),
        ("tracks", "optimum", ""),
        ("power", ""),
        ("plan", ""),
        ("rows", "train", ""),
        ("search", "--track", ""),
        ("compare", "--track", ""),
    ],
)
def test_tracks_are_completed(words: tuple[str, ...]) -> None:
    assert completed(*words) == ["file", *tracks.names()]


def test_attacks_defences_experiments_and_rows_are_completed() -> None:
    assert set(completed("evaluate", "")) == {"file", "my_poisoner", *attacks()}
    assert completed("evaluate", "random_s") == ["file", "random_search"]
    assert set(completed("defend", "")) == {"file", *defences()}
    assert completed("defend", "knn_relabel", "--against", "bil") == ["file", "bilevel"]
    assert completed("reproduce", "") == list(experiments.names())
    (table,) = rows.of_track("digits-exact")
    assert completed("show", "--track", "digits-exact", "") == ["file", *(row.label for row in table.rows)]
    assert completed("compare", "my_poisoner", "my_p") == ["file", "my_poisoner"]
    assert completed("show", "--track", "mnist-9to0", "") == ["file"]


def test_no_shell_has_to_quote_a_row() -> None:
    offered = completed("show", "")
    assert len(offered) > 20 and not any(set(name) & set("()= ") for name in offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells_own(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0 and f"_LNBENCH_COMPLETE={shell}_complete" in result.stdout
    assert CliRunner().invoke(cli, ["completion", "csh"]).exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes(tmp_path: Path) -> None:
    """The script, read by bash, and its function called as bash does when Tab is pressed."""
    command = tmp_path / "lnbench"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m lnbench "$@"\n')
    command.chmod(0o755)
    asked = """
eval "$(lnbench completion bash)"
complete -p lnbench
press() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _lnbench_completion lnbench; echo "${COMPREPLY[*]}"
}
compopt() { :; }
press lnbench lea
press lnbench tracks show digits-
press lnbench reproduce theo
press lnbench evaluate random_
"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    first, *pressed = done.stdout.splitlines()
    assert done.stderr == "" and first.endswith("-F _lnbench_completion lnbench")
    assert pressed == [
        "leaderboard",
        "digits-9to0 digits-exact digits-pairs",
        "theorem1 theorem2",
        "random_flip random_search",
    ]
