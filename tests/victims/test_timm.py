"""Networks of timm: trained as a plain module would be, one at a time in a stack, on small images."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lnbench.errors import ProtocolError
from lnbench.protocol import AdversarialTraining, Recipe
from lnbench.protocol.seeds import permutation
from lnbench.victims import architecture, train

RESNET = {"model": "resnet18", "stem": "cifar", "arguments": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 16]}}
VIT = {"model": "vit_tiny_patch16_224", "patch": 4, "arguments": {"depth": 1, "embed_dim": 16, "num_heads": 2}}
CONVNEXT = {"model": "convnext_atto", "patch": 1, "arguments": {"depths": [1, 1, 1, 1], "dims": [4, 8, 8, 16]}}


def _data(channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(24, channels, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(4, (3, 24), generator=generator)


@pytest.mark.parametrize("against", [None, AdversarialTraining(epsilon=0.05, steps=1)])
@pytest.mark.parametrize("options", [RESNET, VIT, CONVNEXT])
def test_a_stack_equals_its_victims_one_at_a_time(options: dict[str, Any], against: AdversarialTraining | None) -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=3, batch=8, learning_rate=0.01, optimiser="sgd", adversarial=against)
    made = architecture("timm", options)
    shares: list[float] = []
    stack = train(made, recipe, inputs, labels, init=[3, 1, 4], order=[9, 2, 6], num_classes=4, on_step=shares.append)
    alone = train(made, recipe, inputs, labels[1:2], init=[1], order=[2], num_classes=4)
    for key, value in stack.parameters.items():
        torch.testing.assert_close(value[1], alone.parameters[key][0], rtol=1e-9, atol=1e-11)
    assert shares == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert stack.features(inputs.unsqueeze(0)).shape == (3, 24, 16)
    assert torch.equal(stack.predict(inputs, chunk=7), stack.predict(inputs))


def test_training_with_batch_normalisation_is_that_of_the_plain_module() -> None:
    inputs, labels = _data()
    made = architecture("timm", RESNET)
    recipe = Recipe(steps=4, batch=8, learning_rate=0.05, optimiser="sgd", weight_decay=1e-3)
    ours = train(made, recipe, inputs, labels[:1], init=[11], order=[77], num_classes=4)
    start = made.init((1, 8, 8), 4, torch.Generator().manual_seed(11))
    plain = made._made((1, 8, 8), 4).double()  # type: ignore[attr-defined]
    named = {name.removeprefix("buffer:"): value.double() for name, value in start.items()}
    assert not plain.load_state_dict(named, strict=False).unexpected_keys
    optim = torch.optim.SGD(plain.parameters(), momentum=0.9, nesterov=True, weight_decay=1e-3)
    order = permutation(24, 77, rounds=2)
    plain.train()
    for step in range(4):
        done = (step + 1) / 4
        share = done / 0.3 if done < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.3) / 0.7)
        optim.param_groups[0]["lr"] = 0.05 * share
        index = torch.from_numpy(order[step * 8 : (step + 1) * 8].copy())
        optim.zero_grad()
        F.cross_entropy(plain(inputs[index]), labels[0, index]).backward()
        optim.step()
    plain.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs.unsqueeze(0))[0], plain(inputs), rtol=1e-8, atol=1e-9)
    mean = "buffer:bn1.running_mean"
    torch.testing.assert_close(ours.parameters[mean][0], plain.bn1.running_mean)
    assert not torch.equal(ours.parameters[mean][0], named["bn1.running_mean"])


def test_a_start_is_its_seeds_alone_and_leaves_the_global_generator_alone() -> None:
    made = architecture("timm", VIT)
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    first = made.init((1, 8, 8), 4, torch.Generator().manual_seed(1))
    assert torch.equal(torch.rand(2), wanted)
    again = made.init((1, 8, 8), 4, torch.Generator().manual_seed(1))
    other = made.init((1, 8, 8), 4, torch.Generator().manual_seed(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("side", [pytest.param(32, marks=pytest.mark.slow), 28])
@pytest.mark.parametrize(
    "options",
    [
        {"model": "resnet18", "stem": "cifar"},
        {"model": "vit_tiny_patch16_224", "patch": 4},
        {"model": "vgg11_bn", "stem": "cifar"},
        {"model": "convnext_atto", "patch": 1},
    ],
)
def test_the_families_of_the_tracks_take_small_images(options: dict[str, Any], side: int) -> None:
    made = architecture("timm", options)
    one = made.init((3, side, side), 10, torch.Generator().manual_seed(1))
    stack = {name: value.unsqueeze(0) for name, value in one.items()}
    with torch.no_grad():
        logits = made.logits(stack, torch.rand(1, 2, 3, side, side))
    assert logits.shape == (1, 2, 10)
    assert logits.isfinite().all()
    if options["model"] == "resnet18":
        assert one["conv1.weight"].shape == (64, 3, 3, 3)
        assert sum(v.numel() for k, v in one.items() if not k.startswith("buffer:")) == 11_173_962


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "resnet81"}, "timm has no model called 'resnet81'; did you mean resnet"),
        ({"model": "resnet18.a1_in1k"}, "timm has no model called 'resnet18.a1_in1k'; did you mean resnet18"),
        ({"model": "§§"}, "timm.list_models() has their names"),
        ({"modle": "resnet18"}, "the architecture timm has no option 'modle'; did you mean model"),
        ({"model": 3}, "option model: expected something like 'resnet18', got 3"),
        ({"stem": "small"}, "option stem: expected original or, for models of resnet and vgg, cifar; got 'small'"),
        ({"model": "convnext_atto", "stem": "cifar"}, "got 'cifar' for convnext_atto"),
        ({"patch": -1}, "option patch"),
        ({"arguments": {"pretrained": True}}, "argument 'pretrained' would load weights"),
        ({"arguments": {"drop_path_rate": 0.1}}, "draw from a generator that victims share"),
        ({"arguments": {"num_classes": 3}}, "argument 'num_classes' is set by the data"),
    ],
)
def test_options_that_make_no_sense_get_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ProtocolError, match=re.escape(said)):
        architecture("timm", options)


@pytest.mark.parametrize(
    ("options", "shape", "said"),
    [
        ({"model": "vgg11", "stem": "cifar"}, (1, 8, 8), "vgg11 does not fit 8×8 images, being too deep"),
        ({"model": "convnext_atto"}, (1, 8, 8), "convnext_atto does not fit 8×8 images"),
        ({"model": "vit_tiny_patch16_224", "size": 32}, (3, 28, 28), "square images of side 32; the data has shape"),
        ({"model": "resnet18"}, (64,), "takes square images; the data has shape (64,)"),
        ({"arguments": {"depht": 3}}, (1, 8, 8), "timm cannot make resnet18 with {'depht': 3}"),
        ({"patch": 4}, (1, 8, 8), "timm cannot make resnet18 with {'patch_size': 4}"),
    ],
)
def test_networks_that_do_not_fit_the_images_get_a_sentence(
    options: dict[str, Any], shape: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ProtocolError, match=re.escape(said)):
        architecture("timm", options).init(shape, 4, torch.Generator().manual_seed(1))


def test_timm_is_imported_only_when_used() -> None:
    program = "import sys, lnbench.victims as v; v.architecture('mlp'); assert 'timm' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", program], check=True)
