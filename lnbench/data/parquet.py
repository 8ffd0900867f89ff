"""Any image classification set in the Hub's parquet layout, from a local folder or a pinned revision on the Hub.

The track says where it lies, which columns hold image and label, and the SHA-256 of the decoded training and test
arrays, so that two machines train on the same numbers or one of them refuses. An image is a struct with `bytes` (any
format that Pillow reads), the bytes alone, or nested lists of 0 … 255. Decoded arrays are stored in the cache.

Each split trains on a fresh random part of the training files, in random order; the test set is always the test files.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.data import Split, decoded, downloads, lookalikes, network
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.protocol.data_spec import DataSpec, Parquet
from lnbench.protocol.seeds import Streams

FIXED_TEST_SET = True
_ROWS = 1024
"""Images decoded at a time."""
_MODES = {1: "L", 3: "RGB"}
"""Channels -> Pillow's mode."""


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: the first `spec.train` of a random permutation of the training files' rows.

    Raises:
        ProtocolError: if the track asks for more points than there are, or for other classes.
        DataError: if a file is missing, cannot be read or decodes to other arrays than the track's.
        UnavailableError: if pyarrow or Pillow is not installed.
    """
    assert spec.parquet is not None  # the track's rules see to it
    images, labels, test_inputs, test_labels = arrays(spec.parquet)
    if not spec.train <= len(labels):
        raise ProtocolError(
            f"data: train: {spec.parquet.folder} has {len(labels)} training points, the track asks for {spec.train}."
        )
    largest = int(max(labels.max(), test_labels.max()))
    if min(labels.min(), test_labels.min()) < 0 or largest >= spec.classes:
        raise ProtocolError(
            f"data: classes: {spec.parquet.folder} has labels up to {largest}, the track says {spec.classes} classes."
        )
    index = streams.permutation(len(labels), "split", split)[: spec.train]
    return Split(unit(images, index), labels[index], test_inputs, test_labels, index)


def local_folder(spec: DataSpec) -> Path | None:
    """The folder the files would be read from, or None if there is none yet."""
    assert spec.parquet is not None
    return downloads.find(spec.parquet.folder)


def in_cache(spec: DataSpec) -> bool:
    """Whether decoded arrays are in the cache: decoding takes a while."""
    where = spec.parquet
    return where is not None and all(decoded.place(pin).is_dir() for pin in (where.train_sha256, where.test_sha256))


def arrays(where: Parquet) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `_base` reads, from a folder that is here or is downloaded if the track says where from."""
    get = functools.partial(_download, where)
    remote = None if where.hub is None else downloads.Remote(network.endpoint(), get, hub=True)
    return downloads.read(where.folder, lambda folder: _base(folder, where), remote, sample=where.train)


def unit(images: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The images at `index`, bytes, as float32 in [0, 1]; a few at a time, so that no copy of all bytes is made."""
    values = np.empty((len(index), *images.shape[1:]), np.float32)
    for start in range(0, len(index), _ROWS):
        values[start : start + _ROWS] = images[index[start : start + _ROWS]]
    values /= 255
    return values


@functools.lru_cache(maxsize=2)
def _base(folder: Path, where: Parquet) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images (n, *shape) uint8 and labels (n,), test inputs (m, *shape) float32 and labels (m,)."""
    images, labels = _part(folder, where, where.train, where.train_sha256)
    test_images, test_labels = _part(folder, where, where.test, where.test_sha256)
    return images, labels, unit(test_images, np.arange(len(test_images))), test_labels


def _part(folder: Path, where: Parquet, pattern: str, pinned: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, *shape) uint8 and labels (n,) int64 of the files that match, from the cache if they are there."""
    cached = decoded.read(pinned, where.shape)
    if cached is not None:
        return cached
    images, labels = _decode(folder, where, pattern)
    came = decoded.digest(images, labels)
    if came != pinned:
        raise DataError(
            f"{folder / pattern}: expected images and labels of sha256 {pinned}, got {came}; the files are not the "
            f"track's, or this Pillow decodes them differently; get them again, or {downloads.elsewhere(where.folder)}."
        )
    decoded.write(pinned, images, labels)
    return images, labels


def _decode(folder: Path, where: Parquet, pattern: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UnavailableError(
            "reading parquet files needs pyarrow, which is not installed: pip install 'lnbench[hub]'."
        ) from None
    paths = sorted(folder.glob(pattern))
    if not paths:
        advice = lookalikes.advice(folder / pattern, folder.parent) or downloads.elsewhere(where.folder)
        raise DataError(f"{folder}: no file matches {pattern} ({lookalikes.contents(folder)}); {advice}.")
    images, labels = [], []
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                columns = file.schema_arrow.names
                if missing := sorted({where.image, where.label} - set(columns)):
                    raise DataError(f"{path}: it has no column {missing[0]!r}; it has {', '.join(columns)}.")
                for batch in file.iter_batches(_ROWS, columns=[where.image, where.label]):
                    if not len(batch):
                        continue
                    # One array a batch: many small ones would leave as much memory again in holes.
                    images.append(np.stack([_image(v, where.shape, path) for v in _values(batch.column(where.image))]))
                    labels.append(_labels(batch.column(where.label), path))
        except (pa.ArrowException, OSError, OverflowError, ValueError) as error:  # a column's name may be no text
            first = (str(error).splitlines() or [type(error).__name__])[0][:150]
            raise DataError(
                f"{path}: it cannot be read as parquet ({first}); {downloads.replace(folder, where.folder)}."
            ) from None
    if not images:
        raise DataError(f"{folder / pattern}: the files have no rows.")
    return np.concatenate(images), np.concatenate(labels)


def names(where: Parquet) -> list[str]:
    """The names of the training images, `path` of the image column, in the order of `arrays`.

    Raises:
        DataError: if the files are missing, or their images have no names.
        UnavailableError: if pyarrow is missing.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UnavailableError(
            "reading parquet files needs pyarrow, which is not installed: pip install 'lnbench[hub]'."
        ) from None

    def read(folder: Path) -> list[str]:
        try:
            found = []
            for path in sorted(folder.glob(where.train)):
                with pq.ParquetFile(path) as file:
                    column = file.read(columns=[f"{where.image}.path"]).column(where.image)
                    found += [str(value["path"]) for value in _values(column)]
            return found
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{folder / where.train}: its images have no names ({str(error)[:100]}).") from None

    return downloads.read(where.folder, read, None, sample=where.train)


def _values(column: Any) -> Iterator[Any]:
    """The column's values as Python objects, one at a time."""
    return (value.as_py() for value in column)


def _labels(column: Any, path: Path) -> np.ndarray:
    import pyarrow as pa

    if column.null_count or not pa.types.is_integer(column.type):
        raise DataError(f"{path}: expected an integer label in every row, got {column.type} with gaps or other values.")
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def _image(value: Any, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """One cell as (channels, height, width) uint8."""
    channels, height, width = shape
    encoded = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(encoded, bytes):
        pixels = _opened(encoded, shape, path)
    elif isinstance(encoded, list):
        try:
            whole = np.array(encoded)
        except ValueError:
            whole = np.empty(0)
        if whole.dtype.kind not in "iu" or whole.size == 0 or whole.min() < 0 or whole.max() > 255:
            raise DataError(f"{path}: expected images as bytes or as lists of 0 … 255, got other lists.")
        pixels = whole.astype(np.uint8)
    else:
        raise DataError(f"{path}: expected an image in every row, got {type(encoded).__name__}.")
    if pixels.shape == (height, width):
        pixels = pixels[..., None]
    if pixels.shape == (height, width, channels):
        return np.moveaxis(pixels, -1, 0)
    raise DataError(f"{path}: expected images of {height} × {width} × {channels}, got {pixels.shape}.")


def _opened(encoded: bytes, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """An encoded image as (height, width) or (height, width, channels) uint8."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise UnavailableError("decoding images needs Pillow, which is not installed: pip install pillow.") from None
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if image.size != (shape[2], shape[1]):  # before decoding: a small file may hold a huge image
                raise DataError(f"{path}: expected images of {shape[1]} × {shape[2]}, got {image.size[::-1]}.")
            return np.asarray(image.convert(_MODES[shape[0]]), dtype=np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: an image cannot be decoded ({str(error)[:100]}).") from None


def _download(where: Parquet, root: Path) -> None:
    """Let huggingface_hub fetch the files of the pinned revision into a folder."""
    import huggingface_hub

    with network.impatient(downloads.SILENCE):
        huggingface_hub.snapshot_download(
            str(where.hub),
            repo_type="dataset",
            revision=where.revision,
            allow_patterns=[where.train, where.test],
            local_dir=root / where.folder,
        )
    if not any((root / where.folder).glob(where.train)):
        raise DataError(f"{where.hub} has no file like {where.train} at {where.revision}, which its track names.")
