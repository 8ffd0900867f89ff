"""What every kernel is put through, on a GPU and under Triton's interpreter alike: each launch branch, odd sizes, NaN
and infinity, non-contiguous tensors, no elements at all; against the PyTorch reference in float64.

A new kernel enters every suite by adding its functions here.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Case:
    """One check of one kernel: run(device, dtype, tile) raises AssertionError if it is wrong."""

    name: str
    run: Callable[[str, torch.dtype, int], None]


def op(name: str) -> ModuleType:
    """The module of one op (the package's attribute of that name is the function)."""
    return importlib.import_module(f"lnbench.kernels.{name}")


@contextlib.contextmanager
def tiled(module: ModuleType, tile: int) -> Iterator[None]:
    """A launch configuration of our own, to reach every branch with small tensors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "configuration", lambda device: (tile, 4))
        yield


def close(actual: Tensor, expected: Tensor, terms: int) -> None:
    """|actual − expected| ≤ 4 · terms · eps · (1 + |expected|), and NaN exactly where expected."""
    assert actual.shape == expected.shape
    assert torch.equal(actual.isnan(), expected.isnan())
    error = (actual.double() - expected.double()).abs() / (1 + expected.double().abs())
    eps = torch.finfo(actual.dtype).eps
    assert not actual.numel() or float(error.nan_to_num(0.0).max()) <= 4 * terms * eps


def steps(shape: tuple[int, ...], dtype: torch.dtype, device: str, nan: bool = True) -> list[Tensor]:
    """x, gradient, origin, place, step, radius of a PGD step, the gradient with zero rows, NaN and infinity."""
    generator = torch.Generator().manual_seed(0)
    n, place = 9, torch.randint(9, (2, 7), generator=generator)
    origin = torch.rand(n, *shape, generator=generator, dtype=torch.float64)
    x = origin[place] + 0.05 * torch.randn(2, 7, *shape, generator=generator, dtype=torch.float64)
    gradient = torch.randn(2, 7, *shape, generator=generator, dtype=torch.float64)
    gradient[0, 0] = 0
    if nan:
        gradient[1, 1].flatten()[0] = float("nan")
        gradient[1, 2].flatten()[-1] = float("inf")
        x[0, 3].flatten()[0] = float("nan")
    radius = 0.1 * torch.rand(n, generator=generator, dtype=torch.float64)
    radius[0] = 0
    values = [x, gradient, origin, place, 0.25 * radius, radius]
    return [v.to(device, dtype) if v.is_floating_point() else v.to(device) for v in values]


def step(
    name: str, shape: tuple[int, ...], bounds: tuple[float, float] | None
) -> Callable[[str, torch.dtype, int], None]:
    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module = op(name)
        values = steps(shape, dtype, device)
        expected = module.reference(*[v.double() if v.is_floating_point() else v for v in values], bounds)
        turned = [v.transpose(0, 1).contiguous().transpose(0, 1) for v in values[:2]]
        with tiled(module, tile):
            close(
                module.launch(*turned, *values[2:], bounds), expected, 8 * values[0][0, 0].numel() if "2" in name else 4
            )

    return run


def step_of_nothing(name: str) -> Callable[[str, torch.dtype, int], None]:
    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        values = steps((5,), dtype, device)
        empty = [v[:, :0] if i in (0, 1, 3) else v for i, v in enumerate(values)]
        assert op(name).launch(*empty, None).shape == (2, 0, 5)

    return run


def exact_linf(bounds: tuple[float, float]) -> Callable[[str, torch.dtype, int], None]:
    """In ℓ∞ nothing is summed, so kernel and reference agree to the last bit in one type, on the box's sides too."""

    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module, values = op("linf_step"), steps((13,), dtype, device, nan=False)
        values[0], values[5] = 3 * values[0] - 1, values[5] + 1
        with tiled(module, tile):
            actual = module.launch(values[0], values[1].clone(), *values[2:], bounds)
        assert torch.equal(actual, module.reference(*values, bounds))
        sides = torch.tensor(bounds, dtype=dtype)
        assert actual.min() == sides[0] and actual.max() == sides[1]

    return run


def boxed_l2(bounds: tuple[float, float]) -> Callable[[str, torch.dtype, int], None]:
    """What leaves the box in ℓ2 is on its sides, to the last bit."""

    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module, values = op("l2_step"), steps((45,), dtype, device, nan=False)
        values[0], values[5] = 3 * values[0] - 1, values[5] + 99
        with tiled(module, tile):
            actual = module.launch(values[0], values[1].clone(), *values[2:], bounds)
        close(actual, module.reference(*[v.double() if v.is_floating_point() else v for v in values], bounds), 8 * 45)
        sides = torch.tensor(bounds, dtype=dtype)
        assert actual.min() == sides[0] and actual.max() == sides[1]

    return run


def tiny_gradient(device: str, dtype: torch.dtype, tile: int) -> None:
    """ℓ2 steps have full length however small the gradient."""
    module, values = op("l2_step"), steps((70,), dtype, device, nan=False)
    values[1] *= 1e-30 if dtype == torch.float32 else 1e-250
    origin, place, radius = values[2], values[3], values[5]
    values[0] = origin[place].clone()
    with tiled(module, tile):
        moved = module.launch(values[0], values[1].clone(), origin, place, radius, radius, None) - origin[place]
    lengths = torch.linalg.vector_norm(moved, dim=-1)
    moves = values[1].flatten(2).abs().amax(-1) > 0
    assert torch.allclose(lengths[moves], radius[place][moves], rtol=1e-3)
    assert moves.sum() == 13 and not lengths[~moves].any()


def gathered(shifted: bool, flipped: bool) -> Callable[[str, torch.dtype, int], None]:
    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module, generator = op("gather"), torch.Generator().manual_seed(0)
        inputs = torch.randn(11, 5, 3, 7, generator=generator).to(device, dtype).transpose(1, 2)
        inputs[3, 0, 0, 0], inputs[4, 0, 1, 1] = float("nan"), float("inf")
        index = torch.randint(11, (2, 6), generator=generator).to(device)
        shift = torch.randint(-6, 7, (2, 6, 2), generator=generator).to(device) if shifted else None
        flip = (torch.rand(2, 6, generator=generator) < 0.5).to(device) if flipped else None
        with tiled(module, tile):
            actual = module.launch(inputs, index, shift, flip)
            nothing = module.launch(inputs, index[:, :0], None if shift is None else shift[:, :0], None)
        assert nothing.shape == (2, 0, 3, 5, 7)
        assert torch.equal(actual.nan_to_num(-7.0), module.reference(inputs, index, shift, flip).nan_to_num(-7.0))

    return run


def entropies(classes: int) -> Callable[[str, torch.dtype, int], None]:
    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module, generator = op("cross_entropy"), torch.Generator().manual_seed(0)
        logits = 30 * torch.randn(5, 3, classes, generator=generator)
        logits[0, 0, 1], logits[1, 1, 0], logits[2, 2, 0] = float("nan"), 1e30, -float("inf")
        logits = logits.to(device, dtype).transpose(0, 1)
        labels = torch.randint(classes, (3, 5), generator=generator).to(device)
        labels[2, 2] = 1
        expected = module.reference(logits.double(), labels)
        with tiled(module, tile):
            actual = module.launch(logits, labels)
            nothing = module.launch(logits[:, :0], labels[:, :0])
        assert nothing[0].shape == (3, 0) and nothing[1].shape == (3, 0, classes)
        for one, other in zip(actual, expected, strict=True):
            close(one, other, 8 + classes)

    return run


def neighbours(norm: str, n: int, size: int) -> Callable[[str, torch.dtype, int], None]:
    def run(device: str, dtype: torch.dtype, tile: int) -> None:
        module, generator = op("neighbours"), torch.Generator().manual_seed(n)
        points = (torch.rand(size, n, generator=generator) * 8).round().div(8).to(device, dtype).t()
        others = points[::2] + 0.125
        gaps = module.reference(points, points, 0.0, norm)
        assert gaps.diagonal().all()
        radius = 0.5 * size ** {"linf": 0.0, "l2": 0.5, "l1": 1.0}[norm]
        near = module.reference(points, points, radius, norm)
        near.fill_diagonal_(False)
        assert torch.equal(module.launch_edges(points, radius, norm), near.triu(1).nonzero())
        assert torch.equal(module.launch_counts(points, points, radius, norm, same=True), near.sum(1))
        across = module.reference(points, others, radius, norm).sum(1)
        assert torch.equal(module.launch_counts(points, others, radius, norm, same=False), across)

    return run


BOXES = ((0.0, 1.0), (0.1, 0.9), (1 / 3, 2 / 3), (-0.12345678901234568, 1.0000000000000002), (1e-30, 1 - 1e-12))
"""Sides that are numbers of both types, and sides that float32 would round."""

CASES = [
    *(
        Case(f"{name}-{'x'.join(map(str, shape))}-{'box' if bounds else 'free'}", step(name, shape, bounds))
        for name in ("linf_step", "l2_step")
        for shape in ((103,), (3, 5, 7), (1,))
        for bounds in (None, (0.1, 0.9))
    ),
    *(Case(f"{name}-nothing", step_of_nothing(name)) for name in ("linf_step", "l2_step")),
    *(Case(f"linf_step-exact-{i}", exact_linf(bounds)) for i, bounds in enumerate(BOXES)),
    *(Case(f"l2_step-boxed-{i}", boxed_l2(bounds)) for i, bounds in enumerate(BOXES)),
    Case("l2_step-tiny", tiny_gradient),
    *(Case(f"gather-{s}-{f}", gathered(s, f)) for s in (True, False) for f in (True, False) if s or f),
    *(Case(f"cross_entropy-{classes}", entropies(classes)) for classes in (2, 10, 37)),
    *(
        Case(f"neighbours-{norm}-{n}x{size}", neighbours(norm, n, size))
        for norm in ("linf", "l2", "l1")
        for n, size in ((1, 2), (37, 5), (97, 3))
    ),
]
TILES = (32, 1024)
"""Smaller than some rows and larger than all: both branches of every launch."""
