"""Poisoned datasets on the Hugging Face Hub: push a record's labels, pull them back exactly, load them, find them.

What is pulled is a stranger's: nothing of it is run, every byte of it is checked against hashes and against the pinned
base data, and the labels that come out are rebuilt on that data.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_INDEX = {
    "Address": "client",
    "Found": "finding",
    "Pulled": "pulling",
    "Pushed": "pushing",
    "load_poisoned": "dataset",
    "load_victim": "victims",
    "own_track": "pulling",
    "pull": "pulling",
    "push": "pushing",
    "search": "finding",
    "shipped": "pulling",
}

__all__ = [
    "Address",
    "Found",
    "Pulled",
    "Pushed",
    "load_poisoned",
    "load_victim",
    "own_track",
    "pull",
    "push",
    "search",
    "shipped",
]

if TYPE_CHECKING:
    from lnbench.hub.client import Address
    from lnbench.hub.dataset import load_poisoned
    from lnbench.hub.finding import Found, search
    from lnbench.hub.pulling import Pulled, own_track, pull, shipped
    from lnbench.hub.pushing import Pushed, push
    from lnbench.hub.victims import load_victim


def __getattr__(name: str) -> Any:
    if name not in _INDEX:
        raise AttributeError(f"module 'lnbench.hub' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lnbench.hub.{_INDEX[name]}"), name)
