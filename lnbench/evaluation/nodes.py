"""The machines of an engine: what they have in common is part of every cell, and what differs is refused by name.

A cluster's nodes must run the caller's lnbench, with the same libraries on the same kind of device, and read the same
data; else two cells of one record would not compare. Submissions run on the nodes only if every node has the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lnbench import __version__, data
from lnbench.errors import UnavailableError
from lnbench.evaluation import machine, needs
from lnbench.evaluation.code_hash import code_sha256, guest_code_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.environment import environment
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes
from lnbench.protocol import PUBLIC_SALT, Streams, Track, sha256

_LOOK = "lnbench.evaluation.nodes:look"


def engine(name: str, workers: int | None, device: str, address: str | None = None) -> Engine:
    """An engine for cells that train on this device.

    Args:
        workers: cells at once; None for one per core or GPU here, or as many as a cluster takes.
        address: of a Ray cluster.

    Raises:
        ProtocolError, UnavailableError: as `lnbench.evaluation.engine.engine`.
    """
    here = name != "ray"
    gpus = machine.gpus() if here and device == "cuda" else []
    count = machine.workers(workers, device) if here else workers or 0
    return make_engine(name, count, gpus=gpus if len(gpus) > 1 else (), address=address, needs=needs.of_cell)


@dataclass(frozen=True)
class Survey:
    """What the machines of an engine have in common.

    Attributes:
        environment: as `lnbench.evaluation.environment.environment` gives it.
        nodes: names of a cluster's nodes; none of this machine alone.
        without: those nodes that have no bubblewrap.
    """

    environment: dict[str, Any]
    nodes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def boxes(self) -> bool:
        """Whether submissions run on the nodes: only where each of them has a sandbox."""
        return bool(self.nodes) and not self.without

    def sandbox(self, wish: str) -> str:
        """The mode that submissions run in, on the nodes or here.

        Args:
            wish: `auto`, or `none` for this machine without a sandbox.

        Raises:
            UnavailableError: if neither all nodes nor this machine have one.
        """
        if wish != "none" and self.boxes:
            return sandboxes.BUBBLEWRAP
        try:
            return machine.resolved_sandbox(wish)
        except UnavailableError as error:
            if not self.without:
                raise
            raise UnavailableError(
                f"node {self.without[0]} has no bubblewrap, so no submission runs on the cluster; and {error}"
            ) from None


def survey(pool: Engine, track: Track, device: str, salt: str = PUBLIC_SALT) -> Survey:
    """What the machines of an engine have in common.

    Raises:
        UnavailableError: if a machine has other code, libraries, processors or data; the sentence names it.
    """
    if pool.name == "local":
        return Survey(environment(device, track))
    asked = {"track": track.document, "device": device, "salt": salt}
    said = pool.everywhere(_LOOK, asked)
    if not said:
        raise UnavailableError("no node of the cluster has a processor for cells.")
    for node, seen in said.items():
        if "error" in seen:
            raise UnavailableError(f"node {node}: {seen['message'].strip().splitlines()[-1]}")
    ours = {"lnbench": __version__, "code": code_sha256(track), "code for poisoners": guest_code_sha256()}
    for node, seen in said.items():
        if wrong := [name for name, value in ours.items() if seen["lnbench"][name] != value]:
            raise UnavailableError(
                f"node {node} has another lnbench ({seen['lnbench']['lnbench']}) than this machine ({__version__}): "
                f"{' and '.join(wrong)} differ; install the same on all nodes."
            )
    first, *others = said
    for node in others:
        parts, wanted = said[node]["environment"]["parts"], said[first]["environment"]["parts"]
        if parts != wanted:
            raise UnavailableError(
                f"node {node} is not like node {first}: {_difference(wanted, parts)}. The environment is part of every "
                "cell, so the nodes of one run must be alike; leave one out of the cluster or make them alike."
            )
        if said[node]["data"] != said[first]["data"]:
            raise UnavailableError(
                f"node {node} reads other data of {track.name} than node {first}; copy the same to both."
            )
    without = tuple(node for node, seen in said.items() if seen["sandbox"] != sandboxes.BUBBLEWRAP)
    return Survey(said[first]["environment"], tuple(said), without)


def look(cell: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """What there is on this machine for a track's cells: code, environment, sandbox, and a hash of its first split.

    Raises:
        DataError, UnavailableError: if the data or the device is missing here, or the data is altered.
    """
    track = Track.from_document(cell["track"])
    split = data.load(track, 0, Streams(track.root, cell["salt"]))
    arrays = (split.inputs, split.labels, split.test_inputs, split.test_labels)
    return {
        "lnbench": {"lnbench": __version__, "code": code_sha256(track), "code for poisoners": guest_code_sha256()},
        "environment": environment(cell["device"], track),
        "sandbox": diagnosis.mode(),
        "data": sha256(b"".join(array.tobytes() for array in arrays)),
    }


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What differs between two environments, in words."""
    words = []
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            words += [
                f"{k} {b.get(k)} instead of {a.get(k)}" for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)
            ]
        elif isinstance(a, list) and isinstance(b, list):
            words.append(f"{name} {', '.join(sorted(set(map(str, a)) ^ set(map(str, b))))} on one alone")
        else:
            words.append(f"{name} {b} instead of {a}")
    return "; ".join(words)[:300]
