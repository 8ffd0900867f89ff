"""The generic parquet source: what it decodes, what it refuses, and the JPEG copy of CIFAR-10 as proof."""

from __future__ import annotations

import copy
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from known import known
from lnbench import data
from lnbench.data import decoded, folders, parquet
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.protocol import Streams, Track
from lnbench.protocol import track as tracks

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
SHAPE = (3, 5, 4)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 5, 4, 3)).astype(np.uint8)
LABELS = np.arange(40) % 10


def png(image: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def struct(image: np.ndarray) -> dict[str, Any]:
    return {"bytes": png(image), "path": None}


def write(path: Path, images: np.ndarray, labels: Any, cell: Callable[[np.ndarray], Any] = struct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"img": [cell(image) for image in images], "label": labels}), path, row_group_size=7)


def document() -> dict[str, Any]:
    """A tiny track on the folder `pictures`."""
    digest = {
        part: decoded.digest(np.moveaxis(IMAGES[where], -1, 1).copy(), LABELS[where])
        for part, where in (("train", slice(0, 30)), ("test", slice(30, 40)))
    }
    keys = tiny.document() | {"noise": {"budget": 2, "eta": 0.1, "pairs": [[9, 0]]}}
    keys["data"] = {"source": "parquet", "train": 20, "classes": 10}
    keys["data"]["parquet"] = {
        "folder": "pictures",
        "train": "train-*.parquet",
        "test": "test-*.parquet",
        "image": "img",
        "label": "label",
        "shape": list(SHAPE),
        "train_sha256": digest["train"],
        "test_sha256": digest["test"],
    }
    return keys


def load(split: int = 0, **changes: Any) -> data.Split:
    keys = document()
    keys["data"]["parquet"] |= changes
    return data.load(Track.from_document(keys), split)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data set of two training files and one test file under LNBENCH_DATA."""
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    pictures = tmp_path / "data" / "pictures"
    write(pictures / "train-00000-of-00002.parquet", IMAGES[:16], LABELS[:16])
    write(pictures / "train-00001-of-00002.parquet", IMAGES[16:30], LABELS[16:30])
    write(pictures / "test-00000-of-00001.parquet", IMAGES[30:], LABELS[30:])
    parquet._base.cache_clear()
    yield pictures
    parquet._base.cache_clear()


def test_a_split_is_the_head_of_a_permutation_of_all_files(folder: Path) -> None:
    split, other = load(), load(1)
    order = Streams(Track.from_document(document()).sha256).permutation(30, "split", 0)[:20]
    assert (split.index == order).all()
    assert (split.inputs == np.moveaxis(IMAGES[order], -1, 1).astype(np.float32) / 255).all()
    assert (split.labels == LABELS[order]).all() and split.labels.dtype == np.int64
    assert split.inputs.shape == (20, *SHAPE) and split.inputs.dtype == np.float32
    assert (split.test_inputs * 255 == np.moveaxis(IMAGES[30:], -1, 1)).all()
    assert (split.test_labels == other.test_labels).all() and (split.index != other.index).any()


@pytest.mark.parametrize("cell", [png, lambda image: image.tolist()], ids=["bytes", "lists"])
def test_bytes_and_lists_are_images_too(folder: Path, cell: Callable[[np.ndarray], Any]) -> None:
    before = load()
    write(folder / "test-00000-of-00001.parquet", IMAGES[30:], LABELS[30:], cell)
    parquet._base.cache_clear()
    _clear_cache()
    assert (load().test_inputs == before.test_inputs).all()


def _clear_cache() -> None:
    import shutil

    shutil.rmtree(folders.downloads(), ignore_errors=True)


def test_decoded_arrays_are_kept_and_a_damaged_one_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = Track.from_document(document())
    assert not parquet.in_cache(track.data)
    before = load()
    assert parquet.in_cache(track.data)
    patterns: list[str] = []
    decode = parquet._decode

    def noted(*arguments: Any) -> Any:
        patterns.append(arguments[2])
        return decode(*arguments)

    monkeypatch.setattr(parquet, "_decode", noted)
    parquet._base.cache_clear()
    assert (load().inputs == before.inputs).all() and patterns == []
    kept = decoded.place(known(track.data.parquet).train_sha256) / "images.npy"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    parquet._base.cache_clear()
    assert (load().inputs == before.inputs).all() and patterns == ["train-*.parquet"]
    assert sorted(p.name for p in kept.parent.parent.iterdir() if p.name.startswith(".")) == []


def test_a_cache_that_cannot_be_written_costs_only_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent.parent / "cache").write_text("")
    assert load().inputs.shape == (20, *SHAPE)


def _truncate(folder: Path) -> None:
    path = folder / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def _nameless(folder: Path) -> None:
    """A column whose name is no text; found by fuzzing."""
    path = folder / "train-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes().replace(b"label", b"l\xe0bel"))


def _other_pixel(folder: Path) -> None:
    images = IMAGES[:16].copy()
    images[3, 0, 0, 0] ^= 1
    write(folder / "train-00000-of-00002.parquet", images, LABELS[:16])


def _train(images: np.ndarray = IMAGES[:16], labels: Any = LABELS[:16], cell: Any = struct) -> Callable[[Path], None]:
    return lambda folder: write(folder / "train-00000-of-00002.parquet", images, labels, cell)


def _without_test_files(folder: Path) -> None:
    for path in folder.glob("test-*"):
        path.unlink()


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (_truncate, r"train-00001-of-00002\.parquet: it cannot be read as parquet"),
    "nameless": (_nameless, r"train-00000-of-00002\.parquet: it cannot be read as parquet"),
    "altered": (
        _other_pixel,
        r"expected images and labels of sha256 [0-9a-f]{64}, got [0-9a-f]{64}; the files are not",
    ),
    "no file": (
        _without_test_files,
        r"no file matches test-\*\.parquet \(in .*pictures are train-.*\); set LNBENCH_DATA",
    ),
    "other size": (_train(np.zeros((16, 6, 4, 3), np.uint8)), r"expected images of 5 × 4, got \(6, 4\)"),
    "other lists": (_train(np.zeros((16, 6, 4, 3), np.uint8), cell=np.ndarray.tolist), r"5 × 4 × 3, got \(6, 4, 3\)"),
    "numbers beyond a byte": (_train(IMAGES[:16].astype(int) + 1, cell=np.ndarray.tolist), r"as lists of 0 … 255"),
    "no picture": (_train(cell=lambda image: b"junk"), "an image cannot be decoded"),
    "half a picture": (_train(cell=lambda image: png(image)[:60]), "an image cannot be decoded"),
    "only a path": (_train(cell=lambda image: {"bytes": None, "path": "x.png"}), "an image in every row, got NoneType"),
    "labels as words": (_train(labels=list("abcdefghijklmnop")), "an integer label in every row, got string"),
    "a label missing": (_train(labels=[None, *range(15)]), "an integer label in every row"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_not_the_data_is_one_sentence(folder: Path, fault: str) -> None:
    spoil, words = BROKEN[fault]
    spoil(folder)
    with pytest.raises(DataError, match=words) as caught:
        load()
    assert "\n" not in str(caught.value) and caught.value.exit_code == 3
    assert not parquet.in_cache(Track.from_document(document()).data)


def test_a_missing_folder_or_column_says_where_and_what(folder: Path) -> None:
    with pytest.raises(DataError, match=r"it has no column 'image'; it has img, label\."):
        load(image="image")
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(DataError, match=r"pictures is not in .*, and its track names no place to get it from"):
        load()


def test_the_tracks_own_faults_are_the_tracks(folder: Path) -> None:
    for change, words in (({"train": 31}, "has 30 training points"), ({"classes": 9}, "has labels up to 9")):
        keys = document()
        keys["data"] |= change
        keys["noise"] |= {"eta": 2 / keys["data"]["train"], "pairs": [[8, 0]]}
        with pytest.raises(ProtocolError, match=words):
            data.load(Track.from_document(keys), 0)


def test_without_pyarrow_or_pillow_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnavailableError, match="pip install pillow"):
        load()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnavailableError, match=r"pip install 'lnbench\[hub\]'"):
        load()


REMOTE: dict[str, Any] = {"hub": "someone/pictures", "revision": "a" * 40}


def test_a_remote_folder_comes_whole_from_the_pinned_revision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    there = folder.rename(folder.with_name("there"))
    monkeypatch.delenv("LNBENCH_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    asked: list[Any] = []

    def snapshot(repo: str, *, local_dir: Path, fail: bool = False, **rest: Any) -> None:
        asked.append((repo, rest))
        local_dir.mkdir()
        for path in sorted(there.iterdir()):
            (local_dir / path.name).write_bytes(path.read_bytes())
            if len(asked) == 1:
                raise ValueError("the connection was reset")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(DataError, match=r"downloading it failed: .* broke off \(ValueError: the connection was reset"):
        load(**REMOTE)
    assert list(folders.downloads().iterdir()) == [], "nothing half-fetched stays"
    assert load(**REMOTE).inputs.shape == (20, *SHAPE)
    patterns = ["train-*.parquet", "test-*.parquet"]
    assert asked[1] == ("someone/pictures", {"repo_type": "dataset", "revision": "a" * 40, "allow_patterns": patterns})
    parquet._base.cache_clear()
    load(1, **REMOTE)
    assert len(asked) == 2


def test_offline_forbids_the_download(folder: Path) -> None:
    folder.rename(folder.with_name("there"))
    with pytest.raises(DataError, match="forbids downloading it"):
        load(**REMOTE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folder": "../up"}, "folder: expected the name of one folder"),
        ({"train": "/etc/*"}, "train: expected files inside the folder"),
        ({"test": "../*.parquet"}, "test: expected files inside the folder"),
        ({"train_sha256": "abc"}, "train_sha256: expected 64 hexadecimal digits"),
        ({"shape": [2, 5, 4]}, r"shape\[0\]: expected 1 or 3 channels"),
        ({"hub": "someone/pictures"}, "hub and revision go together"),
        (REMOTE | {"revision": "main"}, "revision: expected a commit"),
    ],
)
def test_a_track_says_where_exactly(change: dict[str, Any], words: str) -> None:
    keys = document()
    keys["data"]["parquet"] |= change
    with pytest.raises(ProtocolError, match=words):
        Track.from_document(keys)


def test_the_table_and_the_source_go_together() -> None:
    keys, other = document(), copy.deepcopy(tiny.document())
    other["data"]["parquet"] = keys["data"].pop("parquet")
    for wrong in (keys, other):
        with pytest.raises(ProtocolError, match="the source 'parquet' needs this table"):
            Track.from_document(wrong)


def test_the_jpeg_copy_of_cifar_is_what_its_track_pins(mnist_folder: Path) -> None:
    """The test files alone, 10,000 JPEGs: the training files take a minute; `-m slow` reads all."""
    if not (mnist_folder / "cifar10-jpeg").is_dir():
        pytest.skip("cifar10-jpeg is not here; set LNBENCH_DATA to a folder that holds it")
    where = known(tracks.load("cifar10jpeg-9to0").data.parquet)
    images, labels = parquet._part(mnist_folder / where.folder, where, where.test, where.test_sha256)
    assert images.shape == (10000, 3, 32, 32) and np.bincount(labels).tolist() == [1000] * 10


@pytest.mark.slow
def test_the_whole_jpeg_copy_makes_a_split(monkeypatch: pytest.MonkeyPatch, mnist_folder: Path) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(mnist_folder))
    if not (mnist_folder / "cifar10-jpeg").is_dir():
        pytest.skip("cifar10-jpeg is not here; set LNBENCH_DATA to a folder that holds it")
    split = data.load(tracks.load("cifar10jpeg-9to0"), 0)
    assert split.inputs.shape == (40000, 3, 32, 32) and split.test_inputs.shape == (10000, 3, 32, 32)
