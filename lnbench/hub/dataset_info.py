"""`dataset_info` in a card's header: what helpful programs of the Hub write there about columns, classes and sizes.

The `datasets` library believes it: classes of other names there would be shown for the labels. So it is taken where it
says what the tables hold, and refused where it says anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lnbench import data
from lnbench.errors import RecordError
from lnbench.hub import flips, layout, parquet
from lnbench.hub.licences import class_names
from lnbench.hub.manifest import Manifest
from lnbench.text import plain

NAME = "dataset_info"
_FIELDS = {"config_name", "features", "splits", "download_size", "dataset_size"}
_NUMBERS = {"num_bytes", "num_examples"}


def check(stated: Manifest, value: Any) -> None:
    """Compare a header's `dataset_info` with what the manifest's tables hold.

    Args:
        value: one mapping, or a list with one a configuration.

    Raises:
        RecordError: one sentence about the first thing that differs, or that has no business there.
    """
    known = {str(one["config_name"]) for one in layout.configs(stated)}
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict) or not set(one) <= _FIELDS:
            odd = plain(str(min(map(str, set(one) - _FIELDS))), 40) if isinstance(one, dict) else plain(str(one), 40)
            raise _refused(f"holds {odd!r}, which is none of {', '.join(sorted(_FIELDS))}")
        name = one.get("config_name", layout.config(stated.splits[0]))
        if str(name) not in known:
            raise _refused(f"names the configuration {plain(str(name), 40)!r}, which is none of the dataset's")
        if "features" in one and _plain(one["features"]) != described(stated, name):
            raise _refused(f"describes other columns or classes than the tables of {name} have")
        for size in ("download_size", "dataset_size"):
            if not _is_count(one.get(size, 0)):
                raise _refused(f"has a {size} that is not a number of bytes")
        _check_parts(stated, name, one.get("splits", []))


def described(stated: Manifest, config: str) -> list[dict[str, Any]]:
    """The columns of a configuration as `dataset_info` describes them."""
    names = class_names(stated.track.data.source, stated.track.data.classes)
    columns = (flips if config == flips.CONFIG else parquet).features(names, stated.images)
    return [{"name": name, "dtype": _dtype(feature)} for name, feature in columns.items()]


def _dtype(feature: Mapping[str, Any]) -> Any:
    if feature["_type"] == "ClassLabel":
        return {"class_label": {"names": {str(i): name for i, name in enumerate(feature["names"])}}}
    return "image" if feature["_type"] == "Image" else feature["dtype"]


def _plain(value: Any) -> Any:
    """With class numbers as text, as one of two writers has them, and names as text."""
    if isinstance(value, dict):
        return {str(name): _plain(one) if isinstance(one, dict | list) else str(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _check_parts(stated: Manifest, config: str, parts: Any) -> None:
    """The sizes of the parts that a configuration has."""
    points = sum(one["flips"] for one in stated.document["splits"]) if config == flips.CONFIG else None
    rows = {"train": stated.track.data.train if points is None else points}
    allowed = {"train"} if config == flips.CONFIG else set(layout.patterns(0, data.fixed_test_set(stated.track)))
    for part in parts if isinstance(parts, list) else [parts]:
        fits = isinstance(part, dict) and set(part) <= {"name", *_NUMBERS} and str(part.get("name")) in allowed
        if not fits or not all(_is_count(part.get(number, 0)) for number in _NUMBERS):
            raise _refused(
                f"has splits of {config} that are not a name and the sizes of {' and '.join(sorted(allowed))}"
            )
        expected, came = rows.get(part["name"]), part.get("num_examples")
        if None not in (expected, came) and came != expected:
            raise _refused(f"states {came} rows for {part['name']} of {config}, which has {expected}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _refused(why: str) -> RecordError:
    return RecordError(f"the {NAME!r} in the header of {layout.CARD} {why}.")
