"""A sample of the kills on a cluster. The whole of it is `python -P tests/faults/cluster_campaign.py`."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import socket
import threading
from pathlib import Path

import pytest

import outage
from faults import cluster_campaign
from faults.cluster_campaign import Lab


def answer(port: int) -> bytes:
    """What comes from a port; nothing if it is shut."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as asked:
            return asked.recv(5)
    except OSError:
        return b""


def test_a_door_cuts_what_is_open_and_opens_again() -> None:
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(3):
                clients.append(listener.accept()[0])
                clients[-1].sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        door = outage.Door(listener.getsockname()[1])
        assert answer(door.port) == b"hello"
        shut = threading.Thread(target=door.shut, args=(0.5,))
        with socket.create_connection(("127.0.0.1", door.port), 2) as held:
            assert held.recv(5) == b"hello"
            shut.start()
            assert held.recv(5) == b"", "cut"
        assert answer(door.port) == b""
        shut.join()
        assert answer(door.port) == b"hello"
        door.close()
        for client in clients:
            client.close()


def test_cells_at_work_are_those_that_began_in_a_living_process(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {}, None, random.Random(0), 2)  # type: ignore[arg-type]
    assert lab.at_work() == lab.count("began") == 0
    me, gone = os.getpid(), 2**22 + 1
    lines = [("began", "a", me), ("ended", "a", me), ("began", "b", me), ("began", "c", gone)]
    (tmp_path / "counted" / "log").write_text("".join(json.dumps([*line, 0.0]) + "\n" for line in lines))
    assert lab.at_work() == 1 and (lab.count("began"), lab.count("ended")) == (3, 1)


@pytest.mark.slow
def test_a_few_kills_of_every_kind_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if missing := [name for name in ("ray", "moto", "s3fs") if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'lnbench[ray,store]' 'moto[server]'")
    with outage.s3() as (aws, door), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_campaign, "OUTAGE", 3.0)
        lab = Lab(tmp_path, aws, door, random.Random(1), 4)
        try:
            alone = lab.start("local", engine=("--workers", "1"))
            assert alone.wait(600) == 0
            reference = lab.record_of("local")
            for kind in ("worker", "driver", "store"):
                tally = cluster_campaign.campaign(lab, kind, 1, reference)
                assert (tally.kills, tally.lost, tally.stories) == (1, 0, []) and tally.again <= tally.allowed
        finally:
            lab.drop_cluster()
