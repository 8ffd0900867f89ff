"""A loopback Hub, the real client in a child process, and a small record to publish."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import factories
import here
import loopback
import tiny
from lnbench import record
from lnbench.hub import build
from lnbench.hub.suite import build as suites
from lnbench.record.record import Record

pytest.importorskip("pyarrow", reason="datasets on the Hub need pyarrow: pip install 'lnbench[hub]'")

DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Done:
    """What a verb did."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The last line of standard error, without its first word."""
        lines = self.err.strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else ""


class Client:
    """The child process."""

    def __init__(self, hub: loopback.Hub, home: Path) -> None:
        self.home = home
        # The child must find what this process finds, and nothing of the user's: token, cache, offline switches.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LNBENCH_")) and k != "CI"}
        self.env = kept | {
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hf"),
            "HF_TOKEN": loopback.TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LNBENCH_CACHE": str(home / "cache"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.env
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request to the child."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the child died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, *args: str | Path, **env: str | None) -> Done:
        """`lnbench …` with some variables changed."""
        return Done(**self.ask({"args": [str(arg) for arg in args], "env": env}))

    def python(self, code: str, **env: str | None) -> Any:
        """What some code leaves in `result`."""
        return self.ask({"code": code, "env": env})["result"]

    def close(self) -> None:
        """End the child."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=300)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def _server() -> Iterator[loopback.Hub]:
    with loopback.serving() as hub:
        yield hub


@pytest.fixture(scope="session")
def _child(_server: loopback.Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(_server, tmp_path_factory.mktemp("home"))
    yield client
    client.close()


@pytest.fixture
def hub(_server: loopback.Hub) -> loopback.Hub:
    """An empty Hub."""
    _server.repos.clear()
    _server.large.clear()
    _server.failures.clear()
    _server.publishers.clear()
    _server.jobs.clear()
    _server.took()
    return _server


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """Variables that give a verb caches of its own, so that nothing was pulled before."""
    return {"LNBENCH_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def client(_child: Client, hub: loopback.Hub) -> Client:
    """The real client, set to the Hub, with nothing in its own cache."""
    shutil.rmtree(_child.home / "hf" / "hub", ignore_errors=True)
    return _child


@pytest.fixture(scope="session")
def made() -> Record:
    """A record of the default track's size in all but its splits; its own name, for it does not ship."""
    replication = {"splits": 3, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
    return factories.make(factories.track(name="digits-small", replication=replication))


@pytest.fixture(scope="session")
def built(made: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One split of the record, with images, as it would be pushed."""
    folder = tmp_path_factory.mktemp("built")
    build.build(made, folder, "somebody/poisoned", salt="public", images=True, splits=[0])
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


@pytest.fixture
def path(made: Record, tmp_path: Path) -> Path:
    """Its file."""
    record.write(made, tmp_path / made.filename)
    return tmp_path / made.filename


@pytest.fixture
def pushed(client: Client, hub: loopback.Hub, path: Path) -> Callable[..., str]:
    """Push the record; the commit."""

    def push(repo: str = "somebody/poisoned", *options: str) -> str:
        done = client.run("push", path, "--repo", repo, *options)
        assert done.code == 0, done.err
        return hub.repos[repo].refs["main"]

    return push


@pytest.fixture(scope="session")
def small_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board with two rows of one small track, the second of which is better."""
    replication = {"splits": 2, "seeds": 2, "quick_splits": 2, "quick_seeds": 1, "random_draws": 2}
    track = factories.track(name="digits-small", replication=replication, victims=tiny.document()["victims"])
    board = tmp_path_factory.mktemp("board")
    for name, effect in (("weak", 0.05), ("strong", 0.3)):
        row = factories.make(track, name=name, source=f'"""{name}."""\n', effect=effect)
        record.write(row, board / "records" / track.name / row.filename)
    return board


@pytest.fixture(scope="session")
def built_suite(small_board: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite of that board, with the victims of every split."""
    folder = tmp_path_factory.mktemp("suite")
    (row,) = {made.track.sha256: made.track for made in _rows(small_board)}.values()
    with pytest.MonkeyPatch.context() as patch, here.no_workers():
        factories.ship(patch, tmp_path_factory.mktemp("tracks"), row)
        suites.build(small_board / "records", folder, "somebody/suite", workers=1)
    return folder


def _rows(board: Path) -> list[Record]:
    return [record.read(path) for path in sorted((board / "records").glob("*/*.json"))]


@pytest.fixture
def suite(built_suite: Path, tmp_path: Path) -> Path:
    """A copy of the suite, to spoil or upload."""
    return Path(shutil.copytree(built_suite, tmp_path / "suite"))
