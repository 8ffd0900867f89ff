"""All flipped points of a dataset as one small table, and the picture of the first of them that its card shows.

Columns: `split`, `index` (the point's place in the base data, as in the split's own table), `old` (the true label),
`new` (the poisoned one) and, if images are included, `image`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from lnbench.board import figures
from lnbench.board.png import png
from lnbench.errors import RecordError
from lnbench.hub import parquet

CONFIG = "flips"
PATH = "data/flips/train-00000-of-00001.parquet"
PATTERN = "data/flips/train-*.parquet"
PICTURE = "flips.svg"
SHOWN = 24
"""Points in the picture."""
COLUMNS = ("split", "index", "old", "new")
_SIDE, _ROW, _TOP = 56, 8, 34
_IMAGE = Markup(
    '<image x="{}" y="{}" width="{}" height="{}" style="image-rendering: pixelated" href="data:image/png;base64,{}"/>'
)


@dataclass(frozen=True, eq=False)
class FlippedPoints:
    """Flipped points of some splits, by split and place.

    Attributes:
        columns: name, as in `COLUMNS`, -> (n,) int64.
        inputs: (n, channel, height, width), float32 in [0, 1] or its bytes; (n, 0) without images.
    """

    columns: dict[str, np.ndarray]
    inputs: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


def of_split(split: int, rows: parquet.Rows) -> FlippedPoints:
    """The flipped points among a split's training rows."""
    at = np.flatnonzero(rows.labels != rows.clean)
    values = np.full(len(at), split), rows.index[at], rows.clean[at], rows.labels[at]
    return FlippedPoints(dict(zip(COLUMNS, values, strict=True)), rows.inputs[at])


def joined(parts: Sequence[FlippedPoints]) -> FlippedPoints:
    """The points of several splits."""
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS}
    return FlippedPoints(columns, np.concatenate([part.inputs for part in parts]))


def features(names: list[str], images: bool) -> dict[str, Any]:
    """What the `datasets` library calls the columns."""
    label, number = {"names": names, "_type": "ClassLabel"}, {"dtype": "int64", "_type": "Value"}
    image = {"image": {"_type": "Image"}} if images else {}
    return {"split": number, "index": number, "old": label, "new": label, **image}


def write(folder: Path, points: FlippedPoints, names: list[str], images: bool) -> list[str]:
    """Write the table, and the picture if there are images; the paths, relative to `folder`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = dict(points.columns)
    if images:
        pictures: Any = parquet.pixels(points.inputs) if len(points) else []
        columns["image"] = [{"bytes": parquet.png(image), "path": None} for image in pictures]
    (folder / PATH).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=_schema(names, images)), folder / PATH, compression="zstd")
    if not images:
        return [PATH]
    (folder / PICTURE).write_text(picture(points, names), encoding="utf-8")
    return [PATH, PICTURE]


def check(folder: Path, points: FlippedPoints, names: list[str], images: bool) -> None:
    """Compare a stranger's table with the points that the tables of its splits say are flipped.

    Raises:
        RecordError: one sentence about the first difference.
    """
    try:
        _check(folder / PATH, points, names, images)
    except RecordError as error:
        raise RecordError(f"{PATH}: {error}") from None


def _check(path: Path, points: FlippedPoints, names: list[str], images: bool) -> None:
    with parquet.opened(path) as file:
        each = (3 * int(np.prod(points.inputs.shape[1:])) + 2048 if images else 0) + 64
        parquet.check_form(file, _schema(names, images), names, len(points), each)
        if file.metadata.num_rows != len(points):
            raise RecordError(f"it has {file.metadata.num_rows} rows, the splits have {len(points)} flipped points.")
        table = file.read()
    if any(column.null_count for column in table.columns):
        raise RecordError("some rows have no value in a column.")
    for name, expected in points.columns.items():
        came = table.column(name).to_numpy()
        if (wrong := np.flatnonzero(came != expected)).size:
            i = int(wrong[0])
            raise RecordError(f"row {i} has {name} {came[i]}, the splits' tables say {expected[i]}.")
    if images:
        parquet.check_images(table.column("image").combine_chunks(), points.inputs, 0)


def picture(points: FlippedPoints, names: list[str]) -> str:
    """The first flipped points with their true and their poisoned label, as SVG that stands alone."""
    count = min(len(points), SHOWN)
    title = f"Flipped points, the first {count} of {len(points)}: true label → label to train on"
    body: list[Markup] = [figures.text(10, 18, title)]
    for i, image in enumerate(parquet.pixels(points.inputs[:count]) if count else ()):
        x, y = 10 + (i % _ROW) * (_SIDE + 44), _TOP + (i // _ROW) * (_SIDE + 26)
        height, width, channels = image.shape
        file = png(np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes(), channels, height, width)
        body.append(_IMAGE.format(x, y, _SIDE, _SIDE, base64.b64encode(file).decode()))
        old, new = (names[points.columns[name][i]] for name in ("old", "new"))
        body.append(figures.text(x, y + _SIDE + 14, f"{old} → {new}"))
    bottom = _TOP + -(-count // _ROW) * (_SIDE + 26)
    return str(figures.alone(figures.svg(20 + _ROW * (_SIDE + 44), bottom + 6, title, body)))


def _schema(names: list[str], images: bool) -> Any:
    import pyarrow as pa

    image = [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))] if images else []
    shown = json.dumps({"info": {"features": features(names, images)}})
    return pa.schema([*((name, pa.int64()) for name in COLUMNS), *image], metadata={"huggingface": shown})
