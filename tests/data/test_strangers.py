"""A stranger's track: whose name it may bear, and what it may make this machine download, decode and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import factories
from lnbench import data
from lnbench.data import strangers
from lnbench.errors import DataError, ProtocolError, RecordError
from lnbench.protocol import Track
from lnbench.protocol import track as tracks

PINS = {"train_sha256": "0" * 64, "test_sha256": "1" * 64, "shape": [1, 8, 8]}
FILES = {"folder": "pictures", "train": "train-*", "test": "test-*", "image": "img", "label": "label"}


def foreign(**parquet: Any) -> Track:
    """A track that says itself where its images are and how large they are."""
    document = dict(factories.track(name="theirs").document)
    document["data"] = {**document["data"], "source": "parquet", "parquet": {**FILES, **PINS, **parquet}}
    return Track.from_document(document)


REMOTE = {"hub": "stranger/huge", "revision": "2" * 40}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LNBENCH_DATA and an empty cache."""
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("where", "home"), [(REMOTE, "from stranger/huge at 2{40}"), ({}, "from nowhere that it names")]
)
def test_nothing_is_downloaded_or_decoded_on_a_strangers_word(
    where: dict[str, str], home: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even files that are here: how they are to be decoded would be the stranger's choice."""
    track = foreign(**where)
    refusal = rf"theirs are those of pictures, {home}, and nothing is downloaded or decoded on a stranger's word"
    for _ in range(2):
        with pytest.raises(DataError, match=refusal) as caught:
            strangers.check_data(track)
        assert caught.value.exit_code == 3 and "give its file as --track FILE.toml" in str(caught.value)
        (place / "pictures").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=r"give its file as --track-file FILE\.toml"):
        strangers.check_data(track, option="--track-file")


def test_what_the_user_gives_may_be_read_and_nothing_like_it() -> None:
    track = foreign(**REMOTE)
    strangers.check_data(track, Track.from_document(dict(track.document)))
    with pytest.raises(DataError, match="on a stranger's word"):
        strangers.check_data(track, foreign(**REMOTE, folder="others"))
    with pytest.raises(DataError, match="on a stranger's word"):
        strangers.check_data(track, tracks.load("digits-9to0"))


def test_a_track_that_ships_may_have_its_data_read_but_not_one_of_its_name() -> None:
    own = tracks.load("cifar10jpeg-9to0")
    strangers.check_data(own)
    document = dict(own.document)
    document["data"] = {**document["data"], "parquet": {**document["data"]["parquet"], **REMOTE}}
    with pytest.raises(DataError, match="from stranger/huge"):
        strangers.check_data(Track.from_document(document))


def test_data_that_lnbench_pins_itself_may_be_drawn_by_anybody() -> None:
    strangers.check_data(factories.track(name="theirs"))
    mnist = dict(tracks.load("mnist10k-9to0").document) | {"name": "theirs"}
    strangers.check_data(Track.from_document(mnist))


@pytest.mark.parametrize("source", ["folders", "downloads", "strangers", "__init__", "os", "nothing", "..hub", ""])
def test_data_that_lnbench_does_not_have_is_refused(source: str) -> None:
    track = factories.track(data={"source": source, "train": 898, "classes": 10})
    with pytest.raises(
        RecordError, match=f"its track is on the data '{source}'; this lnbench has cifar10, cifar10n, digits, mnist"
    ):
        strangers.check_track(track)
    for load in (data.load, data.load_bytes):
        with pytest.raises(ProtocolError, match=f"there is no data source '{source}'; there are: cifar10, cifar"):
            load(track, 0)


def test_every_source_has_what_a_source_needs() -> None:
    assert data.sources() == ["cifar10", "cifar10n", "digits", "mnist", "parquet"]
    for name in tracks.names():
        track = tracks.load(name)
        assert isinstance(data.fixed_test_set(track), bool) and isinstance(data.pictures(track), bool)


def test_a_track_may_not_borrow_the_name_of_one_that_ships() -> None:
    """Else any number of flips would be within the budget of something called digits-9to0."""
    own = tracks.load("digits-9to0")
    more = dict(own.document) | {"noise": {"budget": 400, "eta": 0.4455, "pairs": [[9, 0]]}}
    strangers.check_track(own)
    assert strangers.ships(own)
    with pytest.raises(RecordError, match=f"is not the one of version {own.version} that ships with lnbench"):
        strangers.check_track(Track.from_document(more))
    with pytest.raises(RecordError, match=f"it is for version 7 of digits-9to0, newer than {own.version} here: update"):
        strangers.check_track(Track.from_document(more | {"version": 7}))
    theirs = factories.track(name="digits-small")
    strangers.check_track(theirs)
    assert not strangers.ships(theirs)


def test_a_stranger_does_not_choose_the_limits_of_what_runs() -> None:
    """A record's source runs, and its victims train, on a track that ships or that the user gives."""
    own = tracks.load("digits-9to0")
    assert strangers.own_track(own, None, "the record").sha256 == own.sha256
    limits = {"seconds": 1e9, "memory_gib": 1e6, "scratch_mib": 1 << 20}
    greedy = Track.from_document(dict(own.document) | {"name": "theirs", "limits": limits})
    with pytest.raises(ProtocolError, match=r"the record is for the track theirs, which does not ship .* --track FILE"):
        strangers.own_track(greedy, None, "the record")
    assert strangers.own_track(greedy, greedy, "the record") is greedy
    renamed = Track.from_document(dict(own.document) | {"limits": limits})
    for given in (None, own):
        words = rf"the record is for version {own.version} of digits-9to0 \(sha256 .*\), not for ver"
        with pytest.raises(ProtocolError, match=words):
            strangers.own_track(renamed, given, "the record")
