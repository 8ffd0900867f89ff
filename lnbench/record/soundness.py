"""Whether a vote's certificate can hold: as far as a record's arms show it, each network heeds its own labels alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.errors import RecordError
from lnbench.protocol.treatment import parts_of, weights_of

_Flips = Sequence[Sequence[int]]


def sound(flips: Mapping[str, Any], treated: Mapping[str, Any], treatments: Mapping[str, Any]) -> bool:
    """Whether every treatment names a partition, all those of a split the same, and a network's labels and weights
    differ between two sets of labels only where labels of its own part do.

    Args:
        flips, treated, treatments: as in a defence's record; flips are [index, old, new].

    Raises:
        RecordError: if a treatment is missing or malformed.
    """
    for split in range(len(treated["poisoned"])):
        answers = list(_of_split(flips, treated, split))
        if missing := [sha for _, sha in answers if sha not in treatments]:
            raise RecordError(f"a set of labels of split {split} has a treatment {missing[0][:12]}… that is not here.")
        documents = [treatments[sha] for _, sha in answers]
        named = {document["partition"] for document in documents}
        if named == {None}:
            return False
        try:
            if len(named) > 1 or not _apart([made for made, _ in answers], documents, parts_of(named.pop())):
                return False
        except (ValueError, TypeError, IndexError) as error:
            raise RecordError(f"a treatment of split {split} is malformed: {error}.") from None
    return True


def _of_split(flips: Mapping[str, Any], treated: Mapping[str, Any], split: int) -> Iterator[tuple[_Flips, str]]:
    """Every set of labels of a split, as flips of the true ones, and the hash of its treatment."""
    yield (), treated["clean"][split]
    yield flips["poisoned"][split], treated["poisoned"][split]
    for arm in ("random", "matched"):
        if arm in treated:
            yield from zip(flips[arm][split], treated[arm][split], strict=True)


def _apart(sets: Sequence[_Flips], documents: Sequence[Mapping[str, Any]], parts: np.ndarray) -> bool:
    """Whether no network differs between two sets of labels that agree on its part.

    Args:
        sets: the flips of each set of labels; documents: its treatment; parts: (n,) int64.
    """
    networks = [_networks(made, document, len(parts)) for made, document in zip(sets, documents, strict=True)]
    wrong = [{(int(index), int(new)) for index, _, new in made} for made in sets]
    for a, b in itertools.combinations(range(len(sets)), 2):
        touched = {int(parts[index]) for index, _ in wrong[a] ^ wrong[b]}
        if len(networks[a]) != len(networks[b]):
            return False
        if any(networks[a][i] != networks[b][i] for i in range(len(networks[a])) if i not in touched):
            return False
    return True


def _networks(made: _Flips, document: Mapping[str, Any], n: int) -> list[tuple[dict[int, int], bytes]]:
    """What each network is trained on: its labels where they are not the true ones, and its weights."""
    rows = document["labels"]
    weights = weights_of(document["weights"], (len(rows), n))
    true = {int(index): int(old) for index, old, _ in made}
    networks = []
    for member, changes in enumerate(rows):
        labels = {int(index): int(new) for index, _, new in made} | {int(index): int(new) for index, new in changes}
        off = {index: label for index, label in labels.items() if true.get(index) != label}
        networks.append((off, b"" if weights is None else weights[member].tobytes()))
    return networks
