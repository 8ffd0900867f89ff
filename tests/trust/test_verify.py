"""Tampering, by somebody who makes the hash fit: each is caught by the check that names it."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from lnbench import data, record
from lnbench.protocol import Streams, applied, canonical_json, sha256, unpack
from lnbench.record.record import Record
from lnbench.trust.verify import Report, verify, verify_record

TRACK = factories.small(2, 2)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)


@pytest.fixture(scope="module")
def good() -> Record:
    return factories.make(TRACK)


def tampered(good: Record, change: Callable[[dict[str, Any]], None]) -> Report:
    document = copy.deepcopy(dict(good.document))
    change(document)
    return verify_record(factories.rehashed(document))


def test_a_good_record_passes_every_check(good: Record, tmp_path: Path) -> None:
    record.write(good, tmp_path / "r.json")
    report = verify(tmp_path / "r.json")
    assert report.passed, report.failures
    assert report.record is not None
    names = [check.name for check in report.checks]
    assert len(set(names)) == len(names) == 21
    assert all(check.sentence.endswith(".") for check in report.checks)


def test_a_file_that_is_no_record_fails_by_name(good: Record, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    assert [c.name for c in verify(path).failures] == ["file"]
    path.write_bytes(canonical_json({**good.document, "sandbox": "none"}))
    report = verify(path)
    assert [c.name for c in report.failures] == ["hash"]
    assert report.record is None
    path.write_bytes(canonical_json(good.document)[:-1])
    assert [c.name for c in verify(path).failures] == ["canonical"]


def _more_score(document: dict[str, Any]) -> None:
    document["score"]["drop_pp"] += 0.001


def _other_interval(document: dict[str, Any]) -> None:
    document["score"]["per_architecture"]["mlp"]["ci95_pp"][0] += 0.5


def _other_arm(document: dict[str, Any]) -> None:
    document["arms"]["poisoned"]["clean_acc"] += 0.01


def _no_flags(document: dict[str, Any]) -> None:
    document["sandbox"] = "none"


def _unknown_flag(document: dict[str, Any]) -> None:
    document["flags"] = ["excellent"]


def _ranked(document: dict[str, Any]) -> None:
    document["ranked"] = False


def _bit(document: dict[str, Any]) -> None:
    victim = document["victims"][2]
    flags = unpack(victim["bits"]["targeted"], victim["clean"]["source_points"])
    victim["bits"]["targeted"] = record.pack(np.concatenate([[not flags[0]], flags[1:]]))


def _long_bits(document: dict[str, Any]) -> None:
    document["victims"][2]["bits"]["untargeted"] += "AAAA"


def _count(document: dict[str, Any]) -> None:
    victim = document["victims"][2]
    victim["broken"]["targeted"] = [n + 1 for n in victim["broken"]["targeted"]]


def _curve(document: dict[str, Any]) -> None:
    document["victims"][2]["broken"]["targeted"][-1] = 1000


def _short_curve(document: dict[str, Any]) -> None:
    document["victims"][2]["broken"]["targeted"].pop()


def _missing(document: dict[str, Any]) -> None:
    document["victims"].pop()


def _twice(document: dict[str, Any]) -> None:
    document["victims"][1] = copy.deepcopy(document["victims"][0])


def _steps(document: dict[str, Any]) -> None:
    document["victims"][0]["steps"] += 1


def _memorised(document: dict[str, Any]) -> None:
    document["victims"][2]["memorised_count"] = document["victims"][2]["flipped"] + 1


def _flipped(document: dict[str, Any]) -> None:
    document["victims"][2]["flipped"] = 3
    document["victims"][2]["memorised_count"] = 3


def _over_budget(document: dict[str, Any]) -> None:
    flips = document["flips"]["poisoned"][0]
    free = next(i for i in range(1000) if i not in [f[0] for f in flips])
    document["flips"]["poisoned"][0] = sorted([*flips, [free, 9, 0]])


def _wrong_pair(document: dict[str, Any]) -> None:
    document["flips"]["poisoned"][0][0][2] = 1


def _beyond(document: dict[str, Any]) -> None:
    document["flips"]["poisoned"][0][-1][0] = 898


def _unsorted(document: dict[str, Any]) -> None:
    document["flips"]["poisoned"][0].reverse()


def _not_nine(document: dict[str, Any]) -> None:
    flips = document["flips"]["poisoned"][0]
    flips[0][0] += 1 if flips[0][0] + 1 != flips[1][0] else 2


def _not_nine_with_its_hash(document: dict[str, Any]) -> None:
    _not_nine(document)
    labels = data.load(TRACK, 0).labels
    flipped = applied(labels, document["flips"]["poisoned"][0])
    document["labels_sha256"][0] = sha256(flipped.astype("<i8").tobytes())


def _label_hash(document: dict[str, Any]) -> None:
    document["labels_sha256"][1] = "0" * 64


def _random_arm(document: dict[str, Any]) -> None:
    arms = document["flips"]["random"]
    arms[0][0], arms[0][1] = arms[0][1], arms[0][0]


def _fewer_random(document: dict[str, Any]) -> None:
    document["flips"]["random"][1][0].pop()


def _no_split(document: dict[str, Any]) -> None:
    document["flips"]["random"].pop()


def _source(document: dict[str, Any]) -> None:
    document["poisoner"]["source"] += "# honest\n"


def _salt(document: dict[str, Any]) -> None:
    document["salt_commitment"] = "0" * 64


def _season(document: dict[str, Any]) -> None:
    document["season"] = "s1"


def _fewer_points(document: dict[str, Any]) -> None:
    for victim in document["victims"]:
        victim["clean"]["points"] -= 1


def _fixed(document: dict[str, Any]) -> None:
    document["score"]["fixed_test_set"] = True


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_more_score, "score"),
        (_other_interval, "score"),
        (_other_arm, "arms"),
        (_no_flags, "flags"),
        (_unknown_flag, "flags"),
        (_ranked, "ranked"),
        (_bit, "bits"),
        (_long_bits, "bits"),
        (_count, "bits"),
        (_curve, "curve"),
        (_short_curve, "victims"),
        (_missing, "victims"),
        (_twice, "victims"),
        (_steps, "victims"),
        (_memorised, "victims"),
        (_flipped, "victims"),
        (_over_budget, "flips"),
        (_wrong_pair, "flips"),
        (_beyond, "flips"),
        (_unsorted, "flips"),
        (_fewer_random, "flips"),
        (_no_split, "flips"),
        (_not_nine, "labels"),
        (_not_nine_with_its_hash, "labels"),
        (_label_hash, "labels"),
        (_random_arm, "random arm"),
        (_source, "source"),
        (_salt, "salt"),
        (_season, "salt"),
        (_fewer_points, "data"),
        (_fixed, "data"),
    ],
)
def test_tampering_is_caught_by_name(good: Record, change: Callable[[dict[str, Any]], None], check: str) -> None:
    report = tampered(good, change)
    assert check in [c.name for c in report.failures]
    for failure in report.failures:
        assert failure.sentence.endswith(".") and "\n" not in failure.sentence


@pytest.mark.parametrize(
    ("change", "check"), [(_bit, "bits"), (_curve, "curve"), (_label_hash, "labels"), (_random_arm, "random arm")]
)
def test_what_else_holds_still_holds(good: Record, change: Callable[[dict[str, Any]], None], check: str) -> None:
    others = {"arms", "score"} if change is _curve else set()
    assert {c.name for c in tampered(good, change).failures} - others == {check}


def test_the_same_track_of_another_hash_is_named(good: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version, passed, word in ((0, False, "differs"), (1, True, "superseded")):
        newer = factories.track(version=version, title="another")
        factories.ship(monkeypatch, tmp_path / f"v{version}", newer)
        (check,) = (c for c in verify_record(good).checks if c.name == "track")
        assert check.passed is passed
        assert word in check.sentence
    factories.ship(monkeypatch, tmp_path / "none", factories.track(name="other"))
    assert verify_record(good).passed
    older = factories.make(factories.track(version=3, replication=dict(TRACK.document["replication"])))
    factories.ship(monkeypatch, tmp_path / "old", TRACK)
    assert [c.name for c in verify_record(older).failures] == ["track"]


def test_a_secret_salt_leaves_the_data_unchecked_until_it_is_told() -> None:
    secret = factories.make(TRACK, salt="secret", season="s1")
    report = verify_record(secret)
    assert report.passed
    assert [c.name for c in report.checks if c.passed is None] == ["data", "labels", "random arm"]
    assert verify_record(secret, salt="wrong").checks[-1].passed is None
    told = verify_record(secret, salt="secret")
    assert told.passed
    assert all(c.passed for c in told.checks)


@pytest.mark.parametrize(
    "keys",
    [
        {"source": "nowhere"},
        {"source": "__init__"},
        {"source": ""},
        {"source": "..score"},
        {"train": 5000},
        {"train": 10**12},
        {"train": 5},
        {"classes": 20},
    ],
)
def test_a_track_that_the_data_cannot_serve_fails_and_does_not_crash(good: Record, keys: dict[str, Any]) -> None:
    spec = {**TRACK.document["data"], **keys}
    noise = {**TRACK.document["noise"], "budget": 4, "eta": 4.5 / spec["train"]}
    changed = factories.track(name="elsewhere", data=spec, noise=noise)
    document = copy.deepcopy(dict(good.document))
    names = "name", "version", "sha256", "document"
    document["track"] = {name: getattr(changed, name) for name in names}
    document["salt_commitment"] = Streams(changed.sha256).commitment
    report = verify_record(factories.rehashed(document))
    assert {c.name for c in report.failures} & {"data", "labels"}
    assert all("\n" not in c.sentence for c in report.checks)


def test_verifying_needs_no_torch(good: Record, tmp_path: Path) -> None:
    record.write(good, tmp_path / "r.json")
    code = (
        "import sys; from lnbench.trust.verify import verify; r = verify(sys.argv[1]); "
        "assert r.record and not [c for c in r.failures if c.name != 'track'], r; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path / "r.json")], check=True)
