"""Poisoned datasets on the Hugging Face Hub: push the labels of a record, pull, load and search for them.

What is pulled is a stranger's: nothing of it is run, every byte of it is checked against hashes and against the pinned
base data, and the labels that come out are rebuilt on that data.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_INDEX = {
    "Address": "address",
    "PullResult": "pulling",
    "PushResult": "pushing",
    "SearchResult": "searching",
    "load_poisoned": "dataset",
    "load_victim": "victims",
    "pull": "pulling",
    "push": "pushing",
    "search": "searching",
}

__all__ = [
    "Address",
    "PullResult",
    "PushResult",
    "SearchResult",
    "load_poisoned",
    "load_victim",
    "pull",
    "push",
    "search",
]

if TYPE_CHECKING:
    from lnbench.hub.address import Address
    from lnbench.hub.dataset import load_poisoned
    from lnbench.hub.pulling import PullResult, pull
    from lnbench.hub.pushing import PushResult, push
    from lnbench.hub.searching import SearchResult, search
    from lnbench.hub.victims import load_victim


def __getattr__(name: str) -> Any:
    if name not in _INDEX:
        raise AttributeError(f"module 'lnbench.hub' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lnbench.hub.{_INDEX[name]}"), name)
