"""People's own labelling mistakes in place of a poisoner's flips: as many as the budget, along the split's pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.poison.published import Published
from lnbench.protocol import Streams, Track
from lnbench.record.flags import HUMAN as SOURCE

HUMAN = "human"
"""What stands for people's mistakes where a poisoner is asked for."""


def human_labels(track: Track, parameters: Mapping[str, Any]) -> Published:
    """People's mistakes on every split of a track.

    Args:
        parameters: `labels`, whose: a key of the data source's `HUMAN`; `worse` if not given.

    Raises:
        ProtocolError: if the track's data has no labels of people, people made too few mistakes, or a parameter is not
            this one.
        DataError: if the data is missing.
    """
    source = data.source(track)
    if not hasattr(source, "human_flips"):
        raise ProtocolError(
            f"{track.name} has no labels of people; take a track of CIFAR-10N, such as cifar10n-9to1, or "
            "another poisoner."
        )
    if unknown := sorted(set(parameters) - {"labels"}):
        raise ProtocolError(f"people's mistakes have no parameter {unknown[0]!r}; they have `labels`.")
    whose, streams, flips = str(parameters.get("labels", "worse")), Streams(track.root), {}
    for split in range(track.replication.splits):
        points = data.load(track, split, streams)
        (pair,) = track.pairs(split)
        flips[split] = source.human_flips(points.labels, points.index, pair, track.noise.budget, streams, split, whose)
    return Published(
        HUMAN,
        f"{SOURCE}{source.TITLE}, {whose}",
        flips,
        {},
        description=f"The mistakes of people ({whose}), drawn at random.",
        paper=source.PAPER,
        license=source.LICENSE,
        parameters={} if whose == "worse" else {"labels": whose},
    )
