"""What one victim costs, beside a plain PyTorch loop, the same loop with a DataLoader, and ART's `fit`.

    pytest -n 0 --benchmark-enable -s tests/bench/bench_victims.py

Every side trains the same number of victims of the same architecture for the same epochs of the digits, on the same two
cores: two worker processes of one thread each, and the plain loop also as one process of two threads, of which the
faster counts. Printed are seconds and CPU seconds a victim, FLOP/s, and the share of the roofline, the smaller of the
matrix-product rate and intensity times copy rate, both measured here. Sizes come from the environment:

    LNBENCH_BENCH_VICTIMS="1 8 32 64"  LNBENCH_BENCH_DATA="1 2 4"  LNBENCH_BENCH_EPOCHS=20
    LNBENCH_BENCH_ARCHITECTURES="mlp cnn"  LNBENCH_BENCH_SIDES="plain loader art lnbench"  LNBENCH_BENCH_COMPARED=64
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lnbench.data import digits
from lnbench.protocol import Streams
from lnbench.protocol.recipe import Recipe
from lnbench.protocol.track import load
from lnbench.victims import architecture, train
from lnbench.victims.training import _schedule

TRACK, FLIPS, BATCH = "digits-9to0", 4, 64
CORES = 2


def _setting(name: str, default: str) -> list[str]:
    return os.environ.get(f"LNBENCH_BENCH_{name}", default).split()


# --- what a worker does


def data(times: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training inputs and labels, `times` the digits' split with a little noise in the copies; test inputs, labels."""
    split = digits.load(load(TRACK).data, 0, Streams("bench"))
    rng = np.random.default_rng(0)
    copies = [split.inputs] + [
        np.clip(split.inputs + rng.normal(0, 0.02, split.inputs.shape), 0, 1) for _ in range(times - 1)
    ]
    inputs = np.concatenate(copies).astype(np.float32)
    labels = np.tile(split.labels, times)
    return tuple(torch.from_numpy(a) for a in (inputs, labels, split.test_inputs, split.test_labels))  # type: ignore[return-value]


def flipped(labels: Tensor, victim: int) -> Tensor:
    """The labels with this victim's own nines turned into zeros."""
    some = labels.clone()
    nines = np.flatnonzero(labels.numpy() == 9)
    some[np.random.default_rng(victim).choice(nines, FLIPS, replace=False)] = 0
    return some


def recipe(name: str, n: int, epochs: int) -> Recipe:
    """The track's, for this many epochs."""
    of_track = load(TRACK).spec(name).recipe
    return Recipe(steps=epochs * (n // BATCH), batch=BATCH, learning_rate=of_track.learning_rate)


def module(name: str, channels: int, side: int) -> nn.Module:
    """One victim as anybody would write it; initialised as ours are, by PyTorch's default."""
    o = load(TRACK).spec(name).options
    layers: list[nn.Module] = []
    if name == "mlp":
        sizes = [channels * side**2] + [o["width"]] * o["depth"]
        layers.append(nn.Flatten())
    else:
        for out in o["channels"]:
            layers += [nn.Conv2d(channels, out, o["kernel"], stride=o["stride"], padding=o["padding"]), nn.ReLU()]
            channels, side = out, (side + 2 * o["padding"] - o["kernel"]) // o["stride"] + 1
        layers.append(nn.Flatten())
        sizes = [channels * side**2, o["hidden"]]
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def plain(name: str, inputs: Tensor, labels: Tensor, how: Recipe, victim: int) -> nn.Module:
    """The loop with resident tensors, permutations drawn beforehand, and a fused optimiser."""
    torch.manual_seed(victim)
    model = module(name, inputs.shape[1], inputs.shape[2])
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    rounds = -(-how.steps * BATCH // len(inputs))
    order = torch.cat([torch.randperm(len(inputs)) for _ in range(rounds)])
    for step in range(how.steps):
        index = order[step * BATCH : (step + 1) * BATCH]
        optimiser.param_groups[0]["lr"] = how.learning_rate * _schedule(how, step)
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(inputs[index]), labels[index]).backward()
        optimiser.step()
    return model


def loader(name: str, inputs: Tensor, labels: Tensor, how: Recipe, victim: int) -> nn.Module:
    """The same with a DataLoader."""
    torch.manual_seed(victim)
    model = module(name, inputs.shape[1], inputs.shape[2])
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    batches = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True, drop_last=True
    )
    step = 0
    while step < how.steps:
        for some, classes in batches:
            optimiser.param_groups[0]["lr"] = how.learning_rate * _schedule(how, step)
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(some), classes).backward()
            optimiser.step()
            step += 1
    return model


def art(name: str, inputs: Tensor, labels: Tensor, how: Recipe, victim: int) -> nn.Module:
    """ART's classifier, fitted."""
    from art.estimators.classification import (  # type: ignore[import-not-found]  # a peer, of requirements.txt alone
        PyTorchClassifier,
    )

    torch.manual_seed(victim)
    model = module(name, inputs.shape[1], inputs.shape[2])
    classifier = PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=how.learning_rate / 3, fused=True),
        input_shape=tuple(inputs.shape[1:]),
        nb_classes=10,
        device_type="cpu",
    )
    epochs = how.steps * BATCH // (len(inputs) // BATCH * BATCH)
    classifier.fit(inputs.numpy(), labels.numpy(), batch_size=BATCH, nb_epochs=epochs, drop_last=True)
    return model.eval()


PEERS: dict[str, Callable[..., nn.Module]] = {"plain": plain, "loader": loader, "art": art}


def job(side: str, name: str, times: int, epochs: int, victims: list[int]) -> dict[str, Any]:
    """Train these victims: CPU seconds, and of each its clean accuracy and whether it memorised its flips."""
    inputs, labels, tests, truths = data(times)
    how, own = recipe(name, len(inputs), epochs), torch.stack([flipped(labels, v) for v in victims])
    start = time.process_time()
    if side == "lnbench":
        spec = load(TRACK).spec(name)
        made, parts = architecture(name, spec.options), []
        for first in range(0, len(victims), spec.stack):
            some = slice(first, first + spec.stack)
            seeds = victims[some]
            parts.append(train(made, how, inputs, own[some], init=seeds, order=seeds, num_classes=10))
        used = time.process_time() - start
        tested = torch.cat([p.predict(tests) for p in parts])
        learned = torch.cat([p.predict(inputs) for p in parts])
    else:
        models = [PEERS[side](name, inputs, own[row], how, victim) for row, victim in enumerate(victims)]
        used = time.process_time() - start
        with torch.no_grad():
            tested = torch.stack([m(tests).argmax(1) for m in models])
            learned = torch.stack([m(inputs).argmax(1) for m in models])
    changed = own != labels
    return {
        "cpu": used,
        "accuracy": tested.eq(truths).double().mean(1).tolist(),
        "memorised": [float((learned[r] == own[r])[changed[r]].double().mean()) for r in range(len(victims))],
    }


class Traffic(TorchDispatchMode):
    """Adds up the bytes of what every operation reads and writes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's own has no types
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor):
                self.bytes += leaf.numel() * leaf.element_size()
        return result


def work(name: str) -> dict[str, float]:
    """Floating-point operations and bytes of one step of one victim of the plain loop."""
    from torch.utils.flop_counter import FlopCounterMode

    inputs, labels, _, _ = data(1)
    model = module(name, inputs.shape[1], inputs.shape[2])
    counter, traffic = FlopCounterMode(display=False), Traffic()
    for mode in (counter, traffic):
        with mode:
            nn.functional.cross_entropy(model(inputs[:BATCH]), labels[:BATCH]).backward()
    return {"flops": counter.get_total_flops(), "bytes": traffic.bytes, "n": len(inputs)}


def rates() -> dict[str, float]:
    """This thread's float32 matrix-product rate, FLOP/s, and copy rate, bytes read and written a second."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    source = torch.rand(16 * 2**20)
    target = torch.empty_like(source)
    best = {"matmul": 0.0, "copy": 0.0}
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        middle = time.perf_counter()
        target.copy_(source)
        end = time.perf_counter()
        best["matmul"] = max(best["matmul"], 2 * 1024**3 / (middle - start))
        best["copy"] = max(best["copy"], 2 * source.nbytes / (end - middle))
    return best


def worker(threads: int) -> None:
    """Do what the lines on stdin ask for, one reply a line."""
    torch.set_num_threads(threads)
    answers: dict[str, Callable[..., Any]] = {"job": job, "work": work, "rates": rates}
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(answers[asked.pop("do")](**asked)), file=replies, flush=True)


# --- what the bench does


class Workers:
    """Processes of some threads each."""

    def __init__(self, count: int, threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-P", __file__, str(threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.all = [subprocess.Popen(command, env=environment, **pipes) for _ in range(count)]  # type: ignore[call-overload]

    def ask(self, *asked: dict[str, Any]) -> list[dict[str, Any]]:
        """One question for each of the first workers, all at once."""
        for process, question in zip(self.all, asked, strict=False):
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process, _ in zip(self.all, asked, strict=False)]

    def close(self) -> None:
        """End them."""
        for process in self.all:
            process.stdin.close()
            process.wait()
            process.stdout.close()


if __name__ == "__main__":
    worker(int(sys.argv[1]))
    sys.exit()

import pytest  # noqa: E402  (a worker does without)

SIDES = _setting("SIDES", "plain loader art lnbench")
EPOCHS = int(_setting("EPOCHS", "20")[0])


@pytest.fixture(scope="module")
def crews() -> Iterator[dict[str, Workers]]:
    """One process of two threads, and two of one."""
    made = {f"1×{CORES}": Workers(1, CORES), f"{CORES}×1": Workers(CORES, 1)}
    yield made
    for crew in made.values():
        crew.close()


def _run(crew: Workers, side: str, name: str, times: int, count: int, epochs: int = EPOCHS) -> list[dict[str, Any]]:
    shares = [list(range(first, count, len(crew.all))) for first in range(len(crew.all))]
    asked = {"do": "job", "side": side, "name": name, "times": times, "epochs": epochs}
    return crew.ask(*[asked | {"victims": share} for share in shares if share])


@pytest.mark.parametrize("times", [int(t) for t in _setting("DATA", "1 2 4")])
@pytest.mark.parametrize("count", [int(k) for k in _setting("VICTIMS", "1 8 32 64")])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", _setting("ARCHITECTURES", "mlp cnn"))
def test_seconds_a_victim(
    benchmark: Any, crews: dict[str, Workers], name: str, side: str, count: int, times: int
) -> None:
    if side == "art" and importlib.util.find_spec("art") is None:
        pytest.skip("ART is not installed: tests/bench/README.md says how")
    best = f"{CORES}×1"
    if side == "plain":
        seconds = {}
        for label, crew in crews.items():
            _run(crew, side, name, 1, len(crew.all), epochs=1)  # imports, and pages of memory
            start = time.perf_counter()
            _run(crew, side, name, times, count)
            seconds[label] = time.perf_counter() - start
        best = min(seconds, key=lambda label: seconds[label])
    else:
        _run(crews[best], side, name, 1, CORES, epochs=1)
    replies = benchmark.pedantic(_run, args=(crews[best], side, name, times, count), rounds=1)
    wall, cpu = benchmark.stats.stats.min, sum(r["cpu"] for r in replies)
    (of_step,) = crews[f"1×{CORES}"].ask({"do": "work", "name": name})
    alone = crews[f"{CORES}×1"].ask(*[{"do": "rates"}] * CORES)
    steps = recipe(name, int(of_step["n"]) * times, EPOCHS).steps
    rate = of_step["flops"] * steps * count / wall
    matmul, copy = (sum(r[key] for r in alone) for key in ("matmul", "copy"))
    roof = min(matmul, of_step["flops"] / of_step["bytes"] * copy)
    benchmark.extra_info.update(
        {"s/victim": wall / count, "CPU s/victim": cpu / count, "FLOP/s": rate, "of roofline": rate / roof, "as": best}
    )
    print(
        f"\n{name}, {side} ({best}), K = {count}, {times}× data: {wall / count:.4f} s/victim, {cpu / count:.4f} CPU s, "
        f"{rate / 1e9:.2f} GFLOP/s, {rate / roof:.1%} of the roofline {roof / 1e9:.1f} GFLOP/s "
        f"(matmul {matmul / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.1f} GB/s)"
    )


@pytest.mark.parametrize("name", _setting("ARCHITECTURES", "mlp cnn"))
def test_victims_are_distributed_as_the_plain_loops(crews: dict[str, Workers], name: str) -> None:
    from scipy import stats

    count, epochs = int(_setting("COMPARED", "64")[0]), max(EPOCHS, 40)
    results = {
        side: {
            key: np.concatenate([r[key] for r in _run(crews[f"{CORES}×1"], side, name, 1, count, epochs)])
            for key in ("accuracy", "memorised")
        }
        for side in ("plain", "lnbench")
    }
    for key in ("accuracy", "memorised"):
        ours, theirs = results["lnbench"][key], results["plain"][key]
        p = stats.mannwhitneyu(ours, theirs).pvalue if len(np.unique([*ours, *theirs])) > 1 else 1.0
        apart = stats.ks_2samp(ours, theirs).pvalue
        print(
            f"\n{name}, {key} of {count} victims each: lnbench {ours.mean():.4f} ± {ours.std(ddof=1):.4f}, plain "
            f"{theirs.mean():.4f} ± {theirs.std(ddof=1):.4f}; Mann–Whitney p = {p:.3f}, Kolmogorov–Smirnov {apart:.3f}"
        )
        assert min(p, apart) > 0.001, f"{key} is distributed otherwise than the plain loop's"
