"""Our attacks beside foolbox, torchattacks and ART: agreement, strength, and time per (victim × example × step).

    pytest -n 0 --benchmark-enable tests/bench/bench_adversary.py -k digits      # times, all contestants side by side
    python tests/bench/bench_adversary.py --data mnist --examples 100       # agreement with the peers' verdicts
    python tests/bench/bench_adversary.py --strong --epsilon 0.05           # strength, beside AutoAttack

Needs the packages of requirements.txt; README.md says how to install them.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lnbench.adversary import pgd, strong
from lnbench.data import digits
from lnbench.protocol.recipe import Recipe
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import load
from lnbench.victims import Victims, architecture, train

pytestmark = pytest.mark.filterwarnings("ignore")
"""The peers' imports warn of what is theirs to mend."""

SOURCE, TARGET, STEPS = 9, 0, 20
RADII = {"digits": {"linf": 0.1, "l2": 0.6}, "mnist": {"linf": 0.2, "l2": 3.0}}


def main() -> None:
    """Parse, train, compare verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--victims", type=int, default=4)
    parser.add_argument("--data", choices=sorted(RADII), default="digits")
    parser.add_argument("--architectures", nargs="+", default=["mlp", "cnn"])
    parser.add_argument("--examples", type=int, default=90)
    parser.add_argument("--epsilon", type=float, help="ℓ∞ radius, if not the data's usual one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--strong", action="store_true", help="compare with torchattacks' AutoAttack instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    radii = RADII[options.data] | ({} if options.epsilon is None else {"linf": options.epsilon})
    for name in options.architectures:
        victims, inputs = trained(options.data, name, options.victims, options.examples, options.device)
        modules = [module(victims, v, inputs.shape[1]) for v in range(len(victims))]
        gap = max(
            float((m(inputs).detach() - victims(inputs.unsqueeze(0))[v]).abs().max()) for v, m in enumerate(modules)
        )
        print(f"\n{options.data}, {name}: {len(inputs)} examples, {STEPS} steps; logits differ by at most {gap:.1e}")
        if options.strong:
            compare_strong(victims, modules, inputs, radii["linf"])
            continue
        for norm, epsilon in radii.items():
            agreement(victims, modules, inputs, norm, epsilon)


@functools.cache
def _case(data: str, name: str) -> tuple[Victims, Tensor]:
    """32 victims and what is attacked, trained once a session."""
    torch.set_num_threads(1)
    return trained(data, name, 32, 90, os.environ.get("LNBENCH_BENCH_DEVICE", "cpu"))


CONTESTANTS = ("plain loop", "foolbox", "torchattacks", "ART", "lnbench (last)", "lnbench (any)")


@pytest.mark.parametrize("contestant", CONTESTANTS)
@pytest.mark.parametrize("count", [1, 8, 32])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("data", sorted(RADII))
def test_targeted_pgd(benchmark: Any, data: str, name: str, count: int, contestant: str) -> None:
    """One targeted ℓ∞ PGD on `count` victims; µs per (victim × example × step) in `extra_info`."""
    victims, inputs = _case(data, name)
    few = Victims(victims.architecture, {k: p[:count] for k, p in victims.parameters.items()})
    modules, epsilon = [module(few, v, inputs.shape[1]) for v in range(count)], RADII[data]["linf"]

    def theirs(attack: Attack) -> list[Tensor]:
        return [success(m, attack(m, inputs, epsilon)) for m in modules]

    def ours(rule: str) -> Tensor:
        fixed: dict[str, Any] = {"targeted": True, "epsilons": [epsilon], "steps": STEPS, "rule": rule}
        return pgd(few, inputs, targets(inputs), **fixed).broken

    runs: dict[str, Callable[[], object]] = {"plain loop": lambda: theirs(plain)}
    runs |= {"lnbench (last)": lambda: ours("last"), "lnbench (any)": lambda: ours("any")}
    run = runs[contestant] if contestant in runs else functools.partial(theirs, peers("linf")[contestant])

    def synchronised() -> object:
        result = run()
        if inputs.is_cuda:
            torch.cuda.synchronize()
        return result

    benchmark.group = f"{data} {name}, {count} victims"
    benchmark.pedantic(synchronised, rounds=7 if data == "digits" else 3, warmup_rounds=1)
    if benchmark.stats is not None:
        units = count * len(inputs) * STEPS
        benchmark.extra_info["µs per victim, example and step"] = 1e6 * benchmark.stats.stats.min / units


def trained(data: str, name: str, count: int, examples: int, device: str) -> tuple[Victims, Tensor]:
    """Victims with a few random flips each, and the source-class test inputs."""
    track = load("digits-9to0")
    if data == "digits":
        split = digits.load(track.data, 0, Streams("bench"))
        inputs, labels, tests, truths = split.inputs, split.labels, split.test_inputs, split.test_labels
        victim = track.spec(name)
        family, recipe = architecture(victim.architecture, victim.options), victim.recipe
    else:
        inputs, labels = mnist("train", 4000)
        tests, truths = mnist("t10k", 10000)
        family = architecture(name, load("mnist10k-9to0").spec(name).options)
        recipe = Recipe(steps=250, batch=64, learning_rate=3e-3)
    stacked = np.tile(labels, (count, 1))
    for v in range(count):
        nines = np.flatnonzero(labels == SOURCE)
        stacked[v, np.random.Generator(np.random.PCG64(v)).choice(nines, 4, replace=False)] = TARGET
    victims = train(
        family,
        recipe,
        torch.from_numpy(inputs).to(device),
        torch.from_numpy(stacked).to(device),
        init=range(count),
        order=range(count),
        num_classes=10,
    )
    return victims, torch.from_numpy(tests[truths == SOURCE][:examples]).to(device)


def mnist(part: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n images (n, 1, 28, 28) float32 in [0, 1] and labels of the raw MNIST files."""
    folder = Path(os.environ.get("LNBENCH_DATA", "data")) / "MNIST" / "raw"
    images = np.fromfile(folder / f"{part}-images-idx3-ubyte", dtype=np.uint8)[16:].reshape(-1, 1, 28, 28)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", dtype=np.uint8)[8:]
    return images[:n].astype(np.float32) / 255, labels[:n].astype(np.int64)


def module(victims: Victims, index: int, channels: int) -> nn.Module:
    """One victim as the peers want it."""
    family: Any = victims.architecture
    parameters = {k: p[index] for k, p in victims.parameters.items()}
    layers: list[nn.Module] = []
    for i, out in enumerate(getattr(family, "channels", ())):
        convolution = nn.Conv2d(channels, out, family.kernel, stride=family.stride, padding=family.padding)
        assert convolution.bias is not None
        convolution.weight.data, convolution.bias.data = parameters[f"kernel{i}"], parameters[f"shift{i}"]
        layers += [convolution, *([nn.MaxPool2d(2)] if family.stride == 1 else []), nn.ReLU()]
        channels = out
    layers.append(nn.Flatten())
    last = sum(k.startswith("weight") for k in parameters) - 1
    for i in range(last + 1):
        weight = parameters[f"weight{i}"]
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.t().contiguous(), parameters[f"bias{i}"].flatten()
        layers += [linear, nn.ReLU()] if i < last else [linear]
    return nn.Sequential(*layers).eval()


Attack = Callable[[nn.Module, Tensor, float], Tensor]
"""(module, inputs, ε) -> adversarial inputs."""


def targets(inputs: Tensor) -> Tensor:
    """The target class, once per input."""
    return torch.full((len(inputs),), TARGET, device=inputs.device)


def peers(norm: str) -> dict[str, Attack]:
    """The contestants' targeted PGD in this norm, with our settings."""
    import foolbox  # type: ignore[import-not-found]  # a peer, of requirements.txt alone
    import torchattacks  # type: ignore[import-not-found]  # a peer, of requirements.txt alone
    from art.attacks.evasion import (  # type: ignore[import-not-found]  # a peer, of requirements.txt alone
        ProjectedGradientDescentPyTorch,
    )
    from art.estimators.classification import (  # type: ignore[import-not-found]  # as above
        PyTorchClassifier,
    )

    def with_foolbox(model: nn.Module, inputs: Tensor, epsilon: float) -> Tensor:
        kind = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
        attack = kind(abs_stepsize=2.5 * epsilon / STEPS, steps=STEPS, random_start=False)
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=inputs.device)
        criterion = foolbox.criteria.TargetedMisclassification(targets(inputs))
        points: Tensor = attack(wrapped, inputs, criterion, epsilons=epsilon)[1]
        return points

    def with_torchattacks(model: nn.Module, inputs: Tensor, epsilon: float) -> Tensor:
        kind = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
        attack = kind(model, eps=epsilon, alpha=2.5 * epsilon / STEPS, steps=STEPS, random_start=False)
        attack.set_mode_targeted_by_label(quiet=True)
        points: Tensor = attack(inputs, targets(inputs))
        return points

    def with_art(model: nn.Module, inputs: Tensor, epsilon: float) -> Tensor:
        classifier = PyTorchClassifier(
            model,
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(inputs.shape[1:]),
            nb_classes=10,
            clip_values=(0.0, 1.0),
            device_type="gpu" if inputs.is_cuda else "cpu",
        )
        attack = ProjectedGradientDescentPyTorch(
            classifier,
            norm=np.inf if norm == "linf" else 2,
            eps=epsilon,
            eps_step=2.5 * epsilon / STEPS,
            max_iter=STEPS,
            targeted=True,
            batch_size=len(inputs),
            verbose=False,
        )
        wanted = np.eye(10, dtype=np.float32)[targets(inputs).cpu().numpy()]
        return torch.from_numpy(attack.generate(x=inputs.cpu().numpy(), y=wanted)).to(inputs.device)

    return {"foolbox": with_foolbox, "torchattacks": with_torchattacks, "ART": with_art}


def plain(model: nn.Module, inputs: Tensor, epsilon: float) -> Tensor:
    """The dozen lines everybody writes."""
    x = inputs.clone()
    for _ in range(STEPS):
        x.requires_grad_()
        loss = nn.functional.cross_entropy(model(x), targets(inputs), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        x = x.detach() - 2.5 * epsilon / STEPS * gradient.sign()
        x = torch.minimum(torch.maximum(x, inputs - epsilon), inputs + epsilon).clamp(0, 1)
    return x


def success(model: nn.Module, adversarial: Tensor) -> Tensor:
    """(batch,) bool: classified as the target."""
    with torch.no_grad():
        reached: Tensor = model(adversarial).argmax(1) == TARGET
        return reached


def agreement(victims: Victims, modules: list[nn.Module], inputs: Tensor, norm: str, epsilon: float) -> None:
    """Share of (victim, example) on which each peer's verdict is ours."""
    options: dict[str, Any] = {"targeted": True, "epsilons": [epsilon], "steps": STEPS, "norm": norm}
    ours = pgd(victims, inputs, targets(inputs), **options, rule="last").broken[:, 0]
    line = [f"{norm} ε = {epsilon}: broken {float(ours.double().mean()):.1%}; the same verdict"]
    for name, attack in peers(norm).items():
        theirs = torch.stack([success(m, attack(m, inputs, epsilon)) for m in modules])
        line.append(f"{name} {float((ours == theirs).double().mean()):.2%}")
    print("  " + ", ".join(line))


def compare_strong(victims: Victims, modules: list[nn.Module], inputs: Tensor, epsilon: float) -> None:
    """Untargeted adversarial accuracy under our strong adversary and under torchattacks' AutoAttack."""
    import torchattacks

    labels = torch.full((len(inputs),), SOURCE, device=inputs.device)
    begin = time.process_time()
    generator = torch.Generator().manual_seed(0)
    ours = strong(victims, inputs, labels, targeted=False, epsilons=[epsilon], generator=generator).broken[:, 0]
    middle = time.process_time()
    theirs = []
    for model in modules:
        attack = torchattacks.AutoAttack(model, norm="Linf", eps=epsilon, n_classes=10, seed=0)
        with torch.no_grad():
            theirs.append(model(attack(inputs, labels)).argmax(1) != SOURCE)
    end = time.process_time()
    broken = torch.stack(theirs)
    print(
        f"  ε = {epsilon}: untargeted adversarial accuracy {1 - float(ours.double().mean()):.2%} (ours, "
        f"{middle - begin:.0f} s) and {1 - float(broken.double().mean()):.2%} (AutoAttack, {end - middle:.0f} s); "
        f"only ours breaks {int((ours & ~broken).sum())}, AutoAttack {int((broken & ~ours).sum())} of {broken.numel()}"
    )


if __name__ == "__main__":
    main()
