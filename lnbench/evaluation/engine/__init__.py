"""Engines map a function over independent cells: a function is a name, a cell and its result are JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lnbench.errors import ProtocolError
from lnbench.evaluation.engine.interface import Cell, Engine

__all__ = ["NAMES", "Cell", "Engine", "engine"]

NAMES = ("local", "ray")


def engine(
    name: str,
    workers: int,
    *,
    gpus: Sequence[str] = (),
    address: str | None = None,
    needs: Callable[[str, Cell], dict[str, float]] | None = None,
) -> Engine:
    """The engine of this name.

    Args:
        workers: cells at once; 0 leaves it to a cluster.
        gpus: of the local engine: the ids that its workers see, one each.
        address: of a Ray cluster; None starts one on this machine.
        needs: what a cluster is to reserve for a cell; see `lnbench.evaluation.engine.ray.Needs`.

    Raises:
        ProtocolError: if there is none, or the address goes with no cluster.
        UnavailableError: if its library is missing.
    """
    if address is not None and name != "ray":
        raise ProtocolError(f"an address is a Ray cluster's: give it with --engine ray, not {name}.")
    if name == "local":
        from lnbench.evaluation.engine.local import LocalEngine

        return LocalEngine(workers, gpus)
    if name == "ray":
        from lnbench.evaluation.engine.ray import RayEngine

        return RayEngine(workers or None, address, needs or (lambda function, cell: {}))
    raise ProtocolError(f"no engine is called {name!r}; there are: {', '.join(NAMES)}.")
