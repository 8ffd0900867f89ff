"""One cell: victims of one arm and architecture, trained, tested and attacked at once. Runs in a worker.

A cell's victims are consecutive (split, seed) pairs; what a victim is depends on its cell's others by rounding only.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench import data
from lnbench.adversary import Attacked, pgd
from lnbench.errors import UnavailableError
from lnbench.evaluation.treated import Treated
from lnbench.protocol import Streams, Track, VictimSpec, applied, pack
from lnbench.victims import Victims, architecture, predicted_bytes, train
from lnbench.victims.ensemble import Ensemble, certified, together

_TRAINING_SHARE = 0.8
"""Share of a cell's time that training takes, for the progress display."""

_FILLED = 0.85
"""Share of a GPU's free memory that a training may be predicted to take."""

_AT_ONCE = {"cpu": 4096, "cuda": 65536}
"""Victim × radius × example triples attacked in one batch."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A cell's victims and what they were trained on.

    Attributes:
        track, spec, device: as the cell says.
        splits: the number of each victim's split.
        points: each victim's split.
        labels: (victim, n) int64, what each victim was trained on.
        base: (rows, *shape), every training input of the cell once.
        subset: (victim, n) int64, each victim's training points as rows of `base`.
        victims: the stack.
        start: seeds the adversary's random starts.
        in_parts: the device had no room for all victims at once, so they were trained in parts.
    """

    track: Track
    spec: VictimSpec
    splits: list[int]
    points: list[data.Split]
    device: torch.device
    labels: np.ndarray
    base: Tensor
    subset: Tensor
    victims: Victims
    start: int
    in_parts: bool

    def source(self, row: int) -> np.ndarray:
        """Which test points of victim `row` are of a source class, (m,) bool."""
        return np.isin(self.points[row].test_labels, [source for source, _ in self.track.pairs(self.splits[row])])

    def goals(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Of victim `row`'s source-class test points: target of the targeted attack, and true label, (m,) int64."""
        labels = self.points[row].test_labels[self.source(row)]
        target = dict(reversed(self.track.pairs(self.splits[row])))
        return np.array([target[int(label)] for label in labels], dtype=np.int64), labels

    def radii(self, epsilons: Sequence[float]) -> Tensor:
        """The radii of every one of `examples`, the curve times its pair's factor: ([victim,] epsilon, m)."""
        labels = self.examples[2]
        splits = self.splits if labels.dim() == 2 else self.splits[:1]
        of_row = [self.track.factors(split) for split in splits]
        factors = torch.tensor(
            [[of_row[row][int(label)] for label in some] for row, some in enumerate(labels.view(len(splits), -1))]
        ).view(labels.shape)
        return (torch.tensor(epsilons)[:, None] * factors.unsqueeze(-2)).to(self.device)

    @functools.cached_property
    def examples(self) -> tuple[Tensor, Tensor, Tensor]:
        """What is attacked: inputs, targets and true labels.

        Shapes (m, *shape) and (m,) where all splits share their test set; else (victim, m, *shape) and (victim, m),
        with a victim's first example repeated where another has more.
        """
        shared = data.fixed_test_set(self.track) and not self.track.noise.rotate
        rows = range(1 if shared else len(self.points))
        most = max(int(self.source(row).sum()) for row in rows)
        parts = []
        for row in rows:
            of_row = self.points[row].test_inputs[self.source(row)], *self.goals(row)
            fill = np.zeros(most, dtype=np.int64)
            fill[: len(of_row[0])] = np.arange(len(of_row[0]))
            parts.append([torch.from_numpy(values[fill]) for values in of_row])
        stacked = [torch.stack(values).to(self.device) for values in zip(*parts, strict=True)]
        inputs, targets, labels = [values[0] for values in stacked] if shared else stacked
        return inputs, targets, labels


def trained(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> Trained:
    """Train a cell's victims; the same victims, bit for bit, in the same environment.

    Args:
        cell: `track` (document), `salt`, `victim` (name in the track), `places` ([split, seed] of each victim),
            `flips` (one list per victim) and `device`; of defended victims `treatments` (see
            `lnbench.evaluation.treated`).
        report: called now and then with the share of the training that is done.
    """
    _deterministic(cell["device"])
    track, device = Track.from_document(cell["track"]), torch.device(cell["device"])
    streams, places = Streams(track.root, cell["salt"]), cell["places"]
    splits = {split: data.load(track, split, streams) for split in sorted({split for split, _ in places})}
    points = [splits[split] for split, _ in places]
    labels = np.stack([applied(p.labels, flips) for p, flips in zip(points, cell["flips"], strict=True)])
    known, first = np.unique(np.concatenate([p.index for p in splits.values()]), return_index=True)
    base = torch.from_numpy(np.concatenate([p.inputs for p in splits.values()])[first]).to(device)
    subset = torch.from_numpy(np.stack([np.searchsorted(known, p.index) for p in points])).to(device)
    treated = Treated.of(cell, track, labels)
    spec, steps, members = treated.spec, treated.spec.recipe.steps, treated.members

    def part(rows: range) -> Victims:
        """Train some of the victims."""

        def on_step(step: int) -> None:
            if step % max(1, steps // 20) == 0:
                report((rows.start + len(rows) * step / steps) / len(places))

        mine, weights = treated.rows(rows), treated.weights
        made = train(
            architecture(spec.architecture, spec.options),
            spec.recipe,
            base,
            torch.from_numpy(treated.labels[mine]).to(device),
            **treated.starts(streams, places[rows.start : rows.stop]),
            num_classes=track.data.classes,
            subset=subset[rows.start : rows.stop].repeat_interleave(members, 0),
            weights=None if weights is None else torch.from_numpy(weights[mine]).to(device),
            bounds=points[0].bounds,
            on_step=on_step,
        )
        return made if members == 1 else together(made, members)

    def fits(victims: int) -> bool:
        """The device has room for a stack of so many, by our own count of what its training will hold."""
        free = _free_bytes(device)
        if free is None:
            return True
        n, shape = labels.shape[1], tuple(base.shape[1:])
        family, classes = architecture(spec.architecture, spec.options), track.data.classes
        return predicted_bytes(family, spec.recipe, shape, classes, victims * members, n, len(base)) <= _FILLED * free

    parts = _with_room(part, fits, range(len(places)))
    victims, start = Victims.joined(parts), streams.integer("attack", places[0][0])
    numbers = [split for split, _ in places]
    return Trained(track, spec, numbers, points, device, labels, base, subset, victims, start, len(parts) > 1)


def _with_room(train_rows: Callable[[range], Victims], fits: Callable[[int], bool], rows: range) -> list[Victims]:
    """All victims at once, or, where the device has no room for that, each half by itself.

    What fits is predicted, so that no time is lost on training that cannot end; should the prediction be wrong, running
    out of memory halves the stack too.
    """
    if len(rows) == 1 or fits(len(rows)):
        try:
            return [train_rows(rows)]
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise UnavailableError(
                    "the device has no room for a single victim of this track; free its memory or run with "
                    "--device cpu."
                ) from None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    middle = rows.start + len(rows) // 2
    halves = range(rows.start, middle), range(middle, rows.stop)
    return [victims for half in halves for victims in _with_room(train_rows, fits, half)]


def _free_bytes(device: torch.device) -> int | None:
    """Memory that a GPU has left for us; None on a CPU, whose memory is not ours to divide."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train the cell's victims and count what they get right and what the adversary breaks.

    Args:
        cell: as for `trained`.
        report: called now and then with the share of the work that is done.

    Returns:
        `seconds`, `in_parts`, and `victims`: one entry per victim with its `split` and `seed` and the fields of a
        record's victim that are measured here.
    """
    begin = time.perf_counter()
    made = trained(cell, lambda share: report(_TRAINING_SHARE * share))
    labels, victims = made.labels, made.victims
    predicted = victims.predict(made.base, made.subset).cpu().numpy()
    predictions = tested(made)
    targeted, untargeted, damaged = attack(made, True), attack(made, False), damage(made)
    diverged = victims.diverged.cpu().numpy()
    certificates = certified_counts(made)
    entries = []
    for row, (split, seed) in enumerate(cell["places"]):
        points, source, (targets, source_labels) = made.points[row], made.source(row), made.goals(row)
        changed = labels[row] != points.labels
        of_source = predictions[row][source]
        m = len(targets)
        entries.append(
            {
                "split": split,
                "seed": seed,
                "steps": made.spec.recipe.steps,
                "diverged": bool(diverged[row]),
                "train_points": len(points.labels),
                "train_correct": int((predicted[row] == labels[row]).sum()),
                "flipped": int(changed.sum()),
                "memorised_count": int((predicted[row] == labels[row])[changed].sum()),
                "clean": {
                    "points": len(points.test_labels),
                    "correct": int((predictions[row] == points.test_labels).sum()),
                    "source_points": int(source.sum()),
                    "source_correct": int((of_source == source_labels).sum()),
                    "source_to_target": int((of_source == targets).sum()),
                },
                "broken": {
                    "targeted": targeted.broken[row, :, :m].sum(-1).tolist(),
                    "untargeted": untargeted.broken[row, :, :m].sum(-1).tolist(),
                },
                "zero_gradient": {
                    "targeted": int(targeted.zero_gradient[row, :m].sum()),
                    "untargeted": int(untargeted.zero_gradient[row, :m].sum()),
                },
                "bits": {
                    "targeted": _bits(made, targeted, row, m),
                    "untargeted": _bits(made, untargeted, row, m),
                },
            }
        )
        if certificates is not None:
            entries[-1]["certified"] = certificates[row]
        if damaged is not None:
            flags = damaged.broken[row, 0, :m]
            entries[-1]["broken"]["damage"] = int(flags.sum())
            entries[-1]["bits"]["damage"] = pack(flags.cpu().numpy())
    return {"victims": entries, "in_parts": made.in_parts, "seconds": round(time.perf_counter() - begin, 3)}


def tested(made: Trained) -> list[np.ndarray]:
    """Each victim's predictions of its own split's test points, (m,) int64."""
    if data.fixed_test_set(made.track):
        shared = torch.from_numpy(made.points[0].test_inputs).to(made.device)
        return list(made.victims.predict(shared).cpu().numpy())
    splits = {id(p): p for p in made.points}
    offsets, total = {}, 0
    for key, p in splits.items():
        offsets[key], total = total, total + len(p.test_labels)
    base = torch.from_numpy(np.concatenate([p.test_inputs for p in splits.values()])).to(made.device)
    most = max(len(p.test_labels) for p in made.points)
    rows = [offsets[id(p)] + np.minimum(np.arange(most), len(p.test_labels) - 1) for p in made.points]
    classes = made.victims.predict(base, torch.from_numpy(np.stack(rows)).to(made.device)).cpu().numpy()
    return [classes[row][: len(p.test_labels)] for row, p in enumerate(made.points)]


def certified_counts(made: Trained) -> list[list[int]] | None:
    """Of each victim that is several networks: test points whose right prediction withstands r wrong labels, by r.

    Whether a wrong label moves one vote only is not known here. None of victims that are one network.
    """
    family = made.victims.architecture
    if not isinstance(family, Ensemble):
        return None
    counts = []
    for row, points in enumerate(made.points):
        own = {name: value[row : row + 1] for name, value in made.victims.parameters.items()}
        inputs, labels = torch.from_numpy(points.test_inputs), torch.from_numpy(points.test_labels)
        with torch.no_grad():
            votes = [family.votes(own, part.unsqueeze(0).to(made.device))[0].cpu() for part in inputs.split(512)]
        radii = certified(torch.cat(votes), labels)
        counts.append([int((radii >= r).sum()) for r in range(family.members // 2 + 1)])
    return counts


def _deterministic(device: str) -> None:
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory that it did not write. (A property of a module class, which mypy does not see.)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device == "cpu":
        torch.set_num_threads(1)


def attack(made: Trained, targeted: bool) -> Attacked:
    """The track's attack on `made.examples`: away from the true labels, or towards the targets when `targeted`."""
    adversary = made.track.adversary
    _, targets, labels = made.examples
    return _in_batches(
        made,
        targets if targeted else labels,
        made.radii(made.track.epsilons(made.spec)),
        targeted=targeted,
        steps=adversary.steps,
        step_factor=adversary.step_factor,
        rule=adversary.rule,
        random_start=torch.Generator(made.device).manual_seed(made.start) if adversary.random_start else None,
    )


def damage(made: Trained) -> Attacked | None:
    """The track's damage attack on `made.examples`, at one radius; None on tracks without one."""
    asked, epsilon = made.track.damage, made.track.damage_epsilon(made.spec)
    if asked is None or epsilon is None:
        return None
    labels = made.examples[2]
    radii = torch.full((*labels.shape[:-1], 1, labels.shape[-1]), epsilon, device=made.device)
    once = _in_batches(made, labels, radii, targeted=False, steps=asked.steps, loss=asked.loss)
    if asked.restarts == 1:
        return once
    again = _in_batches(
        made,
        labels,
        radii,
        targeted=False,
        steps=asked.steps,
        loss=asked.loss,
        random_start=torch.Generator(made.device).manual_seed(made.start),
        restarts=asked.restarts - 1,
    )
    return Attacked(once.broken | again.broken, once.zero_gradient, once.undefined & again.undefined)


def _in_batches(made: Trained, goals: Tensor, radii: Tensor, **options: Any) -> Attacked:
    """PGD on `made.examples` in the track's norm and the data's box, so many examples at once as is fast.

    Args:
        goals: ([victim,] m) int64; radii: ([victim,] epsilon, m).
        options: of `pgd`.
    """
    inputs, axis = made.examples[0], goals.dim() - 1
    chunk = max(1, _AT_ONCE[made.device.type] // (len(made.victims) * radii.shape[-2]))
    common: dict[str, Any] = {"bounds": made.points[0].bounds, "norm": made.track.adversary.norm, **options}
    parts = [
        pgd(made.victims, some, goal, epsilons=own, **common)
        for some, goal, own in zip(
            inputs.split(chunk, axis), goals.split(chunk, axis), radii.split(chunk, -1), strict=True
        )
    ]
    return Attacked(*(torch.cat([getattr(p, f) for p in parts], -1) for f in ("broken", "zero_gradient", "undefined")))


def _bits(made: Trained, attacked: Attacked, row: int, m: int) -> str:
    """The packed flags of a victim's m examples at the radius of the score; 1 = broken."""
    return pack(attacked.broken[row, made.track.scored_index(made.spec.name), :m].cpu().numpy())
