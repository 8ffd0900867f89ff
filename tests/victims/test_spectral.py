"""Spectral normalisation: PyTorch's own where the power iteration has converged, and the norms it promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lnbench.errors import ProtocolError
from lnbench.protocol import Recipe
from lnbench.victims import architecture, train
from lnbench.victims.architectures import spectral

MLP: dict[str, Any] = {"options": {"width": 16, "depth": 2}, "norm": 1.5, "last_norm": 4.0}
CNN: dict[str, Any] = {"base": "cnn", "options": {"channels": [4, 6], "kernel": 3, "padding": 1, "hidden": 8}}


def _data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(40, 1, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(4, (3, 40), generator=generator)


def test_a_step_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and gradients through the norm, once the power iteration has converged."""
    monkeypatch.setattr(spectral, "_FIRST_ITERATIONS", 500)
    inputs, labels = _data()
    made: Any = architecture("spectral", MLP | {"norm": 1.0, "last_norm": 1.0})
    start = made.init((1, 8, 8), 4, torch.Generator().manual_seed(3))
    stack = {k: v.double().unsqueeze(0).requires_grad_(not k.startswith("buffer:")) for k, v in start.items()}
    layers: list[Any] = []
    for i in range(3):
        weight = start[f"weight{i}"]
        linear: Any = spectral_norm(nn.Linear(weight.shape[0], weight.shape[1], dtype=torch.float64))
        with torch.no_grad():
            linear.parametrizations.weight.original.copy_(weight.T)
            linear.bias.copy_(start[f"bias{i}"][0])
            # Our W is transposed, so our u is PyTorch's v, from which its iteration renews its own u.
            linear.parametrizations.weight[0]._v.copy_(start[f"buffer:weight{i}"])
        layers += [linear, nn.ReLU()]
    plain = nn.Sequential(nn.Flatten(), *layers[:-1])
    loss = F.cross_entropy(plain(inputs), labels[0], reduction="sum")
    logits, fresh = made.training_logits(stack, inputs.unsqueeze(0))
    torch.testing.assert_close(logits[0], plain(inputs), rtol=1e-5, atol=1e-6)
    ours = torch.autograd.grad(
        F.cross_entropy(logits[0], labels[0], reduction="sum"), [stack[f"weight{i}"] for i in range(3)]
    )
    theirs = torch.autograd.grad(loss, [layers[2 * i].parametrizations.weight.original for i in range(3)])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine[0], other.T, rtol=1e-4, atol=1e-5)
    assert set(fresh) == {"buffer:weight0", "buffer:weight1", "buffer:weight2"}


@pytest.mark.parametrize("options", [MLP, CNN])
def test_every_layer_has_the_norm_it_is_given_and_a_stack_equals_its_victims(options: dict[str, Any]) -> None:
    inputs, labels = _data()
    recipe, made = Recipe(steps=60, batch=16, learning_rate=0.02), architecture("spectral", options)
    stack = train(made, recipe, inputs, labels, init=[3, 1, 4], order=[9, 2, 6], num_classes=4)
    layers = [name for name in stack.parameters if name.startswith(("kernel", "weight"))]
    effective = made.normalised(stack.parameters)  # type: ignore[attr-defined]
    for name in layers:
        wanted = made.last_norm if name == layers[-1] else made.norm  # type: ignore[attr-defined]
        norms = torch.linalg.matrix_norm(effective[name].flatten(2), 2)
        torch.testing.assert_close(norms, torch.full_like(norms, wanted), rtol=0.02, atol=0)
        assert (torch.linalg.matrix_norm(stack.parameters[name].flatten(2), 2) - wanted).abs().max() > 0.05
    alone = train(made, recipe, inputs, labels[1:2], init=[1], order=[2], num_classes=4)
    for key, value in stack.parameters.items():
        torch.testing.assert_close(value[1], alone.parameters[key][0], rtol=1e-7, atol=1e-9)
    assert stack.features(inputs.unsqueeze(0)).shape[:2] == (3, 40)


def test_the_last_norm_bounds_how_fast_logits_change() -> None:
    inputs, labels = _data()
    made = architecture("spectral", {"options": {"width": 16, "depth": 2}, "last_norm": 2.5})
    recipe = Recipe(steps=80, batch=16, learning_rate=0.05)
    victims = train(made, recipe, inputs, labels, init=[3, 1, 4], order=[9, 2, 6], num_classes=4)
    near = inputs + 1e-3 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moved = (victims(near.unsqueeze(0)) - victims(inputs.unsqueeze(0))).norm(dim=-1)
    assert (moved <= 2.5 * 1.05 * (near - inputs).flatten(1).norm(dim=1)).all()


def test_a_base_without_weight_matrices_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no architecture with weight matrices is called 'mpl'; did you mean mlp"):
        architecture("spectral", {"base": "mpl"})
    with pytest.raises(ProtocolError, match="the architecture mlp has no option 'widht'; did you mean width"):
        architecture("spectral", {"options": {"widht": 3}})
    with pytest.raises(ProtocolError, match=r"option last_norm: expected something like 1\.0, got -1"):
        architecture("spectral", {"last_norm": -1})
