"""What an engine is: it maps a function over independent cells, and knows no stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

Cell = dict[str, Any]
"""A piece of work, or its result: JSON values."""


class Engine(Protocol):
    """Runs cells somewhere. `function` is `"package.module:name"`, called as `name(cell, report)` in a worker."""

    name: str
    """As a person asks for it, and as records name it."""

    def map(self, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
        """Yield (index of a cell, share of it done, result or None) as cells advance; a result comes once per cell."""
        ...

    def everywhere(self, function: str, cell: Cell) -> dict[str, Cell]:
        """Call a function once on every machine of the engine: machine -> result, or `{"error", "message"}`."""
        ...

    def done_by(self) -> Mapping[str, int]:
        """How many cells each worker or machine has finished, as far as the engine knows."""
        ...
