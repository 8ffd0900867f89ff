"""The table of a poisoned dataset as parquet, written and read in small pieces: whole images never fill the memory.

Columns: `image` (PNG bytes, if images are included), `label` (what victims are trained on), `clean_label`, `flipped`,
`index` (the row's place in the base data for training rows, in the test set for test rows), and further columns of
labels where a table has some. The schema's metadata says to the `datasets` library which column is an image and what
the classes are called.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.errors import RecordError, UnavailableError

SHARD = 25_000
"""Rows of a file that holds images; without images one file holds all rows."""
GROUP = 1_000
"""Rows of a row group that holds images."""
_PIECE = 256
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PARTS = {b"IHDR", b"IDAT", b"IEND"}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one part of one split.

    Attributes:
        labels: (n,) int64.
        clean: (n,) int64, the true labels.
        index: (n,) int64.
        inputs: (n, channel, height, width) float32 in `bounds`, or its bytes: see `as_bytes`.
        names: of the classes.
        bounds: smallest and largest value of an input.
        more: further columns of labels by name, (n,) int64 each.
    """

    labels: np.ndarray
    clean: np.ndarray
    index: np.ndarray
    inputs: np.ndarray
    names: list[str]
    bounds: tuple[float, float] | None
    more: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


def drawable(shape: tuple[int, ...], bounds: tuple[float, float] | None) -> bool:
    """Whether inputs of this shape can be pictures: one or three channels, values in [0, 1]."""
    return len(shape) == 3 and shape[0] in (1, 3) and bounds == (0.0, 1.0)


def pixels(inputs: np.ndarray) -> np.ndarray:
    """Inputs (n, channel, height, width) in [0, 1], or their bytes, as bytes (n, height, width, channel)."""
    values = inputs if inputs.dtype == np.uint8 else np.rint(inputs * np.float32(255)).astype(np.uint8)
    return values.transpose(0, 2, 3, 1)


def as_bytes(inputs: np.ndarray) -> np.ndarray:
    """Inputs (n, channel, height, width) float32 in [0, 1] as uint8 of the same shape: a quarter of the memory."""
    values = np.empty(inputs.shape, np.uint8)
    for start in range(0, len(inputs), _PIECE):
        values[start : start + _PIECE] = pixels(inputs[start : start + _PIECE]).transpose(0, 3, 1, 2)
    return values


def shards(rows: int, images: bool) -> list[tuple[int, int]]:
    """First and last (exclusive) row of each file."""
    size = SHARD if images else max(rows, 1)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def file_names(stem: str, rows: int, images: bool) -> list[str]:
    """The files of a part, `<stem>-00000-of-00002.parquet`, …"""
    count = len(shards(rows, images))
    return [f"{stem}-{i:05d}-of-{count:05d}.parquet" for i in range(count)]


def schema(names: list[str], images: bool, more: Iterable[str] = ()) -> Any:
    """The arrow schema, with what `datasets` wants to know in its metadata.

    Args:
        more: names of further columns of labels.
    """
    import pyarrow as pa

    more = list(more)
    image = [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))] if images else []
    columns = [("label", pa.int64()), ("clean_label", pa.int64()), ("flipped", pa.bool_()), ("index", pa.int64())]
    columns += [(name, pa.int64()) for name in more]
    return pa.schema([*image, *columns], metadata=_described(features(names, images, more)))


def features(names: list[str], images: bool, more: Iterable[str] = ()) -> dict[str, Any]:
    """What the `datasets` library calls the columns; arguments as in `schema`."""
    label = {"names": names, "_type": "ClassLabel"}
    return {
        **({"image": {"_type": "Image"}} if images else {}),
        "label": label,
        "clean_label": label,
        "flipped": {"dtype": "bool", "_type": "Value"},
        "index": {"dtype": "int64", "_type": "Value"},
        **dict.fromkeys(more, label),
    }


def _described(features: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a schema with these features."""
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write(folder: Path, stem: str, rows: Rows, images: bool) -> list[str]:
    """Write the rows; the paths of the files, relative to `folder`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    form, paths = schema(rows.names, images, rows.more), file_names(stem, len(rows), images)
    for (start, stop), path in zip(shards(len(rows), images), paths, strict=True):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(
            target,
            form,
            compression="zstd",
            use_dictionary=["label", "clean_label", "flipped"],
            use_byte_stream_split=["index"],
        ) as writer:
            step = GROUP if images else max(stop - start, 1)
            for first in range(start, stop, step):
                writer.write_table(pa.table(_columns(rows, slice(first, min(first + step, stop)), images), schema=form))
    return paths


def _columns(rows: Rows, part: slice, images: bool) -> dict[str, Any]:
    labels, clean = rows.labels[part], rows.clean[part]
    columns: dict[str, Any] = {}
    if images:
        columns["image"] = [{"bytes": png(image), "path": None} for image in _images(rows.inputs[part])]
    columns |= {"label": labels, "clean_label": clean, "flipped": labels != clean, "index": rows.index[part]}
    return columns | {name: values[part] for name, values in rows.more.items()}


def _images(inputs: np.ndarray) -> Iterator[np.ndarray]:
    """One image (height, width, channel) at a time, converted a few at once."""
    for start in range(0, len(inputs), _PIECE):
        yield from pixels(inputs[start : start + _PIECE])


def png(image: np.ndarray) -> bytes:
    """An image (height, width, 1 or 3) uint8 as a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def read(folder: Path, paths: list[str], rows: Rows, images: bool) -> np.ndarray:
    """The column `label` of these files, (n,) int64, after every other column was compared with `rows`.

    Args:
        rows: what the base data says; its `labels` are ignored.

    Raises:
        RecordError: one sentence about the first thing that is not as it should be.
    """
    labels, done = np.empty(len(rows), dtype=np.int64), 0
    for path in paths:
        try:
            done = _read(folder / path, rows, images, labels, done)
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from None
    if done != len(rows):
        raise RecordError(f"{paths[0] if paths else 'no file'}: it ends after {done} of {len(rows)} rows.")
    return labels


def _read(path: Path, rows: Rows, images: bool, labels: np.ndarray, done: int) -> int:
    each = (3 * int(np.prod(rows.inputs.shape[1:])) + 2048 if images else 0) + 64
    with opened(path) as file:
        check_form(file, schema(rows.names, images, rows.more), rows.names, len(rows) - done, each)
        for batch in file.iter_batches(batch_size=_PIECE if images else 1 << 16):
            part = slice(done, done + len(batch))
            labels[part] = _check_batch(batch, rows, part, images)
            done = part.stop
    return done


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A stranger's file, open; RecordError for what the library says while it is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise RecordError(f"it cannot be read as parquet ({first}).") from None


def check_form(file: Any, form: Any, names: list[str], left: int, each: int) -> None:
    """Everything a file says about itself before its pages are touched.

    Args:
        form: the schema that it must have.
        names: of the classes.
        left: rows that it may have at most.
        each: bytes that a row may unpack to.

    Raises:
        RecordError: one sentence about the first thing that is not as it should be.
    """
    came = file.schema_arrow
    if not came.remove_metadata().equals(form.remove_metadata()):
        columns = ", ".join(f"{field.name[:40]}: {str(field.type)[:60]}" for field in list(came)[:8])
        wanted = ", ".join(f"{field.name}: {field.type}" for field in form)
        raise RecordError(f"expected the columns {wanted}; got {columns}.")
    try:
        stated = json.loads((came.metadata or {}).get(b"huggingface", b"null"))
    except (ValueError, RecursionError):
        stated = None
    if stated != json.loads(form.metadata[b"huggingface"]):
        raise RecordError(
            f"its metadata does not describe these columns with the {len(names)} classes of the base data."
        )
    meta = file.metadata
    if not 0 < meta.num_rows <= left:
        raise RecordError(f"it has {meta.num_rows} rows where at most {left} are left of the base data's.")
    for group in range(meta.num_row_groups):
        stated_rows, size = meta.row_group(group).num_rows, meta.row_group(group).total_byte_size
        if not 0 <= stated_rows <= left or size > each * max(stated_rows, 1) + (1 << 20):
            raise RecordError(f"its row group {group} of {stated_rows} rows unpacks to {size} bytes, more than it may.")


def _check_batch(batch: Any, rows: Rows, part: slice, images: bool) -> np.ndarray:
    if not batch.schema.remove_metadata().equals(schema(rows.names, images, rows.more).remove_metadata()):
        raise RecordError("its rows are of other types than its schema.")
    if part.stop > len(rows):
        raise RecordError(f"it has more rows than the {len(rows)} of the base data.")
    if any(column.null_count for column in batch.columns):
        raise RecordError(f"some of rows {part.start} … {part.stop - 1} have no value in a column.")
    known = {"clean_label": rows.clean, "index": rows.index, **rows.more}
    values = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in ("label", *known)}
    flipped = batch.column("flipped").to_numpy(zero_copy_only=False)
    for name, expected in known.items():
        wrong = np.flatnonzero(values[name] != expected[part])
        if len(wrong):
            i = int(wrong[0])
            raise RecordError(
                f"row {part.start + i} has {name} {values[name][i]}, the base data has {expected[part][i]}."
            )
    labels = values["label"]
    outside = np.flatnonzero((labels < 0) | (labels >= len(rows.names)))
    if len(outside):
        i = int(outside[0])
        raise RecordError(f"row {part.start + i} has label {labels[i]}, none of the classes 0 … {len(rows.names) - 1}.")
    wrong = np.flatnonzero(flipped != (labels != rows.clean[part]))
    if len(wrong):
        raise RecordError(
            f"row {part.start + int(wrong[0])} says that it is flipped where it is not, or not where it is."
        )
    if images:
        check_images(batch.column("image"), rows.inputs[part], part.start)
    return np.asarray(labels, dtype=np.int64)


def check_images(column: Any, inputs: np.ndarray, first: int) -> None:
    """Raise RecordError unless a column of images, the first of which is row `first`, shows exactly these inputs."""
    if column.field("bytes").null_count or column.field("path").null_count != len(column):
        raise RecordError(f"images from row {first} on are not PNG bytes without a path.")
    for i, (data, image) in enumerate(zip(column.field("bytes"), pixels(inputs), strict=True)):
        try:
            same = np.array_equal(decoded(data.as_py(), image.shape), image)
        except ValueError as error:
            raise RecordError(f"the image of row {first + i} is {error}.") from None
        if not same:
            raise RecordError(f"the image of row {first + i} is not the base data's.")


def decoded(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """A stranger's PNG as (height, width, channel) uint8; its size is checked before anything is unpacked.

    Raises:
        ValueError: with what it is instead of a plain PNG of this shape.
    """
    from PIL import Image

    height, width, channels = shape
    if len(data) > 3 * height * width * channels + 2048:
        raise ValueError(f"{len(data)} bytes long, more than a {width}×{height} image needs")
    parts = list(_png_parts(data))
    if not parts or {name for name, _ in parts} - _PNG_PARTS or parts[0][0] != b"IHDR" or len(parts[0][1]) != 13:
        raise ValueError("not a plain PNG")
    head = parts[0][1]
    size = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    if size != (width, height):
        raise ValueError(f"{size[0]}×{size[1]} pixels, not {width}×{height}")
    if head[8:] != bytes([8, 0 if channels == 1 else 2, 0, 0, 0]):
        raise ValueError(f"not a plain PNG of {channels} channels with 8 bits")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return np.asarray(image, dtype=np.uint8).reshape(shape)
    except (OSError, SyntaxError, ValueError):
        raise ValueError("a broken PNG") from None


def _png_parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of a PNG's chunks up to the last one, which must end the data; nothing if it is not one."""
    if not data.startswith(_PNG):
        return
    at = len(_PNG)
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            yield b"", b""
            return
        yield name, data[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IEND":
            break
    if at != len(data):
        yield b"", b""


def need() -> None:
    """Raise UnavailableError if the optional libraries are not installed."""
    try:
        import PIL  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"datasets on the Hub need {error.name}, which is not here: pip install 'lnbench[hub]'."
        ) from None
