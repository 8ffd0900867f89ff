"""Small convolutional networks: per stage a convolution and ReLU that halve the side, then one hidden layer.

The thesis does not give its "standard" network; the 16/32-channel 5×5 network with 128 hidden units is ours. The tracks
halve the side by stride 2: that memorises as well as max-pooling after stride 1, at a third of the arithmetic or less.
All victims of a stack are one grouped convolution in channels-last layout: on CPUs it runs at the rate of the best
single convolutions where `vmap` and explicit patch matrices run at half of it or less, and pooling, which dominates in
channels-first layout, is then vectorised over the victims' channels. A single victim is fastest as it comes.

On images as small as the digits' 8×8 a convolution is faster as what it is, a matrix: of its entries every seventh is
not zero, but a batched product runs at the rate of the machine, and a grouped convolution there does not (1.7 times as
fast in training, `tests/bench/bench_victims.py`).

In bfloat16 on a CPU a strided convolution is a product over patches, one below another: the library's products in that
type run at four times the rate of those in float32, and its strided convolutions at hardly more than the same.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.victims.architecture import Parameters, initial, initial_linear


@dataclass(frozen=True)
class Architecture:
    """One stage per entry of `channels`, then `hidden` ReLU units, then a linear layer.

    Attributes:
        channels: output channels of each stage.
        kernel: side of the square kernels.
        padding: zeros added on each side before each convolution.
        stride: of each convolution; with stride 1 a 2×2 max-pooling follows it instead.
        hidden: units of the hidden layer.
    """

    channels: tuple[int, ...] = (16, 32)
    kernel: int = 5
    padding: int = 0
    stride: int = 1
    hidden: int = 128

    def _sides(self, shape: tuple[int, ...]) -> list[int]:
        """Side of the square feature maps after each stage."""
        if len(shape) != 3 or shape[1] != shape[2]:
            raise ProtocolError(f"a cnn takes square images (channel, side, side); the data has shape {shape}.")
        sides = [shape[1]]
        for _ in self.channels:
            side = (sides[-1] + 2 * self.padding - self.kernel) // self.stride + 1
            sides.append(side // 2 if self.stride == 1 else side)
            if sides[-1] < 1:
                raise ProtocolError(
                    f"a cnn with {len(self.channels)} stages of {self.kernel}×{self.kernel} kernels is too deep for "
                    f"{shape[1]}×{shape[2]} images; use fewer channels entries, smaller kernels or more padding."
                )
        return sides[1:]

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters."""
        side = self._sides(shape)[-1]
        parameters, fan = {}, shape[0]
        for i, out in enumerate(self.channels):
            bound = (fan * self.kernel**2) ** -0.5
            parameters[f"kernel{i}"] = initial((out, fan, self.kernel, self.kernel), bound, generator)
            parameters[f"shift{i}"] = initial((out,), bound, generator)
            fan = out
        parameters["weight0"], parameters["bias0"] = initial_linear(fan * side**2, self.hidden, generator)
        parameters["weight1"], parameters["bias1"] = initial_linear(self.hidden, num_classes, generator)
        return parameters

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations, (victim, batch, hidden)."""
        victims, batch = len(parameters["weight0"]), inputs.shape[1]
        if self.stride > 1 and inputs.shape[-1] <= _SMALL:
            return self._as_matrices(parameters, inputs)
        if self.stride > 1 and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            return self._over_patches(parameters, inputs, torch.get_autocast_dtype("cpu"))
        maps = inputs.expand(victims, *inputs.shape[1:]).transpose(0, 1).flatten(1, 2)
        if victims > 1:
            maps = maps.contiguous(memory_format=torch.channels_last)
        for i in range(len(self.channels)):
            kernel, shift = parameters[f"kernel{i}"].flatten(0, 1), parameters[f"shift{i}"].flatten()
            wanted = i == 0 and maps.requires_grad and maps.device.type == "cpu" and (victims > 1 or self.stride > 1)
            convolve = _InputConvolution.apply if wanted else F.conv2d
            maps = convolve(maps, kernel, shift, self.stride, self.padding, 1, victims)
            maps = F.max_pool2d(maps, 2).relu() if self.stride == 1 else maps.relu()
        flat = maps.reshape(batch, victims, -1).transpose(0, 1)
        return torch.baddbmm(parameters["bias0"], flat, parameters["weight0"]).relu()

    def _as_matrices(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """`features` with every convolution written out as a matrix."""
        victims, channels, side = len(parameters["weight0"]), inputs.shape[2], inputs.shape[-1]
        hidden = inputs.flatten(2).expand(victims, -1, -1)
        for i, out in enumerate(self.channels):
            at, held, after = _matrix(channels, out, side, self.kernel, self.stride, self.padding)
            places, taps = (torch.from_numpy(entries).to(inputs.device) for entries in (at, held))
            kernel, shift = parameters[f"kernel{i}"].flatten(1), parameters[f"shift{i}"]
            matrix = kernel.new_zeros(victims, hidden.shape[-1] * out * after**2)
            matrix = matrix.index_copy(1, places, kernel.index_select(1, taps))
            matrix = matrix.view(victims, hidden.shape[-1], -1)
            shift = shift.unsqueeze(-1).expand(-1, -1, after**2).reshape(victims, 1, -1)
            hidden = torch.baddbmm(shift, hidden, matrix).relu()
            channels, side = out, after
        return torch.baddbmm(parameters["bias0"], hidden, parameters["weight0"]).relu()

    def _over_patches(self, parameters: Parameters, inputs: Tensor, kind: torch.dtype) -> Tensor:
        """`features` with every convolution a product over patches, in a type.

        One victim after the other, whose maps (batch, y, x, channel) then stay in the cache; but what `expand` shared
        among them is cut into patches once.
        """
        victims, batch = len(parameters["weight0"]), inputs.shape[1]
        kernels = [parameters[f"kernel{i}"].to(kind).permute(0, 3, 4, 2, 1).flatten(1, 3) for i in self._stages]
        shifts = [parameters[f"shift{i}"].to(kind) for i in self._stages]
        flat, patches = [], None
        for victim in range(victims):
            if patches is None or inputs.stride(0):
                patches = self._patches(inputs[victim].to(kind).movedim(1, -1))
            maps = inputs[victim]
            for i in self._stages:
                some = patches if i == 0 else self._patches(maps)
                maps = torch.addmm(shifts[i][victim], some.flatten(0, 2), kernels[i][victim]).relu()
                maps = maps.unflatten(0, some.shape[:3])
            flat.append(maps.movedim(-1, 1).reshape(batch, -1))
        return torch.baddbmm(parameters["bias0"], torch.stack(flat), parameters["weight0"]).relu()

    @property
    def _stages(self) -> range:
        return range(len(self.channels))

    def _patches(self, maps: Tensor) -> Tensor:
        """The kernel's windows on maps (batch, y, x, channel): (batch, after, after, k · k · channel)."""
        if self.padding:
            maps = F.pad(maps, (0, 0, *[self.padding] * 4))
        windows: Tensor = _Patches.apply(maps.contiguous(), self.kernel, self.stride)
        return windows

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits, (victim, batch, class)."""
        return torch.baddbmm(parameters["bias1"], self.features(parameters, inputs), parameters["weight1"])


_SMALL = 8
"""Side of the largest images whose convolutions are written out as matrices."""


@functools.lru_cache(maxsize=32)
def _matrix(
    channels: int, out: int, side: int, kernel: int, stride: int, padding: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """A convolution as a matrix (channels · side², out · after²): where its entries are, and which taps they hold.

    Returns:
        Places in the flattened matrix, and of each the place of its tap in the flattened kernel, (entry,) int64; and
        the side `after` of the output.
    """
    after = (side + 2 * padding - kernel) // stride + 1
    whole = np.indices((channels, out, after, after, kernel, kernel)).reshape(6, -1)
    channel, to, row, column, down, right = whole
    y, x = row * stride + down - padding, column * stride + right - padding
    inside = (y >= 0) & (y < side) & (x >= 0) & (x < side)
    places = (((channel * side + y) * side + x) * out + to) * after**2 + row * after + column
    taps = ((to * channels + channel) * kernel + down) * kernel + right
    order = np.argsort(places[inside], kind="stable")
    return places[inside][order], taps[inside][order], after


class _Patches(torch.autograd.Function):
    """Windows of maps (batch, y, x, channel) side by side; a map's gradient is the sum of the windows that it is in."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, side: int, stride: int) -> Tensor:
        batch, height, _, channels = maps.shape
        after = (height - side) // stride + 1
        one, row, column, _ = maps.stride()
        ctx.settings = (maps.shape, side, stride, after)
        windows = maps.as_strided(
            (batch, after, after, side, side * channels), (one, stride * row, stride * column, row, 1)
        )
        return windows.reshape(batch, after, after, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (batch, height, width, channels), side, stride, after = ctx.settings
        each = gradients[0].unflatten(-1, (side, side * channels))
        kind = torch.promote_types(each.dtype, torch.float32)
        whole = each.new_zeros(batch, height, width * channels, dtype=kind)
        for r in range(side):  # a row of every window, one column of windows after the other: those overlap
            rows = whole[:, r : r + stride * (after - 1) + 1 : stride]
            for c in range(after):
                rows[:, :, stride * c * channels : (stride * c + side) * channels] += each[:, :, c, r]
        return whole.to(each.dtype).view(batch, height, width, channels), None, None


class _InputConvolution(torch.autograd.Function):
    """The first convolution where its input gradient is wanted, that is, under attack, on a CPU.

    With one or three input channels per group the library's own input gradient takes most of an attack's time. With a
    stride the gradient is instead one dense convolution into stride² channels a channel, one for each phase of the
    input's grid, whose pixels are then shuffled into place (the sub-pixel form of a transposed convolution, Shi et
    al. 2016): two to four times as fast. With stride 1 the channels-last input gradient takes three times as long as
    the channels-first one, and the channels-first forward six times as long as the channels-last one; so each goes its
    own way.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, kernel: Tensor, shift: Tensor, stride: int, padding: int, dilation: int, groups: int
    ) -> Tensor:
        ctx.save_for_backward(maps, kernel)
        ctx.settings = ([stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], groups)
        return F.conv2d(maps, kernel, shift, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        maps, kernel = ctx.saved_tensors
        wanted, ((stride, _), (padding, _), *_, groups) = ctx.needs_input_grad, ctx.settings
        of_maps, of_kernel, of_shift = None, None, None
        if wanted[0] and stride > 1:
            of_maps = _input_gradient(gradient, kernel, maps.shape[-1], stride, padding, groups)
        elif wanted[0]:
            of_maps, _, _ = torch.ops.aten.convolution_backward(
                gradient.contiguous(), maps.contiguous(), kernel, None, *ctx.settings, [True, False, False]
            )
        if wanted[1] or wanted[2]:
            _, of_kernel, of_shift = torch.ops.aten.convolution_backward(
                gradient, maps, kernel, [len(kernel)], *ctx.settings, [False, wanted[1], wanted[2]]
            )
        return of_maps, of_kernel, of_shift, None, None, None, None


def _input_gradient(gradient: Tensor, kernel: Tensor, side: int, stride: int, padding: int, groups: int) -> Tensor:
    """Gradient (batch, group · channel, side, side) of a strided convolution with respect to its input.

    Input pixel stride · q + r (padding counted) meets output i by the tap stride · (q − i) + r of the kernel; so phase
    r of the gradient is the output's gradient convolved with every stride-th tap from r on.

    Args:
        gradient: (batch, group · out, after, after), of the output.
        kernel: (group · out, channel, k, k).
    """
    channels, taps = kernel.shape[1], -(-kernel.shape[2] // stride)
    rest = taps * stride - kernel.shape[2]
    phases = F.pad(kernel, (0, rest, 0, rest)).view(groups, -1, channels, taps, stride, taps, stride)
    phases = phases.permute(0, 2, 4, 6, 1, 3, 5).flip(-2, -1).reshape(-1, len(kernel) // groups, taps, taps)
    full = F.pixel_shuffle(F.conv2d(gradient, phases, None, 1, taps - 1, 1, groups), stride)
    end = padding + side
    if full.shape[-1] < end:  # pixels beyond the last place of the kernel
        full = F.pad(full, (0, end - full.shape[-1], 0, end - full.shape[-1]))
    return full[..., padding:end, padding:end]
