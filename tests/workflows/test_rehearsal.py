"""The dress rehearsal: the workflows' own steps, from a stranger's pull request to a row on the board; no GitHub."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lnbench import record
from lnbench.cli import VERBS
from workflows.conftest import World
from workflows.runner import ROOT, Outcome

CHEATS = ROOT / "tests" / "cheats"
MINE = '''"""Mine.

Author: A. Stranger <script>
License: MIT
"""

import lnbench


class Mine(lnbench.Poisoner):
    """The first points that may be flipped, FIRST of them passed over."""

    def poison(self, problem):
        return problem.flipped(problem.eligible[FIRST:][: problem.budget])
'''


def mine(first: int) -> str:
    """A submission; another one for every number."""
    return MINE.replace("FIRST", str(first))


def cheat(name: str) -> str:
    """A file of tests/cheats that names an author and a licence, so that it gets past the first question."""
    text = (CHEATS / f"{name}.py").read_text(encoding="utf-8")
    return text.replace("\n\n", "\n\nAuthor: Mallory\nLicense: MIT\n\n", 1)


REFEREE = {
    "lnbench/poison/labels.py": "def _anything(*arguments, **more):\n    pass\n\n\njudge = _anything\n",
    "lnbench/score.py": "raise SystemExit(0)\n",
    "lnbench/submit.py": "def check_metadata(*anything):\n    pass\n",
    ".github/changed.py": "print('nothing changed')\n",
    ".github/report": "#!/bin/sh\nexit 0\n",
    ".github/workflows/check-submission.yml": "on: push\njobs: {}\n",
    "sitecustomize.py": "import os\nos._exit(0)\n",
    "lnbench.py": "raise SystemExit(0)\n",
    ".gitattributes": "*.py export-ignore filter=x diff=x\n",
}
"""What a stranger would put in the place of the referee, or beside it."""


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: `sudo apt install bubblewrap` and run the tests again")


@pytest.fixture(scope="module")
def good(world: World) -> tuple[Outcome, str]:
    """The check of an honest pull request, and its quick record's hash."""
    world.open(1, {"submissions/mine.py": mine(0)})
    outcome = world.check(1)
    assert outcome.failed is None, outcome.log
    return outcome, quick_record(world)


def quick_record(world: World) -> str:
    """The hash of the record that a check left as an artifact."""
    (path,) = world.runner.artifacts["quick-record"].iterdir()
    return record.read(path).sha256


def test_a_good_file_gets_a_first_score_that_people_can_read(good: tuple[Outcome, str]) -> None:
    outcome, _ = good
    assert "Submission: <code>submissions/mine.py</code>, a new file." in outcome.summary
    assert "### ✅ the check" in outcome.summary and "mine.py: its labels are valid on digits-9to0." in outcome.summary
    assert "### ✅ a first score" in outcome.summary and "A quick run" in outcome.summary
    assert "AA, adversarial accuracy" in outcome.summary and " poisoned " in outcome.summary
    assert "A. Stranger &lt;script&gt;" in outcome.summary and "<script>" not in outcome.summary


@pytest.mark.slow
def test_a_file_that_also_edits_the_referee_gets_the_same_score(world: World, good: tuple[Outcome, str]) -> None:
    world.open(2, {"submissions/mine.py": mine(0), **REFEREE}, delete=("lnbench/evaluation/cells.py",))
    outcome = world.check(2)
    assert outcome.failed is None, outcome.log
    assert quick_record(world) == good[1]
    assert f"also changes {len(REFEREE) + 1} other file(s)" in outcome.summary
    assert "<code>lnbench/poison/labels.py</code>" in outcome.summary


def test_a_cheat_that_also_edits_the_referee_is_refused_all_the_same(world: World) -> None:
    world.open(3, {"submissions/cheat.py": cheat("over_budget_by_one"), **REFEREE})
    outcome = world.check(3)
    assert outcome.failed == "check"
    assert "### ❌ the check: the verdict is no" in outcome.summary
    assert "cheat.py: expected at most 4 changed labels, got 5" in outcome.summary
    assert "quick-record" not in world.runner.artifacts


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"submissions/a.py": mine(0), "submissions/b.py": mine(1)}, "brings one submission, this one 2"),
        ({"submissions/Mine.py": mine(0)}, "<code>submissions/Mine.py</code>: expected a file name of up to 40"),
        ({"submissions/a/b.py": mine(0)}, "directly in submissions"),
        (
            {"submissions/a.py\n::error::x.py": mine(0)},
            "<code>submissions/a.py\\n::error::x.py</code>: expected a file",
        ),
        (
            {"submissions/##[error]approved.py": mine(0)},
            "<code>submissions/## [error]approved.py</code>: expected a file",
        ),
        ({"submissions/matched_search.py": mine(0)}, "matched_search is the name of an attack of lnbench"),
        ({"submissions/rnatched-search.py": mine(0)}, "rnatched-search can be taken for matched_search"),
        ({"submissions/my-p0isoner.py": mine(0)}, "my-p0isoner can be taken for my_poisoner"),
    ],
)
def test_a_pull_request_of_the_wrong_shape_ends_before_anything_runs(
    world: World, files: dict[str, str], words: str
) -> None:
    world.open(4, files)
    outcome = world.check(4)
    assert outcome.failed == "which file" and words in outcome.summary
    assert "\n::" not in outcome.log and "##[" not in outcome.log and "the check" not in outcome.summary


def test_a_link_is_no_submission(world: World) -> None:
    world.git("switch", "-q", "-C", "linked", "main")
    (world.clone / "submissions" / "link.py").symlink_to("/etc/passwd")
    world.git("add", "submissions/link.py")
    world.git("commit", "-q", "-m", "link")
    world.git("switch", "-q", "main")
    world.git("branch", "-f", "pull-5", "linked")
    world.base[5] = world.git("rev-parse", "main")
    merge = world.git("commit-tree", "linked^{tree}", "-p", "main", "-p", "linked", "-m", "merge")
    world.git("push", "-q", "-f", "origin", f"{merge}:refs/pull/5/merge")
    outcome = world.check(5)
    assert outcome.failed == "which file" and "expected a regular file, got git's mode 120000" in outcome.summary


def test_a_pull_request_that_only_takes_a_file_away_has_nothing_to_check(world: World) -> None:
    world.open(6, {}, delete=("submissions/my_poisoner.py",))
    outcome = world.check(6)
    assert outcome.failed is None and "No submission is added or changed." in outcome.summary
    assert "also changes 1 other file(s)" in outcome.summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong_target", "expected changes along 9 → 0 only"),
        ("monkeypatch", "expected at most 4 changed labels"),
        ("labels_none", "got None; end it with `return labels`"),
        ("labels_nan", "with NaN in it"),
        ("exits_hard", "its process ended with exit status"),
        ("import_exits", "importing it"),
        ("stream_pickle", "expected the answer that lnbench's guest writes"),
        ("class_two", "expected exactly one class"),
        ("injection", "expected at most 60 characters of license"),
    ],
)
def test_a_cheat_is_told_so_and_commands_nothing(world: World, name: str, words: str) -> None:
    world.open(7, {f"submissions/{name}.py": cheat(name)})
    outcome = world.check(7)
    assert outcome.failed == "check" and "the verdict is no" in outcome.summary, outcome.log
    assert words in outcome.summary
    inert(outcome)


@pytest.mark.slow
def test_a_file_whose_every_word_is_a_trick_is_scored_and_commands_nothing(world: World) -> None:
    text = re.sub(r"^    (paper|license) = .*$", r"    \1 = ''", cheat("injection"), flags=re.MULTILINE)
    world.open(8, {"submissions/injection.py": text})
    outcome = world.check(8)
    assert outcome.failed is None and "labels are valid" in outcome.summary, outcome.log
    assert "author ::set-env name=PATH::/tmp" in outcome.summary, "as words, not at the start of a line"
    inert(outcome)


def inert(outcome: Outcome) -> None:
    """Nothing in the log is a command to the runner or a terminal, nothing in the summary a stranger's markup."""
    for line in outcome.log.splitlines():
        assert not line.lstrip().startswith("::") and "##[" not in line and line.isprintable(), ascii(line)
    assert "<script" not in outcome.summary and "<img" not in outcome.summary


# --- after the merge


class Push:
    """One run of `evaluate.yml`."""

    def __init__(self, world: World, event: dict[str, str]) -> None:
        self.world, self.event = world, {"inputs.submission": "", "inputs.track": "", "vars.GPU_TRACKS": "", **event}
        self.artifacts: dict[str, Path] = {}

    def job(self, name: str, more: dict[str, str] | None = None, head: str | None = None) -> Outcome:
        """Run one of its jobs, with its own artifacts."""
        self.world.runner.artifacts = self.artifacts
        context = {**self.event, **(more or {})}
        return self.world.runner.run("evaluate", name, context, head or self.event["github.sha"])

    def evaluate(self) -> list[str]:
        """Plan and evaluate; what was evaluated."""
        plan = self.job("plan")
        assert plan.failed is None and plan.outputs["steps.plan.outputs.gpu"] == "[]", plan.log
        jobs = json.loads(plan.outputs["steps.plan.outputs.cpu"])
        for job in jobs:
            variables = {"inputs.settings": "", "vars.SEASON": "", "secrets.SEASON_SALT": "not used without a season"}
            done = self.job("cpu", {f"matrix.{key}": value for key, value in job.items()} | variables)
            assert done.failed is None, done.log
        return [f"{job['submission']} on {job['track']}" for job in jobs]

    def publish(self) -> Outcome:
        """Propose the rows."""
        token = {"github.token": "none"}
        run = {"github.server_url": "https://example.org", "github.repository": "a/b", "github.run_id": "7"}
        return self.job("publish", token | run, head="refs/heads/main")


def drift(world: World) -> int:
    """The exit code of the board's drift check on main."""
    command: list[str | Path] = [world.runner.commands / "lnbench", "leaderboard", "check"]
    environment = dict(world.runner.environment)
    return subprocess.run(command, cwd=world.clone, env=environment, capture_output=True).returncode


def merge_board(world: World) -> None:
    """A maintainer merges the bot's pull request; GitHub deletes its branch."""
    world.git("fetch", "-q", "origin", "bot/board")
    world.git("branch", "-f", "board", "FETCH_HEAD")
    world.merge("board")
    world.git("push", "-q", "origin", "--delete", "bot/board")
    (world.folder / "state" / "open").unlink()


@pytest.mark.slow
def test_two_merges_at_once_end_with_both_rows_on_the_board(world: World) -> None:
    for number in (11, 12):
        world.open(number, {f"submissions/mine{number}.py": mine(number)})
    first = Push(world, world.merge("pull-11"))
    second = Push(world, world.merge("pull-12"))
    assert first.evaluate() == ["mine11 on digits-9to0"] and second.evaluate() == ["mine12 on digits-9to0"]

    published = first.publish()
    assert published.failed is None, published.log
    published = second.publish()
    assert published.failed is None, published.log
    calls = [line.split(" --")[0] for line in (world.folder / "state" / "gh.log").read_text().splitlines()]
    assert calls == ["auth setup-git", "pr list", "pr create", "auth setup-git", "pr list", "pr edit 1"]
    assert world.records() == [], "nothing is on the board before a person merges it"

    merge_board(world)
    assert world.records() == ["mine11", "mine11", "mine12", "mine12"], "each on the public splits and on its own"
    assert drift(world) == 0
    board = (world.clone / "leaderboard" / "README.md").read_text(encoding="utf-8")
    assert "mine11" in board and "mine12" in board

    # The same run again is refused by name, and so is a record that somebody swapped for another file's.
    again = first.publish()
    assert again.failed == "validate, rebuild, propose" and "is already there" in again.summary
    public, own = sorted(
        second.artifacts["record-digits-9to0-mine12"].iterdir(),
        key=lambda path: json.loads(path.read_text())["salt"] == "own",
    )
    own.unlink()
    path, document = public, json.loads(public.read_text())
    document["score"]["drop_pp"] = 99.0
    path.write_text(json.dumps(document))
    forged = second.publish()
    assert forged.failed == "validate, rebuild, propose" and "the verdict is no" in forged.summary
    assert world.records() == ["mine11", "mine11", "mine12", "mine12"] and drift(world) == 0

    # A record of a file that was changed since is of no submission.
    world.open(13, {"submissions/mine13.py": mine(13)})
    third = Push(world, world.merge("pull-13"))
    third.evaluate()
    world.open(14, {"submissions/mine13.py": mine(14)})
    world.merge("pull-14")
    stale = third.publish()
    assert stale.failed is not None and "made from another mine13.py" in stale.summary


@pytest.mark.slow
def test_a_branch_that_moves_meanwhile_is_met_again(world: World) -> None:
    """Another run pushes its row between this one's look and its push: the lease fails, the next attempt has both."""
    for number in (21, 22):
        world.open(number, {f"submissions/mine{number}.py": mine(number)})
    runs = [Push(world, world.merge(f"pull-{number}")) for number in (21, 22)]
    for run in runs:
        run.evaluate()
    assert runs[0].publish().failed is None
    world.git("fetch", "-q", "origin", "bot/board")
    moved = world.git("rev-parse", "FETCH_HEAD")
    world.git("push", "-q", "origin", "--delete", "bot/board")
    hook = world.runner.remote / "hooks" / "pre-receive"
    hook.write_text(
        f'#!/bin/sh\n[ -e "{world.folder}/raced" ] || {{ touch "{world.folder}/raced"; '
        f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/bot/board {moved}; }}\n"
    )
    hook.chmod(0o755)
    published = runs[1].publish()
    hook.unlink()
    assert published.failed is None and "the branch moved while this run was at work" in published.log, published.log
    before = world.records()
    merge_board(world)
    assert world.records() == sorted([*before, *["mine21", "mine22"] * 2]) and drift(world) == 0


@pytest.mark.slow
def test_rows_whose_pull_request_was_not_opened_are_proposed_by_the_same_run_again(world: World) -> None:
    world.open(31, {"submissions/mine31.py": mine(31)})
    run = Push(world, world.merge("pull-31"))
    run.evaluate()
    forbidden = world.folder / "state" / "forbidden"
    forbidden.touch()
    first = run.publish()
    assert first.failed == "validate, rebuild, propose" and "the rows are in bot/board" in first.log, first.log
    assert "once more" not in first.log and not (world.folder / "state" / "open").exists()
    forbidden.unlink()
    again = run.publish()
    assert again.failed is None, again.log
    before = world.records()
    merge_board(world)
    assert world.records() == sorted([*before, *["mine31"] * 2]) and drift(world) == 0


@pytest.mark.slow
def test_a_board_that_is_not_what_its_records_say_is_not_pushed(world: World) -> None:
    world.open(41, {"submissions/mine41.py": mine(41)})
    run = Push(world, world.merge("pull-41"))
    run.evaluate()
    lnbench = world.runner.commands / "lnbench"
    text = lnbench.read_text()
    stub = '#!/bin/bash\n[ "$1 $2" != "leaderboard check" ] || exit 1\nexec "$(dirname "$0")/lnbench-itself" "$@"\n'
    pip = world.runner.commands / "pip"
    kept = pip.read_text()
    (world.runner.commands / "lnbench-itself").write_text(text)
    (world.runner.commands / "lnbench-itself").chmod(0o755)
    pip.write_text("#!/bin/sh\n")
    lnbench.write_text(stub)
    try:
        published = run.publish()
    finally:
        lnbench.write_text(text)
        pip.write_text(kept)
    assert published.failed == "validate, rebuild, propose", published.log
    assert "bot/board" not in world.git("ls-remote", "--heads", "origin")


def test_a_dispatch_for_a_track_that_no_machine_takes_is_refused(world: World) -> None:
    world.git("switch", "-q", "main")
    plan = Push(world, {"github.event.before": "", "github.sha": world.git("rev-parse", "main")})
    plan.event |= {"inputs.submission": "my_poisoner", "inputs.track": "digits-9too"}
    outcome = plan.job("plan")
    assert outcome.failed == "submissions of this push or dispatch"
    assert (
        "no machine here evaluates <code>digits-9too</code>; the tracks are <code>digits-9to0</code>."
        in outcome.summary
    )


def test_every_command_of_the_scripts_is_one() -> None:
    text = "\n".join(p.read_text() for p in (ROOT / ".github").rglob("*") if p.is_file() and p.suffix != ".md")
    verbs = [line.split()[0] for line in text.split("lnbench ")[1:] if line.split()[0] in VERBS]
    assert {"check", "evaluate", "verify", "leaderboard", "doctor"} <= set(verbs)
