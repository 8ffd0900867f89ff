"""One cell: a block of victims of one arm, architecture and split, trained, tested and attacked. Runs in a worker."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench import data
from lnbench.adversary import Attacked, pgd
from lnbench.protocol import Streams, Track, Victim, applied
from lnbench.victims import Victims, architecture, train

_TRAINING_SHARE = 0.8
"""Share of a cell's time that training takes, for the progress display."""


_AT_ONCE = {"cpu": 4096, "cuda": 65536}
"""Victim × radius × example triples attacked in one batch."""


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train the cell's victims and count what they get right and what the adversary breaks.

    Args:
        cell: `track` (document), `salt`, `victim` (name in the track), `split`, `seeds`, `flips` (one list per seed)
            and `device`.
        report: called now and then with the share of the work that is done.

    Returns:
        `seconds`, and `victims`: one entry per seed with the fields of a record's victim that are measured here.
    """
    start = time.perf_counter()
    _deterministic(cell["device"])
    track, device = Track.from_document(cell["track"]), torch.device(cell["device"])
    streams, spec, split = Streams(track.sha256, cell["salt"]), track.victim(cell["victim"]), cell["split"]
    points = data.load(track, split, streams)
    inputs = torch.from_numpy(points.inputs).to(device)
    labels = np.stack([applied(points.labels, flips) for flips in cell["flips"]])
    seeds, steps = cell["seeds"], spec.recipe.steps

    def on_step(step: int) -> None:
        if step % max(1, steps // 20) == 0:
            report(_TRAINING_SHARE * step / steps)

    victims = train(
        architecture(spec.architecture, spec.options),
        spec.recipe,
        inputs,
        torch.from_numpy(labels).to(device),
        init=[streams.integer(f"init/{spec.name}", split, seed) for seed in seeds],
        order=[streams.entropy("order", split, seed) for seed in seeds],
        num_classes=track.data.classes,
        on_step=on_step,
    )
    predicted = victims.predict(inputs).cpu().numpy()
    tested = victims.predict(torch.from_numpy(points.test_inputs).to(device)).cpu().numpy()
    targeted, untargeted = _attack(victims, track, spec, points, device, streams.integer("attack", split))
    source = np.isin(points.test_labels, [s for s, _ in track.noise.pairs])
    targets = _targets(track, points.test_labels[source])
    diverged = victims.diverged.cpu().numpy()
    entries = []
    for row, seed in enumerate(seeds):
        changed = labels[row] != points.labels
        of_source = tested[row][source]
        entries.append(
            {
                "seed": seed,
                "steps": steps,
                "diverged": bool(diverged[row]),
                "train_points": len(inputs),
                "train_correct": int((predicted[row] == labels[row]).sum()),
                "flipped": int(changed.sum()),
                "memorised_count": int((predicted[row] == labels[row])[changed].sum()),
                "clean": {
                    "points": len(points.test_labels),
                    "correct": int((tested[row] == points.test_labels).sum()),
                    "source_points": int(source.sum()),
                    "source_correct": int((of_source == points.test_labels[source]).sum()),
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
                    "targeted": _bits(targeted, track, spec, row),
                    "untargeted": _bits(untargeted, track, spec, row),
                },
            }
        )
    return {"victims": entries, "seconds": round(time.perf_counter() - start, 3)}


def _deterministic(device: str) -> None:
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device == "cpu":
        torch.set_num_threads(1)


def _targets(track: Track, labels: np.ndarray) -> np.ndarray:
    """Where each source-class point is attacked towards: its class's first pair, (m,) int64."""
    target = dict(reversed(track.noise.pairs))
    return np.array([target[int(label)] for label in labels], dtype=np.int64)


def _attack(
    victims: Victims, track: Track, spec: Victim, points: data.Split, device: torch.device, start: int
) -> tuple[Attacked, Attacked]:
    """The track's attack on the source classes' test points, targeted and untargeted; `start` seeds random starts."""
    adversary, epsilons = track.adversary, track.epsilons(spec)
    source = np.isin(points.test_labels, [s for s, _ in track.noise.pairs])
    inputs = torch.from_numpy(points.test_inputs[source]).to(device)
    labels = points.test_labels[source]
    chunk = max(1, _AT_ONCE[device.type] // (len(victims) * len(epsilons)))

    def attack(classes: np.ndarray, targeted: bool) -> Attacked:
        generator = torch.Generator(device).manual_seed(start) if adversary.random_start else None
        goals: Tensor = torch.from_numpy(classes).to(device)
        parts = [
            pgd(
                victims,
                some,
                goal,
                targeted=targeted,
                epsilons=epsilons,
                steps=adversary.steps,
                step_factor=adversary.step_factor,
                bounds=points.bounds,
                rule=adversary.rule,
                norm=adversary.norm,
                random_start=generator,
            )
            for some, goal in zip(inputs.split(chunk), goals.split(chunk), strict=True)
        ]
        return Attacked(
            *(torch.cat([getattr(p, f) for p in parts], -1) for f in ("broken", "zero_gradient", "undefined"))
        )

    return attack(_targets(track, labels), True), attack(labels, False)


def _bits(attacked: Attacked, track: Track, spec: Victim, row: int) -> str:
    """Base64 of the packed per-example flags at the radius of the score; 1 = broken."""
    at = track.epsilons(spec).index(track.epsilon(spec))
    return base64.b64encode(np.packbits(attacked.broken[row, at].cpu().numpy()).tobytes()).decode()
