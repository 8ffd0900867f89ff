"""Cells on a Ray cluster: one that is there, or one that is started on this machine for the run.

Ray places cells by what they need and starts those again whose worker or node died. Cells and results are small JSON;
nothing else passes through Ray, and what is finished is stored by the caller, so that a cluster may go at any time.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lnbench import __version__, errors
from lnbench.evaluation.engine.interface import Cell

_PACKAGE = Path(__file__).resolve().parents[2]
_BOOT = "from lnbench.evaluation.engine.ray_driver import main; main()"
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray reports to its makers unless told not to
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # seconds after which a head that is gone is given up
}
_CONNECT_SECONDS = 10.0

Needs = dict[str, float]
"""What Ray is to reserve for a cell: `num_gpus` (a share of one), `memory` in bytes."""


class RayEngine:
    """A Ray cluster.

    Args:
        address: `host:port` of a cluster's head, or `auto` for the one that this machine belongs to; None starts Ray
            here. The machine this runs on must be one of the cluster's nodes.
        workers: cells at once; None for as many as the cluster takes.
        needs: what a cell needs, by its function and itself.

    Raises:
        UnavailableError: if Ray is not installed.
        ProtocolError: if this is not an address.
    """

    name = "ray"
    _process: subprocess.Popen[bytes] | None = None

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        needs: Callable[[str, Cell], Needs] = lambda function, cell: {},
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise errors.UnavailableError("the engine ray needs Ray: pip install 'lnbench[ray]'.")
        if address is not None and address != "auto" and not _split(address)[1]:
            raise errors.ProtocolError(
                f"expected the address of a Ray cluster as host:port (its head's, by default port 6379) or auto, got "
                f"{address[:80]!r}."
            )
        self.workers, self.address, self.needs = workers, address, needs
        self._done: collections.Counter[str] = collections.Counter()

    def map(self, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
        """Yield results as they come; on any error, or when closed, every task of the cluster's job is ended.

        Raises:
            LnbenchError: as raised in a worker.
            UnavailableError: if there is no such cluster, it goes away, or a cell's worker dies again and again.
            RuntimeError: if a worker raised anything else, with its traceback.
        """
        if not cells:
            return
        needs = [self.needs(function, cell) for cell in cells]
        finished = False
        try:
            for event in self._events({"function": function, "cells": list(cells), "needs": needs}):
                if event.get("done"):
                    finished = True
                    return
                answer = event["answer"]
                if "error" in answer:
                    kind = getattr(errors, answer["error"], None) if answer["error"] else None
                    raise (kind or RuntimeError)(f"{answer['message']} (node {event.get('node', 'unknown')})")
                self._done[event["node"]] += 1
                yield event["index"], 1.0, answer["result"]
        finally:
            if not finished:
                self.close()

    def everywhere(self, function: str, cell: Cell) -> dict[str, Cell]:
        """What a function says on each node; `{"error", "message"}` of one where it fails.

        Raises:
            UnavailableError: if there is no such cluster, or it goes away.
        """
        event = next(self._events({"everywhere": True, "function": function, "cell": cell}))
        said: dict[str, Cell] = event["everywhere"]
        return {node: answer.get("result", answer) for node, answer in said.items()}

    def done_by(self) -> Mapping[str, int]:
        """How many cells each node has finished."""
        return self._done

    def close(self) -> None:
        """End the job; of a cluster that was started here, also the cluster."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(10)  # it ends when its standard input does
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __del__(self) -> None:
        self.close()

    def _events(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What the driver answers to a request."""
        process = self._process or self._connected()
        with contextlib.suppress(OSError):
            _write(process, request)
        while (event := _line(process)) is not None and "gone" not in event:
            yield event
        raise self._gone(event)

    def _connected(self) -> subprocess.Popen[bytes]:
        """A driver that is connected to the cluster."""
        if self.address not in (None, "auto"):
            self._answers()
        path = os.pathsep.join(filter(None, [str(_PACKAGE.parent), os.environ.get("PYTHONPATH", "")]))
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("LNBENCH_RAY_LOG") else subprocess.DEVNULL,
            env={**_SETTINGS, **os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        with contextlib.suppress(OSError):
            _write(process, {"address": self.address, "workers": self.workers, "version": __version__})
        event = _line(process)
        if event is None or "ready" not in event:
            raise self._gone(event, "cannot be used")
        return process

    def _answers(self) -> None:
        """Raise UnavailableError unless something listens at the address: Ray itself would try for a minute."""
        host, port = _split(str(self.address))
        try:
            with socket.create_connection((host, int(port)), _CONNECT_SECONDS):
                return
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise errors.UnavailableError(
                f"no Ray cluster answers at {self.address}: {reason}. Start one with `ray start --head`, or leave "
                "--address out to run Ray on this machine alone."
            ) from None

    def _gone(self, event: dict[str, Any] | None, words: str = "went away") -> errors.UnavailableError:
        where = f"the Ray cluster at {self.address}" if self.address else "Ray on this machine"
        reason = " ".join(event["gone"].split())[:300] if event and "gone" in event else "its driver was ended"
        self.close()
        return errors.UnavailableError(
            f"{where} {words} ({reason}); what is finished is in the store, and the same command goes on from there."
        )


def _split(address: str) -> tuple[str, str]:
    """Host and port; an empty port where it is not one."""
    host, _, port = address.rpartition(":")
    return (host, port) if host and "/" not in host and port.isdigit() else (address, "")


def _write(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    if process.stdin is not None:
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()


def _line(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """The next event, or None if the driver is gone."""
    line = process.stdout.readline() if process.stdout is not None else b""
    try:
        event: dict[str, Any] = json.loads(line)
        return event
    except ValueError:
        return None
