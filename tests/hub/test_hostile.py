"""A repository that is not what it says: each way has its sentence, and none of it is used."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lnbench.errors import RecordError
from lnbench.hub import card, contents, flips, layout, manifest, parquet, searching
from lnbench.hub.client import Entry
from lnbench.hub.manifest import Manifest
from lnbench.protocol import canonical_json
from lnbench.record.record import Record

TRAIN = "data/split-00/train-00000-of-00001.parquet"
TEST = "data/split-00/test-00000-of-00001.parquet"


def _found(folder: Path) -> Manifest:
    return manifest.parse((folder / manifest.NAME).read_bytes())


def _check(folder: Path) -> list[Any]:
    """What pulling this folder would come to, after the listing and the hashes."""
    return contents.checked(folder, _found(folder))["flips"]["0"]


def _restated(folder: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads((folder / manifest.NAME).read_bytes())
    change(document)
    return canonical_json(document)


def _rewrite(folder: Path, path: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table and keep everything else as it was."""
    pq.write_table(change(pq.read_table(folder / path)), folder / path)


def _with(table: pa.Table, name: str, row: int, value: Any) -> pa.Table:
    values = table.column(name).to_pylist()
    values[row] = value
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def test_what_was_built_passes(copy: Path, made: Record) -> None:
    assert [list(flip) for flip in _check(copy)] == made.document["flips"]["poisoned"][0]


def test_a_table_that_was_only_rewritten_passes(copy: Path) -> None:
    """The tests below spoil one thing: this shows that writing it again is not what is refused."""
    before = _check(copy)
    _rewrite(copy, TRAIN, lambda table: table)
    assert _check(copy) == before


def _flip_more(table: pa.Table) -> pa.Table:
    labels = np.array(table.column("label"))
    for row in np.flatnonzero(labels == 9)[:5]:
        table = _with(_with(table, "label", int(row), 0), "flipped", int(row), True)
    return table


def _wrong_pair(table: pa.Table) -> pa.Table:
    labels, clean = np.array(table.column("label")), np.array(table.column("clean_label"))
    row = int(np.flatnonzero(labels != clean)[0])
    return _with(table, "label", row, 1)


def _bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that unpacks to a gigabyte."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _other_image() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), 7, np.uint8)).save(file, "PNG")
    return file.getvalue()


def _swap_image(data: bytes | None, path: str | None = None) -> Callable[[pa.Table], pa.Table]:
    return lambda table: _with(table, "image", 3, {"bytes": data, "path": path})


TABLES: dict[str, tuple[str, Callable[[pa.Table], pa.Table], str]] = {
    "column missing": (TRAIN, lambda t: t.drop_columns(["index"]), "expected the columns image: struct"),
    "column too many": (TRAIN, lambda t: t.append_column("x", t["label"]), "expected the columns image: struct"),
    "other type": (
        TRAIN,
        lambda t: t.set_column(1, "label", t["label"].cast(pa.float64())),
        "expected the columns image: struct",
    ),
    "no metadata": (TRAIN, lambda t: t.replace_schema_metadata(None), "does not describe these columns"),
    "class names": (
        TRAIN,
        lambda t: t.replace_schema_metadata({"huggingface": parquet.schema(["a", "b"], True).metadata[b"huggingface"]}),
        "with the 10 classes of the base data",
    ),
    "rows too few": (TRAIN, lambda t: t.slice(0, 897), "it ends after 897 of 898 rows"),
    "rows too many": (TRAIN, lambda t: pa.concat_tables([t, t.slice(0, 1)]), "it has 899 rows where at most 898"),
    "rows none": (TRAIN, lambda t: t.slice(0, 0), "it has 0 rows where at most 898"),
    "class range": (TRAIN, lambda t: _with(t, "label", 5, 10), "row 5 has label 10, none of the classes 0 … 9"),
    "negative class": (TRAIN, lambda t: _with(t, "label", 5, -1), "row 5 has label -1, none of the classes"),
    "null": (TRAIN, lambda t: _with(t, "label", 5, None), "rows 0 … 255 have no value in a column"),
    "clean labels": (TRAIN, lambda t: _with(t, "clean_label", 5, 77), "row 5 has clean_label 77, the base data has"),
    "index": (TRAIN, lambda t: _with(t, "index", 5, -3), "row 5 has index -3, the base data has"),
    "flipped": (TRAIN, lambda t: _with(t, "flipped", 5, not t["flipped"][5].as_py()), "row 5 says that it is flipped"),
    "over budget": (TRAIN, _flip_more, "expected at most 4 changed labels, got"),
    "wrong pair": (TRAIN, _wrong_pair, "expected changes along 9 → 0 only"),
    "image": (TRAIN, _swap_image(_other_image()), "the image of row 3 is not the base data's"),
    "image bomb": (TRAIN, _swap_image(_bomb()), "the image of row 3 is 30000×30000 pixels, not 8×8"),
    "image large": (TRAIN, _swap_image(bytes(5000)), "the image of row 3 is 5000 bytes long, more than a 8×8 image"),
    "image no PNG": (TRAIN, _swap_image(b"GIF89a"), "the image of row 3 is not a plain PNG"),
    "image broken": (TRAIN, _swap_image(_other_image()[:-20] + bytes(20)), "the image of row 3 is not a plain PNG"),
    "image missing": (TRAIN, _swap_image(None), "are not PNG bytes without a path"),
    "image elsewhere": (TRAIN, _swap_image(_other_image(), "/etc/passwd"), "are not PNG bytes without a path"),
    "test labels": (
        TEST,
        lambda t: _with(_with(t, "label", 2, (t["label"][2].as_py() + 1) % 10), "flipped", 2, True),
        "it changes labels of test points",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_differs_is_refused(name: str, copy: Path) -> None:
    path, change, sentence = TABLES[name]
    _rewrite(copy, path, change)
    with pytest.raises(RecordError) as refused:
        _check(copy)
    assert sentence in str(refused.value)


def test_no_parquet_is_refused(copy: Path) -> None:
    for content in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"<html>"):
        (copy / TRAIN).write_bytes(content)
        with pytest.raises(RecordError, match="it cannot be read as parquet"):
            _check(copy)


def test_a_table_that_unpacks_to_more_than_its_rows_is_refused_before_it_is_read(copy: Path) -> None:
    table = _with(pq.read_table(copy / TRAIN), "image", 3, {"bytes": bytes(64 << 20), "path": None})
    pq.write_table(table, copy / TRAIN, compression="zstd")
    assert (copy / TRAIN).stat().st_size < 1 << 20
    with pytest.raises(RecordError, match=r"its row group 0 of 898 rows unpacks to \d+ bytes, more than it may"):
        _check(copy)


def test_legal_labels_that_are_not_the_stated_ones_are_refused(copy: Path) -> None:
    def unflip(table: pa.Table) -> pa.Table:
        row = int(np.flatnonzero(np.array(table.column("flipped")))[0])
        return _with(_with(table, "label", row, 9), "flipped", row, False)

    _rewrite(copy, TRAIN, unflip)
    with pytest.raises(RecordError, match=r"its labels are not those of the hash in lnbench\.json"):
        _check(copy)


def test_what_a_card_claims_is_shown_only_if_it_is_text() -> None:
    claims = {"track": 10**5000, "poisoner": ["x"], "splits": 3}
    found = searching._result({"id": "a/b", "tags": [], "cardData": {"lnbench": claims, "self": 1}})
    assert (found.repo, found.track, found.poisoner, found.splits) == ("a/b", "", "", 3)


@pytest.mark.parametrize("entry", [{}, {"id": 3, "cardData": []}, {"sha": ["a"], "cardData": {"lnbench": "x"}}])
def test_an_entry_of_the_list_may_lack_anything(entry: dict[str, Any]) -> None:
    found = searching._result(entry)
    assert (found.repo, found.commit, found.score_pp) == ("", "", None)


def test_a_card_that_is_no_text_is_refused(built: Path) -> None:
    with pytest.raises(RecordError, match="is not UTF-8"):
        card.check(b"---\n\xff\n---\n", _found(built))


def _listing(folder: Path) -> list[Entry]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [Entry(p.relative_to(folder).as_posix(), p.stat().st_size, None, None) for p in files]


@pytest.mark.parametrize(
    "path",
    [
        "poisoned.py",
        "data/split-00/train.py",
        "../../.bashrc",
        "/etc/passwd",
        "data/split-00/../../x.parquet",
        "data/split-00/train-00000-of-00001.parquet/x",
        "data\\split-00\\train-00000-of-00001.parquet",
        "lnbench.json ",
        "victims/mlp/split-00/poisoned-seed-0.pt",
        "dataset_infos.json",
        "DATA/split-00/train-00000-of-00001.parquet",
    ],
)
def test_a_file_that_has_no_business_there_is_refused_before_any_download(path: str, built: Path) -> None:
    layout.check_listing(_listing(built))
    with pytest.raises(RecordError, match="which does not belong in an lnbench dataset"):
        layout.check_listing([*_listing(built), Entry(path, 10, None, None)])


def test_a_listing_must_be_the_manifests(built: Path) -> None:
    found, good = _found(built), {entry.path: entry for entry in _listing(built)}
    assert [entry.path for entry in layout.check_tables(found, good)] == [TEST, TRAIN, flips.PATH]
    more = good | {layout.train_stem(0) + "-00001-of-00001.parquet": Entry("x", 1, None, None)}
    with pytest.raises(RecordError, match=r"is not in lnbench\.json"):
        layout.check_tables(found, more)
    with pytest.raises(RecordError, match=r"is only in lnbench\.json"):
        layout.check_tables(found, {path: entry for path, entry in good.items() if path != TEST})
    with pytest.raises(RecordError, match=r"train-00000-of-00001\.parquet has 7 bytes, lnbench\.json states"):
        layout.check_tables(found, good | {TRAIN: Entry(TRAIN, 7, None, None)})


def test_a_table_of_no_split_is_refused(built: Path) -> None:
    stranger = "data/split-01/train-00000-of-00001.parquet"

    def add(document: dict[str, Any]) -> None:
        document["files"][stranger] = {"bytes": 1, "sha256": "0" * 64}

    found = manifest.parse(_restated(built, add))
    with pytest.raises(RecordError, match="belongs to none of its splits"):
        layout.check_tables(found, {e.path: e for e in [*_listing(built), Entry(stranger, 1, None, None)]})


@pytest.mark.parametrize("missing", [layout.CARD, manifest.NAME])
def test_without_card_or_manifest_it_is_no_dataset(missing: str, built: Path) -> None:
    with pytest.raises(RecordError, match="it is not an lnbench dataset"):
        layout.check_listing([entry for entry in _listing(built) if entry.path != missing])


def test_what_is_too_large_is_not_downloaded(built: Path) -> None:
    listing = [e if e.path != manifest.NAME else Entry(e.path, 9 << 20, None, None) for e in _listing(built)]
    with pytest.raises(RecordError, match=r"lnbench\.json has 9437184 bytes, the most it may have are 8388608"):
        layout.check_listing(listing)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_set("schema", to=2), "schema: expected 1, got 2"),
        (_set("more", to=1), "unknown key 'more'"),
        (_set("poisoner", "name", to="../x"), "poisoner.name: expected a poisoner's name of up to 40"),
        (
            _set("poisoner", "parameters", to={"x": [1]}),
            "poisoner.parameters.x: expected a number, true, false or",
        ),
        (_set("track", "sha256", to="0" * 64), "its track's document is not the track that it names"),
        (_set("track", "document", to={}), "the key 'name' is missing"),
        (_set("track", "document", "noise", "budget", to=10**6), "budget"),
        (_set("splits", 0, "split", to=999), "expected ascending numbers below"),
        (_set("splits", 0, "flips", to=5), "it states more flips than the track's budget of 4"),
        (_set("splits", to=[]), "splits: expected a list of 1 … 1000 values, got a list of 0 values"),
        (_set("files", "../x", to={"bytes": 1, "sha256": "0" * 64}), "files"),
        (_set("season", to="one"), "a season draws with its own salt"),
        (_set("salt", to="\ud800"), "half of a surrogate pair"),
    ],
)
def test_a_manifest_that_breaks_the_rules_is_refused(
    change: Callable[[dict[str, Any]], None], sentence: str, built: Path
) -> None:
    with pytest.raises(RecordError) as refused:
        manifest.parse(_restated(built, change))
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("lnbench.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"a": 1}\n', b"[" * 100_000])
def test_a_manifest_that_is_no_canonical_json_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"lnbench\.json"):
        manifest.parse(data)


def test_flips_that_are_fewer_than_stated_are_refused(copy: Path) -> None:
    (copy / manifest.NAME).write_bytes(_restated(copy, _set("splits", 0, "flips", to=3)))
    with pytest.raises(RecordError, match=r"it has 4 flips, lnbench\.json states 3"):
        _check(copy)


def test_checking_is_done_in_bounded_memory(built: Path) -> None:
    """Whatever a file makes a library allocate beyond the bound is the file's fault, and one sentence."""
    code = (
        "import json, sys, pyarrow.parquet, sklearn.datasets\n"
        "from lnbench.hub import contents\n"
        "contents.card.check = lambda *_: bytearray(contents.ROOM + (1 << 20))\n"
        f"manifest = json.loads(open({str(built / manifest.NAME)!r}).read())\n"
        f"contents.check({{'folder': {str(built)!r}, 'manifest': manifest}})\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=_environment())
    assert done.returncode == 1
    assert "RecordError: checking it takes more than 1024 MiB of memory; no more is read." in done.stderr


def _environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
