"""More replicates for a document that was measured elsewhere: what it holds is kept, and only the rest is measured.

The store does this within one environment. Between machines bits differ, but replicates are independent of each other,
and so those of two machines are one sample. The document says which run each of its replicates is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.errors import ProtocolError
from lnbench.thesis.experiment import ABSENT


def alone(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell without the number of splits, which no measurement depends on: more splits keep those that are there."""
    return {name: value for name, value in cell.items() if name != "splits"}


def kept(before: Mapping[str, Any], level: str, cells: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Place among a level's cells -> the result that a document holds for it.

    Args:
        before: an experiment's document.
        level: the level that is to be measured.
        cells: those of the level.

    Raises:
        ProtocolError: if the document is of another level, or holds a replicate that the level does not have.
    """
    name = before["experiment"]
    advice = f"Run `lnbench reproduce {name} --{level}` without --extend, or give another folder."
    if before["level"] != level:
        raise ProtocolError(f"{name}.json is of level {before['level']}, and --extend of level {level}. {advice}")
    places = {_frozen(cell): at for at, cell in enumerate(cells)}
    found = {}
    for entry in before["found"]:
        place = places.get(_frozen(entry["cell"]))
        if place is None:
            raise ProtocolError(f"{name}.json was measured with other settings than level {level} has now. {advice}")
        if not entry["result"].get(ABSENT):
            found[place] = dict(entry["result"])
    return found


def origin(before: Mapping[str, Any], kept: int, new: int) -> dict[str, Any]:
    """What the extended document says of the runs before it: in `earlier` all of them, with their replicates.

    Args:
        before: the document that was extended.
        kept: how many replicates were taken from it.
        new: how many were measured; if none, its own words are kept.
    """
    earlier = before.get("earlier", [])
    if not new:
        return {"run": before["run"], **({"earlier": earlier} if earlier else {})}
    own = kept - sum(run["replicates"] for run in earlier)
    runs = [*earlier, {"replicates": own, **before["run"]}] if own else earlier
    return {"earlier": runs} if runs else {}


def _frozen(cell: Mapping[str, Any]) -> str:
    return json.dumps(alone(cell), sort_keys=True)
