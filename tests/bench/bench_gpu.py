"""Many victims on one GPU: 192 of the MNIST network beside a plain loop, and one ResNet-18 beside the same.

    pytest -n 0 --benchmark-enable -s tests/bench/bench_gpu.py

The images are prototypes of ten classes under noise, in MNIST's and CIFAR-10's shapes and numbers, so that nothing has
to be downloaded; a few labels are flipped, and memorised they must be. Sizes come from the environment (a CPU takes
them too, to try the script):

    LNBENCH_BENCH_DEVICE=cuda  LNBENCH_BENCH_STACK="192 64"  LNBENCH_BENCH_POINTS="48000 40000"  LNBENCH_BENCH_STEPS=0
    LNBENCH_BENCH_PLAIN=4

STACK: victims, and how many of them are one stack. STEPS: 0 for the tracks' own. PLAIN: victims of the plain loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lnbench.protocol.recipe import Recipe
from lnbench.protocol.track import VictimSpec, load
from lnbench.victims import architecture, predicted_bytes, train
from lnbench.victims.training import _schedule

DEVICE = torch.device(os.environ.get("LNBENCH_BENCH_DEVICE", "cuda"))
FLIPS = 60

pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="needs a CUDA device, or LNBENCH_BENCH_DEVICE=cpu"
)


def _setting(name: str, default: str) -> list[int]:
    return [int(word) for word in os.environ.get(f"LNBENCH_BENCH_{name}", default).split()]


def data(n: int, shape: tuple[int, ...], victims: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (n, *shape), labels (victim, n) with each victim's own flips of class 9 to 0, and the true labels (n,)."""
    generator = torch.Generator().manual_seed(0)
    truths = torch.randint(10, (n,), generator=generator)
    inputs = (torch.rand(10, *shape, generator=generator)[truths] * 0.5).add_(
        torch.rand(n, *shape, generator=generator), alpha=0.5
    )
    labels = truths.repeat(victims, 1)
    nines = (truths == 9).nonzero().squeeze(1)
    for row in labels:
        row[nines[torch.randperm(len(nines), generator=generator)[:FLIPS]]] = 0
    return inputs.to(DEVICE), labels.to(DEVICE), truths.to(DEVICE)


def spec(track: str, name: str) -> tuple[VictimSpec, Recipe]:
    """A track's victim and its recipe, of STEPS steps."""
    victim, (steps,) = load(track).spec(name), _setting("STEPS", "0")
    return victim, victim.recipe.replaced(steps=steps or victim.recipe.steps)


def plain(make: Callable[[], nn.Module], inputs: Tensor, labels: Tensor, how: Recipe, seed: int) -> nn.Module:
    """One victim as a good loop trains it: resident data, channels-last, the recipe's precision, a fused optimiser."""
    torch.manual_seed(seed)
    # PyTorch documents both at once; its types know only one at a time.
    model: nn.Module = make().to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    more = {"momentum": 0.9, "nesterov": True} if how.optimiser == "sgd" else {}
    optimiser = kinds[how.optimiser](
        model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay, fused=True, **more
    )
    low = how.precision == "bf16"
    rounds = -(-how.steps * how.batch // len(inputs))
    order = torch.cat([torch.randperm(len(inputs)) for _ in range(rounds)]).to(DEVICE)
    for step in range(how.steps):
        index = order[step * how.batch : (step + 1) * how.batch]
        optimiser.param_groups[0]["lr"] = how.learning_rate * _schedule(how, step)
        optimiser.zero_grad(set_to_none=True)
        some = inputs[index].contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=low):
            loss = nn.functional.cross_entropy(model(some), labels[index])
        loss.backward()
        optimiser.step()
    return model


def mnist_network(victim: VictimSpec) -> nn.Module:
    """The track's CNN as anybody would write it."""
    o, channels, side, layers = victim.options, 1, 28, list[nn.Module]()
    for out in o["channels"]:
        layers += [nn.Conv2d(channels, out, o["kernel"], stride=o["stride"]), nn.ReLU()]
        channels, side = out, (side - o["kernel"]) // o["stride"] + 1
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * side**2, o["hidden"]), nn.ReLU(), nn.Linear(o["hidden"], 10)
    )


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one run, and what it gave."""
    _wait()
    start = time.perf_counter()
    result = run()
    _wait()
    return time.perf_counter() - start, result


def _wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def rates() -> tuple[float, float]:
    """FLOP/s of a float32 matrix product, and bytes/s of a copy, read and written."""
    a, n = torch.rand(4096, 4096, device=DEVICE), 10 if DEVICE.type == "cuda" else 1
    b = torch.empty_like(a)
    for _ in range(2):
        product, _ = timed(lambda: [torch.mm(a, a, out=b) for _ in range(n)])
        copy, _ = timed(lambda: [b.copy_(a) for _ in range(n)])
    return 2 * 4096**3 * n / product, 2 * a.nbytes * n / copy


def test_a_stack_of_small_networks(benchmark: Any) -> None:
    """Seconds for all victims, beside the plain loop's for a few, and how much of the matrix rate that is."""
    victim, how = spec("mnist-9to0", "cnn")
    (count, block), (n, _), (few,) = (
        _setting("STACK", "192 64"),
        _setting("POINTS", "48000 40000"),
        _setting("PLAIN", "4"),
    )
    inputs, labels, truths = data(n, (1, 28, 28), count)
    family = architecture(victim.architecture, victim.options)

    def ours() -> list[Any]:
        return [
            train(
                family,
                how,
                inputs,
                labels[start : start + block],
                init=range(start, min(start + block, count)),
                order=range(start, min(start + block, count)),
                num_classes=10,
            )
            for start in range(0, count, block)
        ]

    _one_step(family, how, inputs, labels[:block])
    stacks = benchmark.pedantic(lambda: timed(ours), rounds=1)
    seconds, made = stacks
    one, _ = timed(lambda: [plain(lambda: mnist_network(victim), inputs, labels[v], how, v) for v in range(few)])
    model = mnist_network(victim).to(DEVICE)
    with FlopCounterMode(display=False) as flops:
        nn.functional.cross_entropy(model(inputs[: how.batch]), labels[0, : how.batch]).backward()
    done, (matmul, copy) = flops.get_total_flops() * how.steps * count / seconds, rates()
    learned = torch.cat([stack.predict(inputs) for stack in made])
    memorised = float((learned == labels)[labels != truths].double().mean())
    ratio = (one / few) / (seconds / count)
    print(
        f"\n{count} victims of {n} points in stacks of {block}, {how.steps} steps of {how.batch}: {seconds:.1f} s, "
        f"{seconds / count:.3f} s a victim; plain loop {one / few:.3f} s a victim: {ratio:.1f}×\n"
        f"{done / 1e12:.2f} TFLOP/s, {done / matmul:.1%} of the matrix rate {matmul / 1e12:.1f} TFLOP/s "
        f"(copy {copy / 1e9:.0f} GB/s); {float((learned == labels).double().mean()):.1%} of all labels are learned, "
        f"{memorised:.1%} of the flipped ones"
    )
    benchmark.extra_info.update({"s/victim": seconds / count, "× the plain loop": ratio, "memorised": memorised})


def test_a_resnet(benchmark: Any) -> None:
    """Images per second of one timm ResNet-18 by the CIFAR track's recipe, beside the plain loop's of the same."""
    import timm

    victim, how = spec("cifar10-9to0", "resnet18")
    (_, n), (short,) = _setting("POINTS", "48000 40000"), _setting("STEPS", "300")
    how = how.replaced(steps=short or 300, crop=0, mirror=False)
    inputs, labels, _ = data(n, (3, 32, 32), 1)
    family = architecture(victim.architecture, victim.options)
    _one_step(family, how, inputs, labels)
    ours, _ = benchmark.pedantic(
        lambda: timed(lambda: train(family, how, inputs, labels, init=[0], order=[0], num_classes=10)), rounds=1
    )

    def network() -> nn.Module:
        made = timm.create_model("resnet18", num_classes=10)
        made.conv1, made.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        return made

    plain(network, inputs, labels[0], how.replaced(steps=min(2, how.steps)), 0)
    theirs, _ = timed(lambda: plain(network, inputs, labels[0], how, 0))
    images = how.steps * how.batch
    print(
        f"\nResNet-18, {how.precision}, {how.steps} steps of {how.batch}: {images / ours:.0f} images/s, "
        f"plain loop {images / theirs:.0f}: {theirs / ours:.2f}×"
    )
    benchmark.extra_info.update({"images/s": images / ours, "× the plain loop": theirs / ours})


@pytest.mark.skipif(DEVICE.type != "cuda", reason="a CPU does not count what its tensors hold")
@pytest.mark.parametrize(
    ("track", "name", "shape"), [("mnist-9to0", "cnn", (1, 28, 28)), ("mnist-9to0", "mlp", (1, 28, 28))]
)
def test_the_predicted_peak(track: str, name: str, shape: tuple[int, ...]) -> None:
    """The most memory that tensors held, beside `predicted_bytes`: within 20 %."""
    victim, how = spec(track, name)
    how = how.replaced(steps=20)
    inputs, labels, _ = data(48000, shape, 64)
    family = architecture(victim.architecture, victim.options)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated() - inputs.nbytes - labels.nbytes
    torch.cuda.reset_peak_memory_stats()
    train(family, how, inputs, labels, init=range(64), order=range(64), num_classes=10)
    peak = torch.cuda.max_memory_allocated() - before
    predicted = predicted_bytes(family, how, shape, 10, 64, 48000)
    print(f"\n{track}, {name}, 64 victims: {peak / 2**20:.0f} MiB, predicted {predicted / 2**20:.0f} MiB")
    assert np.isclose(predicted, peak, rtol=0.2)


def _one_step(family: Any, how: Recipe, inputs: Tensor, labels: Tensor) -> None:
    """Compiles kernels and takes memory, so that no contestant pays for it."""
    seeds = range(len(labels))
    train(family, how.replaced(steps=2), inputs, labels, init=seeds, order=seeds, num_classes=10)
