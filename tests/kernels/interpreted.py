"""Every kernel under Triton's interpreter, on CPUs. Run by `test_interpreter.py` in a process of its own."""

from __future__ import annotations

import os

import pytest
import torch

from kernels.cases import CASES, DTYPES, TILES, Case

pytestmark = [
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="Triton reads TRITON_INTERPRET when imported"),
    # The interpreter computes with NumPy, which warns of the NaN and infinity that the cases put in on purpose.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    # Before 3.7 it takes its scalars from arrays in a way that NumPy deprecates.
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"),
]


@pytest.mark.parametrize(("dtype", "tile"), list(zip(DTYPES, TILES, strict=True)), ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernel(case: Case, dtype: torch.dtype, tile: int) -> None:
    case.run("cpu", dtype, tile)
