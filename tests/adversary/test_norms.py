"""Projections and steepest steps: inside, on the boundary, outside, zero, and against brute force."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from lnbench.adversary.norms import NORMS, check_norm, confine, project, size, steepest, uniform
from lnbench.errors import ProtocolError

RADIUS = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]], dtype=torch.float64)


def rows(norm: str) -> Tensor:
    """Inside, on the boundary, outside, zero; and outside a ball of radius zero."""
    direction = torch.tensor([0.5, -0.3, 0.9, 0.1], dtype=torch.float64)
    direction = direction / size(direction.view(1, 1, -1), norm)
    return torch.stack([0.5 * direction, direction, 3 * direction, 0 * direction, 2 * direction]).unsqueeze(0)


@pytest.mark.parametrize("norm", NORMS)
def test_projection_inside_on_outside_and_zero(norm: str) -> None:
    offsets = rows(norm)
    projected = project(offsets, RADIUS, norm)
    assert torch.equal(projected[:, 0], offsets[:, 0])
    assert torch.allclose(projected[:, 1], offsets[:, 1], atol=1e-15)
    assert torch.allclose(size(projected, norm)[0, 2], torch.tensor(1.0, dtype=torch.float64), atol=1e-12)
    assert torch.equal(projected[:, 3:], torch.zeros_like(projected[:, 3:]))
    assert torch.allclose(project(projected, RADIUS, norm), projected, atol=1e-15)


@pytest.mark.parametrize("norm", NORMS)
def test_a_projection_is_the_nearest_point_of_the_ball(norm: str) -> None:
    offsets = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    radius = torch.tensor([[0.3, 0.7, 1.0, 1.5, 2.0, 9.0]], dtype=torch.float64)
    projected = project(offsets, radius, norm)
    assert torch.all(size(projected, norm) <= radius + 1e-12)
    candidates = uniform((4000, 5), norm, offsets, torch.Generator().manual_seed(1))
    for i in range(6):
        ours = (projected[0, i] - offsets[0, i]).norm()
        theirs = (candidates * radius[0, i] - offsets[0, i]).norm(dim=1).min()
        assert ours <= theirs + 1e-12


def test_the_l1_projection_agrees_with_an_optimiser() -> None:
    v = torch.tensor([1.2, -0.7, 0.4, 0.05], dtype=torch.float64)
    projected = project(v.view(1, 1, 4), torch.tensor([[1.0]], dtype=torch.float64), "l1").flatten()
    best = minimize(
        lambda p: ((p[:4] - p[4:] - v.numpy()) ** 2).sum(),
        [0.1] * 8,
        bounds=[(0, None)] * 8,
        constraints={"type": "ineq", "fun": lambda p: 1 - p.sum()},
        tol=1e-12,
    )
    assert torch.allclose(projected, torch.from_numpy(best.x[:4] - best.x[4:]), atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_steepest_step_has_size_one_and_gains_the_dual_norm(norm: str) -> None:
    gradient = torch.randn(2, 3, 1, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradient[0, 0] *= 1e-200
    step = steepest(gradient, norm)
    assert torch.allclose(size(step, norm), torch.ones(2, 3, dtype=torch.float64))
    dual = torch.linalg.vector_norm(gradient.flatten(2), {"linf": 1.0, "l2": 2.0, "l1": float("inf")}[norm], dim=-1)
    assert torch.allclose((step * gradient).flatten(2).sum(-1)[1:], dual[1:])


@pytest.mark.parametrize("norm", NORMS)
def test_no_gradient_no_step(norm: str) -> None:
    zero = torch.zeros(1, 2, 3)
    assert torch.equal(steepest(zero, norm), zero)
    assert torch.equal(steepest(torch.full((1, 2, 3), float("nan")), norm), zero)
    assert steepest(torch.zeros(1, 2, 0), norm).shape == (1, 2, 0)


def test_the_steepest_l1_step_fills_the_room_in_the_box() -> None:
    gradient = torch.tensor([[[3.0, -2.0, 1.0, 0.0]]])
    down, up = torch.tensor([[[9.0, 0.5, 9.0, 9.0]]]), torch.tensor([[[0.2, 9.0, 9.0, 9.0]]])
    step = steepest(gradient, "l1", (down, up))
    assert torch.allclose(step, torch.tensor([[[0.2, -0.5, 0.3, 0.0]]]))


@pytest.mark.parametrize("norm", NORMS)
def test_uniform_points_fill_the_ball(norm: str) -> None:
    points = uniform((20000, 3), norm, torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(0))
    sizes = size(points.unsqueeze(0), norm)[0]
    assert sizes.max() <= 1
    quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    assert torch.allclose(sizes.quantile(quantiles), quantiles ** (1 / 3), atol=0.02)
    assert points.mean(0).abs().max() < 0.02


@pytest.mark.parametrize("norm", NORMS)
def test_confine_keeps_ball_and_box(norm: str) -> None:
    clean = torch.rand(2, 9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = clean + torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    radius = torch.full((2, 9), 0.4, dtype=torch.float64)
    confined = confine(x, clean, radius, (0.0, 1.0), norm)
    assert torch.all(size(confined - clean, norm) <= 0.4 + 1e-12)
    assert torch.all((confined >= 0) & (confined <= 1))
    assert torch.equal(confine(x[0], clean[0], radius[0], (0.0, 1.0), norm), confined[0])


def test_there_is_no_l3() -> None:
    with pytest.raises(ProtocolError, match="linf, l2, l1"):
        check_norm("l3")
