"""Victims that were pushed beside a dataset, loaded back."""

from __future__ import annotations

import hashlib

from lnbench import kept
from lnbench.errors import ProtocolError, RecordError
from lnbench.hub import client, layout
from lnbench.hub.pulling import pull
from lnbench.kept import Kept


def load_victims(repo: str, *, architecture: str, split: int = 0, arm: str = "poisoned") -> Kept:
    """The victims of one cell of a dataset that was pushed with `--victims`.

    Args:
        repo: `user/name` or `user/name@revision`.
        architecture: its name in the track.
        arm: `clean`, `random` or `poisoned`.

    Raises:
        ProtocolError: if the dataset holds no such victims.
        RecordError: if they are not what the dataset's manifest states.
        UnavailableError, DataError: as `lnbench.hub.pull`.
    """
    found = pull(repo)
    path = f"{layout.VICTIMS}/{kept.place({'victim': architecture, 'split': split, 'arm': arm})}"
    stated = found.manifest.document["files"].get(path)
    if stated is None:
        raise ProtocolError(f"{found.repo} holds no victims {architecture}, split {split}, arm {arm}.")
    address = client.Address(found.repo, found.commit)
    folder = client.download(address, [entry for entry in client.listing(address) if entry.path == path])
    with (folder / path).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != stated["sha256"]:
            raise RecordError(f"{address}: {path} is not what its manifest states.")
    return kept.load(folder / path)
