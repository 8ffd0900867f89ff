"""The readers of what comes from the Hub, as `targets.py` has those of everything else."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import factories
from fuzz.tape import Tape, changed, flipped, spliced, tapes, text
from fuzz.target import FOLDER, Target
from lnbench.data import parquet as base_data
from lnbench.data.strangers import check_track
from lnbench.errors import DataError, RecordError
from lnbench.hub import card, layout, manifest, parquet, searching
from lnbench.hub.client import Entry
from lnbench.hub.manifest import Manifest
from lnbench.hub.pulling import PullResult
from lnbench.hub.suite import contents as suite_contents
from lnbench.hub.suite import layout as suite_layout
from lnbench.hub.suite import manifest as suite_manifest
from lnbench.hub.suite import pulling as suites
from lnbench.protocol import Streams, canonical_json, sha256_json
from lnbench.protocol import track as tracks
from lnbench.protocol.data_spec import Parquet

_REPO, _COMMIT = "somebody/poisoned", "c" * 40


def _document() -> tuple[Any, Manifest]:
    """A record, and the manifest of its first split."""
    replication = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
    made = factories.make(factories.track(name="digits-small", replication=replication))  # of a name that does not ship
    paths = [f"{layout.train_stem(0)}-00000-of-00001.parquet", f"{layout.test_stem(0, False)}-00000-of-00001.parquet"]
    files = {path: {"bytes": 4096, "sha256": "a" * 64} for path in (*paths, layout.FIGURE)}
    return made, manifest.make(made, salt="public", images=True, splits=[0], files=files)


def hub_manifest() -> Target:
    """`lnbench.json`, and all that is derived from it before a table is downloaded."""
    _, found = _document()
    keys = json.loads(found.data)

    def read(data: bytes) -> None:
        theirs = manifest.parse(data)
        check_track(theirs.track)
        listed = [Entry(path, entry["bytes"], None, None) for path, entry in theirs.document["files"].items()]
        own = [Entry(path, 100, None, None) for path in (layout.CARD, manifest.NAME)]
        layout.check_tables(theirs, layout.check_listing([*listed, *own]))
        pulled = PullResult(_REPO, _COMMIT, theirs, {split: [] for split in theirs.splits}, cached=False)
        repr((theirs.tag, theirs.streams.commitment, layout.configs(theirs), pulled.published, pulled.source))

    def almost(tape: Tape) -> bytes:
        kind = tape.below(4)
        if kind == 3:
            return spliced(tape, found.data)
        document = changed(tape, keys)
        track = document.get("track") if isinstance(document, dict) else None
        if kind and isinstance(track, dict) and "document" in track:  # as a forger would
            track["sha256"] = hashlib.sha256(text(track["document"])).hexdigest()
        return text(document)

    return Target(read, (found.data,), tapes(almost), (RecordError,), 2 * len(found.data))


_YAML = (
    *('!!int ""', "!!int x", '!!float ""', "!!bool x", "!!timestamp x", "2001-99-99", "!!binary =", "!!null x", "1:1"),
    *("&a [*a]", "? [1]\n: 2", "<<: 1", "!!python/object/apply:os.system [x]", "{" * 500, "[" * 3000, "- " * 2000),
    *("!!set {1, 1}", "!!omap [1]", "!!pairs [1]", "!!str {}", "!!map []", "0x" + "f" * 9000, "1e999", "|\n x", "%x"),
    *(
        "2001-01-01t00:00:00+99:99",
        "!!seq {}",
        "\x85",
        "\ufeff",
        "\x00",
        "'",
        '"\\',
        "@",
        "*b",
        "---",
        "...",
        "<b>",
        "=",
    ),
)


def hub_card() -> Target:
    """A dataset's `README.md`."""
    made, found = _document()
    whole = card.render(made, found, _REPO).encode()
    header = whole.index(b"\n---\n", 4)

    def almost(tape: Tape) -> bytes:
        data = whole
        for _ in range(1 + tape.below(2)):
            place = tape.below(header if tape.below(4) else len(data) + 1)
            odd = tape.of(_YAML).encode()
            if tape.below(2):  # a field of its own
                place, odd = (
                    data.find(b"\n", place) + 1,
                    tape.of((b"x", b"lnbench", b"? ", b"viewer")) + b": " + odd + b"\n",
                )
            data = data[:place] + odd + data[place + tape.below(4) :]
        return data if tape.below(4) else flipped(tape, data)

    return Target(lambda data: card.check(data, found), (whole,), tapes(almost), (RecordError,), 2 * len(whole))


def hub_search() -> Target:
    """What the Hub's search says a card says."""
    claims = {"track": "digits-9to0", "poisoner": "first", "score_pp": 8.5, "splits": 48, "images": True}
    keys = {"id": _REPO, "sha": _COMMIT, "tags": ["lnbench"], "cardData": {"tags": ["lnbench"], "lnbench": claims}}

    def read(data: bytes) -> None:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return  # refused before
        if not isinstance(document, dict):
            return
        found = searching._result(document)
        if not all(word.isprintable() for word in (found.repo, found.commit, found.track, found.poisoner)):
            raise AssertionError(f"words that are not fit to print: {found}")

    return Target(read, (text(keys),), tapes(lambda tape: text(changed(tape, keys))), (), 2048)


def _rows() -> parquet.Rows:
    """Twelve rows of random images."""
    rng = np.random.default_rng(0)
    inputs = (rng.integers(0, 256, (12, 1, 8, 8)) / np.float32(255)).astype(np.float32)
    clean = np.arange(12, dtype=np.int64) % 4
    labels = np.where(np.arange(12) == 3, 0, clean)
    return parquet.Rows(labels, clean, np.arange(12) * 5, inputs, list("abcd"), (0.0, 1.0))


def _columns(rows: parquet.Rows, images: bool) -> dict[str, list[Any]]:
    """The columns of a table that is right, as lists."""
    columns = parquet._columns(rows, slice(0, len(rows)), images)
    return {name: list(map(_plain, column)) for name, column in columns.items()}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _table(tape: Tape, columns: dict[str, list[Any]], schema: Any) -> bytes:
    """The columns as a parquet file of some kind, with a few cells, columns, types and bytes changed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = {name: list(cells) for name, cells in columns.items()}
    for _ in range(tape.below(4)):
        cells = made[tape.of(sorted(made))]
        cells[tape.below(len(cells))] = _cell(tape, cells)
    odd = {
        0: pa.float64(),
        1: pa.string(),
        2: pa.list_(pa.int64()),
        3: pa.int8(),
        4: pa.decimal128(38, 2),
        5: pa.null(),
    }
    fields = [pa.field(f.name, odd.get(tape.below(64), f.type), metadata=f.metadata) for f in schema]
    if tape.below(16) == 15:
        del fields[tape.below(len(fields))]
    metadata = dict(schema.metadata or {})
    if tape.below(8) == 7:
        metadata = {key: flipped(tape, stated) for key, stated in metadata.items()}
    form = pa.schema(fields, metadata=metadata)
    file, codec = io.BytesIO(), tape.of(("none", "snappy", "zstd", "gzip", "lz4", "brotli"))
    try:
        table = pa.table({f.name: made[f.name] for f in form}, schema=form)
        table = table.slice(tape.of((0, 0, 0, 1)), tape.of((12, 12, 12, 11, 0)))
        pq.write_table(
            table,
            file,
            compression=codec,
            row_group_size=tape.of((12, 5, 1)),
            use_dictionary=bool(tape.below(2)),
            data_page_version=tape.of(("1.0", "2.0")),
            write_statistics=bool(tape.below(2)),
        )
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return b"PAR1"  # no such table can be written
    return file.getvalue() if tape.below(3) else flipped(tape, file.getvalue())


def _cell(tape: Tape, cells: list[Any]) -> Any:
    """A cell like those of its column, or none."""
    old = tape.of(cells)
    if not tape.below(8):
        return None
    if isinstance(old, dict):
        image = tape.of((b"", b"GIF89a", bytes(70_000), _png(30_000, 30_000), flipped(tape, old["bytes"] or b"")))
        return {"bytes": tape.of((image, None)), "path": tape.of((None, None, "/etc/passwd"))}
    return old if isinstance(old, bool) else tape.of((0, 1, 3, 4, -1, 2**31, 2**63 - 1, -(2**63)))


def _png(width: int, height: int, content: bytes = b"") -> bytes:
    """A PNG that says so of its size, whatever is in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def _tables(images: bool) -> Target:
    parquet.need()
    rows, name = _rows(), "table.parquet"
    columns, schema = _columns(rows, images), parquet.schema(rows.names, images)
    (written,) = parquet.write(FOLDER, "seed", rows, images)
    whole = (FOLDER / written).read_bytes()

    def read(data: bytes) -> None:
        (FOLDER / name).write_bytes(data)
        labels = parquet.read(FOLDER, [name], rows, images)
        if labels.shape != (12,) or labels.min() < 0 or labels.max() > 3:
            raise AssertionError("labels came out that are none")

    return Target(read, (whole,), tapes(lambda tape: _table(tape, columns, schema), 64), (RecordError,), 2 * len(whole))


def hub_images() -> Target:
    """A table of a dataset with images."""
    return _tables(images=True)


def hub_labels() -> Target:
    """A table of a dataset with labels only."""
    return _tables(images=False)


def hub_png() -> Target:
    """One image of a dataset, unpacked from its table."""
    parquet.need()
    import pyarrow as pa

    inputs = _rows().inputs[:1]
    whole = parquet.png(parquet.pixels(inputs)[0])
    form = parquet.schema(["a"], True).field("image").type

    def read(data: bytes) -> None:
        parquet.check_images(pa.array([{"bytes": data, "path": None}], form), inputs, 0)

    def almost(tape: Tape) -> bytes:
        if tape.below(2):
            return flipped(tape, whole)
        size = tape.of((8, 8, 8, 0, 7, 30_000, 2**31 - 1))
        return flipped(
            tape, _png(size, tape.of((8, size)), tape.of((bytes(72), bytes(71), bytes(1 << 20), tape.bytes(40))))
        )

    return Target(read, (whole,), tapes(almost), (RecordError,), 2 * len(whole))


def data_parquet() -> Target:
    """A track's own data in the Hub's layout, before its arrays are compared with their hash."""
    parquet.need()
    where = Parquet(
        folder="data",
        train="train.parquet",
        test="test.parquet",
        image="image",
        label="label",
        shape=(1, 8, 8),
        train_sha256="a" * 64,
        test_sha256="b" * 64,
    )
    rows, folder = _rows(), FOLDER / "data"
    columns, schema = _columns(rows, True), parquet.schema(rows.names, True)
    folder.mkdir(exist_ok=True)
    (written,) = parquet.write(FOLDER, "base", rows, True)
    whole = (FOLDER / written).read_bytes()

    def read(data: bytes) -> None:
        (folder / where.train).write_bytes(data)
        images, labels = base_data._decode(folder, where, where.train)
        if images.shape != (len(labels), 1, 8, 8) or images.dtype != np.uint8 or labels.dtype != np.int64:
            raise AssertionError("arrays came out that are none")

    return Target(read, (whole,), tapes(lambda tape: _table(tape, columns, schema), 64), (DataError,), 2 * len(whole))


def _suite() -> tuple[Any, suite_manifest.SuiteManifest, dict[str, Entry]]:
    """A record, the manifest of a suite with it, and the listing of that."""
    made, _ = _document()
    name = made.track.name
    stems = [stem for split in (0, 1) for stem in (layout.train_stem(split), layout.test_stem(split, False))]
    paths = [f"{layout.of_track(name, stem)}-00000-of-00001.parquet" for stem in stems]
    victim = f"{suite_layout.victims_folder(name)}/mlp/split-00/random-seed-0.safetensors"
    files: dict[str, Any]
    files = {path: {"bytes": 4096, "sha256": "a" * 64} for path in (*paths, victim, suite_layout.record_path(name))}
    stated = suite_manifest.make([made], {name: True}, {name: 1}, files)
    own = [Entry(path, 100, None, None) for path in (layout.CARD, suite_manifest.NAME)]
    listed = [Entry(path, entry["bytes"], None, None) for path, entry in files.items()]
    return made, stated, {entry.path: entry for entry in (*listed, *own)}


def hub_suite() -> Target:
    """`suite.json`, and all that is derived from it before a table is downloaded."""
    made, stated, _ = _suite()
    keys = json.loads(stated.data)

    def read(data: bytes) -> None:
        theirs = suite_manifest.parse(data)
        listed = [Entry(path, entry["bytes"], None, None) for path, entry in theirs.files.items()]
        own = [Entry(path, 100, None, None) for path in (layout.CARD, suite_manifest.NAME)]
        entries = suites.check_listing([*listed, *own])
        layout.check_stated(theirs.files, entries, suite_manifest.NAME)
        if made.track.name in theirs.tracks:
            suites.check_record(theirs, made, entries)
        slim = {name: made for name in theirs.tracks}
        suite = suites.Suite(_REPO, _COMMIT, theirs, slim, cached=False)
        repr((theirs.tag, suite.source, suite.tracks))

    def almost(tape: Tape) -> bytes:
        return spliced(tape, stated.data) if tape.below(4) == 3 else text(changed(tape, keys))

    return Target(read, (stated.data,), tapes(almost), (RecordError,), 2 * len(stated.data))


def hub_suite_record() -> Target:
    """The record of a suite's track, with a manifest that a forger made fit it, up to the base data."""
    made, stated, entries = _suite()
    whole = canonical_json(made.document)
    slim = {**made.to_dict(), "victims": made.to_dict()["victims"][:1]}
    folder = FOLDER / "suite"
    (folder / "records").mkdir(parents=True, exist_ok=True)

    def read(data: bytes) -> None:
        (folder / suite_layout.record_path(made.track.name)).write_bytes(data)
        document = json.loads(stated.data)
        try:
            came = json.loads(data)
            document["tracks"][0].update(record=came["sha256"], sha256=came["track"]["sha256"])
            theirs = suite_manifest.parse(canonical_json(document))
        except (ValueError, TypeError, KeyError, RecursionError, RecordError):
            theirs = stated
        track = theirs.tracks[made.track.name]
        record = suite_contents.read_record(folder, track)
        suites.check_record(theirs, record, entries)
        for split in range(min(track.splits, 2)):
            for arm in ("poisoned", "random"):
                suite_layout.labels_of(record, np.zeros(record.track.data.train, dtype=np.int64), split, arm)

    def almost(tape: Tape) -> bytes:
        if tape.below(4) == 3:
            return spliced(tape, whole)
        document = changed(tape, slim)
        if isinstance(document, dict):
            document["sha256"] = sha256_json({k: v for k, v in document.items() if k not in ("run", "sha256")})
        return canonical_json(document)

    return Target(read, (whole,), tapes(almost), (RecordError, DataError), 2 * len(whole))


def baselines_entry() -> Target:
    """An entry of a store that somebody else filled, on its way into the shared baselines."""
    from lnbench.hub import baselines

    track = tracks.load(tracks.DEFAULT)
    name: dict[str, Any] = {
        "track": track.sha256,
        "salt": Streams(track.sha256).commitment,
        "labels": "a" * 64,
        "victim": "mlp",
    }
    name |= {"places": [[0, 0]], "arm": "clean", "code": "c" * 64, "environment": "e" * 64}
    keys = {"name": name, "sha256": sha256_json({"victims": []}), "value": {"victims": []}}
    whole = canonical_json(keys)
    source, path = FOLDER / "baselines", Path("cells") / "00" / f"{'0' * 64}.json"
    (source / path.parent).mkdir(parents=True, exist_ok=True)

    def read(data: bytes) -> None:
        (source / path).write_bytes(data)
        found = baselines._name(source / path)
        known = {(track.sha256, Streams(track.sha256).commitment): track}
        if found is not None and baselines.shared(found, known) is not None:
            baselines.count(source, known)

    return Target(read, (whole,), tapes(lambda tape: text(changed(tape, keys))), (), 2 * len(whole))


ALL: tuple[Callable[[], Target], ...] = (
    *(hub_manifest, hub_card, hub_search, hub_images, hub_labels, hub_png),
    *(hub_suite, hub_suite_record, baselines_entry),
    data_parquet,
)
