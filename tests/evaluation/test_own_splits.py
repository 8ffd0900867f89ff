"""Splits that a submission's own source draws: anybody can derive them, and no source can hold what suits them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import factories
import tiny
from lnbench.errors import ProtocolError
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.store import Store
from lnbench.poison.published import Published
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track, own_salt, sha256
from lnbench.record.record import Record, write
from lnbench.trust import rerun, verify

pytestmark = pytest.mark.usefixtures("no_workers_in_this_file")


def _submission(extra: str = "", **parameters: object) -> Submission:
    return Submission.from_bytes("first.py", (tiny.POISONER + extra).encode(), parameters)


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.from_document(tiny.document())


@pytest.fixture(scope="module")
def made(track: Track, tmp_path_factory: pytest.TempPathFactory, no_workers_in_this_file: None) -> Record:
    store = Store(tmp_path_factory.mktemp("s"))
    return evaluate(_submission(), track, own_splits=True, store=store, workers=1)


def test_source_and_parameters_draw_the_splits(track: Track) -> None:
    base = own_salt(track.sha256, _submission().sha256, {})
    assert base == own_salt(track.sha256, _submission().sha256, _submission(more=0).overrides), "a default is no change"
    others = [
        own_salt(track.sha256, _submission("# \n").sha256, {}),
        own_salt(track.sha256, _submission().sha256, {"more": -1}),
        own_salt("0" * 64, _submission().sha256, {}),
    ]
    drawn = {Streams(track.sha256, salt).entropy("split", 0) for salt in (base, "public", *others)}
    assert len(drawn) == 5


def test_the_record_says_so_and_anybody_derives_it(made: Record, track: Track, tmp_path: Path) -> None:
    assert (made.salt, made.season) == ("own", None)
    assert "foreign-salt" not in made.flags
    streams = made.streams()
    assert streams is not None and streams.salt == own_salt(track.sha256, made.poisoner.sha256, {})
    write(made, tmp_path / "own.json")
    found = verify.verify(tmp_path / "own.json")
    assert found.passed and all(check.passed for check in found.checks), "compared with the data, no salt given"
    assert rerun.repoison(made, mode="none", track=track).passed
    assert "--own-splits" in str(made.run.command)


def test_another_source_under_the_same_splits_is_found(made: Record, tmp_path: Path) -> None:
    for change in ("source", "salt", "season"):
        document = copy.deepcopy(dict(made.document))
        if change == "source":
            document["poisoner"]["source"] += "# chosen afterwards\n"
            document["poisoner"]["sha256"] = sha256(document["poisoner"]["source"].encode())
        elif change == "salt":
            document["salt_commitment"] = Streams(made.track.sha256, "chosen").commitment
        else:
            document["season"] = "2026a"
        write(factories.rehashed(document), tmp_path / f"{change}.json")
        found = {check.name: check for check in verify.verify(tmp_path / f"{change}.json").checks}
        assert found["salt"].passed is False, change


def test_what_has_no_source_or_another_salt_has_none(track: Track, tmp_path: Path) -> None:
    published = Published("x", "hf://a/b@c", {}, {})
    with pytest.raises(ProtocolError, match="own splits are drawn from a submission's source"):
        evaluate(published, track, own_splits=True, store=Store(tmp_path))
    with pytest.raises(ProtocolError, match="give a season or own splits, not both"):
        evaluate(_submission(), track, own_splits=True, salt="pepper", season="2026a", store=Store(tmp_path))
