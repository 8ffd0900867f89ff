"""A pulled dataset as a torch Dataset, on the pinned base data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lnbench import data
from lnbench.data import strangers
from lnbench.errors import ProtocolError
from lnbench.evaluation.store import Store
from lnbench.hub.pulling import pull
from lnbench.protocol import Track, applied

if TYPE_CHECKING:
    from lnbench.hub._torch import PoisonedDataset


def load_poisoned(
    repo: str,
    *,
    split: int = 0,
    revision: str | None = None,
    train: bool = True,
    track: Track | None = None,
    store: Store | None = None,
) -> PoisonedDataset:
    """One split of a poisoned dataset on the Hub, checked and rebuilt on the pinned base data.

    Args:
        repo: `user/name` or `user/name@revision`.
        split: which split.
        revision: a commit, tag or branch, if it is not in `repo`.
        train: the poisoned training set, or else the test set, which is never poisoned.
        track: the dataset's track, from a file of yours: needed if it does not ship and says itself where its data is.
        store: where what was checked is stored; the default store if None.

    Returns:
        A `torch.utils.data.Dataset` of (input (*shape) float32, label int), with `inputs` (n, *shape), `labels`,
        `clean_labels` and `flipped` (n,) as tensors, and `pulled`, which says where it is from.

    Raises:
        RecordError, ProtocolError, UnavailableError, DataError: as `lnbench.hub.pull`; ProtocolError if the dataset
            holds no such split.
    """
    if revision is not None and "@" in repo:
        raise ProtocolError(f"give the revision once: {repo} names one already.")
    pulled = pull(repo if revision is None else f"{repo}@{revision}", track=track, store=store)
    if split not in pulled.flips:
        have = ", ".join(map(str, sorted(pulled.flips)))
        raise ProtocolError(f"{pulled.repo} holds no split {split}; it holds {have}.")
    strangers.check_data(pulled.track, track)
    from lnbench.hub._torch import PoisonedDataset

    points = data.load(pulled.track, split, pulled.manifest.streams)
    if not train:
        return PoisonedDataset(points.test_inputs, points.test_labels, points.test_labels, pulled)
    return PoisonedDataset(points.inputs, applied(points.labels, pulled.flips[split]), points.labels, pulled)
