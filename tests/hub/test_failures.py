"""Everything that can be missing between here and the Hub: one sentence, exit code 3, nothing half-written."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import loopback

REPO = "somebody/poisoned"
Push = Callable[..., str]
API = "/api/datasets/somebody/poisoned"


def _left(folder: dict[str, str]) -> list[Path]:
    """What a pull has kept in the store."""
    return list(Path(folder["LNBENCH_CACHE"]).rglob("*.json"))


def _one_sentence(done: Any) -> None:
    assert done.code == 3, (done.code, done.err)
    assert "Traceback" not in done.err
    assert done.err.strip().splitlines()[-1].startswith("error: ")
    assert "\n| " not in done.err


@pytest.mark.parametrize("switch", ["LNBENCH_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_nothing_is_asked(
    switch: str, client: Any, hub: loopback.Hub, path: Path, fresh: dict[str, str]
) -> None:
    for args in (["push", path, "--repo", REPO], ["pull", REPO], ["evaluate", f"hf://{REPO}"], ["search"]):
        done = client.run(*args, **fresh, **{switch: "1"})
        _one_sentence(done)
        assert f"needs the network, which {switch} forbids; unset it" in done.error
    assert hub.took() == []


def test_a_token_is_missing(client: Any, hub: loopback.Hub, path: Path) -> None:
    done = client.run("push", path, "--repo", REPO, "--split", "0", HF_TOKEN=None)
    _one_sentence(done)
    assert "needs a token and there is none: run `hf auth login`, or set HF_TOKEN" in done.error
    assert not hub.repos


def test_a_token_is_wrong(client: Any, hub: loopback.Hub, path: Path, fresh: dict[str, str]) -> None:
    done = client.run("push", path, "--repo", REPO, "--split", "0", HF_TOKEN="hf_wrong")
    _one_sentence(done)
    assert "does not know this token" in done.error
    assert not hub.repos


def test_a_private_repository_is_not_there_without_its_token(
    client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]
) -> None:
    pushed(REPO, "--split", "0", "--private")
    for env, words in (({"HF_TOKEN": None}, "there is no token"), ({}, "this token may not see it")):
        name = REPO if env else "somebody/none"
        done = client.run("pull", name, **fresh, **env)
        _one_sentence(done)
        assert f"there is no dataset {name} on http://127.0.0.1:" in done.error and words in done.error


def test_a_gated_repository_says_so(client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]) -> None:
    pushed(REPO, "--split", "0")
    hub.repos[REPO].gated = True
    done = client.run("pull", REPO, **fresh, HF_TOKEN=None)
    _one_sentence(done)
    assert f"{REPO} is gated: ask for access at" in done.error


def test_a_revision_that_is_gone(client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]) -> None:
    pushed(REPO, "--split", "0")
    for revision in ("v9", "0" * 40):
        done = client.run("pull", f"{REPO}@{revision}", **fresh)
        _one_sentence(done)
        assert f"{REPO} has no revision {revision}" in done.error


@pytest.mark.parametrize(
    ("pattern", "status", "words"),
    [
        (f"POST {API}/commit/main", 409, "something else is being written there right now"),
        (f"POST {API}/commit/main", 412, "somebody pushed to it meanwhile, so nothing was written"),
        (f"POST {API}/commit/main", 403, "this token may not do that there"),
        (f"POST {API}/commit/main", 500, "has trouble of its own (HTTP 500)"),
        (f"POST {API}/preupload/main", 507, "has no room for it"),
    ],
)
def test_a_push_that_the_hub_refuses_writes_nothing(
    pattern: str, status: int, words: str, client: Any, hub: loopback.Hub, path: Path
) -> None:
    hub.add(REPO, {})
    before = hub.repos[REPO].refs["main"]
    hub.fail(pattern, status, times=99)
    done = client.run("push", path, "--repo", REPO, "--split", "0")
    _one_sentence(done)
    assert words in done.error
    assert hub.repos[REPO].refs["main"] == before and not hub.repos[REPO].tags


def test_a_repository_may_not_be_made(client: Any, hub: loopback.Hub, path: Path) -> None:
    hub.fail("POST /api/repos/create", 403)
    done = client.run("push", path, "--repo", REPO, "--split", "0")
    _one_sentence(done)
    assert "this token may not do that there" in done.error or "there is no dataset" in done.error
    assert not hub.repos


def test_somebody_pushes_meanwhile(client: Any, hub: loopback.Hub, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a planned status: the head really moves between the listing and the commit."""
    hub.add(REPO, {})
    plan = hub.failure

    def moving(line: str) -> loopback.Failure | None:
        if line.endswith("/preupload/main"):
            hub.repos[REPO].commit("main", {"README.md": b"somebody else's"})
        return plan(line)

    monkeypatch.setattr(hub, "failure", moving)
    done = client.run("push", path, "--repo", REPO, "--split", "0")
    _one_sentence(done)
    assert "somebody pushed to it meanwhile" in done.error
    assert set(hub.repos[REPO].files) == {"README.md"}


def test_a_tag_that_fails_names_the_commit_and_is_made_the_next_time(
    client: Any, hub: loopback.Hub, path: Path
) -> None:
    hub.fail(f"POST {API}/tag/", 500, times=99)
    done = client.run("push", path, "--repo", REPO, "--split", "0")
    _one_sentence(done)
    commit = hub.repos[REPO].refs["main"]
    assert f"holds the dataset as commit {commit}, but it could not be tagged" in done.error
    hub.failures.clear()
    assert client.run("push", path, "--repo", REPO, "--split", "0").code == 0
    assert list(hub.repos[REPO].tags.values()) == [commit]


def test_too_many_requests_are_waited_out(client: Any, hub: loopback.Hub, path: Path, fresh: dict[str, str]) -> None:
    hub.fail(f"POST {API}/commit/main", 429, times=2, Retry_After="0")
    assert client.run("push", path, "--repo", REPO, "--split", "0").code == 0
    assert sum("/commit/main" in line for line in hub.took()) == 3
    hub.fail(f"GET {API}/revision/main$", 429, times=2, Retry_After="0")
    assert client.run("pull", REPO, **fresh).code == 0


def test_too_many_requests_for_too_long(client: Any, hub: loopback.Hub, fresh: dict[str, str]) -> None:
    hub.fail(f"GET {API}/revision/main$", 429, times=99, Retry_After="0")
    done = client.run("pull", REPO, **fresh)
    _one_sentence(done)
    assert "still says too many requests after waiting" in done.error
    assert len(hub.took()) == 6


@pytest.mark.parametrize(
    ("how", "words"),
    [("short", "truncated"), ("alter", "with other content than its etag states, and was thrown away")],
)
def test_a_download_that_is_not_what_was_announced(
    how: str, words: str, client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str], tmp_path: Path
) -> None:
    pushed(REPO, "--split", "0")
    hub.fail("GET /large/", how, times=99)
    done = client.run("pull", REPO, **fresh)
    _one_sentence(done)
    assert words in done.error
    assert _left(fresh) == []
    hub.failures.clear()
    done = client.run("pull", REPO, **fresh)
    assert done.code == 0, done.err


def test_a_small_file_that_is_altered(client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]) -> None:
    pushed(REPO, "--split", "0", "--labels-only")
    hub.fail("GET /datasets/.*lnbench.json", "alter")
    done = client.run("pull", REPO, **fresh)
    _one_sentence(done)
    assert "lnbench.json of somebody/poisoned@" in done.error and "thrown away" in done.error
    assert client.run("pull", REPO, **fresh).code == 0


def test_a_download_that_breaks_off_goes_on(
    client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]
) -> None:
    pushed(REPO, "--split", "0")
    hub.fail("GET /large/", "truncate", times=2)
    done = client.run("pull", REPO, **fresh)
    assert done.code == 0, done.err
    assert sum(line.startswith("GET /large/") for line in hub.took()) == 5, "three tables, and two of them again"


def test_nobody_answers(client: Any, hub: loopback.Hub, path: Path, fresh: dict[str, str]) -> None:
    """A port that nobody listens on; the child's endpoint is set before it is asked, so a fresh one is needed."""
    import subprocess
    import sys

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    env = client.env | fresh | {"HF_ENDPOINT": nowhere}
    for args in (["pull", REPO], ["push", str(path), "--repo", REPO, "--split", "0"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lnbench", *args], env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 3, done.stderr
        last = done.stderr.strip().splitlines()[-1]
        assert f"{nowhere} (HF_ENDPOINT) could not be reached or broke off (Connection refused)" in last
    assert _left(fresh) == []


@pytest.mark.slow  # the client waits half a minute before it gives up
def test_a_hub_that_hangs_up(client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]) -> None:
    pushed(REPO, "--split", "0")
    hub.fail(f"GET {API}/tree", "drop", times=99)
    done = client.run("pull", REPO, **fresh)
    _one_sentence(done)
    assert "could not be reached or broke off" in done.error


@pytest.mark.parametrize(
    "name", ["x", "a/b/c", "../b", "a/..", "a/b@", "a b/c", "hf://", "a/b@../c", "-a/b", "a--b/c", "a/b.git", "a/b@x y"]
)
def test_what_is_no_repository_is_usage(name: str, client: Any, hub: loopback.Hub) -> None:
    done = client.run("pull", "--", name)
    assert done.code == 2 and "expected a Hub dataset as user/name" in done.error, done.err
    assert hub.took() == []


def test_wrong_options_are_usage(client: Any, hub: loopback.Hub, path: Path) -> None:
    for args, words in (
        (["--repo", f"{REPO}@main"], "give somebody/poisoned without @main"),
        (["--repo", REPO, "--split", "9"], "the record has splits 0 … 2; got 9"),
        (["--repo", REPO, "--split", "x"], "expected the number of a split or 'all'"),
        ([], "Missing option '--repo'"),
    ):
        done = client.run("push", path, *args)
        assert done.code == 2 and words in done.err, done.err
    assert client.run("evaluate", f"hf://{REPO}", "--set", "a=1").code == 2
    assert hub.took() == []
