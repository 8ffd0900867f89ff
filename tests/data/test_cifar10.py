"""CIFAR-10 in torchvision's layout: small batches with checksums of their own in the place of the real ones."""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import batches
from lnbench.data import cifar10
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import Streams
from lnbench.protocol.data_spec import DataSpec

STREAMS = Streams("0" * 64)
PIXELS = np.random.default_rng(0).integers(0, 256, (120, 3072)).astype(np.uint8)
LABELS = np.arange(120) % 10


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A little CIFAR-10 under LNBENCH_DATA: five training batches of 20, 20 test images."""
    place = tmp_path / cifar10.FOLDER
    place.mkdir()
    parts = [(PIXELS[i : i + 20], LABELS[i : i + 20]) for i in range(0, 120, 20)]
    names = (*batches.TRAIN, *batches.TEST)
    sums = {name: batches.write(place, name, *part) for name, part in zip(names, parts, strict=True)}
    monkeypatch.setattr(cifar10, "BATCH", 20)
    monkeypatch.setattr(cifar10, "_PIECE", 7)
    monkeypatch.setattr(cifar10, "_TEST", {"test_batch": sums.pop("test_batch")})
    monkeypatch.setattr(cifar10, "_TRAIN", sums)
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    cifar10._test_set.cache_clear()
    yield place
    cifar10._test_set.cache_clear()


def _load(train: int = 70, split: int = 0):  # type: ignore[no-untyped-def]
    return cifar10.load(DataSpec(source="cifar10", train=train, classes=10), split, STREAMS)


def test_a_split_is_the_head_of_a_permutation_and_the_test_set_is_whole(folder: Path) -> None:
    split = _load()
    order = STREAMS.permutation(100, "split", 0)[:70]
    expected = PIXELS.reshape(-1, 3, 32, 32).astype(np.float32) / 255
    assert (split.inputs == expected[order]).all() and split.inputs.dtype == np.float32
    assert (split.index == order).all() and (split.labels == LABELS[order]).all()
    assert (split.test_inputs == expected[100:]).all() and (split.test_labels == LABELS[100:]).all()
    assert (_load(split=1).index != order).any()
    assert cifar10.local_folder() == folder


def test_bytes_are_what_the_numbers_were_made_of(folder: Path) -> None:
    spec = DataSpec(source="cifar10", train=70, classes=10)
    stored, split = cifar10.load_bytes(spec, 1, STREAMS), _load(split=1)
    for ours, numbers in ((stored.inputs, split.inputs), (stored.test_inputs, split.test_inputs)):
        assert ours.dtype == np.uint8
        assert (ours == np.rint(255 * numbers)).all()
    assert (stored.index == split.index).all() and (stored.labels == split.labels).all()


def test_torchvision_reads_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An independent reader of the same files, with their sums in the place of its own."""
    from torchvision.datasets import CIFAR10

    meta = pickle.dumps({"label_names": list("abcdefghij")})
    (folder / "batches.meta").write_bytes(meta)
    md5 = hashlib.md5(meta, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5})
    monkeypatch.setattr(CIFAR10, "train_list", [list(entry) for entry in cifar10._TRAIN.items()])
    monkeypatch.setattr(CIFAR10, "test_list", [list(entry) for entry in cifar10._TEST.items()])
    theirs, ours = CIFAR10(str(folder.parent), download=False), _load(100)
    assert (theirs.data[ours.index].transpose(0, 3, 1, 2).astype(np.float32) / 255 == ours.inputs).all()
    assert (np.array(theirs.targets)[ours.index] == ours.labels).all()


def test_the_sums_are_torchvisions() -> None:
    from torchvision.datasets import CIFAR10

    assert [tuple(entry) for entry in CIFAR10.train_list] == list(cifar10._TRAIN.items())
    assert [tuple(entry) for entry in CIFAR10.test_list] == list(cifar10._TEST.items())
    assert CIFAR10.base_folder == cifar10.FOLDER


def test_an_altered_file_is_one_sentence_and_never_unpickled(folder: Path, tmp_path: Path) -> None:
    call = f"cos\nsystem\n(S'touch {tmp_path}/pwned'\ntR.".encode()
    (folder / "data_batch_2").write_bytes(call)
    with pytest.raises(DataError, match=r"expected content of MD5 .* not CIFAR-10's; put the right file there, or"):
        _load()
    with pytest.raises(pickle.UnpicklingError, match=r"os\.system is not a part of an array"):
        cifar10._Unpickler(io.BytesIO(call)).load()
    assert not (tmp_path / "pwned").exists()
    (folder / "data_batch_2").unlink()
    with pytest.raises(DataError, match=r"data_batch_2: there is no such file; in .* are data_batch_1, data_batch_3"):
        _load()


def test_more_points_or_some_classes_are_the_tracks_fault(folder: Path) -> None:
    with pytest.raises(ProtocolError, match="CIFAR-10 has 100 training points, the track asks for 101"):
        _load(101)
    with pytest.raises(ProtocolError, match="keeps all of its classes"):
        cifar10.load(DataSpec(source="cifar10", train=10, classes=2, only=(0, 1)), 0, STREAMS)


def test_reading_it_does_not_bring_torch_along(folder: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from lnbench.data import cifar10\n"
        "cifar10.BATCH = 20\n"
        f"cifar10._batch(pathlib.Path({str(folder / 'test_batch')!r}), {cifar10._TEST['test_batch']!r})\n"
        "assert 'torch' not in sys.modules and 'torchvision' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)}
    )
