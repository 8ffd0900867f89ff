"""One cell: a block of victims of one arm, architecture and split, trained, tested and attacked. Runs in a worker."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lnbench import data
from lnbench.adversary import Attacked, pgd
from lnbench.protocol import Streams, Track, Victim, applied
from lnbench.victims import Victims, architecture, train

_TRAINING_SHARE = 0.8
"""Share of a cell's time that training takes, for the progress display."""


_AT_ONCE = {"cpu": 4096, "cuda": 65536}
"""Victim × radius × example triples attacked in one batch."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A cell's victims and what they were trained on.

    Attributes:
        track, spec, points, device: as the cell says.
        labels: (victim, n) int64, what each victim was trained on.
        victims: the stack.
        start: seeds the adversary's random starts.
    """

    track: Track
    spec: Victim
    points: data.Split
    device: torch.device
    labels: np.ndarray
    victims: Victims
    start: int

    @property
    def source(self) -> np.ndarray:
        """Which test points are of a source class, (m,) bool."""
        return np.isin(self.points.test_labels, [source for source, _ in self.track.noise.pairs])

    @property
    def goals(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the source-class test points: target of the targeted attack, and true label, each (m,) int64."""
        labels = self.points.test_labels[self.source]
        target = dict(reversed(self.track.noise.pairs))
        return np.array([target[int(label)] for label in labels], dtype=np.int64), labels


def trained(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> Trained:
    """Train a cell's victims; the same victims, bit for bit, in the same environment.

    Args:
        cell: `track` (document), `salt`, `victim` (name in the track), `split`, `seeds`, `flips` (one list per seed)
            and `device`.
        report: called now and then with the share of the training that is done.
    """
    _deterministic(cell["device"])
    track, device = Track.from_document(cell["track"]), torch.device(cell["device"])
    streams, spec, split = Streams(track.sha256, cell["salt"]), track.victim(cell["victim"]), cell["split"]
    points = data.load(track, split, streams)
    labels = np.stack([applied(points.labels, flips) for flips in cell["flips"]])
    steps = spec.recipe.steps

    def on_step(step: int) -> None:
        if step % max(1, steps // 20) == 0:
            report(step / steps)

    victims = train(
        architecture(spec.architecture, spec.options),
        spec.recipe,
        torch.from_numpy(points.inputs).to(device),
        torch.from_numpy(labels).to(device),
        init=[streams.integer(f"init/{spec.name}", split, seed) for seed in cell["seeds"]],
        order=[streams.entropy("order", split, seed) for seed in cell["seeds"]],
        num_classes=track.data.classes,
        on_step=on_step,
    )
    return Trained(track, spec, points, device, labels, victims, streams.integer("attack", split))


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train the cell's victims and count what they get right and what the adversary breaks.

    Args:
        cell: as for `trained`.
        report: called now and then with the share of the work that is done.

    Returns:
        `seconds`, and `victims`: one entry per seed with the fields of a record's victim that are measured here.
    """
    begin = time.perf_counter()
    made = trained(cell, lambda share: report(_TRAINING_SHARE * share))
    points, labels, victims = made.points, made.labels, made.victims
    inputs = torch.from_numpy(points.inputs).to(made.device)
    predicted = victims.predict(inputs).cpu().numpy()
    tested = victims.predict(torch.from_numpy(points.test_inputs).to(made.device)).cpu().numpy()
    source, (targets, source_labels) = made.source, made.goals
    targeted, untargeted = attack(made, targets, True), attack(made, source_labels, False)
    diverged = victims.diverged.cpu().numpy()
    entries = []
    for row, seed in enumerate(cell["seeds"]):
        changed = labels[row] != points.labels
        of_source = tested[row][source]
        entries.append(
            {
                "seed": seed,
                "steps": made.spec.recipe.steps,
                "diverged": bool(diverged[row]),
                "train_points": len(inputs),
                "train_correct": int((predicted[row] == labels[row]).sum()),
                "flipped": int(changed.sum()),
                "memorised_count": int((predicted[row] == labels[row])[changed].sum()),
                "clean": {
                    "points": len(points.test_labels),
                    "correct": int((tested[row] == points.test_labels).sum()),
                    "source_points": int(source.sum()),
                    "source_correct": int((of_source == source_labels).sum()),
                    "source_to_target": int((of_source == targets).sum()),
                },
                "broken": {
                    "targeted": targeted.broken[row].sum(-1).tolist(),
                    "untargeted": untargeted.broken[row].sum(-1).tolist(),
                },
                "zero_gradient": {
                    "targeted": int(targeted.zero_gradient[row].sum()),
                    "untargeted": int(untargeted.zero_gradient[row].sum()),
                },
                "bits": {
                    "targeted": _bits(made, targeted, row),
                    "untargeted": _bits(made, untargeted, row),
                },
            }
        )
    return {"victims": entries, "seconds": round(time.perf_counter() - begin, 3)}


def _deterministic(device: str) -> None:
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device == "cpu":
        torch.set_num_threads(1)


def attack(made: Trained, classes: np.ndarray, targeted: bool) -> Attacked:
    """The track's attack on the source classes' test points.

    Args:
        classes: (m,) int64, the targets when `targeted`, the true labels when not.
    """
    adversary, epsilons = made.track.adversary, made.track.epsilons(made.spec)
    inputs = torch.from_numpy(made.points.test_inputs[made.source]).to(made.device)
    goals = torch.from_numpy(classes).to(made.device)
    chunk = max(1, _AT_ONCE[made.device.type] // (len(made.victims) * len(epsilons)))
    generator = torch.Generator(made.device).manual_seed(made.start) if adversary.random_start else None
    parts = [
        pgd(
            made.victims,
            some,
            goal,
            targeted=targeted,
            epsilons=epsilons,
            steps=adversary.steps,
            step_factor=adversary.step_factor,
            bounds=made.points.bounds,
            rule=adversary.rule,
            norm=adversary.norm,
            random_start=generator,
        )
        for some, goal in zip(inputs.split(chunk), goals.split(chunk), strict=True)
    ]
    return Attacked(*(torch.cat([getattr(p, f) for p in parts], -1) for f in ("broken", "zero_gradient", "undefined")))


def _bits(made: Trained, attacked: Attacked, row: int) -> str:
    """Base64 of the packed per-example flags at the radius of the score; 1 = broken."""
    at = made.track.epsilons(made.spec).index(made.track.epsilon(made.spec))
    return base64.b64encode(np.packbits(attacked.broken[row, at].cpu().numpy()).tobytes()).decode()
