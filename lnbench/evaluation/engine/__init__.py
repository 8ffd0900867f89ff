"""Engines map a function over independent cells: a function is a name, a cell and its result are JSON."""

from __future__ import annotations

from lnbench.errors import ProtocolError
from lnbench.evaluation.engine.interface import Cell, Engine

__all__ = ["Cell", "Engine", "engine"]


def engine(name: str, workers: int) -> Engine:
    """The engine of this name with this many workers.

    Raises:
        ProtocolError: if there is none.
    """
    if name == "local":
        from lnbench.evaluation.engine.local import LocalEngine

        return LocalEngine(workers)
    raise ProtocolError(f"no engine is called {name!r}; there is: local.")
