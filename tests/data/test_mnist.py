"""MNIST: a strict reader, whole or not at all, and downloads that leave nothing behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lnbench import data
from lnbench.data import downloads, mnist
from lnbench.data.downloads import Remote
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import Streams
from lnbench.protocol.data_spec import DataSpec

STREAMS = Streams("0" * 64)


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A little MNIST under LNBENCH_DATA: 30 + 10 images, pinned as the real one is."""
    rng = np.random.default_rng(0)
    raw, pinned = tmp_path / "data" / "MNIST" / "raw", {}
    raw.mkdir(parents=True)
    for name, (shape, _) in mnist._FILES.items():
        small = (30 if shape[0] == 60000 else 10, *shape[1:])
        array = rng.integers(0, 256 if len(shape) == 3 else 10, small).astype(np.uint8)
        (raw / name).write_bytes(_idx(array))
        pinned[name] = (small, hashlib.sha256(array.tobytes()).hexdigest())
    monkeypatch.setattr(mnist, "_FILES", pinned)
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    mnist._base.cache_clear()
    yield raw
    mnist._base.cache_clear()


def _load(train: int = 20, split: int = 0) -> data.Split:
    return mnist.load(DataSpec(source="mnist", train=train, classes=10), split, STREAMS)


def test_a_split_is_the_head_of_a_permutation(folder: Path) -> None:
    split = _load()
    raw = np.frombuffer((folder / "train-images-idx3-ubyte").read_bytes()[16:], np.uint8).reshape(30, 28, 28)
    labels = np.frombuffer((folder / "train-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    order = STREAMS.permutation(30, "split", 0)[:20]
    assert (split.index == order).all() and split.index.dtype == np.int64
    assert (split.inputs == (raw[order].astype(np.float32) / 255)[:, None]).all()
    assert (split.labels == labels[order]).all() and split.labels.dtype == np.int64
    assert split.inputs.shape == (20, *mnist.SHAPE) and split.inputs.dtype == np.float32
    assert 0.0 <= split.inputs.min() < split.inputs.max() <= 1.0


def test_the_test_set_is_whole_and_fixed(folder: Path) -> None:
    one, other = _load(split=0), _load(split=1)
    assert mnist.FIXED_TEST_SET and one.test_inputs.shape == (10, 1, 28, 28)
    assert (one.test_inputs == other.test_inputs).all() and (one.test_labels == other.test_labels).all()
    assert (one.index != other.index).any()


def test_more_points_than_there_are_is_the_tracks_fault(folder: Path) -> None:
    assert sorted(_load(30).index) == list(range(30))
    with pytest.raises(ProtocolError, match="MNIST has 30 training points, the track asks for 31"):
        _load(31)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "there is no such file"),
    "empty": (lambda p: p.write_bytes(b""), "expected 23,536 bytes, got 0"),
    "header alone": (lambda p: p.write_bytes(p.read_bytes()[:16]), "expected 23,536 bytes, got 16"),
    "cut by one byte": (lambda p: p.write_bytes(p.read_bytes()[:-1]), "expected 23,536 bytes, got 23,535"),
    "one byte too long": (lambda p: p.write_bytes(p.read_bytes() + b"\0"), "expected 23,536 bytes, got 23,537"),
    "another magic": (
        lambda p: p.write_bytes(b"\0\0\x0d\x03" + p.read_bytes()[4:]),
        "expected an IDX file of 30 × 28 × 28 bytes, got one that begins 00000d03",
    ),
    "another size": (
        lambda p: p.write_bytes(_idx(np.zeros((31, 28, 28), np.uint8))),
        "expected an IDX file of 30 × 28 × 28 bytes, got one that begins 000008030000001f",
    ),
    "still packed": (
        lambda p: p.write_bytes(gzip.compress(p.read_bytes())),
        "it is packed: rename it to train-images-idx3-ubyte.gz and unpack it with gunzip",
    ),
    "one bit": (_flip_a_bit, "expected content of sha256 "),
    "a directory": (_directory, "it is a folder; in "),
    "a pipe": (_fifo, "expected an IDX file, got something that is not a file"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gets_its_sentence(damage: str, folder: Path) -> None:
    change, words = DAMAGES[damage]
    path = folder / "train-images-idx3-ubyte"
    change(path)
    with pytest.raises(DataError) as caught:
        _load()
    text = str(caught.value)
    assert text.startswith(f"{path}: {words}"), text
    assert "delete" not in text and ("unset LNBENCH_DATA to have lnbench download MNIST" in text or "unpack it" in text)
    assert text.count(". ") == 0 and text.endswith("."), "one sentence"
    assert caught.value.exit_code == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_gets_its_sentence(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").chmod(0)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: cannot be read \(Permission denied\)"):
        _load()


def test_the_cache_is_looked_at_after_the_chosen_folder(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "data" / "MNIST"
    target.parent.mkdir(parents=True)
    folder.parent.rename(target)
    assert _load().inputs.shape == (20, 1, 28, 28)
    assert mnist.local_folder() == target


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither LNBENCH_DATA nor anything in the cache, and downloads allowed."""
    for name in ("LNBENCH_DATA", "LNBENCH_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path))
    mnist._base.cache_clear()
    return tmp_path / "data"


def _downloads(monkeypatch: pytest.MonkeyPatch, get: Callable[[Path], None]) -> None:
    """Put another download in the place of torchvision's."""
    monkeypatch.setattr(mnist, "_REMOTE", Remote("https://example.org", get))


@pytest.mark.parametrize("name", ["LNBENCH_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_nothing_is_downloaded(name: str, nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    _downloads(monkeypatch, lambda root: pytest.fail("it tried to download"))
    with pytest.raises(DataError, match=rf"MNIST is not in .*, and {name} forbids downloading it") as caught:
        _load()
    assert "set LNBENCH_DATA" in str(caught.value) and caught.value.exit_code == 3
    assert not nothing.exists()


@pytest.mark.parametrize(
    "error", [OSError("no route"), RuntimeError("Error downloading x:\nTried y, got:\nno route"), EOFError("no route")]
)
def test_a_failed_download_leaves_nothing(error: Exception, nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: Path) -> None:
        (root / "MNIST" / "raw").mkdir(parents=True)
        (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"half")
        raise error

    _downloads(monkeypatch, download)
    with pytest.raises(
        DataError, match=r"downloading it failed: https://example\.org could .* off \(.*\); or set LNBENCH_DATA"
    ):
        _load()
    assert list(nothing.iterdir()) == []


def test_a_full_disk_is_not_called_a_network_problem(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    _downloads(monkeypatch, download)
    with pytest.raises(OSError, match="No space left"):
        _load()
    assert list(nothing.iterdir()) == []


def test_a_download_is_renamed_into_place_once(nothing: Path) -> None:
    """Two processes at a time: both succeed, one result stays."""
    together, results = threading.Barrier(2), []

    def download(root: Path) -> None:
        (root / "MNIST").mkdir()
        (root / "MNIST" / "file").write_text("whole")
        together.wait(10)

    def run() -> None:
        results.append(
            (
                downloads.read("MNIST", lambda folder: folder, Remote("https://example.org", download), sample="file")
                / "file"
            ).read_text()
        )

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["whole", "whole"]
    assert [p.name for p in nothing.iterdir()] == ["MNIST"]


def test_the_real_files_are_the_pinned_ones(mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(mnist_folder))
    mnist._base.cache_clear()
    split = _load(10000)
    assert split.inputs.shape == (10000, 1, 28, 28) and split.test_inputs.shape == (10000, 1, 28, 28)
    assert np.bincount(split.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert split.inputs.max() == 1.0 and 0.12 < split.inputs.mean() < 0.14


@pytest.mark.network
def test_torchvision_downloads_the_pinned_files(nothing: Path) -> None:
    assert _load(100).inputs.shape == (100, 1, 28, 28)
    assert sorted(p.name for p in nothing.iterdir()) == ["MNIST"]


def test_some_classes_alone_become_the_first_ones(folder: Path) -> None:
    labels = np.frombuffer((folder / "train-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    images = np.frombuffer((folder / "train-images-idx3-ubyte").read_bytes()[16:], np.uint8).reshape(30, 28, 28)
    only = tuple(int(c) for c in np.argsort(-np.bincount(labels, minlength=10), kind="stable")[[1, 0]])
    number = int(np.isin(labels, only).sum())
    found = mnist.load(DataSpec(source="mnist", train=number, classes=2, only=only), 0, STREAMS)
    kept = np.flatnonzero(np.isin(labels, only))[found.index]
    assert [only[label] for label in found.labels] == labels[kept].tolist()
    assert (found.inputs[:, 0] == images[kept].astype(np.float32) / 255).all()
    assert set(found.test_labels.tolist()) <= {0, 1}
    with pytest.raises(ProtocolError, match=f"MNIST has {number} training points"):
        mnist.load(DataSpec(source="mnist", train=number + 1, classes=2, only=only), 0, STREAMS)
