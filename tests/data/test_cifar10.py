"""CIFAR-10 in torchvision's layout: small batches with checksums of their own in the place of the real ones."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from lnbench.data import cifar10
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import Streams
from lnbench.protocol.track import DataSpec

STREAMS = Streams("0" * 64)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A little CIFAR-10 under LNBENCH_DATA: two training batches of 20, 10 test images."""
    rng, place, sums = np.random.default_rng(0), tmp_path / cifar10.FOLDER, {}
    place.mkdir()

    def put(name: str, content: dict) -> tuple[str, str]:
        data = pickle.dumps(content)
        (place / name).write_bytes(data)
        return name, hashlib.md5(data).hexdigest()

    for name, n in (("data_batch_1", 20), ("data_batch_2", 20), ("test_batch", 10)):
        pixels = rng.integers(0, 256, (n, 3072)).astype(np.uint8)
        sums[name] = put(name, {"data": pixels, "labels": [int(i) % 10 for i in range(n)]})
    meta = put("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "train_list", [list(sums["data_batch_1"]), list(sums["data_batch_2"])])
    monkeypatch.setattr(CIFAR10, "test_list", [list(sums["test_batch"])])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    cifar10._base.cache_clear()
    yield place
    cifar10._base.cache_clear()


def _load(train: int = 30, split: int = 0):  # type: ignore[no-untyped-def]
    return cifar10.load(DataSpec(source="cifar10", train=train, classes=10), split, STREAMS)


def test_a_split_is_the_head_of_a_permutation_and_the_test_set_is_whole(folder: Path) -> None:
    split = _load()
    order = STREAMS.permutation(40, "split", 0)[:30]
    raw = pickle.loads((folder / "data_batch_1").read_bytes())["data"].reshape(-1, 3, 32, 32)
    first = int(np.flatnonzero(order < 20)[0])
    assert (split.inputs[first] == raw[order[first]].astype(np.float32) / 255).all()
    assert (split.index == order).all() and (split.labels == order % 20 % 10).all()
    assert split.inputs.shape == (30, 3, 32, 32) and split.test_inputs.shape == (10, 3, 32, 32)
    assert (_load(split=1).index != order).any()
    assert cifar10.found() == folder


def test_an_altered_file_is_one_sentence_and_never_unpickled(folder: Path) -> None:
    (folder / "data_batch_2").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(DataError, match=r"it is not the whole CIFAR-10 .*; delete the folder and run again"):
        _load()
    assert not Path("pwned").exists()


def test_more_points_or_some_classes_are_the_tracks_fault(folder: Path) -> None:
    with pytest.raises(ProtocolError, match="CIFAR-10 has 40 training points, the track asks for 41"):
        _load(41)
    with pytest.raises(ProtocolError, match="keeps all of its classes"):
        cifar10.load(DataSpec(source="cifar10", train=10, classes=2, only=(0, 1)), 0, STREAMS)
