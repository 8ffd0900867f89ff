"""Tables that lie about themselves to the library that reads them: refused in a sentence, and in little memory."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lnbench.errors import RecordError
from lnbench.hub import contents, layout, manifest, parquet
from lnbench.hub.client import Entry
from lnbench.hub.manifest import Manifest
from lnbench.protocol import Track

TRAIN = "data/split-00/train-00000-of-00001.parquet"


def _found(folder: Path) -> Manifest:
    return manifest.parse((folder / manifest.NAME).read_bytes())


def _varint(value: int, width: int = 0) -> bytes:
    """A thrift integer, zigzag, filled up to a width: a longer form of the same number is as good."""
    rest = value << 1
    digits: list[int] = []
    while rest or not digits:
        digits.append(rest & 0x7F)
        rest >>= 7
    assert not width or len(digits) <= width
    digits += [0] * (width - len(digits))
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def _restate(path: Path, old: int, new: int) -> None:
    """Put another number of the same width in the place of one in a file's footer."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    said = _varint(old)
    assert said in data[start:]
    path.write_bytes(data[:start] + data[start:-8].replace(said, _varint(new, len(said))) + data[-8:])


def _with_image(table: pa.Table, images: list[bytes | None]) -> pa.Table:
    """The images of the first rows replaced."""
    column = table.column("image").to_pylist()
    column[: len(images)] = [None if image is None else {"bytes": image, "path": None} for image in images]
    return table.set_column(0, table.schema.field(0), pa.array(column, table.schema.field(0).type))


def _relabelled(kind: pa.DataType, claimed: pa.DataType) -> Callable[[Path], None]:
    """The column `label` is stored as one type and another one is claimed for it."""

    def spoil(path: Path) -> None:
        table = pq.read_table(path)
        at = table.schema.get_field_index("label")
        table, form = table.set_column(at, "label", table["label"].cast(kind)), table.schema
        form = form.set(at, pa.field("label", claimed)).remove_metadata()
        said = {**(table.schema.metadata or {}), b"ARROW:schema": base64.b64encode(form.serialize().to_pybytes())}
        table = table.replace_schema_metadata(said)
        with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
            writer.write_table(table)

    return spoil


def _understated(path: Path) -> None:
    table = _with_image(pq.read_table(path), [bytes(32 << 20)])
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    _restate(path, pq.read_metadata(path).row_group(0).total_byte_size, 200_000)
    assert pq.read_metadata(path).row_group(0).total_byte_size == 200_000


def _more_rows(stated: int) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        pq.write_table(pq.read_table(path), path)
        _restate(path, 898, stated)

    return spoil


def _long_footer(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-8] + (2**31 - 1).to_bytes(4, "little") + data[-4:])


def _encrypted(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4] + b"PARE")


def _nested(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "label", pa.array([[label] for label in table["label"].to_pylist()])), path)


def _deep(path: Path) -> None:
    kind = pa.int64()
    for _ in range(200):
        kind = pa.list_(kind)
    pq.write_table(pa.table({"label": pa.nulls(898, kind)}), path)


def _twice(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column("label", table["label"]), path)


def _bracketed(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"huggingface": "[" * 100_000}), path)


def _no_images(path: Path) -> None:
    pq.write_table(_with_image(pq.read_table(path), [None] * 898), path)


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "size understated": (_understated, "the image of row 0 is 33554432 bytes long, more than a 8×8 image needs"),
    "rows overstated": (_more_rows(8_000), "it has 8000 rows where at most 898 are left"),
    "rows understated": (_more_rows(0), "it has 0 rows where at most 898 are left"),
    "footer longer than the file": (_long_footer, "it cannot be read as parquet"),
    "encrypted": (_encrypted, "it cannot be read as parquet"),
    "nested": (_nested, "expected the columns image: struct"),
    "deeply nested": (_deep, "it cannot be read as parquet"),
    "a column twice": (_twice, "expected the columns image: struct"),
    "metadata of brackets": (_bracketed, "does not describe these columns"),
    "no images": (_no_images, "have no value in a column"),
    "times for labels": (_relabelled(pa.timestamp("us"), pa.int64()), "expected the columns image: struct"),
    "floats for labels": (_relabelled(pa.float64(), pa.int64()), "expected the columns image: struct"),
    "labels for times": (_relabelled(pa.int64(), pa.duration("us")), "does not describe these columns"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_table_that_lies_about_itself_is_refused(name: str, copy: Path) -> None:
    spoil, sentence = SPOILED[name]
    spoil(copy / TRAIN)
    with pytest.raises(RecordError) as refused:
        contents.checked(copy, _found(copy))
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 500 and str(refused.value).isprintable()


def test_one_image_for_all_rows_unpacks_within_the_bound(copy: Path) -> None:
    """A dictionary of one large value is small in the file and in its footer, and huge in every batch of rows."""
    table = pq.read_table(copy / TRAIN)
    (copy / TRAIN).unlink()
    table = _with_image(table, [bytes(2 << 20)] * 64)
    pq.write_table(table, copy / TRAIN, compression="zstd", dictionary_pagesize_limit=1 << 30, write_batch_size=1)
    assert (copy / TRAIN).stat().st_size < 100_000
    code = (
        "import os, pathlib, sys\n"
        "os.environ['ARROW_DEFAULT_MEMORY_POOL'] = 'system'\n"
        "from lnbench.hub import contents, manifest\n"
        "bounded = contents.bounded\n"
        "contents.bounded = lambda: bounded(64 << 20)\n"
        f"folder = pathlib.Path({str(copy)!r})\n"
        "contents.checked(folder, manifest.parse((folder / manifest.NAME).read_bytes()))\n"
    )
    env = {"PYTHONPATH": ":".join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=env)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "RecordError" in last, done.stderr
    assert "malloc of size" in last or "takes more than 64 MiB of memory" in last, last


def test_the_bound_is_lifted_again() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with contents.bounded(1 << 30):
        bytearray(512 << 20)
    with pytest.raises(RecordError, match="takes more than 256 MiB of memory"), contents.bounded(256 << 20):
        bytearray(512 << 20)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_table_is_no_larger_than_the_tracks_rows_need(built: Path) -> None:
    found = _found(built)
    listed = [Entry(p.relative_to(built).as_posix(), p.stat().st_size, None, None) for p in built.rglob("*.*")]
    good = {entry.path: entry for entry in listed}
    layout.check_tables(found, good)
    document = dict(found.document)
    document["files"] = document["files"] | {TRAIN: {**document["files"][TRAIN], "bytes": 20 << 20}}
    with pytest.raises(RecordError, match=r"train-00000-of-00001\.parquet has 20971520 bytes, more than its rows can"):
        layout.check_tables(Manifest(document, found.track), good | {TRAIN: Entry(TRAIN, 20 << 20, None, None)})


@pytest.mark.parametrize("train", [1_000_000, 1_798])
def test_a_track_that_its_data_cannot_serve_is_refused(train: int, copy: Path) -> None:
    found = _found(copy)
    document = dict(found.track.document)
    document["data"] = {**document["data"], "train": train}
    document["noise"] = {**document["noise"], "budget": int(document["noise"]["eta"] * train)}
    track = Track.from_document(document)
    with pytest.raises(RecordError, match="the data of its track cannot be drawn"):
        contents._split(copy, Manifest(found.document, track), found.document["splits"][0], first=True)


def test_rows_of_another_type_than_their_schema_are_refused(copy: Path) -> None:
    """What the schema says is compared once; what arrives is compared again."""
    batch = pq.read_table(copy / TRAIN).to_batches()[0]
    at = batch.schema.get_field_index("label")
    other = batch.set_column(at, "label", batch.column("label").cast(pa.int32()))
    none = np.zeros(len(batch))
    rows = parquet.Rows(none, none, none, none, [str(c) for c in range(10)], None)
    with pytest.raises(RecordError, match="its rows are of other types than its schema"):
        parquet._check_batch(other, rows, slice(0, len(batch)), True)
