"""Where each thing lies in a repository, and which paths may be there at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from lnbench import data
from lnbench.errors import RecordError
from lnbench.hub import croissant, flips, manifest, parquet
from lnbench.hub.client import Entry
from lnbench.hub.manifest import Manifest
from lnbench.protocol import Track

CARD = "README.md"
FIGURE = "figure.svg"
VICTIMS = "victims"
CARD_BYTES = 1 << 20
FIGURE_BYTES = 1 << 20
CROISSANT_BYTES = 16 << 20
VICTIM_BYTES = 2 << 30
UNSTATED = (CARD, manifest.NAME)
"""Files that the manifest does not list: itself, and the card, which its author may edit."""
_OWN = {*UNSTATED, FIGURE, flips.PATH, flips.PICTURE, croissant.NAME, ".gitattributes"}
_MOST = {
    manifest.NAME: manifest.LARGEST,
    CARD: CARD_BYTES,
    FIGURE: FIGURE_BYTES,
    flips.PICTURE: FIGURE_BYTES,
    croissant.NAME: CROISSANT_BYTES,
}
"""Bytes that a file may have at most, where that is not `VICTIM_BYTES`."""
VICTIM = (
    r"(?:README\.md|[a-z0-9][a-z0-9_-]{0,39}/split-\d{2,4}/[a-z]{3,20}(?:-\d{1,3})?-seed-\d{1,4}"
    r"(?:\.safetensors|/model\.safetensors|/config\.json))"
)
"""What the path of a victim's file looks like, below the folder of the victims."""
TABLE = r"(?:split-\d{2,4}|test)/(?:train|test)-\d{5}-of-\d{5}\.parquet"
"""What the path of a table looks like, below the folder of a track's tables."""
_VICTIM, _TABLE = re.compile(f"{VICTIMS}/{VICTIM}"), re.compile(f"data/{TABLE}")


def config(split: int) -> str:
    """The configuration of a split."""
    return f"split-{split:02d}"


def train_stem(split: int) -> str:
    """Path of a split's training table, without its number and suffix."""
    return f"data/{config(split)}/train"


def test_stem(split: int, fixed: bool) -> str:
    """Path of a split's test table; one for all if the test set is fixed."""
    return "data/test/test" if fixed else f"data/{config(split)}/test"


def patterns(split: int, fixed: bool) -> dict[str, str]:
    """The `data_files` of a split's configuration: train and test -> pattern."""
    return {"train": f"{train_stem(split)}-*.parquet", "test": f"{test_stem(split, fixed)}-*.parquet"}


def configs(stated: Manifest) -> list[dict[str, object]]:
    """The `configs` that the card's header must have: the flips, where the dataset lists them, and one a split, the
    first of which is what `load_dataset` gives to those who name none."""
    fixed = data.fixed_test_set(stated.track)
    listed: dict[str, object] = {"config_name": flips.CONFIG, "data_files": [{"split": "train", "path": flips.PATTERN}]}
    return [
        *([listed] if flips.PATH in stated.document["files"] else []),
        *[
            {
                "config_name": config(split),
                **({"default": True} if split == stated.splits[0] else {}),
                "data_files": [{"split": part, "path": path} for part, path in patterns(split, fixed).items()],
            }
            for split in stated.splits
        ],
    ]


def ours(path: str) -> bool:
    """Whether an lnbench dataset may have a file of this path."""
    return path in _OWN or _VICTIM.fullmatch(path) is not None or _TABLE.fullmatch(path) is not None


def check_listing(
    entries: list[Entry],
    ours: Callable[[str], bool] = ours,
    name: str = manifest.NAME,
    what: str = "an lnbench dataset",
) -> dict[str, Entry]:
    """The files of a listing by path, checked before any of them is downloaded.

    Args:
        ours: whether a path may be there.
        name: of the manifest, which must be there, as the card must.

    Raises:
        RecordError: if one has no business in an lnbench dataset, or is larger than any such file may be.
    """
    files = {entry.path: entry for entry in entries}
    for path, entry in files.items():
        if not ours(path):
            raise RecordError(f"it holds {path[:100]!r}, which does not belong in {what}.")
        most = _MOST.get(path, VICTIM_BYTES)
        if not 0 <= entry.size <= most:
            raise RecordError(f"{path} has {entry.size} bytes, the most it may have are {most}.")
    for needed in (CARD, name):
        if needed not in files:
            raise RecordError(f"it holds no {needed}: it is not {what}.")
    return files


def check_tables(stated: Manifest, entries: dict[str, Entry]) -> list[Entry]:
    """The tables that a manifest's splits consist of and that of their flips, where there is one, each listed with the
    size that the manifest states.

    Raises:
        RecordError: if one is missing, one too many, or larger than its rows can need.
    """
    check_stated(stated.document["files"], entries, manifest.NAME)
    tables = [path for path in entries if _TABLE.fullmatch(path)]
    checked = check_sizes(tables, entries, stated.track, stated.splits, stated.images)
    if (listed := entries.get(flips.PATH)) is None:
        return checked
    most = sum(one["flips"] for one in stated.document["splits"]) * (1 << 14 if stated.images else 64) + (1 << 16)
    if listed.size > most:
        raise RecordError(f"{flips.PATH} has {listed.size} bytes, more than its rows can need.")
    return [*checked, listed]


def check_stated(files: Mapping[str, Mapping[str, int]], entries: Mapping[str, Entry], name: str) -> None:
    """Raise RecordError unless a listing holds exactly the files that a manifest states, with their sizes.

    Args:
        name: of the manifest's file.
    """
    listed = {path for path in entries if path not in (CARD, name, ".gitattributes")}
    if listed != set(files):
        odd = sorted(listed ^ set(files))[0]
        raise RecordError(f"{odd[:100]!r} is {'not in' if odd in listed else 'only in'} {name}.")
    for path, entry in files.items():
        if entries[path].size != entry["bytes"]:
            raise RecordError(f"{path} has {entries[path].size} bytes, {name} states {entry['bytes']}.")


def check_sizes(
    tables: Sequence[str],
    entries: Mapping[str, Entry],
    track: Track,
    splits: Sequence[int],
    images: bool,
    place: Callable[[str], str] = str,
) -> list[Entry]:
    """The tables of a track's splits, in order.

    Args:
        place: where in the repository a stem lies.

    Raises:
        RecordError: if one belongs to no split, or is larger than its rows can need.
    """
    fixed = data.fixed_test_set(track)
    stems = {place(s) for w in splits for s in (train_stem(w), test_stem(w, fixed))}
    foreign = sorted(path for path in tables if path.rsplit("-", 3)[0] not in stems)
    if foreign:
        raise RecordError(f"{foreign[0]} belongs to none of its splits.")
    rows, each = (parquet.SHARD, 1 << 14) if images else (1 << 20, 64)
    for path in sorted(tables):
        training = path.rsplit("/", 1)[1].startswith("train-")
        most = (min(rows, track.data.train) if training else rows) * each + (1 << 16)
        if entries[path].size > most:
            raise RecordError(f"{path} has {entries[path].size} bytes, more than its rows can need.")
    return [entries[path] for path in sorted(tables)]


def croissant_tables(files: Mapping[str, object], images: bool, more: Sequence[str] = ()) -> list[croissant.Table]:
    """The tables among some files, as a Croissant file lists them.

    Args:
        more: names of further columns of labels.
    """
    columns = tuple(croissant.COLUMNS)[0 if images else 1 :] + tuple(more)
    paths = sorted(path for path in files if path.endswith(".parquet") and path != flips.PATH)
    training = [path.rsplit("/", 1)[1].startswith("train-") for path in paths]
    about = [
        "Training points of one split." if one else "Test points; their labels are never changed." for one in training
    ]
    listed = croissant.Table(flips.PATH, flips.COLUMNS + columns[: int(images)], "The flipped points of all splits.")
    tables = [croissant.Table(path, columns, what) for path, what in zip(paths, about, strict=True)]
    return [*tables, *([listed] if flips.PATH in files else [])]


def tables_of(files: Iterable[str], stem: str) -> list[str]:
    """The tables of a stem among some files, in order."""
    return sorted(path for path in files if path.rsplit("-", 3)[0] == stem)


def of_track(track: str, stem: str) -> str:
    """Where a track's tables of a stem lie in a repository with several tracks."""
    return stem.replace("data/", f"data/{track}/", 1)


def configs_of_tracks(tracks: Sequence[tuple[Track, int]]) -> list[dict[str, object]]:
    """The `configs` of the card of a repository with several tracks, each with its number of splits."""
    return [
        {
            "config_name": f"{track.name}-{config(split)}",
            **({"default": True} if (number, split) == (0, 0) else {}),
            "data_files": [
                {"split": part, "path": of_track(track.name, path)}
                for part, path in patterns(split, data.fixed_test_set(track)).items()
            ],
        }
        for number, (track, splits) in enumerate(tracks)
        for split in range(splits)
    ]
