"""The convolutional networks' own arithmetic against the library's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lnbench.victims.architectures import cnn

SETTINGS = [
    (kernel, stride, padding, side)
    for kernel, stride, padding, side in itertools.product((1, 2, 3, 5), (1, 2, 3, 4), (0, 1, 2), (5, 8, 9, 28))
    if side + 2 * padding >= kernel
]


@pytest.mark.parametrize(("groups", "channels"), [(1, 1), (1, 3), (4, 1), (3, 3)])
def test_the_first_convolutions_gradients_equal_the_librarys(groups: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(groups + channels)
    for kernel, stride, padding, side in SETTINGS:
        inputs = torch.rand(2, groups * channels, side, side, generator=generator, dtype=torch.float64)
        weights = torch.randn(groups * 4, channels, kernel, kernel, generator=generator, dtype=torch.float64)
        shift = torch.randn(groups * 4, generator=generator, dtype=torch.float64)
        for layout in (torch.contiguous_format, torch.channels_last):
            x = inputs.contiguous(memory_format=layout).requires_grad_()
            wanted = (x, weights.requires_grad_(), shift.requires_grad_())
            theirs = F.conv2d(*wanted, stride, padding, 1, groups)
            ours = cnn._InputConvolution.apply(*wanted, stride, padding, 1, groups)
            weight = torch.randn(theirs.shape, generator=generator, dtype=torch.float64)
            for got, expected in zip(
                torch.autograd.grad((ours * weight).sum(), wanted),
                torch.autograd.grad((theirs * weight).sum(), wanted),
                strict=True,
            ):
                torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("side", "options"),
    [
        (8, {"channels": (8, 16), "kernel": 3, "padding": 1, "stride": 2, "hidden": 64}),
        (8, {"channels": (3,), "kernel": 5, "padding": 2, "stride": 3, "hidden": 4}),
        (7, {"channels": (4, 5), "kernel": 2, "padding": 0, "stride": 2, "hidden": 4}),
    ],
)
def test_small_images_are_convolved_by_a_matrix_to_the_same_numbers(
    side: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cnn.Architecture(**options)
    starts = [made.init((2, side, side), 10, torch.Generator().manual_seed(seed)) for seed in range(3)]
    parameters = {k: torch.stack([s[k] for s in starts]).double().requires_grad_() for k in starts[0]}
    inputs = torch.rand(1, 5, 2, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    found = []
    for limit in (8, 0):
        monkeypatch.setattr(cnn, "_SMALL", limit)
        x = inputs.clone().requires_grad_()
        logits = made.logits(parameters, x)
        weight = torch.rand(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        found.append([logits, *torch.autograd.grad((logits * weight).sum(), [x, *parameters.values()])])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def _network(victims: int, shape: tuple[int, ...], **options: Any) -> tuple[cnn.Architecture, dict[str, torch.Tensor]]:
    """A stack of networks in float64."""
    made = cnn.Architecture(**options)
    starts = [made.init(shape, 10, torch.Generator().manual_seed(i)) for i in range(victims)]
    return made, {k: torch.stack([start[k] for start in starts]).double().requires_grad_() for k in starts[0]}


OVER_PATCHES = [
    ((1, 28, 28), {"channels": (16, 32), "kernel": 5, "stride": 2, "hidden": 128}),
    ((3, 32, 32), {"channels": (4, 8, 8), "kernel": 3, "padding": 1, "stride": 2, "hidden": 16}),
    ((2, 17, 17), {"channels": (3,), "kernel": 4, "stride": 3, "hidden": 8}),
]


@pytest.mark.parametrize(("shape", "options"), OVER_PATCHES)
@pytest.mark.parametrize("victims", [1, 3])
def test_products_over_patches_equal_the_librarys_convolutions(
    shape: tuple[int, ...], options: dict[str, Any], victims: int
) -> None:
    made, parameters = _network(victims, shape, **options)
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(victims, 4, *shape, generator=generator, dtype=torch.float64).requires_grad_()
    for inputs in (own, own.detach()[:1].expand(victims, 4, *shape)):
        wanted = [p for name, p in parameters.items() if name not in ("weight1", "bias1")]
        wanted += [inputs] if inputs.requires_grad else []
        theirs, ours = made.features(parameters, inputs), made._over_patches(parameters, inputs, torch.float64)
        weight = torch.randn(theirs.shape, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        for got, expected in zip(
            torch.autograd.grad((ours * weight).sum(), wanted),
            torch.autograd.grad((theirs * weight).sum(), wanted),
            strict=True,
        ):
            torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)


def test_in_bfloat16_on_a_cpu_convolutions_are_products_over_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, options = OVER_PATCHES[0]
    made, double = _network(2, shape, **options)
    parameters, taken = {name: p.detach().float() for name, p in double.items()}, list[torch.dtype]()
    whole = cnn.Architecture._over_patches

    def seen(self: cnn.Architecture, *given: Any) -> torch.Tensor:
        taken.append(given[-1])
        return whole(self, *given)

    monkeypatch.setattr(cnn.Architecture, "_over_patches", seen)
    inputs = torch.rand(2, 16, *shape, generator=torch.Generator().manual_seed(1))
    exact = made.logits(parameters, inputs)
    assert not taken
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.logits(parameters, inputs)
    assert taken == [torch.bfloat16]
    assert 0 < float((rough - exact).norm() / exact.norm()) < 0.02
