"""Training in bfloat16 beside float32 on a CPU: seconds a victim, and whether what the victims do is the same.

    python tests/bench/bf16.py cnn --victims 64 --train 2500

Victims of the thesis's full size, on fewer digits for as many epochs. A pair of stacks, one of each precision, has the
same digits, flips, initialisation and batch order, and is trained in turn in this process; with stacks of at least 64
victims the differences of memorisation, accuracy and adversarial accuracy have a 95 % interval over the stacks.
Needs MNIST (LNBENCH_DATA) and, to be of use, a CPU with bfloat16 instructions.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np
import torch

STACK = 8
FULL_SIZE = 60_000
EPSILONS = [0.03, 0.05, 0.08]

if "MALLOC_TRIM_THRESHOLD_" not in os.environ:  # as in lnbench's workers: buffers are kept, not given back each step
    settings = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
    os.execve(sys.executable, [sys.executable, "-P", *sys.argv], {**os.environ, **settings})

from lnbench.record.score import t_interval  # noqa: E402
from lnbench.thesis import flip_sets, images, networks  # noqa: E402


def main() -> None:
    """Train, attack, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["mlp", "cnn"])
    parser.add_argument("--victims", type=int, default=64, help="of each precision")
    parser.add_argument("--train", type=int, default=2500, help="digits")
    parser.add_argument("--flips", type=int, default=10)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    full = images.FULL_CNN if chosen.network == "cnn" else images.FULL
    cell = {**images.QUICK, **full, "test": 200, "epsilon": EPSILONS, "pgd_steps": 20, "train": chosen.train}
    cell["steps"] = full["steps"] * chosen.train // FULL_SIZE
    found: dict[str, list[np.ndarray]] = {"fp32": [], "bf16": []}
    seconds = dict.fromkeys(found, 0.0)
    stacks = -(-chosen.victims // STACK)
    for split in range(stacks):
        sample = images.load_mnist({**cell, "split": split})
        sets = flip_sets.random_sets([sample.of_class(9)], chosen.flips, STACK, sample.rng)
        labels = np.stack([sample.flipped(index, 0) for index in sets])
        for precision in found:
            own = {**cell, "recipe": {"precision": precision}}
            begin = time.process_time()
            victims = networks.train(own, sample, labels)
            seconds[precision] += time.process_time() - begin
            learned = np.mean(networks.memorised(own, victims, sample.inputs, labels, sets))
            right = victims.predict(torch.from_numpy(sample.test_inputs)).numpy() == sample.test_labels
            withstood = networks.adversarial_accuracy(own, victims, sample.tests_of_class(9), 0)
            found[precision].append(100 * np.array([learned, right.mean(), *np.mean(withstood, axis=0)]))
        print(f"{STACK * (split + 1)} victims of each precision", file=sys.stderr)
    each = {precision: spent / (STACK * stacks) for precision, spent in seconds.items()}
    print(
        f"{chosen.network}, {chosen.train} digits, {cell['steps']} steps of {cell['batch']}, stacks of {STACK}: "
        f"{each['fp32']:.2f} s a victim in fp32, {each['bf16']:.2f} in bf16, {each['fp32'] / each['bf16']:.2f} times"
    )
    names = ["memorised", "accuracy", *(f"AA at {radius}" for radius in EPSILONS)]
    for place, name in enumerate(names):
        one, other = (np.array(values)[:, place] for values in found.values())
        apart = t_interval(other - one)
        ends = "–" if apart.ends is None else "{:+.2f} … {:+.2f}".format(*apart.ends)
        print(f"  {name}: fp32 {one.mean():.2f} %, bf16 {other.mean():.2f} %, difference {apart.mean:+.2f} [{ends}]")


if __name__ == "__main__":
    main()
