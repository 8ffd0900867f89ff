"""The CPU paths against definitions written out, and what the dispatch refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.cases import close, op, steps
from lnbench.kernels import cross_entropy, gather, l2_step, linf_step, neighbour_counts, neighbour_edges

NORMS = ("linf", "l2", "l1")


@pytest.mark.parametrize("bounds", [None, (0.1, 0.9)])
def test_the_linf_step_one_number_at_a_time(bounds: tuple[float, float] | None) -> None:
    x, gradient, origin, place, step, radius = steps((5,), torch.float64, "cpu", nan=False)
    moved = linf_step(x, gradient.clone(), origin, place, step, radius, bounds)
    for v, b, d in np.ndindex(*x.shape):
        row = place[v, b]
        y = x[v, b, d] + step[row] * np.sign(gradient[v, b, d].item())
        y = min(max(y, origin[row, d] - radius[row]), origin[row, d] + radius[row])
        y = y if bounds is None else min(max(y, bounds[0]), bounds[1])
        assert moved[v, b, d] == y


@pytest.mark.parametrize("bounds", [None, (0.1, 0.9)])
def test_the_l2_step_one_row_at_a_time(bounds: tuple[float, float] | None) -> None:
    x, gradient, origin, place, step, radius = steps((5,), torch.float64, "cpu", nan=False)
    moved = l2_step(x, gradient.clone(), origin, place, step, radius, bounds)
    outside = 0
    for v, b in np.ndindex(*place.shape):
        row, g = place[v, b], gradient[v, b].numpy()
        y = x[v, b].numpy() + step[row].item() * (g / np.linalg.norm(g) if g.any() else g) - origin[row].numpy()
        outside += bool(np.linalg.norm(y) > radius[row])
        y = origin[row].numpy() + y * min(1.0, radius[row].item() / np.linalg.norm(y))
        y = y if bounds is None else y.clip(*bounds)
        assert np.allclose(moved[v, b].numpy(), y, atol=1e-14)
    assert outside > 3


def test_a_row_without_a_usable_gradient_does_not_step_in_l2() -> None:
    x, gradient, origin, place, step, radius = steps((5,), torch.float32, "cpu")
    x = origin[place].clone()
    moved = (l2_step(x, gradient.clone(), origin, place, step, radius + 1, None) != x).any(-1)
    still = torch.zeros(2, 7, dtype=torch.bool)
    still[0, 0], still[1, 1], still[1, 2] = True, True, True
    assert not moved[still].any() and moved[~still & (step[place] > 0)].all()


def test_a_batch_is_shifted_before_it_is_mirrored() -> None:
    inputs = torch.arange(24.0).view(1, 2, 3, 4)
    index = torch.zeros(1, 1, dtype=torch.long)
    shift, flip = torch.tensor([[[1, -1]]]), torch.tensor([[True]])
    padded = torch.nn.functional.pad(inputs[0], (4, 4, 3, 3))
    expected = padded[:, 3 - 1 : 6 - 1, 4 + 1 : 8 + 1].flip(-1)
    assert torch.equal(gather(inputs, index, shift, flip)[0, 0], expected)
    assert torch.equal(gather(inputs, index)[0, 0], inputs[0])
    assert gather(torch.zeros(4, 7), torch.zeros(2, 3, dtype=torch.long)).shape == (2, 3, 7)


def test_gather_refuses_what_does_not_fit() -> None:
    images, index = torch.zeros(4, 1, 2, 2), torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="only images"):
        gather(torch.zeros(4, 7), index, flip=index.bool())
    with pytest.raises(ValueError, match="two numbers"):
        gather(images, index, shift=index)
    with pytest.raises(ValueError, match="one for each"):
        gather(images, index, flip=index[:1].bool())


def test_cross_entropy_and_its_gradient_are_torchs() -> None:
    logits = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 20
    labels = torch.arange(15).view(3, 5) % 7
    z = logits.clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(z.flatten(0, 1), labels.flatten(), reduction="none").view(3, 5)
    (slope,) = torch.autograd.grad(expected.sum(), z)
    losses, gradient = cross_entropy(logits, labels)
    close(losses, expected.detach(), 8)
    close(gradient, slope, 8)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 40),
    size=st.integers(1, 90),
    norm=st.sampled_from(NORMS),
    quantile=st.floats(0, 1),
    grid=st.sampled_from([0, 4]),
    offset=st.sampled_from([0.0, 1000.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_neighbours_are_those_of_the_definition_ties_included(
    n: int, size: int, norm: str, quantile: float, grid: int, offset: float, dtype: torch.dtype, seed: int
) -> None:
    points = torch.rand(n, size, generator=torch.Generator().manual_seed(seed), dtype=dtype) + offset
    points = (points * grid).round() / grid if grid else points
    module = op("neighbours")
    exact = torch.linalg.vector_norm(points.double()[:, None] - points.double()[None], module.ORDER[norm], dim=-1)
    radius = float(exact.flatten().sort().values[int(quantile * (n * n - 1))]) if n else 1.0
    near = (exact <= radius).fill_diagonal_(False)
    assert torch.equal(neighbour_edges(points, radius, norm), near.triu(1).nonzero())
    assert torch.equal(neighbour_counts(points, radius, norm), near.sum(1))
    others = points[::2]
    assert torch.equal(neighbour_counts(points, radius, norm, others), (exact <= radius)[:, ::2].sum(1))


@pytest.mark.parametrize("norm", NORMS)
def test_neighbours_over_several_tiles_and_stages(norm: str) -> None:
    points = torch.rand(600, 150, generator=torch.Generator().manual_seed(0))
    points[:, 100:] *= 0.05
    order = op("neighbours").ORDER[norm]
    exact = torch.cdist(points.double(), points.double(), p=order, compute_mode="donot_use_mm_for_euclid_dist")
    for share in (0.01, 0.9):
        radius = float(exact.flatten().sort().values[int(share * 600**2)]) * (1 + 1e-6)
        near = (exact <= radius).fill_diagonal_(False)
        edges = neighbour_edges(points, radius, norm)
        assert torch.equal(edges, near.triu(1).nonzero()) and len(edges) > 100
        assert torch.equal(neighbour_counts(points, radius, norm), near.sum(1))


@pytest.mark.parametrize("scale", [1e25, 1e39, 1e100])
@pytest.mark.parametrize("norm", NORMS)
def test_neighbours_of_points_that_are_too_large_for_float32(norm: str, scale: float) -> None:
    points = scale * torch.rand(300, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = torch.linalg.vector_norm(points[:, None] - points[None], op("neighbours").ORDER[norm], dim=-1)
    radius = float(exact.flatten().sort().values[27000])
    near = (exact <= radius).fill_diagonal_(False)
    assert torch.equal(neighbour_counts(points, radius, norm), near.sum(1))
    assert torch.equal(neighbour_edges(points, radius, norm), near.triu(1).nonzero())


def test_neighbours_refuse_what_has_no_distance() -> None:
    points = torch.rand(3, 2)
    with pytest.raises(ValueError, match="linf, l2, l1"):
        neighbour_edges(points, 1.0, "l3")
    with pytest.raises(ValueError, match="at least 0"):
        neighbour_counts(points, -1.0)
    with pytest.raises(ValueError, match="finite"):
        neighbour_counts(points * float("nan"), 1.0)
    with pytest.raises(ValueError, match="no distance"):
        neighbour_counts(points, 1.0, others=torch.rand(3, 3))


def test_no_kernel_is_needed_to_import_them() -> None:
    import subprocess
    import sys

    code = "import sys, lnbench.kernels, lnbench.adversary; sys.exit('triton.language' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], timeout=120).returncode == 0
