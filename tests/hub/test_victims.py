"""Victims that timm loads, from an evaluation to the Hub and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import loopback
import tiny
from lnbench import data, record
from lnbench.evaluation import saved_victims

REPO = "somebody/nets"
NET = {"model": "resnet18", "arguments": {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 8]}}
ONE = "net/split-00/poisoned-seed-0"


@pytest.fixture(scope="module")
def world(_child: Any, _server: loopback.Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a track of a timm network, a record made on it, and its victims; the record's path."""
    folder = tmp_path_factory.mktemp("nets")
    document = tiny.document()
    document["name"] = "nets"
    document["replication"] = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
    recipe = {"steps": 5, "batch": 16, "learning_rate": 0.01}
    document["victims"] = [{"name": "net", "architecture": "timm", "options": NET, "recipe": recipe}]
    tiny.write(folder / "nets.toml", document)
    (folder / "first.py").write_text(tiny.POISONER)
    done = _evaluated(_child, folder)
    assert done.code == 0, done.err
    assert "keeping: 6/6" in done.err
    return folder, next((folder / "records").glob("*.json"))


def _evaluated(client: Any, folder: Path) -> Any:
    options = ["--track", folder / "nets.toml", "--workers", "1", "--out", folder / "records"]
    return client.run("evaluate", folder / "first.py", *options, "--keep-victims", folder / "victims")


def test_timm_gets_as_many_test_points_right_as_the_record_says(world: tuple[Path, Path]) -> None:
    import timm

    folder, path = world
    made = record.read(path)
    saved_victims.check_folder(folder / "victims", made)
    points = data.load(made.track, 0)
    (stated,) = [v for v in made.document["victims"] if (v["split"], v["arm"]) == (0, "poisoned")]
    network = timm.create_model(f"local-dir:{folder / 'victims' / ONE}", pretrained=True).eval()
    with torch.no_grad():
        predicted = network(torch.from_numpy(points.test_inputs)).argmax(1).numpy()
    assert (predicted == points.test_labels).sum() == stated["clean"]["correct"]


def test_a_pushed_victim_loads_with_timm_and_with_lnbench(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path], fresh: dict[str, str]
) -> None:
    folder, path = world
    done = client.run("push", path, "--repo", REPO, "--victims", folder / "victims")
    assert done.code == 0, done.err
    files = hub.repos[REPO].files
    assert sum(name.startswith("victims/net/") for name in files) == 12
    # The snapshot is what the card in the folder tells a reader to do.
    code = f"""
import huggingface_hub, lnbench.hub, timm, torch
where = "victims/{ONE}"
folder = huggingface_hub.snapshot_download({REPO!r}, repo_type="dataset", allow_patterns=f"{{where}}/*")
theirs = timm.create_model(f"local-dir:{{folder}}/{{where}}", pretrained=True).eval()
ours = lnbench.hub.load_victim({REPO!r}, architecture="net").victims
inputs = torch.rand(4, 1, 8, 8)
with torch.no_grad():
    result = [torch.equal(theirs(inputs), ours(inputs.unsqueeze(0))[0]), list(theirs(inputs).shape)]
"""
    assert client.python(code, **fresh) == [True, [4, 10]]


@pytest.mark.parametrize("content", [None, b"{}", b"\xff"])
def test_a_configuration_of_another_network_is_not_pushed(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path], content: bytes | None
) -> None:
    folder, path = world
    place = folder / "victims" / ONE / "config.json"
    right = place.read_bytes()
    assert json.loads(right)["architecture"] == "resnet18"
    try:
        place.unlink() if content is None else place.write_bytes(content)
        done = client.run("push", path, "--repo", REPO, "--victims", folder / "victims")
    finally:
        place.write_bytes(right)
    assert done.code == 1 and "this is not the configuration of the victim beside it" in done.error
    assert not hub.repos


def test_a_configuration_without_a_victim_is_not_pushed(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path]
) -> None:
    folder, path = world
    stray = folder / "victims" / "net" / "config.json"
    stray.write_bytes(b"{}")
    try:
        done = client.run("push", path, "--repo", REPO, "--victims", folder / "victims")
    finally:
        stray.unlink()
    assert done.code == 1 and "it is not a safetensors file of lnbench" in done.error


@pytest.mark.slow  # it trains once more
def test_a_lost_configuration_comes_back(client: Any, hub: loopback.Hub, world: tuple[Path, Path]) -> None:
    folder, _ = world
    place = folder / "victims" / ONE / "config.json"
    right = place.read_bytes()
    place.unlink()
    done = _evaluated(client, folder)
    assert done.code == 0 and "keeping: 6/6 (100%), 4 reused" in done.err, done.err
    assert place.read_bytes() == right
