"""Nothing that a guest read stays in the kernel's caches for the next one, where splits are secret."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tiny
from lnbench.errors import UnavailableError
from lnbench.evaluation import conductor, stages
from lnbench.evaluation.store import Store
from lnbench.poison import caches
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol.track import Track

PAGE = 4096


def cached(path: Path) -> list[bool]:
    """Which pages of a file are in the cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # looking at one does not fetch its neighbours
        found = []
        for start in range(0, os.fstat(fd).st_size, PAGE):
            try:
                found.append(os.preadv(fd, [bytearray(1)], start, os.RWF_NOWAIT) == 1)
            except BlockingIOError:
                found.append(False)
        return found
    finally:
        os.close(fd)


@pytest.mark.skipif(not caches.can_be_emptied(), reason="only root can empty the kernel's caches")
def test_a_mark_in_the_page_cache_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "library"
    with file.open("wb") as stream:
        stream.write(bytes(64 * PAGE))
        stream.flush()
        os.fsync(stream.fileno())
    if sum(cached(file)) == 0:
        pytest.skip("the file system of the temporary folder caches nothing")
    caches.empty()
    if all(cached(file)):
        pytest.skip("the temporary folder is memory itself")
    caches.empty()
    fd = os.open(file, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for page in range(0, 64, 3):  # a note in every third page
        os.pread(fd, 1, page * PAGE)
    os.close(fd)
    assert cached(file)[:60:3] == [True] * 20
    caches.empty()
    assert not any(cached(file))


def test_where_it_is_not_allowed_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_DROP", tmp_path / "missing")
    caches.empty()
    assert not caches.can_be_emptied() and not (tmp_path / "missing").exists()


@pytest.mark.parametrize("apart", [True, False])
def test_secret_splits_are_poisoned_one_at_a_time_after_emptying(
    apart: bool, data: Any, track: Any, streams: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, running, most, events = threading.Lock(), 0, 0, list[str]()

    def guest(*_: object) -> PoisonedLabels:
        nonlocal running, most
        with lock:
            events.append("guest")
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return PoisonedLabels(data.labels, 0, 0.1, "", "", "", "", "", {}, {}, "bubblewrap", "watched")

    monkeypatch.setattr(stages, "poison_split", guest)
    monkeypatch.setattr(caches, "empty", lambda: events.append("emptied"))
    rest = track, [data] * 6, streams, "bubblewrap", 3, Store(tmp_path), lambda _: None
    stages.poison_all(Submission.from_bytes("a.py", b""), *rest, apart=apart)
    assert (most == 1) is apart
    assert events == ["emptied", "guest"] * 6 if apart else events == ["guest"] * 6


@pytest.mark.parametrize("season", [None, "s1"])
def test_a_seasons_splits_are_secret(season: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison_all(*_: object, apart: bool, **__: object) -> None:
        assert apart is (season is not None)
        raise UnavailableError("enough")

    monkeypatch.setattr(conductor, "poison_all", poison_all)
    monkeypatch.setattr(conductor, "resolved_sandbox", lambda wish: "bubblewrap")
    with pytest.raises(UnavailableError, match="enough"):
        chosen = Track.from_document(tiny.document())
        conductor.evaluate(Submission.from_bytes("a.py", b""), chosen, salt="s", season=season, store=Store(tmp_path))
