"""An engine that computes every cell in this process: a worker takes seconds to start, and `test_engine` tests them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from lnbench.evaluation.engine import Cell
from lnbench.evaluation.engine.local import LocalEngine


def _map(engine: LocalEngine, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
    module, _, name = function.partition(":")
    for i, cell in enumerate(cells):
        yield i, 1.0, getattr(importlib.import_module(module), name)(cell)


@contextmanager
def no_workers() -> Iterator[None]:
    """Cells are computed here, and what that changes of PyTorch's settings is changed back."""
    import torch

    before, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalEngine, "map", _map)
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
