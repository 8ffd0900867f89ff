"""Victims that were pushed beside a dataset, loaded back one by one."""

from __future__ import annotations

from lnbench.errors import ProtocolError
from lnbench.evaluation import saved_victims
from lnbench.evaluation.saved_victims import SavedVictim
from lnbench.hub import client, layout, manifest
from lnbench.hub.address import Address
from lnbench.hub.pulling import check_hashes, pull
from lnbench.protocol import Track


def load_victim(
    repo: str,
    *,
    architecture: str,
    split: int = 0,
    arm: str = "poisoned",
    seed: int = 0,
    track: Track | None = None,
) -> SavedVictim:
    """One victim of a dataset that was pushed with `--victims`.

    Args:
        repo: `user/name` or `user/name@revision`.
        architecture: its name in the track.
        arm: `clean`, `random` or `poisoned`.
        track: the dataset's track, from a file of yours: needed if it does not ship and says itself where its data is.

    Raises:
        ProtocolError: if the dataset holds no such victim.
        RecordError: if it is not what the dataset's manifest states.
        UnavailableError, DataError: as `lnbench.hub.pull`.
    """
    pulled = pull(repo, track=track)
    named = any(victim.name == architecture for victim in pulled.manifest.track.victims)
    timm = named and saved_victims.by_timm(pulled.manifest.track, architecture)
    path = f"{layout.VICTIMS}/{saved_victims.place(architecture, split, arm, seed, timm=timm)}"
    stated = pulled.manifest.document["files"].get(path)
    if stated is None:
        raise ProtocolError(f"{pulled.repo} holds no victim {architecture} of arm {arm}, split {split}, seed {seed}.")
    address = Address(pulled.repo, pulled.commit)
    folder = client.download(address, [entry for entry in client.listing(address) if entry.path == path])
    check_hashes(folder, pulled.manifest.document["files"], [path], manifest.NAME)
    return saved_victims.load(folder / path)
