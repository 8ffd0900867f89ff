"""One cell of victims with an exact adversary, and the table of what flips do to a nearest neighbour. In a worker.

The table says, for one split, which radii break each test point without a flip and with each single flip. All arms of
a nearest-neighbour track follow from it without a solver; a cell that comes without one makes the part that it needs.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.exact.coverage import Coverage
from lnbench.exact.nearest import Cells
from lnbench.protocol import Streams, Track, VictimSpec, applied, eligible, pack, unpack
from lnbench.protocol.documents import WrongError, read
from lnbench.protocol.exactness import CLOSED_FORM

Report = Callable[[float], None]


def table(cell: Mapping[str, Any], report: Report = lambda share: None) -> dict[str, Any]:
    """What flips do to a nearest-neighbour victim on one split.

    Args:
        cell: `track` (document), `salt`, `split`, `levels` (ascending radii) and, if not all eligible points are of
            interest, `columns` (places among them).
        report: called now and then with the share of the work that is done.

    Returns:
        `eligible`: how many points may be flipped. `targeted`, `untargeted`: for each test point of the source class
        the place of the smallest level that breaks it without a flip, or their number. `reach`: for each level the
        packed flags (test point × column) of the flips that break a point; no flip is listed from the radius on
        at which a point is broken without one.

    Raises:
        UnavailableError: if a solver fails.
    """
    track = Track.from_document(cell["track"])
    points, split = data.load(track, cell["split"], Streams(track.root, cell["salt"])), cell["split"]
    ((source, target),) = track.pairs(split)
    x, levels = points.test_inputs[points.test_labels == source], list(cell["levels"])
    cells = Cells(points.inputs, track.adversary.norm, points.bounds)
    may = eligible(points.labels, [(source, target)])
    columns = may[cell["columns"]] if "columns" in cell else may
    targeted = cells.reached_any(x, np.flatnonzero(points.labels == target), levels)
    report(0.1)
    untargeted = cells.reached_any(x, np.flatnonzero(points.labels != source), levels)
    report(0.3)
    rows = []
    for row in range(len(x)):
        rows.append(cells.reached(x[row : row + 1], columns, levels, targeted[row : row + 1]))
        report(0.3 + 0.7 * (row + 1) / len(x))
    reached = np.concatenate(rows) if rows else np.zeros((0, len(columns)))
    return {
        "eligible": len(may),
        "targeted": np.searchsorted(levels, targeted).tolist(),
        "untargeted": np.searchsorted(levels, untargeted).tolist(),
        "reach": [pack((reached <= level).ravel()) for level in levels],
    }


def coverages(made: Mapping[str, Any], goal: str = "targeted") -> list[Coverage]:
    """The coverage of each level of a table.

    Args:
        goal: `targeted` or `untargeted`.
    """
    broken = np.array(made[goal], dtype=np.int64)
    covers = []
    for level, bits in enumerate(made["reach"]):
        columns = len(made["columns"]) if "columns" in made else made["eligible"]
        covers.append(Coverage(broken <= level, unpack(bits, len(broken) * columns).reshape(len(broken), columns)))
    return covers


def run(cell: Mapping[str, Any], report: Report = lambda share: None) -> dict[str, Any]:
    """Make the cell's victims and count what they get right and what the adversary breaks.

    Args:
        cell: as for `lnbench.evaluation.cells.run`; and `tables`, for each place the table of its split, if it is at
            hand; and `expected`, if what random flips do on the mean belongs to the result.
        report: called now and then with the share of the work that is done.

    Returns:
        As `lnbench.evaluation.cells.run`; victims of the random arm also have `reached`, see
        `lnbench.record.schema.Reached`.
    """
    begin = time.perf_counter()
    track = Track.from_document(cell["track"])
    streams, spec, entries = Streams(track.root, cell["salt"]), track.spec(cell["victim"]), []
    attack = _nearest if spec.architecture == CLOSED_FORM else _trained
    for at, ((split, seed), flips) in enumerate(zip(cell["places"], cell["flips"], strict=True)):
        points = data.load(track, split, streams)
        entries.append({"split": split, "seed": seed, **attack(cell, at, track, spec, points, flips)})
        report((at + 1) / len(cell["places"]))
    return {"victims": entries, "in_parts": False, "seconds": round(time.perf_counter() - begin, 3)}


def _levels(track: Track, spec: VictimSpec, split: int) -> list[float]:
    """The radii of the curve on a split."""
    ((source, _),) = track.pairs(split)
    return [epsilon * track.factors(split)[source] for epsilon in track.epsilons(spec)]


def _nearest(
    cell: Mapping[str, Any], at: int, track: Track, spec: VictimSpec, points: data.Split, flips: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """The entry of a nearest-neighbour victim, from the table of its split."""
    split = cell["places"][at][0]
    columns = np.searchsorted(eligible(points.labels, track.pairs(split)), [index for index, _, _ in flips])
    if "tables" in cell:
        made = cell["tables"][at]
    else:
        asked = {key: cell[key] for key in ("track", "salt")}
        asked |= {"split": split, "levels": _levels(track, spec, split)}
        if not cell.get("expected"):
            asked["columns"], columns = columns.tolist(), np.arange(len(flips))
        made = {**table(asked), **({"columns": asked["columns"]} if "columns" in asked else {})}
    victim = _victim(track, spec, points, flips)
    covers = {goal: coverages(made, goal) for goal in ("targeted", "untargeted")}
    broken = {goal: [c.base | c.reach[:, columns].any(1) for c in covers[goal]] for goal in covers}
    entry = _entry(track, spec, points, split, victim, flips, broken)
    if cell.get("expected"):
        nearest = Cells(points.inputs, track.adversary.norm, points.bounds).predict(
            points.test_inputs[points.test_labels == track.pairs(split)[0][0]]
        )
        (source, target), m = track.pairs(split)[0], made["eligible"]
        of = points.labels[nearest]
        scored = track.scored_index(spec.name)
        entry["reached"] = {
            "eligible": m,
            "clean": np.select([of == target, of == source], [m, 1], 0).tolist(),
            **{goal: [c.degrees.tolist() for c in covers[goal]] for goal in covers},
            "bits": pack((covers["targeted"][scored].reach & ~covers["targeted"][scored].base[:, None]).ravel()),
        }
    return entry


def _trained(
    cell: Mapping[str, Any], at: int, track: Track, spec: VictimSpec, points: data.Split, flips: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """The entry of a victim that is trained on its labels and attacked by solving for every test point."""
    split = cell["places"][at][0]
    ((source, target),) = track.pairs(split)
    victim, levels = _victim(track, spec, points, flips), _levels(track, spec, split)
    x = points.test_inputs[points.test_labels == source]
    others = set(range(track.data.classes)) - {source}
    radii = {"targeted": victim.radii(x, {target}, levels), "untargeted": victim.radii(x, others, levels)}
    broken = {goal: [radius <= level for level in levels] for goal, radius in radii.items()}
    return _entry(track, spec, points, split, victim, flips, broken)


def _victim(track: Track, spec: VictimSpec, points: data.Split, flips: Sequence[Sequence[int]]) -> Any:
    """The victim of an architecture, trained."""
    kind = importlib.import_module(f"lnbench.exact.{spec.architecture}")
    try:
        options = read(spec.options, kind.Options, "options")
    except WrongError as wrong:
        raise ProtocolError(f"{track.name}: the architecture {spec.architecture}: {wrong}") from None
    labels, norm = applied(points.labels, flips), track.adversary.norm
    return kind.Victim(points.inputs, labels, track.data.classes, norm=norm, bounds=points.bounds, options=options)


def _entry(
    track: Track,
    spec: VictimSpec,
    points: data.Split,
    split: int,
    victim: Any,
    flips: Sequence[Sequence[int]],
    broken: Mapping[str, Sequence[np.ndarray]],
) -> dict[str, Any]:
    """The fields of a record's victim; `broken` has flags for each radius of the curve."""
    ((source, target),) = track.pairs(split)
    labels, is_source = applied(points.labels, flips), points.test_labels == source
    predicted, fitted = victim.predict(points.test_inputs), victim.predict(points.inputs)
    changed, scored = labels != points.labels, track.scored_index(spec.name)
    return {
        "steps": spec.recipe.steps,
        "diverged": False,
        "train_points": len(labels),
        "train_correct": int((fitted == labels).sum()),
        "flipped": int(changed.sum()),
        "memorised_count": int((fitted == labels)[changed].sum()),
        "clean": {
            "points": len(points.test_labels),
            "correct": int((predicted == points.test_labels).sum()),
            "source_points": int(is_source.sum()),
            "source_correct": int((predicted[is_source] == source).sum()),
            "source_to_target": int((predicted[is_source] == target).sum()),
        },
        "broken": {goal: [int(flags.sum()) for flags in of_goal] for goal, of_goal in broken.items()},
        "zero_gradient": {"targeted": 0, "untargeted": 0},
        "bits": {goal: pack(of_goal[scored]) for goal, of_goal in broken.items()},
    }
