"""A stand-in for GitHub's runner: one job of a workflow file, its own shell steps, and copies of what actions do.

Nothing of a workflow is repeated here: steps, environments and conditions come from the YAML. An expression is looked
up in what the test says GitHub knows, and an action or expression that nobody has thought of is an error.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def load(name: str) -> dict[Any, Any]:
    """A workflow's document."""
    document: dict[Any, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))
    return document


@dataclass
class Outcome:
    """How a job ended.

    Attributes:
        failed: the name of the step that failed, or None.
        log: what its steps printed, as the runner would see it.
        summary: the job's summary, markdown.
        outputs: `steps.<id>.outputs.<name>` -> value.
    """

    failed: str | None = None
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Runner:
    """Machines for jobs, each in a folder of its own.

    Attributes:
        folder: where workspaces are made.
        remote: the project's bare repository.
        commands: a folder of stand-ins, first on the path.
        environment: of every step.
        artifacts: name -> folder, of one workflow run.
    """

    folder: Path
    remote: Path
    commands: Path
    environment: Mapping[str, str]
    artifacts: dict[str, Path] = field(default_factory=dict)

    def run(self, workflow: str, job: str, context: Mapping[str, str], head: str) -> Outcome:
        """Run one job.

        Args:
            context: expression -> value, as in `github.event.before`.
            head: the ref or commit that `actions/checkout` takes by itself.
        """
        document = load(workflow)
        assert document["defaults"]["run"]["shell"] == "bash"
        place = self.folder / f"{len(list(self.folder.iterdir()))}-{job}"
        workspace, temporary = place / "workspace", place / "temp"
        for path in (workspace, temporary):
            path.mkdir(parents=True)
        outcome = Outcome()
        known = dict(context)
        shared = {**document.get("env", {}), **document["jobs"][job].get("env", {})}
        for number, step in enumerate(document["jobs"][job]["steps"]):
            name = step.get("name") or step.get("uses", "").partition("@")[0]
            if not _holds(str(step.get("if", "")), known):
                continue
            fields = {key: _filled(value, known) for key, value in step.get("with", {}).items()}
            if "uses" in step:
                action = step["uses"].partition("@")[0]
                if not self._act(action, fields, workspace, head):
                    outcome.failed = name
                    return outcome
                continue
            files = {key: place / f"{number}-{key.lower()}" for key in ("GITHUB_OUTPUT", "GITHUB_PATH")}
            files["GITHUB_STEP_SUMMARY"] = place / "summary"
            for file in files.values():
                file.touch()
            script = place / f"{number}.sh"
            script.write_text(step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=workspace,
                env={
                    **self.environment,
                    **{key: str(file) for key, file in files.items()},
                    **{key: _filled(value, known) for key, value in {**shared, **step.get("env", {})}.items()},
                    "RUNNER_TEMP": str(temporary),
                    "GITHUB_WORKSPACE": str(workspace),
                    "PATH": os.pathsep.join([str(self.commands), os.environ["PATH"]]),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                preexec_fn=_one_core,
            )
            outcome.log += done.stdout
            outcome.summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                outcome.outputs[f"steps.{step['id']}.outputs.{key}"] = value
            known |= outcome.outputs
            if done.returncode:
                outcome.failed = name
                return outcome
        return outcome

    def _act(self, action: str, fields: Mapping[str, str], workspace: Path, head: str) -> bool:
        """Do what an action does; whether it succeeded."""
        if action == "actions/checkout":
            assert fields["persist-credentials"] == "False"
            where = workspace / fields.get("path", ".")
            depth = ["--depth", fields.get("fetch-depth", "1")] if fields.get("fetch-depth") != "0" else []
            branches = [] if depth else ["+refs/heads/*:refs/remotes/origin/*"]
            for command in (
                ["init", "-q", str(where)],
                ["-C", str(where), "remote", "add", "origin", self.remote.as_uri()],
                ["-C", str(where), "fetch", "-q", *depth, "origin", fields.get("ref", head), *branches],
                ["-C", str(where), "checkout", "-q", "--detach", "FETCH_HEAD"],
            ):
                subprocess.run(["git", *command], check=True, env=dict(self.environment), capture_output=True)
        elif action == "actions/upload-artifact":
            found = sorted(workspace.glob(fields["path"]))
            if not found and fields["if-no-files-found"] == "error":
                return False
            folder = workspace.parent / "artifacts" / fields["name"]
            folder.mkdir(parents=True)
            for path in found:
                shutil.copy(path, folder)
            self.artifacts[fields["name"]] = folder
        elif action == "actions/download-artifact":
            assert fields["merge-multiple"] == "True"
            target = workspace / fields["path"]
            target.mkdir()
            for name, folder in self.artifacts.items():
                if Path(name).match(fields["pattern"]):
                    shutil.copytree(folder, target, dirs_exist_ok=True)
        else:
            assert action == "actions/setup-python", f"{action}: say here what it does"
        return True


def _one_core() -> None:
    """One core, so that an evaluation starts one worker: starting is most of what it costs here."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})


def _filled(value: object, known: Mapping[str, str]) -> str:
    """A field with its expressions replaced."""
    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: known[match[1]], str(value))


def _holds(condition: str, known: Mapping[str, str]) -> bool:
    """A step's condition: none, or a comparison with a text."""
    if not condition:
        return True
    match = re.fullmatch(r"(\S+) != '(.*)'", condition)
    assert match, f"{condition}: say here what it means"
    return known.get(match[1], "") != match[2]
