"""A store at an address: what is published is whole, what is damaged is not believed, an outage is waited for."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import shared_store
from lnbench.evaluation.shared_store import SharedStore, open_store
from lnbench.evaluation.store import Store, key_of, place_of

NAME, VALUE = {"track": "t", "split": 0}, {"victims": [7], "seconds": 1.5}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def address() -> str:
    """A place in memory that nobody else uses."""
    return f"memory://{uuid.uuid4().hex}"


def remote(store: SharedStore, name: dict[str, Any]) -> str:
    """The path of an entry at the address."""
    return f"{store.base}/{place_of('cells', key_of(name))}"


def test_what_one_host_puts_another_gets_and_keeps(address: str, tmp_path: Path) -> None:
    here, there = SharedStore(address, tmp_path / "here"), SharedStore(address, tmp_path / "there")
    assert here.get("cells", NAME) is None
    here.put("cells", NAME, VALUE)
    assert there.get_all("cells", [{**NAME, "split": 1}, NAME]) == [None, VALUE]
    assert there.keys("cells") == {key_of(NAME)} and there.values("cells") == [(NAME, VALUE)]
    here.files.rm(remote(here, NAME))
    assert there.get("cells", NAME) == VALUE, "read through, then from the disk here"
    assert Store(there.root).get("cells", NAME) == VALUE and there.keys("cells") == set()
    assert here.below("repeats").get("cells", NAME) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "swapped"])
def test_a_damaged_entry_is_not_believed_and_is_put_again(address: str, damage: str, tmp_path: Path) -> None:
    here, there = SharedStore(address, tmp_path / "here"), SharedStore(address, tmp_path / "there")
    here.put("cells", NAME, VALUE)
    here.put("cells", {**NAME, "split": 1}, {"other": 1})
    whole = here.files.cat_file(remote(here, NAME))
    damaged = {
        "flip": whole.replace(b"1.5", b"1.6"),
        "cut": whole[:-9],
        "empty": b"",
        "foreign": b"<html>",
        "swapped": here.files.cat_file(remote(here, {**NAME, "split": 1})),
    }[damage]
    here.files.pipe_file(remote(here, NAME), damaged)
    assert there.get("cells", NAME) is None and there.values("cells") == [({**NAME, "split": 1}, {"other": 1})]
    there.put("cells", NAME, VALUE)
    assert here.files.cat_file(remote(here, NAME)) == whole


class Moody(MemoryFileSystem):  # type: ignore[misc]
    """Fails as it is told to."""

    cachable = False
    error: Exception | None = None
    calls = 0

    def pipe_file(self, *args: Any, **more: Any) -> Any:
        return self._or_fail(super().pipe_file, *args, **more)

    def cat(self, *args: Any, **more: Any) -> Any:
        return self._or_fail(super().cat, *args, **more)

    def _or_fail(self, function: Any, *args: Any, **more: Any) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return function(*args, **more)


def test_an_outage_is_waited_for_and_nothing_is_lost(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = Moody()
    store = SharedStore(address, tmp_path / "here", files)
    files.error = ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")

    def back() -> None:
        time.sleep(0.6)
        files.error = None

    thread = threading.Thread(target=back)
    thread.start()
    store.put("cells", NAME, VALUE)
    thread.join()
    assert files.calls > 1 and SharedStore(address, tmp_path / "there").get("cells", NAME) == VALUE
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f"the store {address} does not answer"
    ], "said once"


@pytest.mark.parametrize(
    ("error", "words", "tries"),
    [
        (ConnectionError("no route"), "no answer for 0.5 s (no route)", 2),
        (PermissionError("Access Denied"), "permission denied (Access Denied)", 1),
        (FileNotFoundError("The specified bucket does not exist"), "make the bucket first", 1),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device", 1),
        (OSError(errno.EROFS, "Read-only file system"), "read-only file system", 1),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate credentials"), "AWS_ACCESS_KEY_ID", 1),
    ],
)
def test_a_store_that_refuses_is_one_sentence_and_keeps_what_is_finished(
    error: Exception, words: str, tries: int, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LNBENCH_STORE_PATIENCE", "0.5")
    files = Moody()
    store = SharedStore(address, tmp_path / "here", files)
    files.error = error
    with pytest.raises(UnavailableError) as caught:
        store.put("cells", NAME, VALUE)
    assert words in str(caught.value) and "the same command goes on" in str(caught.value)
    assert (files.calls == 1) if tries == 1 else (files.calls >= tries)
    files.error = None
    assert store.get("cells", NAME) == VALUE, "from the cache"
    again = SharedStore(address, tmp_path / "here", files)
    assert again.keys("cells") == {key_of(NAME)}, "published when the store is opened again"
    assert list((again.root / "pending").iterdir()) == []


def test_a_scheme_that_nothing_opens_and_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProtocolError, match="no store opens nope:// addresses; give a folder, or s3://"):
        open_store("nope://bucket")
    import fsspec

    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(UnavailableError, match=r"pip install 'lnbench\[store\]'"):
        open_store("s3://bucket")


def test_a_folder_is_a_store_as_it_always_was(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert type(store) is Store and store.root == tmp_path
    assert type(open_store(str(tmp_path))) is Store


WRITER = """
import sys
from lnbench.evaluation.shared_store import open_store
store = open_store(sys.argv[1])
for n in range(60):
    store.put("cells", {"n": n}, {"square": n * n, "long": "x" * 20000})
"""


def test_two_processes_write_the_same_entries_to_one_folder_and_every_reader_sees_whole_ones(
    tmp_path: Path, cache: Path
) -> None:
    address = f"file://{tmp_path}/shared"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, address], env={**environ, "LNBENCH_CACHE": str(tmp_path / f"c{i}")}
        )
        for i in range(2)
    ]
    seen = 0
    while any(process.poll() is None for process in processes):
        for path in (tmp_path / "shared").rglob("[0-9a-f]*.json"):
            seen += 1
            assert path.read_bytes().endswith(b"}\n"), "half-written"
    assert [process.wait() for process in processes] == [0, 0] and seen > 0
    made = [value["square"] for value in open_store(address).get_all("cells", [{"n": n} for n in range(60)]) if value]
    assert made == [n * n for n in range(60)]
    assert [p for p in (tmp_path / "shared").rglob(".*") if p.is_file()] == []


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket of a real S3 server."""
    if missing := [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'lnbench[store]' 'moto[server]'")
    import outage

    with outage.s3() as (variables, door), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield door


@pytest.mark.slow
def test_a_real_s3_server_and_its_outage(bucket: Any, tmp_path: Path) -> None:
    address = f"s3://lab/{uuid.uuid4().hex}"
    here, there = SharedStore(address, tmp_path / "here"), SharedStore(address, tmp_path / "there")
    names = [{"n": n} for n in range(40)]
    for name in names[:20]:
        here.put("cells", name, VALUE)
    shut = threading.Thread(target=bucket.shut, args=(3.0,))
    shut.start()
    begin = time.monotonic()
    for name in names[20:]:
        here.put("cells", name, VALUE)
    shut.join()
    assert time.monotonic() - begin > 1, "there was an outage"
    assert there.get_all("cells", names) == [VALUE] * 40 and there.keys("cells") == set(map(key_of, names))
    with pytest.raises(UnavailableError, match="make the bucket first"):
        SharedStore("s3://nowhere/x", tmp_path / "no").put("cells", NAME, VALUE)


def test_patience_is_long_enough_for_half_a_minute() -> None:
    assert shared_store.PATIENCE > 60


def test_what_is_killed_between_cache_and_address_is_published_later(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Store.put

    def killed(store: Store, *arguments: Any) -> None:
        whole(store, *arguments)
        raise SystemExit(137)

    files = Moody()
    monkeypatch.setattr(Store, "put", killed)
    with pytest.raises(SystemExit):
        SharedStore(address, tmp_path / "here", files).put("cells", NAME, VALUE)
    monkeypatch.setattr(Store, "put", whole)
    again = SharedStore(address, tmp_path / "here", files)
    assert again.keys("cells") == {key_of(NAME)} and list((again.root / "pending").iterdir()) == []
