"""Nothing that a guest read stays in the kernel's caches for the next one, where splits are secret."""

from __future__ import annotations

import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from lnbench.errors import UnavailableError
from lnbench.evaluation import conductor, machine, stages
from lnbench.evaluation.store import Store
from lnbench.poison import caches
from lnbench.poison.run import PoisonedLabels, Submission, poison
from lnbench.protocol.track import Track

PAGE = 4096


def cached(path: Path) -> list[bool]:
    """Which pages of a file are in the cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # looking at one does not fetch its neighbours
        pages = []
        for start in range(0, os.fstat(fd).st_size, PAGE):
            try:
                pages.append(os.preadv(fd, [bytearray(1)], start, os.RWF_NOWAIT) == 1)
            except BlockingIOError:
                pages.append(False)
        return pages
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
    for _ in range(5):  # other tests read at the same time, and may hold a batch of pages for a moment
        caches.empty()
        left = cached(file)
        if not any(left):
            break
        time.sleep(0.1)
    assert not any(left)


CHANNEL = """
import mmap, os, resource, sys, time
import lnbench

BITS = [(i * 2654435761 >> 7) & 1 for i in range(1000)]

def seconds(name):
    begin = time.perf_counter_ns()
    os.path.lexists("/usr/lib/" + name)
    return time.perf_counter_ns() - begin

class Channel(lnbench.Poisoner):
    tag: str = ""
    reads: bool = False

    def poison(self, problem):
        fd = os.open(FILE, os.O_RDONLY)
        pages = mmap.mmap(fd, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
        pages.madvise(mmap.MADV_RANDOM)
        if not self.reads:
            for i, bit in enumerate(BITS):
                if bit:
                    seconds(f"{self.tag}{i}")
                    pages[i * 16 * 4096]
            return problem.labels
        took = [seconds(f"{self.tag}{i}") for i in range(len(BITS))]
        middle = sum(sorted(took)[len(took) // 4 :: len(took) // 2]) / 2
        names = sum((t < middle) == bit for t, bit in zip(took, BITS))
        fast = 0
        for i, bit in enumerate(BITS):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
            pages[i * 16 * 4096]
            fast += (resource.getrusage(resource.RUSAGE_SELF).ru_majflt == before) == bit
        print(names, fast)
        return problem.labels
"""


@pytest.mark.slow
@pytest.mark.skipif(not caches.can_be_emptied(), reason="only root can empty the kernel's caches")
def test_what_one_guest_tells_the_next(bubblewrap: str, data: Any, track: Any, streams: Any) -> None:
    """By names that it looked up and pages that it read: nearly everything, and nothing once the caches are emptied."""
    large = (path for path in Path(np.__file__).parents[1].rglob("*.so*") if path.stat().st_size > 1000 * 16 * PAGE)
    source = CHANNEL.replace("FILE", repr(str(next(large)))).encode()
    for emptied in (False, True):
        caches.empty()
        tag = secrets.token_hex(4)
        poison(Submission.from_bytes("a.py", source, {"tag": tag}), data, track, 0, streams, mode=bubblewrap)
        if emptied:
            caches.empty()
        reads = Submission.from_bytes("a.py", source, {"tag": tag, "reads": "yes"})
        names, pages = map(int, poison(reads, data, track, 1, streams, mode=bubblewrap).log.split())
        assert (max(names, pages) < 600) if emptied else (max(names, pages) > 750), (names, pages)


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
    monkeypatch.setattr(machine, "resolved_sandbox", lambda wish: "bubblewrap")
    with pytest.raises(UnavailableError, match="enough"):
        chosen = Track.from_document(tiny.document())
        conductor.evaluate(Submission.from_bytes("a.py", b""), chosen, salt="s", season=season, store=Store(tmp_path))
