"""Everyday code in the sandbox: what it prints when it fails, pools, copies, and what it is told it may not do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guests import submission
from lnbench.errors import SubmissionError
from lnbench.poison.run import PoisonedLabels, poison, quoted
from lnbench.protocol.track import Track


def test_a_verdict_carries_the_log(go: Callable[..., PoisonedLabels]) -> None:
    source = """
    import lnbench

    def inner(a):
        print("\\x1b[31mprinted\\x07 before\\n::error::no")
        return a @ a

    class Attack(lnbench.Poisoner):
        def poison(self, problem):
            return inner(problem.inputs.reshape(60, -1))
    """
    with pytest.raises(SubmissionError) as caught:
        go(source)
    assert "poison() raised ValueError in line 6: matmul" in str(caught.value)
    lines = quoted(caught.value.log).splitlines()
    assert lines[0] == "  | \ufffd[31mprinted\ufffd before" and lines[1] == "  | ::error::no"
    assert lines[2] == "  | Traceback (most recent call last):" and "line 10, in poison" in lines[3]
    assert lines[4].strip() == "|     return inner(problem.inputs.reshape(60, -1))" and lines[-1].startswith(
        "  | ValueError"
    )
    assert not any("guest.py" in line for line in lines)


@pytest.mark.parametrize(
    ("body", "log"),
    [
        ("print('so far'); import os; os._exit(3)", "so far\n"),
        ("print('so far'); import ctypes; ctypes.string_at(0)", "so far\nFatal Python error: Segmentation fault\n"),
        ("print('so far'); return problem.labels[:3]", "so far\n"),
        ("print('so far'); return problem.labels * 99", "so far\n"),
    ],
)
def test_every_verdict_carries_the_log(go: Callable[..., PoisonedLabels], body: str, log: str) -> None:
    source = f"import lnbench\nclass A(lnbench.Poisoner):\n  def poison(self, problem):\n    {body}\n"
    with pytest.raises(SubmissionError) as caught:
        go(source)
    assert caught.value.log.startswith(log)


POOLS = """
    import multiprocessing as mp
    import lnbench
    from concurrent.futures import ProcessPoolExecutor

    class Point:
        def __init__(self, index):
            self.index = index

    def same(point):
        return Point(point.index)

    def offset(i):
        return i + OFFSET

    OFFSET = 0

    class Attack(lnbench.Poisoner):
        method: str = "spawn"

        def poison(self, problem):
            points = [Point(int(i)) for i in problem.eligible[: problem.budget]]
            with mp.get_context(self.method).Pool(2) as pool:
                made = [point.index for point in pool.map(same, points)]
                made = pool.map(self.own, made)
            with ProcessPoolExecutor(1, mp_context=mp.get_context(self.method)) as pool:
                return problem.flipped(list(pool.map(offset, made)))

        def own(self, index):
            return index
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_pools_know_the_submissions_functions_and_classes(
    method: str, mode: str, data: Any, track: Any, streams: Any
) -> None:
    made = poison(submission(POOLS, method=method), data, track, 0, streams, mode=mode, seconds=60)
    assert np.flatnonzero(made.labels != data.labels).tolist() == [3, 7, 11] and made.log == ""


def test_joblib_knows_them_too(mode: str, data: Any, track: Any, streams: Any, temporary: Path) -> None:
    pytest.importorskip("joblib")
    source = """
    from joblib import Parallel, delayed
    import lnbench

    def same(i):
        return int(i)

    class Attack(lnbench.Poisoner):
        def poison(self, problem):
            chosen = problem.eligible[: problem.budget]
            return problem.flipped(Parallel(n_jobs=2)(delayed(same)(i) for i in chosen))
    """
    made = poison(submission(source), data, track, 0, streams, mode=mode, seconds=60)
    assert np.flatnonzero(made.labels != data.labels).tolist() == [3, 7, 11]


def test_a_pool_whose_processes_cannot_start_fails_and_does_not_hang(go: Callable[..., PoisonedLabels]) -> None:
    source = (
        POOLS.replace("OFFSET = 0", "raise_in_children = 1 / (mp.parent_process() is None)")
        .replace("with mp.get_context(self.method).Pool(2) as pool:", "if True:")
        .replace("pool.map(same, points)", "points")
        .replace("made = pool.map(self.own, made)", "pass")
    )
    with pytest.raises(SubmissionError, match=r"poison\(\) raised BrokenProcessPool in line"):
        go(source, seconds=60.0)


def test_pytorch_writes_to_pages_of_its_own(mode: str, data: Any, track: Any, streams: Any, temporary: Path) -> None:
    source = """
    import torch
    import lnbench

    class Attack(lnbench.Poisoner):
        def poison(self, problem):
            torch.from_numpy(problem.inputs).zero_()
            labels = torch.from_numpy(problem.labels)
            labels[(labels == 3).nonzero().squeeze(1)[: problem.budget]] = 0
            return labels
    """
    roomy = Track.from_document({**track.document, "limits": {"seconds": 120, "memory_gib": 8, "scratch_mib": 8}})
    made = poison(submission(source), data, roomy, 0, streams, mode=mode, seconds=120)
    assert np.flatnonzero(made.labels != data.labels).tolist() == [3, 7, 11] and made.log == ""


EVERYDAY = """
    import os, pathlib, shutil, tarfile, tempfile
    import lnbench

    class Attack(lnbench.Poisoner):
        def poison(self, problem):
            folder = pathlib.Path(tempfile.mkdtemp())
            (folder / "a").write_text("x")
            shutil.copy2(folder / "a", folder / "b")
            shutil.copytree(folder, folder / "c")
            (folder / "a").touch()
            with tarfile.open(folder / "t.tar", "w") as tar:
                tar.add(folder / "a", "a")
            with tarfile.open(folder / "t.tar") as tar:
                tar.extractall(folder / "out", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            os.utime(folder / "a", (1, 1), follow_symlinks=False)
            assert (folder / "c" / "a").read_text() == (folder / "out" / "a").read_text() == "x"
            assert os.environ["HF_HUB_OFFLINE"] == "1"
            return problem.flipped(problem.eligible[: problem.budget])
"""


def test_everyday_calls_work(go: Callable[..., PoisonedLabels], data: Any) -> None:
    made = go(EVERYDAY)
    assert np.flatnonzero(made.labels != data.labels).tolist() == [3, 7, 11] and made.log == ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import mmap; mmap.mmap(-1, 4096)", "asked for shared memory that belongs to no file in line 4"),
        ("import fcntl; fcntl.flock(0, fcntl.LOCK_SH)", "tried to lock a file in line 4"),
        ("import sqlite3; sqlite3.connect('/tmp/a').execute('create table t (a)')", "tried to lock a file in line 4"),
        ("import urllib.request; urllib.request.urlopen('https://example.org')", "asked for the network in line 4"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), timeout=9)", "asked for the network in line 4"),
        ("open('/usr/written', 'w')", "opened a file that is hidden or read-only here in line 4"),
        (
            "import os; os.unshare(1) if hasattr(os, 'unshare') else os.chroot('/')",
            "asked the kernel for what the sandbox",
        ),
        ("input()", "waited for somebody at a keyboard or a debugger in line 4"),
        ("breakpoint()", "waited for somebody at a keyboard or a debugger"),
        ("import nothing_of_this_name", "needs a module that is not here in line 4"),
        ("open('/tmp/full', 'wb').write(bytes(9 << 20))", "filled the disk for temporary files in line 4"),
        ("x = [open('/dev/null') for _ in range(300)]", "opened more files than the sandbox allows in line 4"),
        ("from sklearn.datasets import load_digits; load_digits()", "read scikit-learn's bundled data in line 4"),
    ],
)
def test_a_verdict_names_what_the_sandbox_forbids(
    body: str, words: str, bubblewrap: str, data: Any, track: Any, streams: Any
) -> None:
    source = f"import lnbench\nclass A(lnbench.Poisoner):\n  def poison(self, problem):\n    {body}\n"
    roomy = Track.from_document({**track.document, "limits": {"seconds": 120, "memory_gib": 8, "scratch_mib": 8}})
    with pytest.raises(SubmissionError) as caught:
        poison(submission(source), data, roomy, 0, streams, mode=bubblewrap, seconds=60)
    assert f"attack.py: poison() {words}" in str(caught.value)


def test_an_error_on_the_way_to_another_is_named(go: Callable[..., PoisonedLabels]) -> None:
    source = """
    import lnbench

    class Attack(lnbench.Poisoner):
        def poison(self, problem):
            try:
                import nothing_of_this_name
            except ImportError as error:
                raise ValueError("no luck") from error
    """
    with pytest.raises(
        SubmissionError, match=r"raised ValueError in line \d, because it needs a module that is not here"
    ):
        go(source)
    with pytest.raises(SubmissionError, match=r"raised ValueError in line \d: no luck\.$"):
        go(source.replace("from error", "from None"))
