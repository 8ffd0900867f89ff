"""The convolutional networks' own input gradient against the library's."""

from __future__ import annotations

import itertools

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
