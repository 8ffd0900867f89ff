"""Which data a track is on: part of its file, with the rules that tie the keys together."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lnbench.errors import ProtocolError
from lnbench.protocol.documents import AtLeastOne, AtLeastTwo, Part, Sha256, Whole, whole

_Files = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9*][A-Za-z0-9._*-]*(/[A-Za-z0-9*][A-Za-z0-9._*-]*)*"),
        description="files inside the folder",
    ),
]


class Parquet(Part, frozen=True, kw_only=True):
    """Where the source `parquet` finds its rows, and what they must decode to.

    Attributes:
        folder: the data's folder under LNBENCH_DATA, or in the cache once downloaded.
        train, test: which files in it, as `train-*.parquet`.
        image, label: names of the columns.
        shape: (channels, height, width) of every image.
        train_sha256, test_sha256: of the decoded images, (n, *shape) uint8, and then the labels, (n,) int64.
        hub: dataset on the Hub to get it from, `USER/NAME`; None if it must be there already.
        revision: commit of that dataset, 40 hexadecimal digits.
    """

    folder: Annotated[
        str, Meta(pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"), description="the name of one folder")
    ]
    train: _Files
    test: _Files
    image: str
    label: str
    shape: tuple[Annotated[Literal[1, 3], Meta(description="1 or 3 channels")], AtLeastOne, AtLeastOne]
    train_sha256: Sha256
    test_sha256: Sha256
    hub: Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+"), description="USER/NAME")] | None = None
    revision: (
        Annotated[str, Meta(pattern=whole("[0-9a-f]{40}"), description="a commit of 40 hexadecimal digits")] | None
    ) = None


class DataSpec(Part, frozen=True, kw_only=True):
    """Which data, and how large one split's training set is.

    Attributes:
        source: a module of `lnbench.data`.
        train: training points of one split.
        classes: number of classes.
        only: the source's classes that are used, which become 0, 1, … in this order; all if None.
        parquet: for the source `parquet` alone.
    """

    source: str
    train: AtLeastOne
    classes: AtLeastTwo
    only: tuple[Whole, ...] | None = None
    parquet: Parquet | None = None


def check_data(data: DataSpec, where: str) -> None:
    """Raise ProtocolError, naming the key, if the keys of a track's data do not go together.

    Args:
        where: the track's file, for the sentence.
    """
    if data.only is not None and (len(set(data.only)) != data.classes or len(data.only) != data.classes):
        raise ProtocolError(f"{where}: data.only: expected {data.classes} different classes, got {list(data.only)}.")
    if (data.parquet is not None) != (data.source == "parquet"):
        raise ProtocolError(f"{where}: data.parquet: the source 'parquet' needs this table, no other may have it.")
    if data.parquet is None:
        return
    if data.only is not None:
        raise ProtocolError(f"{where}: data.only: the source 'parquet' uses all of its classes.")
    if (data.parquet.hub is None) != (data.parquet.revision is None):
        raise ProtocolError(f"{where}: data.parquet: hub and revision go together: a dataset and its commit.")
