"""What an engine is: it maps a function over independent cells, and knows no stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Cell = dict[str, Any]
"""A piece of work, or its result: JSON values."""


class Engine(Protocol):
    """Runs cells somewhere. `function` is `"package.module:name"`, called as `name(cell, report)` in a worker."""

    def map(self, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
        """Yield (index of a cell, share of it done, result or None) as cells advance; a result comes once per cell."""
        ...
