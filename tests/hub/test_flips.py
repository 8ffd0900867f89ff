"""The table of flipped points: what it holds, its picture, and how a wrong one is refused."""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnbench.errors import RecordError
from lnbench.hub import build, contents, flips, layout, manifest
from lnbench.protocol import canonical_json
from lnbench.record.record import Record


def _manifest(folder: Path, **changes: Any) -> manifest.Manifest:
    """The folder's manifest, with the sizes and hashes of what is there now."""
    document = json.loads((folder / manifest.NAME).read_bytes())
    document["files"] = {path: build.stated(folder / path) for path in document["files"] if (folder / path).exists()}
    return manifest.parse(canonical_json(document | changes))


def _rewrite(folder: Path, change: Callable[[dict[str, list[Any]]], None]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / flips.PATH)
    columns = table.to_pydict()
    change(columns)
    pq.write_table(pa.table(columns, schema=table.schema), folder / flips.PATH)


def test_it_lists_every_flipped_point_and_shows_it(built: Path, made: Record) -> None:
    import pyarrow.parquet as pq
    from PIL import Image

    rows = pq.read_table(built / flips.PATH).to_pylist()
    train = pq.read_table(built / "data/split-00/train-00000-of-00001.parquet").to_pylist()
    assert len(rows) == len(made.flips.poisoned[0]) == 4
    for row, (place, old, new) in zip(rows, made.flips.poisoned[0], strict=True):
        assert (row["split"], row["old"], row["new"]) == (0, old, new)
        assert row["index"] == train[place]["index"] and row["image"]["bytes"] == train[place]["image"]["bytes"]
    root = ET.fromstring((built / flips.PICTURE).read_text())
    images = [e.attrib["href"] for e in root.iter("{http://www.w3.org/2000/svg}image")]
    drawn = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2])))) for one in images]
    expected = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in rows]
    assert len(drawn) == 4 and all(map(np.array_equal, drawn, expected))
    words = " ".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "the first 4 of 4" in words and words.count("9 → 0") == 4
    assert contents.checked(built, _manifest(built))["flips"]["0"] == [tuple(f) for f in made.flips.poisoned[0]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda columns: columns["new"].__setitem__(1, 9), "row 1 has new 9, the splits' tables say 0"),
        (lambda columns: columns["split"].__setitem__(0, 1), "row 0 has split 1, the splits' tables say 0"),
        (lambda columns: columns["index"].__setitem__(0, -1), "row 0 has index -1, the splits' tables say"),
        (lambda columns: columns["old"].__setitem__(2, None), "some rows have no value in a column"),
        (lambda columns: columns["image"].reverse(), "the image of row 0 is not the base data's"),
        (lambda columns: [column.pop() for column in columns.values()], "it has 3 rows, the splits have 4"),
        (lambda columns: [column.append(column[0]) for column in columns.values()], "it has 5 rows where at most 4"),
    ],
)
def test_a_table_that_says_other_things_than_the_splits_is_refused(
    copy: Path, change: Callable[[dict[str, list[Any]]], None], words: str
) -> None:
    _rewrite(copy, change)
    with pytest.raises(RecordError, match=f"{re.escape(flips.PATH)}: {re.escape(words)}"):
        contents.checked(copy, _manifest(copy))


def test_a_table_that_is_none_or_too_large_is_refused(copy: Path) -> None:
    from lnbench.hub.client import Entry

    (copy / flips.PATH).write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(RecordError, match="it cannot be read as parquet"):
        contents.checked(copy, _manifest(copy))
    (copy / flips.PATH).write_bytes(bytes(1 << 18))
    stated = _manifest(copy)
    entries = {path: Entry(path, one["bytes"], None, None) for path, one in stated.document["files"].items()}
    with pytest.raises(RecordError, match="has 262144 bytes, more than its rows can need"):
        layout.check_tables(stated, entries)


def test_a_dataset_of_an_older_lnbench_without_the_table_is_taken(copy: Path, made: Record) -> None:
    for path in (flips.PATH, flips.PICTURE):
        (copy / path).unlink()
    stated = _manifest(copy)
    card = (copy / layout.CARD).read_text()
    (copy / layout.CARD).write_text(re.sub(r"^- .*flips.*\n", "", card, count=1, flags=re.M))
    assert [one["config_name"] for one in layout.configs(stated)] == ["split-00"]
    assert contents.checked(copy, stated)["flips"]["0"] == [tuple(f) for f in made.flips.poisoned[0]]


def test_without_images_it_holds_labels_only_and_there_is_no_picture(made: Record, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    build.build(made, tmp_path, "somebody/poisoned", salt="public", images=False, splits=[1, 2])
    table = pq.read_table(tmp_path / flips.PATH)
    assert table.column_names == list(flips.COLUMNS) and table.column("split").to_pylist() == [1] * 4 + [2] * 4
    assert not (tmp_path / flips.PICTURE).exists() and flips.PICTURE not in (tmp_path / layout.CARD).read_text()
    assert set(contents.checked(tmp_path, _manifest(tmp_path))["flips"]) == {"1", "2"}
