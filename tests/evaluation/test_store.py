"""The store: whole entries or none, damage is noticed, failure is worded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lnbench.errors import UnavailableError
from lnbench.evaluation.store import Store
from lnbench.files import write_atomically

NAME = {"track": "t", "split": 0, "seeds": [0, 1]}
VALUE = {"victims": [{"seed": 0, "correct": 7}], "seconds": 1.25}


def _entry(store: Store) -> Path:
    (path,) = store.root.rglob("*.json")
    return path


def test_what_was_put_comes_back_and_other_names_do_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get("cells", NAME) is None
    store.put("cells", NAME, VALUE)
    assert store.get("cells", NAME) == VALUE
    assert store.get("cells", {**NAME, "split": 1}) is None
    assert store.get("labels", NAME) is None
    assert store.size()[0] == 1
    store.clear()
    assert store.size() == (0, 0)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.99])
def test_any_flipped_bit_makes_the_entry_absent_and_removes_it(tmp_path: Path, place: float) -> None:
    store = Store(tmp_path)
    store.put("cells", NAME, VALUE)
    path = _entry(store)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(bytes(data))
    assert store.get("cells", NAME) is None
    assert not path.exists()


def test_every_truncation_makes_the_entry_absent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("cells", NAME, VALUE)
    path = _entry(store)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.get("cells", NAME) is None, length


def test_an_entry_under_another_entrys_key_is_not_believed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("cells", NAME, VALUE)
    first = _entry(store)
    store.put("cells", {**NAME, "split": 1}, {"other": 1})
    (second,) = [p for p in store.root.rglob("*.json") if p != first]
    second.write_bytes(first.read_bytes())
    assert store.get("cells", {**NAME, "split": 1}) is None


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only file system")]
)
def test_a_disk_that_refuses_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    store = Store(tmp_path)
    with pytest.raises(UnavailableError, match=said) as caught:
        store.put("cells", NAME, VALUE)
    assert "LNBENCH_CACHE" in str(caught.value)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_failed_write_leaves_the_old_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def refuse(source: str, target: Path) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="input/output error"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


# --- where it is


def test_the_folder_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LNBENCH_CACHE", "~/cache")
    assert Store().root == tmp_path / "home" / "cache" / "store"
    monkeypatch.setenv("LNBENCH_CACHE", "here")
    assert Store().root == tmp_path / "here" / "store", "absolute: workers may run elsewhere"


def test_a_user_without_a_home_folder_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LNBENCH_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user that no list of users knows
    with pytest.raises(UnavailableError, match=r"no home folder .* set LNBENCH_CACHE"):
        Store()
    assert list(tmp_path.iterdir()) == [], "no folder called ~"


@pytest.mark.parametrize("linked", ["store", "store/cells", "store/cells/ab"])
def test_a_store_that_is_a_link_is_cleared_and_what_is_not_its_own_stays(linked: str, tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / linked
    elsewhere.mkdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    store = Store(tmp_path / "store")
    for split in range(9):
        store.put("cells", {"split": split}, VALUE)
    again = Store(store.root / "repeats")
    again.put("labels", NAME, VALUE)
    (elsewhere / "mine.txt").write_text("not the store's")
    (elsewhere / "ab").mkdir(exist_ok=True)
    (elsewhere / "ab" / "notes.json").write_text("nor this")
    assert store.size()[0] == 10, "second runs are counted too"
    store.clear()
    assert store.size() == (0, 0) and store.get("cells", {"split": 0}) is None and again.get("labels", NAME) is None
    assert (elsewhere / "mine.txt").exists() and (elsewhere / "ab" / "notes.json").exists() and link.is_symlink()
    store.put("cells", NAME, VALUE)
    assert store.get("cells", NAME) == VALUE


def test_what_a_killed_write_left_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.put("cells", NAME, VALUE)
    path = _entry(store)
    path.with_name(f".{path.name}.x7f3").write_bytes(b"half")
    store.clear()
    assert not store.root.exists()
