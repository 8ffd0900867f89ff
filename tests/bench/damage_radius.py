"""How strong is the damage attack? Untargeted AA at small radii, by ever stronger attacks on the same networks.

    python tests/bench/damage_radius.py --track digits-9to0 --radii 0.02,0.03,0.04,0.05,0.085
    python tests/bench/damage_radius.py --track mnist10k-9to0 --splits 1

A track's damage radius is one at which networks trained on clean labels keep an untargeted AA of 80 % or more. Where
the strong adversary of the audits finds more than one point more than the track's own attack, the damage of its audits
is the one to read; the last line of each network says what an adversary four times as long finds beyond that. Trains
on splits of a salt of its own: clean and random flips.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lnbench import data
from lnbench.adversary import pgd, strong
from lnbench.evaluation import cells
from lnbench.evaluation.plan import flips_of_arms, plan
from lnbench.protocol import Streams
from lnbench.protocol.track import load


def main() -> None:
    """Parse, train, attack, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--track", default="digits-9to0")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--radii", help="separated by commas; each architecture's damage radius if not given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    track, radii = load(options.track), [float(radius) for radius in (options.radii or "").split(",") if radius]
    if not radii and track.damage is None:
        parser.error(f"{track.name} has no damage radius; give --radii")
    streams = Streams(track.sha256, "damage-radius")
    labels = [data.load(track, split, streams).labels for split in range(options.splits)]
    flips = flips_of_arms(track, labels, [[] for _ in labels], streams, 1)
    print("untargeted AA, % at", radii or "each architecture's damage radius")
    for arm, cell in plan(track, streams, "cpu", options.splits, 1, flips):
        if arm in ("clean", "random") and not cell.get("draw"):
            made = cells.trained(cell)
            own = track.damage_epsilon(made.spec)
            attack(arm, made, radii or ([] if own is None else [own]))


def attack(arm: str, made: cells.Trained, radii: list[float]) -> None:
    """Attack one stack in several ways and print what each leaves unbroken."""
    inputs, _, labels = made.examples
    common = {"targeted": False, "epsilons": radii, "bounds": made.points[0].bounds, "norm": made.track.adversary.norm}

    def by(**ways: object) -> Tensor:
        return pgd(made.victims, inputs, labels, **common, **ways).broken  # type: ignore[arg-type]

    def again(**ways: object) -> Tensor:
        return by(random_start=torch.Generator().manual_seed(1), restarts=4, **ways)

    def strongest(seed: int, before: Tensor, **ways: object) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return strong(made.victims, inputs, labels, **common, generator=generator, broken=before, **ways).broken  # type: ignore[arg-type]

    def like_audit() -> Tensor:
        """The attacks of `lnbench.trust.audit` and PGD on the margin, with 50 steps of PGD for its 40."""
        return strongest(0, by(steps=40, loss="margin") | by(steps=20), steps=50, queries=500)

    attacks: dict[str, Callable[[], Tensor]] = {
        "cross-entropy, 20 steps": lambda: by(steps=20),
        "margin, 20 steps": lambda: by(steps=20, loss="margin"),
        "dlr, 20 steps": lambda: by(steps=20, loss="dlr"),
        "cross-entropy, 4 restarts more": lambda: by(steps=20) | again(steps=20),
        "as strong as the audits'": like_audit,
        "four times as long beyond it": lambda: strongest(1, left[-1], steps=100, restarts=2, queries=2000),
    }
    left: list[Tensor] = []
    for name, run in attacks.items():
        begin = time.perf_counter()
        left.append(run())
        unbroken = 100 * (1 - left[-1].float().mean((0, 2)))
        shown = " ".join(f"{value:5.1f}" for value in unbroken.tolist())
        print(f"{made.spec.name:8} {arm:6} {name:31} {shown}   {time.perf_counter() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
