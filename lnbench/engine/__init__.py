"""Maps a function over independent cells. It knows no stage: a function is a name, a cell and its result are JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from lnbench.errors import ProtocolError

Cell = dict[str, Any]


class Engine(Protocol):
    """Runs cells somewhere. `function` is `"package.module:name"`, called as `name(cell, report)` in a worker."""

    def map(self, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
        """Yield (index of a cell, share of it done, result or None) as cells advance; a result comes once per cell."""
        ...


def engine(name: str, workers: int) -> Engine:
    """The engine of this name with this many workers.

    Raises:
        ProtocolError: if there is none.
    """
    if name == "local":
        from lnbench.engine.local import LocalEngine

        return LocalEngine(workers)
    raise ProtocolError(f"no engine is called {name!r}; there is: local.")
