"""Pulls from somebody else's implementation of the Hub: olah, a mirror server, over a plain git repository."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnbench.hub import build
from lnbench.record.record import Record

REPO, SUITE = "somebody/poisoned", "somebody/suite"
OLAH = os.environ.get("LNBENCH_OLAH") or shutil.which("olah-cli")
SETTINGS = """
[basic]
host = "127.0.0.1"
port = {port}
ssl-key = ""
ssl-cert = ""
repos-path = "{folder}/repos"
hf-scheme = "http"
hf-netloc = "127.0.0.1:9"
hf-lfs-netloc = "127.0.0.1:9"
mirror-scheme = "http"
mirror-netloc = "127.0.0.1:{port}"
mirror-lfs-netloc = "127.0.0.1:{port}"
mirrors-path = ["{folder}/mirrors"]
[accessibility]
offline = true
"""


@pytest.fixture(scope="module")
def mirror(made: Record, built_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """olah serving a dataset and a suite from git repositories: its address, and the commits."""
    if OLAH is None or not Path(OLAH).exists():
        pytest.skip("olah is not here: pip install olah in an environment of its own, and set LNBENCH_OLAH to olah-cli")
    folder = tmp_path_factory.mktemp("olah")
    repository, suite = (folder / "mirrors" / "datasets" / name for name in (REPO, SUITE))
    repository.mkdir(parents=True)
    build.build(made, repository, REPO, salt="public", images=True, splits=[0, 2])
    shutil.copytree(built_suite, suite)
    heads = [_committed(place) for place in (repository, suite)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "olah.toml").write_text(SETTINGS.format(port=port, folder=folder))
    command = [OLAH, "-c", str(folder / "olah.toml"), "--log-path", str(folder / "logs")]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "out").open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as server:
        try:
            for _ in range(240):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "out").read_text()
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}", heads[0], heads[1]
        finally:
            server.terminate()


def _committed(repository: Path) -> str:
    """The commit of a folder that becomes a git repository."""
    me = ["-c", "user.email=somebody@example.org", "-c", "user.name=somebody"]
    for args in (["init", "-q", "-b", "main"], ["add", "-A"], [*me, "commit", "-q", "-m", "poisoned"]):
        subprocess.run(["git", "-C", repository, *args], check=True)
    head = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


def _lnbench(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "lnbench", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture
def env(mirror: tuple[str, str, str], client: Any, fresh: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a client of the mirror."""
    made: dict[str, str] = client.env | fresh | {"HF_ENDPOINT": mirror[0], "HF_HOME": str(tmp_path / "hf")}
    made.pop("HF_TOKEN")
    return made


def test_a_suite_from_olah_is_what_was_committed(mirror: tuple[str, str, str], env: dict[str, str]) -> None:
    commit = mirror[2]
    done = _lnbench(env, "suite", "pull", SUITE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"hf://{SUITE}@{commit}\ndigits-small: strong, ")
    again = _lnbench(env | {"LNBENCH_OFFLINE": "1"}, "suite", "pull", f"{SUITE}@{commit}")
    assert again.returncode == 0 and "(pulled before)" in again.stdout
    code = (
        f"import lnbench\nsuite = lnbench.load_suite({f'{SUITE}@{commit}'!r})\n"
        "print(suite.victim('digits-small', 'mlp').facts['split'])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout == "0\n", done.stderr


def test_a_pull_from_olah_is_what_was_committed(
    mirror: tuple[str, str, str], made: Record, env: dict[str, str]
) -> None:
    commit = mirror[1]
    for name in (REPO, f"{REPO}@{commit}"):
        done = _lnbench(env, "pull", name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"hf://{REPO}@{commit}")
        flips = sum(len(made.document["flips"]["poisoned"][split]) for split in (0, 2))
        assert f"{flips} flips in 2 splits, images and labels" in done.stdout
