"""Saved victims: tensors as they were, and files that are something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import factories
from lnbench.errors import RecordError
from lnbench.evaluation import saved_victims
from lnbench.victims import architecture

OPTIONS = {"width": 4, "depth": 1}
NAME: dict[str, Any] = {name: 64 * "a" for name in ("track", "salt", "labels", "environment", "code")}
NAME |= {"victim": "mlp", "arm": "random", "places": [[3, 1]]}


def _file(path: Path, facts: object) -> Path:
    start = architecture("mlp", OPTIONS).init((1, 2, 2), 3, torch.Generator().manual_seed(0))
    save_file(start, path, {"lnbench": json.dumps(facts)})
    return path


def _facts(**changes: object) -> dict[str, object]:
    about = {"name": NAME, "split": 3, "seed": 1, "architecture": "mlp", "options": OPTIONS, "counts": [1, 2]}
    return about | changes


def test_a_victim_comes_back_as_it_was(tmp_path: Path) -> None:
    found = saved_victims.load(_file(tmp_path / "a.safetensors", _facts()))
    start = architecture("mlp", OPTIONS).init((1, 2, 2), 3, torch.Generator().manual_seed(0))
    assert len(found.victims) == 1 and found.facts["name"] == NAME
    assert all(torch.equal(found.victims.parameters[key][0], value) for key, value in start.items())
    assert found.victims(torch.zeros(1, 5, 1, 2, 2)).shape == (1, 5, 3)
    assert saved_victims.place("mlp", 3, "random", 1) == "mlp/split-03/random-seed-1.safetensors"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (None, "does not say whose victim"),
        ([], "does not say whose victim"),
        ({"name": NAME}, "does not say whose victim"),
        (_facts(name={**NAME, "code": None}), "does not say whose victim"),
        (_facts(name=["track"]), "does not say whose victim"),
        (_facts(split=True), "does not say whose victim it holds: split: expected an integer, got true"),
        (_facts(counts=[1, 2, 3]), "does not say whose victim it holds: counts: expected a list of 2 values"),
        (_facts(more=1), "does not say whose victim it holds: unknown key 'more'"),
        (_facts(name={**NAME, "places": [[0, -1]]}), r"name\.places\[0\]\[1\]: expected at least 0, got -1"),
        (_facts(architecture="../x"), "holds no victim"),
        (_facts(options={"width": -1}), "holds no victim"),
    ],
)
def test_a_file_that_is_something_else_is_refused(facts: object, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=sentence):
        saved_victims.load(_file(tmp_path / "a.safetensors", facts))


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, (1 << 62).to_bytes(8, "little") + b"{}"])
def test_no_safetensors_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(RecordError, match="it is not a safetensors file of lnbench"):
        saved_victims.load(tmp_path / "a.safetensors")


def test_a_folder_without_victims_of_the_record_is_refused(tmp_path: Path) -> None:
    record = factories.make(factories.small(splits=2, seeds=1))
    with pytest.raises(RecordError, match="holds no saved victims"):
        saved_victims.check_folder(tmp_path, record)
    saved_victims.write_card(record, tmp_path)
    with pytest.raises(RecordError, match="holds no victims"):
        saved_victims.check_folder(tmp_path, record)
    path = tmp_path / saved_victims.place("mlp", 3, "random", 1)
    path.parent.mkdir(parents=True)
    _file(path, _facts())
    with pytest.raises(RecordError, match="this is not a victim of the record"):
        saved_victims.check_folder(tmp_path, record)


def test_the_card_names_the_arms_of_its_track_and_a_module_that_is_there(tmp_path: Path) -> None:
    several = factories.track(
        noise={"budget": 4, "eta": 0.00446, "pairs": [[9, 0], [3, 5]]},
        replication=dict(factories.small(2, 1).document["replication"]),
    )
    for track, arms in ((factories.small(splits=2, seeds=1), 3), (several, 4)):
        saved_victims.write_card(factories.make(track), tmp_path)
        card = (tmp_path / "README.md").read_text()
        assert f"2 architectures × {arms} arms × 2 splits × 1 seeds" in card
        assert ("`matched`" in card) == (arms == 4)
        (line,) = [line for line in card.splitlines() if line.startswith("from lnbench")]
        exec(line, {})
