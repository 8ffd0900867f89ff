"""Kept victims: a stack's tensors as they were, and files that are something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import factories
from lnbench import kept
from lnbench.errors import RecordError
from lnbench.victims import architecture

OPTIONS = {"width": 4, "depth": 1}
NAME = {"track": "t", "salt": "s", "victim": "mlp", "split": 3, "arm": "random", "environment": "e", "code": "c"}


def _file(path: Path, facts: object, seeds: int = 2) -> Path:
    start = architecture("mlp", OPTIONS).init((1, 2, 2), 3, torch.Generator().manual_seed(0))
    save_file({k: torch.stack([v] * seeds) for k, v in start.items()}, path, {"lnbench": json.dumps(facts)})
    return path


def _facts(**changes: object) -> dict[str, object]:
    return {"name": NAME, "architecture": "mlp", "options": OPTIONS, "counts": [[1, 2], [3, 4]]} | changes


def test_a_stack_comes_back_as_it_was(tmp_path: Path) -> None:
    found = kept.load(_file(tmp_path / "a.safetensors", _facts()))
    assert len(found.victims) == 2 and found.facts["name"] == NAME
    assert found.victims(torch.zeros(1, 5, 1, 2, 2)).shape == (2, 5, 3)
    assert kept.place(NAME) == "mlp/split-03/random.safetensors"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (None, "does not say whose victims"),
        ([], "does not say whose victims"),
        ({"name": NAME}, "does not say whose victims"),
        (_facts(architecture="../x"), "holds no victims"),
        (_facts(options={"width": -1}), "holds no victims"),
        (_facts(counts=[[1, 2]]), "holds no stack of 1 victims"),
    ],
)
def test_a_file_that_is_something_else_is_refused(facts: object, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=sentence):
        kept.load(_file(tmp_path / "a.safetensors", facts))


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, (1 << 62).to_bytes(8, "little") + b"{}"])
def test_no_safetensors_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(RecordError, match="it is no safetensors file of lnbench"):
        kept.load(tmp_path / "a.safetensors")


def test_a_folder_without_victims_of_the_record_is_refused(tmp_path: Path) -> None:
    record = factories.make(factories.small(splits=2, seeds=1))
    with pytest.raises(RecordError, match="holds no kept victims"):
        kept.judge(tmp_path, record)
    kept.write_card(record, tmp_path)
    with pytest.raises(RecordError, match="holds no victims"):
        kept.judge(tmp_path, record)
    path = tmp_path / "mlp" / "split-03" / "random.safetensors"
    path.parent.mkdir(parents=True)
    _file(path, _facts())
    with pytest.raises(RecordError, match="these are not victims of the record"):
        kept.judge(tmp_path, record)
