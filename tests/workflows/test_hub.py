"""The workflow that publishes on the Hub, rehearsed against a loopback Hub: a dry run, and a job without any token."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import factories
import loopback
from lnbench import record
from lnbench.protocol import track as tracks
from workflows.conftest import World
from workflows.runner import ROOT, Outcome

BRANCH = "with-a-row"
pytest.importorskip("pyarrow", reason="datasets on the Hub need pyarrow: pip install 'lnbench[hub]'")


@pytest.fixture(scope="module")
def hub() -> Iterator[loopback.Hub]:
    """A Hub on which the project's repositories exist and trust its workflow."""
    with loopback.serving() as made:
        for name in ("somebody/benchmark", "somebody/suite", "spaces/somebody/board"):
            made.add(name, {"README.md": b"made on the page of the Hub"})
            made.publishers.add(name if name.startswith("spaces/") else f"datasets/{name}")
        yield made


@pytest.fixture(scope="module")
def ready(world: World, hub: loopback.Hub) -> World:
    """The world with a row on its board, and with the network that is this Hub."""
    shipped = tracks.load(str(world.clone / "lnbench/protocol/tracks/digits-9to0.toml"))
    made = factories.make(shipped)
    record.write(made, world.clone / "leaderboard" / "records" / "digits-9to0" / made.filename)
    world.git("switch", "-q", "-c", BRANCH)  # main is the other tests'
    world.git("add", "leaderboard")
    world.git("commit", "-q", "-m", "a row")
    world.git("push", "-q", "origin", BRANCH)
    network = {
        **{name: value for name, value in world.runner.environment.items() if name != "LNBENCH_OFFLINE"},
        **{"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
        **{"HF_HOME": str(world.folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "no_proxy": "127.0.0.1"},
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{hub.url}/identity?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": loopback.JOB_TOKEN,
    }
    world.git("switch", "-q", "main")
    return dataclasses.replace(world, runner=dataclasses.replace(world.runner, environment=network))


def _run(world: World, what: str, dry_run: str) -> Outcome:
    context = {"matrix.what": what, "vars.HUB": "somebody", "inputs.dry_run": dry_run, "inputs.victims": "0"}
    return world.runner.run("hub", "hub", context, BRANCH)


@pytest.mark.slow  # each builds a dataset; what they build is tested in tests/hub
@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("suite", "somebody/suite (dataset) would hold a poisoned suite"),
        ("benchmark", "somebody/benchmark (dataset) would hold the benchmark's dataset"),
        ("board", "somebody/board (space) would hold the board's page"),
    ],
)
def test_a_dry_run_builds_and_asks_nothing(ready: World, hub: loopback.Hub, what: str, sentence: str) -> None:
    hub.took()
    outcome = _run(ready, what, "true")
    assert outcome.failed is None, outcome.log
    assert sentence in outcome.log and hub.took() == []


def test_after_a_merge_the_board_is_a_space_with_the_committed_bytes(ready: World, hub: loopback.Hub) -> None:
    outcome = _run(ready, "board", "")
    assert outcome.failed is None, outcome.log
    files = hub.repos["spaces/somebody/board"].files
    names = ready.git("ls-tree", "-r", "--name-only", BRANCH, "leaderboard").splitlines()
    command = ["git", "-C", str(ready.clone), "show"]
    committed = {
        name: subprocess.run([*command, f"{BRANCH}:{name}"], check=True, capture_output=True).stdout for name in names
    }
    assert {path: data for path, data in files.items() if path.startswith("leaderboard/")} == committed
    assert files["README.md"] == (ROOT / ".github" / "space.md").read_bytes()
    assert b"leaderboard/index.html" in files["index.html"]
    asked = hub.took()
    assert sum("/identity?" in line for line in asked) == 1 and sum("/oauth/token" in line for line in asked) == 1
    words = [line for line in outcome.log.splitlines() if loopback.IDENTITY in line]
    assert words == [f"::add-mask::{loopback.IDENTITY}"], "the identity is shown only to be hidden"


@pytest.mark.slow
def test_a_workflow_that_the_hub_does_not_trust_publishes_nothing(ready: World, hub: loopback.Hub) -> None:
    before = hub.repos["spaces/somebody/board"].refs["main"]
    hub.publishers.remove("spaces/somebody/board")
    outcome = _run(ready, "board", "")
    assert outcome.failed == "build and publish"
    assert "has no trusted publisher for this job on spaces/somebody/board" in outcome.log
    assert hub.repos["spaces/somebody/board"].refs["main"] == before


def test_the_space_has_a_header_that_makes_it_static() -> None:
    import yaml

    header = yaml.safe_load(Path(ROOT / ".github" / "space.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (header["sdk"], header["app_file"], header["license"]) == ("static", "index.html", "apache-2.0")
    assert len(header["short_description"]) <= 60, "the most that the Hub takes"
