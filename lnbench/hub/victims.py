"""Victims that were pushed beside a dataset, loaded back one by one."""

from __future__ import annotations

import hashlib

from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation import saved_victims
from lnbench.evaluation.saved_victims import SavedVictim
from lnbench.hub import client, layout
from lnbench.hub.pulling import pull


def load_victim(repo: str, *, architecture: str, split: int = 0, arm: str = "poisoned", seed: int = 0) -> SavedVictim:
    """One victim of a dataset that was pushed with `--victims`.

    Args:
        repo: `user/name` or `user/name@revision`.
        architecture: its name in the track.
        arm: `clean`, `random` or `poisoned`.

    Raises:
        ProtocolError: if the dataset holds no such victim.
        RecordError: if it is not what the dataset's manifest states.
        UnavailableError, DataError: as `lnbench.hub.pull`.
    """
    found = pull(repo)
    named = any(victim.name == architecture for victim in found.manifest.track.victims)
    timm = named and saved_victims.by_timm(found.manifest.track, architecture)
    path = f"{layout.VICTIMS}/{saved_victims.place(architecture, split, arm, seed, timm=timm)}"
    stated = found.manifest.document["files"].get(path)
    if stated is None:
        raise ProtocolError(f"{found.repo} holds no victim {architecture} of arm {arm}, split {split}, seed {seed}.")
    address = client.Address(found.repo, found.commit)
    folder = client.download(address, [entry for entry in client.listing(address) if entry.path == path])
    with (folder / path).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != stated["sha256"]:
            raise RecordError(f"{address}: {path} is not what its manifest states.")
    return saved_victims.load(folder / path)
