"""What the workflows must hold: pinned actions, no right that is not needed, no stranger's text in a script."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lnbench.contribute import pull_request

GITHUB = Path(__file__).resolve().parents[2] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TRUSTED = re.compile(
    r"\$\{\{ (matrix\.(python|what|mark|submission|track|versions)|github\.(event\.pull_request\.number|ref)) \}\}"
)


def document(path: Path) -> dict[Any, Any]:
    """A workflow; YAML 1.1 reads its key `on` as True."""
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in loaded.items()}


def jobs(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The jobs of a workflow."""
    return list(document(path)["jobs"].items())


def test_the_workflows_are_the_ones_that_are_known() -> None:
    names = [path.stem for path in WORKFLOWS]
    assert names == ["check-submission", "ci", "evaluate", "hub", "nightly", "pages", "release"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_rights_but_those_a_job_asks_for(path: Path) -> None:
    assert document(path)["permissions"] == {} and "concurrency" in document(path)
    for name, job in jobs(path):
        assert 0 < job["timeout-minutes"] <= 1440, f"{path.stem}.{name} may hang"
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        may = {
            **{"publish": {"contents", "pull-requests"}, "deploy": {"pages", "id-token"}},
            **{"pypi": {"id-token"}, "hub": {"id-token"}},
        }
        assert writes <= may.get(name, {"contents"} if (path.stem, name) == ("release", "github") else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_and_keeps_no_token(path: Path) -> None:
    for name, job in jobs(path):
        for step in job["steps"]:
            if action := step.get("uses"):
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), f"{path.stem}.{name}: {action}"
                if action.startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False
    for line in path.read_text().splitlines():
        if " uses: " in line:
            assert re.search(r"# v\d+\.\d+\.\d+$", line), f"say which version {line.strip()} is"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_step_pastes_an_expression_into_its_script(path: Path) -> None:
    assert document(path)["defaults"] == {"run": {"shell": "bash"}}
    for name, job in jobs(path):
        assert TRUSTED.sub("", job.get("name", "")).count("${{") == 0
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{path.stem}.{name}: pass it by env"


def test_no_forks_code_meets_a_runner_of_ours_or_a_secret() -> None:
    for path in WORKFLOWS:
        events = document(path)["on"]
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(events)
        text = path.read_text(encoding="utf-8")
        if "pull_request" in events:
            assert "self-hosted" not in text and "secrets." not in text
        if "self-hosted" in text:
            assert events["push"]["branches"] == ["main"] and set(events) == {"push", "workflow_dispatch"}
    (check,) = (job for _, job in jobs(GITHUB / "workflows" / "check-submission.yml"))
    base, pull = (step["with"] for step in check["steps"] if step.get("uses", "").startswith("actions/checkout@"))
    assert base["ref"] == "${{ github.event.pull_request.base.sha }}" and "ref" not in pull
    scripts = [step["run"] for step in check["steps"] if "run" in step]
    assert not any(re.search(r"(^|[ |&;])(\./)?pr/", script) for script in scripts), "the pull request is data"


def test_evaluations_queue_and_secrets_stay_behind_environments() -> None:
    evaluate = document(GITHUB / "workflows" / "evaluate.yml")
    assert evaluate["concurrency"] == {"group": "evaluate", "cancel-in-progress": False, "queue": "max"}
    assert "github.ref == 'refs/heads/main'" in evaluate["jobs"]["plan"]["if"]
    for name, job in evaluate["jobs"].items():
        assert ("secrets." in json.dumps(job)) == (name in ("cpu", "gpu")), "what writes never has the salt"
        assert ("environment" in job) == (name in ("cpu", "gpu"))


def test_the_scripts_that_workflows_call_can_be_called() -> None:
    called = set()
    for path in WORKFLOWS:
        called |= set(
            re.findall(r"\.github/([\w.-]+)", "\n".join(s.get("run", "") for _, j in jobs(path) for s in j["steps"]))
        )
    assert called == {"changed.py", "evaluate", "hub", "publish", "release-notes", "report", "site", "try-wheel"}
    for name in called - {"changed.py"}:
        assert (GITHUB / name).stat().st_mode & 0o111, f"{name} is not executable"
        subprocess.run(["bash", "-n", str(GITHUB / name)], check=True)


def test_the_form_asks_for_the_same_rules() -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "submission.yml").read_text(encoding="utf-8"))
    (rules,) = (part["attributes"]["options"] for part in form["body"] if part.get("id") == "rules")
    assert tuple(rule["label"] for rule in rules) == pull_request.RULES and all(rule["required"] for rule in rules)


LINTERS = [
    ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", str(GITHUB)],
    *(
        ["check-jsonschema", "--builtin-schema", schema, *(str(path) for path in files)]
        for schema, files in {
            "vendor.github-workflows": WORKFLOWS,
            "custom.github-workflows-require-timeout": WORKFLOWS,
            "vendor.dependabot": [GITHUB / "dependabot.yml"],
            "vendor.github-issue-forms": [
                GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "challenge", "submission")
            ],
            "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
            "vendor.citation-file-format": [GITHUB.parent / "CITATION.cff"],
        }.items()
    ),
]


@pytest.mark.parametrize("command", LINTERS, ids=lambda command: " ".join(command[:3])[:60])
def test_the_linters_find_nothing(command: list[str]) -> None:
    program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[dev]', as `make lint` and .ci/run need")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the scripts, with a stand-in for lnbench


def script(folder: Path, name: str, *arguments: str, says: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `.github` where `lnbench` is a shell command of the test's."""
    stub = folder / "bin" / "lnbench"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text(f"#!/bin/bash\n{says}\n")
    stub.chmod(0o755)
    known = {"PATH": f"{stub.parent}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    command = ["bash", str(GITHUB / name), *arguments]
    return subprocess.run(command, env=known | environment, cwd=folder, capture_output=True, text=True)


TELL = 'echo "$@"; echo "salt: ${SEASON_SALT:-none}"; [ -z "${@: -1}" ] || cat "${@: -1}" || true'


def test_an_evaluation_takes_the_public_salt_unless_there_is_a_season(tmp_path: Path) -> None:
    done = script(tmp_path, "evaluate", "mine", "t", "cpu", says=TELL, SEASON="", SEASON_SALT="s3cret", SETTINGS="")
    assert done.returncode == 0 and "s3cret" not in done.stdout
    assert done.stdout.startswith("| evaluate submissions/mine.py --track t --device cpu --out record\n| salt: none\n")


def test_a_seasons_salt_comes_in_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    done = script(
        tmp_path, "evaluate", "mine", "t", "cuda", says=TELL, SEASON="2026a", SEASON_SALT="s3cret", SETTINGS="a=1 b=2"
    )
    called, in_environment, in_file = done.stdout.splitlines()
    match = re.fullmatch(r"\| evaluate .* --set a=1 --set b=2 --season 2026a --salt-file (\S+)", called)
    assert match and in_environment == "| salt: none" and in_file == "| s3cret"
    assert not Path(match[1]).exists()


def test_a_season_is_evaluated_as_root_where_that_can_be(tmp_path: Path) -> None:
    """Only root can empty the kernel's caches between two splits; sudo hands over what is named, and no salt."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "id").write_text("#!/bin/sh\necho 1000\n")
    (commands / "sudo").write_text('#!/bin/bash\nshift\nexec env -i SUDO=yes PATH=/usr/bin:/bin "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    says = (
        'echo "as root: ${SUDO:-no}, data: ${LNBENCH_DATA:-none}, salt: ${SEASON_SALT:-none}"; cat "${@: -1}" || true'
    )
    for season, expected in (
        ("2026a", "| as root: yes, data: /d, salt: none"),
        ("", "| as root: no, data: /d, salt: none"),
    ):
        done = script(
            tmp_path, "evaluate", "mine", "t", "cpu", says=says, SEASON=season, SEASON_SALT="s", LNBENCH_DATA="/d"
        )
        assert done.returncode == 0 and done.stdout.splitlines()[0] == expected, done.stdout + done.stderr
        assert (done.stdout.splitlines()[1:] == ["| s"]) is bool(season)


def test_a_season_without_its_salt_is_not_evaluated_with_another(tmp_path: Path) -> None:
    done = script(tmp_path, "evaluate", "mine", "t", "cpu", says=TELL, SEASON="2026a", SEASON_SALT="")
    assert done.returncode == 3 and "season 2026a has no salt here" in done.stdout and "| evaluate" not in done.stdout


@pytest.mark.parametrize(
    ("code", "mark"), [(0, "### ✅ a title"), (1, "### ❌ a title: the verdict is no"), (3, "could not be done")]
)
def test_a_report_says_how_it_ended_and_lets_nothing_through(code: int, mark: str, tmp_path: Path) -> None:
    says = f"echo '::error::no'; echo '</pre><script> & @all' >&2; exit {code}"
    done = script(tmp_path, "report", "a title", "lnbench", says=says)
    assert done.returncode == code and done.stdout.splitlines() == ["| ::error::no", "| </pre><script> & @all"]
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert mark in summary and "::error::no\n&lt;/pre&gt;&lt;script&gt; &amp; @all\n</pre>" in summary


def test_a_report_has_no_character_that_begins_a_line_or_hides_one(tmp_path: Path) -> None:
    says = r"printf 'a\r::error::b\n\x1b[2Jc\xe2\x81\xa6d\xe2\x80\xa8::e\xc2\x85\x07f\tg ü\n'"
    done = script(tmp_path, "report", "<i>a\rtitle\n", "lnbench", says=says)
    assert done.stdout.split("\n") == ["| a", "| ::error::b", "| [2Jcd::ef\tg ü", ""]
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert summary.startswith("### ✅ &lt;i&gt;a title \n<pre>\na\n::error::b\n")


def test_a_report_is_bounded(tmp_path: Path) -> None:
    done = script(tmp_path, "report", "a title", "lnbench", says="yes | head -c 1000000; exit 1")
    assert done.returncode == 1 and len(done.stdout) < 200_000
