"""The header of a saved victim's file: whose victim it holds, everything that its cell depends on, and its counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from lnbench.errors import RecordError
from lnbench.protocol.documents import Count, Part, Sha256, WrongError, read
from lnbench.record.score_schema import Name

KEY = "lnbench"
"""Its key in the metadata of the safetensors file."""


class CellName(Part, frozen=True):
    """Everything that a cell's result depends on; see `lnbench.evaluation.plan.cell_name`."""

    track: Sha256
    salt: Sha256
    labels: Sha256
    victim: Name
    places: list[tuple[Count, Count]]
    arm: Literal["clean", "random", "poisoned", "matched"]
    code: Sha256
    environment: Sha256
    draw: Count | UnsetType = UNSET


class TimmHeader(Part, frozen=True):
    """Of a victim in a folder of timm's: its configuration, and which of its tensors no gradient reached."""

    config: dict[str, Any]
    buffers: list[str]


class VictimHeader(Part, frozen=True):
    """The header.

    Attributes:
        name: everything that the victim's cell depends on.
        split, seed: the victim's place in the cell.
        architecture, options: the network.
        counts: training and test points that it gets right.
        timm: only of a victim in a folder of timm's.
    """

    name: CellName
    split: Count
    seed: Count
    architecture: str
    options: dict[str, Any]
    counts: tuple[Count, Count]
    timm: TimmHeader | UnsetType = UNSET


def facts(path: Path) -> Mapping[str, Any]:
    """The header of a file, with the keys of `VictimHeader`.

    Raises:
        RecordError: if it is not a file of a saved victim.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get(KEY, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: it is not a safetensors file of lnbench ({str(error)[:160]}).") from None
    try:
        read(header, VictimHeader)
    except WrongError as wrong:
        raise RecordError(f"{path}: its header does not say whose victim it holds: {wrong}") from None
    return header
