"""The kernels on real hardware: `pytest -m gpu tests/kernels -s` also prints the bandwidth each achieves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import lnbench.kernels as kernels
from kernels.cases import CASES, DTYPES, TILES, Case, op
from lnbench.adversary import pgd

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernel(case: Case, dtype: torch.dtype, tile: int) -> None:
    case.run("cuda", dtype, tile)


def test_the_dispatch_launches_on_a_gpu() -> None:
    logits, labels = torch.randn(3, 5, 7, device="cuda"), torch.zeros(3, 5, dtype=torch.long, device="cuda")
    before = op("cross_entropy").kernel.cache_info().hits + op("cross_entropy").kernel.cache_info().misses
    kernels.cross_entropy(logits, labels)
    info = op("cross_entropy").kernel.cache_info()
    assert info.hits + info.misses == before + 1


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_agrees_with_the_cpu(norm: str) -> None:
    from adversary.linear import Network, examples, network

    model, inputs = network(), examples(batch=400)
    there = Network(model.first.cuda(), model.second.cuda())
    options: dict[str, Any] = {"targeted": True, "epsilons": [0.05, 0.3], "steps": 8, "norm": norm}
    classes = torch.zeros(400, dtype=torch.long)
    here = pgd(model, inputs, classes, **options).broken
    assert torch.equal(pgd(there, inputs.cuda(), classes.cuda(), **options).broken.cpu(), here)


def seconds(run: Callable[[], object], repeats: int = 20) -> float:
    for _ in range(3):
        run()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / repeats


def test_bandwidth_against_a_copy() -> None:
    """Bytes that must move over the time taken, beside a device-to-device copy; wide enough apart to catch a slip."""
    victims, batch, size = 32, 5000, 784
    x = torch.rand(victims, batch, size, device="cuda")
    gradient, origin = torch.randn_like(x), torch.rand(victims * batch, size, device="cuda")
    place = torch.arange(victims * batch, device="cuda").view(victims, batch)
    step = torch.full((victims * batch,), 0.01, device="cuda")
    out = torch.empty_like(x)
    nbytes = x.numel() * 4
    images = torch.rand(60000, 1, 28, 28, device="cuda")
    index = torch.randint(60000, (victims, batch), device="cuda")
    flip = torch.rand(victims, batch, device="cuda") < 0.5
    logits, labels = torch.randn(victims, 100000, 10, device="cuda"), torch.zeros(victims, 100000, device="cuda").long()
    runs = {
        "copy": (2 * nbytes, lambda: out.copy_(x)),
        "linf_step": (4 * nbytes, lambda: kernels.linf_step(x, gradient, origin, place, step, 4 * step, (0.0, 1.0))),
        "l2_step": (4 * nbytes, lambda: kernels.l2_step(x, gradient, origin, place, step, 4 * step, (0.0, 1.0))),
        "gather (mirrored)": (2 * nbytes, lambda: kernels.gather(images, index, flip=flip)),
        "cross_entropy": (2 * logits.numel() * 4, lambda: kernels.cross_entropy(logits, labels)),
    }
    rate = {name: moved / seconds(run) / 1e9 for name, (moved, run) in runs.items()}
    print(f"\n{torch.cuda.get_device_name()}\n| kernel | GB/s | of a copy |\n|---|---|---|")
    for name, value in rate.items():
        print(f"| {name} | {value:.0f} | {value / rate['copy']:.0%} |")
    assert rate["linf_step"] > 0.5 * rate["copy"] and rate["l2_step"] > 0.5 * rate["copy"]
