"""Any network of timm by name, with stems for small images: https://github.com/huggingface/pytorch-image-models.

A stack's victims are trained one after the other: on one CPU core a training step of a ResNet-18 with the `cifar` stem
(32×32, batch 8) took 437 ms a victim in turn and 495 ms under `vmap` over four. (Networks of a few thousand parameters
are the other way round; they are what `mlp` and `cnn` are for. On GPUs nothing was measured.)

Weights are timm's own random initialisation, never trained ones. Batch normalisation keeps its running statistics as
buffers beside the parameters: a batch's own statistics normalise it in training, the running ones when the trained
network is tested or attacked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lnbench.errors import ProtocolError, nearest
from lnbench.victims.architecture import BUFFER, Parameters

_OURS = {"in_chans": "the data", "num_classes": "the data", "img_size": "the option size", "patch_size": "patch"}
"""Arguments of timm's models that are not set through `arguments`, and what sets them."""


@dataclass(frozen=True)
class Architecture:
    """The timm model `model`, for the data's channels and classes.

    Attributes:
        model: its name in timm, without a tag of trained weights.
        stem: `original`, as timm makes it; or `cifar`: a ResNet begins with a 3×3 convolution of stride 1 and no
            pooling, a VGG goes without its last pooling and averages its last maps into a linear layer.
        patch: side of the patches of a model that has any (ViT, ConvNeXt); the model's own if 0.
        size: side of the images; that of the data if 0.
        arguments: further arguments of the model, such as `depth` of a ViT.

    Raises:
        ProtocolError: if timm has no such model, or the options do not fit it.
    """

    model: str = "resnet18"
    stem: str = "original"
    patch: int = field(default=0, metadata={"low": 0})
    size: int = field(default=0, metadata={"low": 0})
    arguments: Mapping[str, Any] = field(default_factory=dict)
    family: str = field(init=False, repr=False)
    networks: dict[Any, nn.Module] = field(init=False, repr=False, compare=False, default_factory=dict)
    stacked: ClassVar[bool] = False

    def __post_init__(self) -> None:
        import timm

        if not timm.is_model(self.model) or "." in self.model or ":" in self.model:
            near = nearest(self.model, timm.list_models())
            hint = near if near.startswith("did") else "timm.list_models() has their names."
            raise ProtocolError(f"timm has no model called {self.model!r}; {hint}")
        object.__setattr__(self, "family", timm.models.model_entrypoint(self.model).__module__.rpartition(".")[2])
        if self.stem not in ("original", "cifar") or (self.stem == "cifar" and self.family not in _STEMS):
            raise ProtocolError(
                f"the architecture timm: option stem: expected original or, for models of {' and '.join(_STEMS)}, "
                f"cifar; got {self.stem!r} for {self.model}."
            )
        for name in self.arguments:
            if name in _OURS:
                raise ProtocolError(f"the architecture timm: argument {name!r} is set by {_OURS[name]}; leave it out.")
            if name.startswith(("pretrained", "checkpoint", "cache", "features", "drop")) or "drop_" in name:
                raise ProtocolError(
                    f"the architecture timm: argument {name!r} would load weights, change what the model returns or "
                    "draw from a generator that victims share; leave it out."
                )

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters and buffers, as timm draws them."""
        if len(shape) != 3 or shape[1] != shape[2] or self.size not in (0, shape[1]):
            side = f" of side {self.size}" if self.size else ""
            raise ProtocolError(f"timm's {self.model} takes square images{side}; the data has shape {shape}.")
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # timm draws from the global generator
            torch.default_generator.manual_seed(seed)
            network = self._made(shape, num_classes)
        self._probe(network, shape)
        return {name: value.detach() for name, value in _tensors(network).items()}

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations, (victim, batch, feature)."""
        return torch.stack(self._computed(parameters, inputs, training=False, features=True)[0])

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits, (victim, batch, class)."""
        return torch.stack(self._computed(parameters, inputs, training=False)[0])

    def training_logits(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Parameters]:
        """Logits, (victim, batch, class), normalised by the batch's statistics, and the new running statistics."""
        every, buffers = self._computed(parameters, inputs, training=True)
        return torch.stack(every), {name: torch.stack([own[name] for own in buffers]) for name in buffers[0]}

    def _computed(
        self, parameters: Parameters, inputs: Tensor, training: bool, features: bool = False
    ) -> tuple[list[Tensor], list[Parameters]]:
        """What each victim's network returns, and its buffers afterwards."""
        network = self._network(tuple(inputs.shape[2:]), inputs.device, inputs.dtype)
        if network.training != training:
            network.train(training)
        outputs, after = [], []
        stack = {name: value.unbind(0) for name, value in parameters.items()}
        for victim, examples in enumerate(inputs.expand(len(next(iter(stack.values()))), *inputs.shape[1:])):
            # In training batch normalisation writes to its buffers: to copies of them.
            own = {
                name: values[victim].clone() if training and name.startswith(BUFFER) else values[victim]
                for name, values in stack.items()
            }
            after.append({name: value for name, value in own.items() if name.startswith(BUFFER)})
            named = {f"network.{name.removeprefix(BUFFER)}": value for name, value in own.items()}
            outputs.append(torch.func.functional_call(network, named, (examples, features)))
        return outputs, after

    def _network(self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> nn.Module:
        """The module that computes; what it holds of parameters is not used."""
        key = (shape, device, dtype)
        if key not in self.networks:
            with torch.random.fork_rng(devices=[]):
                self.networks[key] = _Features(self._made(shape, 2)).to(device, dtype)
        return self.networks[key]

    def _made(self, shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """A freshly initialised module on the CPU."""
        import timm

        arguments: dict[str, Any] = dict(self.arguments)
        if self.patch:
            arguments["patch_size"] = self.patch
        if self.size or self.family == "vision_transformer":
            arguments["img_size"] = shape[1]
        try:
            network: nn.Module = timm.create_model(self.model, in_chans=shape[0], num_classes=num_classes, **arguments)
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ProtocolError(f"timm cannot make {self.model} with {arguments}: {_line(error)}") from None
        if self.stem == "cifar":
            _STEMS[self.family](network, num_classes)
        return network

    def _probe(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        """Refuse images that the network is too deep for, or whose side its patches do not divide."""
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, *shape))
        except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
            raise ProtocolError(
                f"timm's {self.model} does not fit {shape[1]}×{shape[2]} images, being too deep or cut into other "
                f"patches ({_line(error)}); take another patch or stem, or a shallower model."
            ) from None


class _Features(nn.Module):
    """A timm network that returns its penultimate activations when asked to."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, inputs: Tensor, features: bool) -> Tensor:
        """(batch, class), or (batch, feature)."""
        if not features:
            logits: Tensor = self.network(inputs)
            return logits
        pooled: Tensor = self.network.forward_head(self.network.forward_features(inputs), pre_logits=True)
        return pooled if pooled.dim() == 2 else pooled.flatten(2).mean(-1)


def _tensors(network: nn.Module) -> Parameters:
    """Parameters by name, and floating-point buffers that a checkpoint would hold."""
    held = network.state_dict()
    buffers = {name: b for name, b in network.named_buffers() if name in held and b.is_floating_point()}
    return {**dict(network.named_parameters()), **{BUFFER + name: b for name, b in buffers.items()}}


def _resnet_stem(network: Any, num_classes: int) -> None:
    old = network.conv1
    if not isinstance(old, nn.Conv2d):
        raise ProtocolError(
            "the architecture timm: stem = 'cifar' replaces a single 7×7 convolution; this model has more."
        )
    network.conv1 = nn.Conv2d(old.in_channels, old.out_channels, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()


def _vgg_head(network: Any, num_classes: int) -> None:
    network.features = network.features[:-1]
    network.pre_logits = nn.Identity()
    network.head.fc = nn.Linear(network.num_features, num_classes)
    nn.init.normal_(network.head.fc.weight, 0, 0.01)
    nn.init.zeros_(network.head.fc.bias)


_STEMS = {"resnet": _resnet_stem, "vgg": _vgg_head}


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
