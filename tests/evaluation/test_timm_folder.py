"""Victims in folders of timm's: timm's own loader makes the network that was scored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import factories
import loopback
import tiny
from lnbench import data
from lnbench.data import Split
from lnbench.errors import RecordError
from lnbench.evaluation import cells, saved_victims, timm_folder, victim_header
from lnbench.protocol import PUBLIC_SALT, Track
from lnbench.victims import Victims

RESNET = {"model": "resnet18", "arguments": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 16]}}
VIT = {"model": "vit_tiny_patch16_224", "patch": 4, "arguments": {"depth": 1, "embed_dim": 16, "num_heads": 2}}
CONVNEXT = {"model": "convnext_atto", "patch": 1, "arguments": {"depths": [1, 1, 1, 1], "dims": [4, 8, 8, 16]}}
CIFAR = RESNET | {"stem": "cifar"}


def _track(**victims: dict[str, Any]) -> Track:
    document = tiny.document()
    recipe = {"steps": 3, "batch": 8, "learning_rate": 0.01}
    document["victims"] = [
        {"name": name, "architecture": "timm", "options": options, "recipe": recipe}
        for name, options in victims.items()
    ]
    return Track.from_document(document)


def _saved(track: Track, victim: str, folder: Path) -> tuple[Path, Victims]:
    """One victim kept as a worker keeps it, and the same victim trained beside it."""
    cell = {
        "track": track.document,
        "salt": PUBLIC_SALT,
        "victim": victim,
        "places": [[0, 1]],
        "flips": [[]],
        "device": "cpu",
    }
    name = {"track": track.sha256, "victim": victim, "places": [[0, 1]], "arm": "clean"}
    name |= dict.fromkeys(("salt", "labels", "environment", "code"), "a" * 64)
    saved_victims.save_cell({"cell": cell, "name": name, "folder": str(folder)})
    where = saved_victims.place(victim, 0, "clean", 1, timm=saved_victims.by_timm(track, victim))
    return folder / where, cells.trained(cell).victims


def _inputs(shape: tuple[int, ...] = (1, 8, 8)) -> torch.Tensor:
    return torch.rand(5, *shape, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Victims]:
    """A ResNet after three steps, so that its running statistics are not those of its start."""
    return _saved(_track(net=RESNET), "net", tmp_path_factory.mktemp("resnet"))


def _timms(where: Path | str) -> Any:
    import timm

    name = where if isinstance(where, str) else f"local-dir:{where.parent}"
    return timm.create_model(name, pretrained=True).eval()


def test_timm_loads_the_folder_and_computes_the_same(resnet: tuple[Path, Victims]) -> None:
    path, victims = resnet
    assert sorted(p.name for p in path.parent.iterdir()) == ["config.json", "model.safetensors"]
    with torch.no_grad():
        expected = victims(_inputs().unsqueeze(0))[0]
        assert torch.equal(_timms(path)(_inputs()), expected)
        assert torch.equal(saved_victims.load(path).victims(_inputs().unsqueeze(0))[0], expected)
    assert saved_victims.load(path).victims.parameters.keys() == victims.parameters.keys()
    assert not torch.equal(_timms(path).bn1.running_mean, torch.zeros(8)), "statistics came along"


@pytest.mark.parametrize("options", [VIT, CONVNEXT])
def test_patches_and_sizes_are_in_its_configuration(options: dict[str, Any], tmp_path: Path) -> None:
    path, victims = _saved(_track(net=options), "net", tmp_path)
    with torch.no_grad():
        assert torch.equal(_timms(path)(_inputs()), victims(_inputs().unsqueeze(0))[0])


@pytest.mark.parametrize("channels", [2, 3])
def test_inputs_of_any_channels(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older timm sums a first layer's channels, or draws it anew, where it believes them to be three."""
    real = data.load

    def load(*args: Any) -> Split:
        points = real(*args)
        changed = {name: getattr(points, name).repeat(channels, 1) for name in ("inputs", "test_inputs")}
        return Split(**{**vars(points), **changed})

    monkeypatch.setattr(data, "load", load)
    path, victims = _saved(_track(net=RESNET), "net", tmp_path)
    inputs = _inputs((channels, 8, 8))
    with torch.no_grad():
        assert torch.equal(_timms(path)(inputs), victims(inputs.unsqueeze(0))[0])


def test_other_classes_are_a_users_choice(resnet: tuple[Path, Victims]) -> None:
    import timm

    fine: Any = timm.create_model(f"local-dir:{resnet[0].parent}", pretrained=True, num_classes=3)
    assert fine.fc.weight.shape == (3, 16)
    assert torch.equal(fine.conv1.weight, _timms(resnet[0]).conv1.weight)


@pytest.fixture
def hub() -> Iterator[loopback.Hub]:
    with loopback.serving() as hub:
        yield hub


@pytest.mark.slow
def test_a_folder_uploaded_to_the_hub_loads_by_its_name(
    resnet: tuple[Path, Victims], hub: loopback.Hub, tmp_path: Path
) -> None:
    """In a process of its own: huggingface_hub reads its endpoint when it is imported."""
    path, victims = resnet
    hub.add("models/somebody/net", {p.name: p.read_bytes() for p in path.parent.iterdir()})
    torch.save(_inputs(), tmp_path / "inputs.pt")
    code = f"""
import timm, torch
model = timm.create_model("hf-hub:somebody/net", pretrained=True).eval()
with torch.no_grad():
    torch.save(model(torch.load({str(tmp_path / "inputs.pt")!r})), {str(tmp_path / "logits.pt")!r})
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert any("GET /somebody/net/resolve/main/config.json" in line for line in hub.took())
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "logits.pt"), victims(_inputs().unsqueeze(0))[0])


def test_a_stem_that_timm_cannot_make_stays_a_file_of_ours(tmp_path: Path) -> None:
    path, victims = _saved(_track(net=CIFAR), "net", tmp_path)
    assert path.name == "clean-seed-1.safetensors" and "timm" not in victim_header.facts(path)
    assert not list(tmp_path.rglob("config.json"))
    assert not timm_folder.loadable("timm", CIFAR) and not timm_folder.loadable("mlp", {})
    with torch.no_grad():
        assert torch.equal(saved_victims.load(path).victims(_inputs().unsqueeze(0)), victims(_inputs().unsqueeze(0)))


def test_the_card_says_which_victims_timm_loads(tmp_path: Path) -> None:
    saved_victims.write_card(factories.make(_track(net=RESNET, small=CIFAR)), tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert 'timm.create_model("local-dir:net/split-00/poisoned-seed-0", pretrained=True)' in text
    assert 'saved_victims.load("net/split-00/poisoned-seed-0/model.safetensors")' in text
    assert "`small`: timm's loader cannot make these networks" in text
    saved_victims.write_card(factories.make(factories.small(splits=2, seeds=1)), tmp_path)
    assert "timm" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("buffers", [7, [{}], {"buffers": 7}, {"buffers": [[]]}])
def test_a_header_that_lies_about_buffers_is_refused(
    buffers: object, resnet: tuple[Path, Victims], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    facts = {**victim_header.facts(resnet[0]), "timm": buffers}
    save_file(load_file(resnet[0]), tmp_path / "a.safetensors", {"lnbench": json.dumps(facts)})
    with pytest.raises(RecordError, match=r"whose victim it holds: timm"):
        saved_victims.load(tmp_path / "a.safetensors")
