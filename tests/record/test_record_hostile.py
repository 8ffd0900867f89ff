"""Records that somebody made up: what the reader refuses, and for which reason."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import factories
from lnbench import record
from lnbench.errors import RecordError
from lnbench.protocol import canonical_json
from lnbench.record import dates
from lnbench.record.consistency import checks
from lnbench.record.record import RefusedError, parse

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
JSON = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3), max_leaves=6
)


@pytest.fixture(scope="module")
def made() -> record.Record:
    return factories.make(factories.small(2, 1))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every leaf of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path
    else:
        for step, entry in inner:
            yield from leaves(entry, (*path, step))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of the document with the value at the path replaced."""
    copied: dict[str, Any] = json.loads(canonical_json(document))
    spot: Any = copied
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = value
    return copied


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def test_the_run_is_outside_the_hash(made: record.Record) -> None:
    other = replaced(made.document, ("run", "started"), "2026-03-31T00:00:00Z")
    assert parse(canonical_json(other)).sha256 == made.sha256


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_inside_the_hash_is_caught(made: record.Record, data: st.DataObject) -> None:
    paths = [path for path in leaves(made.document) if path[0] != "run"]
    path = data.draw(st.sampled_from(paths))
    old = at(made.document, path)
    new = data.draw(LEAVES.filter(lambda v: canonical_json(v) != canonical_json(old)))
    with pytest.raises(RecordError):
        parse(canonical_json(replaced(made.document, path, new)))


def test_each_block_is_inside_the_hash(made: record.Record) -> None:
    """A change that the schema allows anywhere is stopped by the hash, not by luck."""
    changes = {
        ("poisoner", "description"): "better",
        ("poisoner", "parameters"): {"a": 1},
        ("season",): "s1",
        ("sandbox",): "none",
        ("trainings", 0): 7,
        ("victims", 3, "train_correct"): 5,
        ("flips", "poisoned", 0): [],
        ("score", "drop_pp"): 99.0,
        ("arms", "random", "adv_acc"): 0.25,
        ("flags",): ["redirection"],
        ("ranked",): False,
        ("environment", "id"): "other",
        ("code_sha256",): "d" * 64,
        ("labels_sha256", 0): "d" * 64,
    }
    for path, value in changes.items():
        with pytest.raises(RefusedError) as caught:
            parse(canonical_json(replaced(made.document, path, value)))
        assert caught.value.check == "hash", path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_forged_document_is_refused_or_can_be_checked(made: record.Record, data: st.DataObject) -> None:
    """Any subtree replaced by any JSON, with a hash that fits: RecordError, or a record whose checks all answer."""
    path = data.draw(
        st.sampled_from(sorted({p[:n] for p in leaves(made.document) for n in range(1, len(p) + 1)}, key=str))
    )
    forged = replaced(made.document, path, data.draw(JSON))
    try:
        forged["sha256"] = record.digest(forged)
        survivor = parse(canonical_json(forged))
    except RecordError:
        return
    answers = checks(survivor)
    assert len(answers) == 12 and all(answer.sentence for answer in answers)
    assert repr(survivor).isprintable() and survivor._repr_html_()
    assert survivor.verdict
    assert survivor.filename == Path(survivor.filename).name


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | JSON.map(canonical_json) | st.text(max_size=200).map(str.encode))
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        parse(data)


@pytest.mark.parametrize(
    ("data", "check"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"null\n", "schema"),
        (b"[]\n", "schema"),
        (b'{"schema":1}\n', "schema"),
        (b'{"schema":true}\n', "schema"),
        (b'{"schema":1.0}\n', "schema"),
        (b'{"schema":2}\n', "schema"),
        (b'{"schema":1}', "canonical"),
        (b'{"schema": 1}\n', "canonical"),
        (b'{"schema":1,"schema":1}\n', "canonical"),
        (b'{"z":1,"schema":1}\n', "canonical"),
        (b'{"schema":"\xc3\xa9"}\n', "canonical"),
        (b"\xff\xfe{\x00}\x00", "canonical"),
        (b'{"schema":NaN}\n', "json"),
        (b'{"schema":Infinity}\n', "json"),
        (b'{"schema":1e999}\n', "json"),
        (b'{"schema":' + b"9" * 5000 + b"}\n", "json"),
        (b'{"schema":"\\ud800"}\n', "json"),
        (b"[" * 100_000 + b"]" * 100_000 + b"\n", "json"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n", "json"),
        (b" " * ((64 << 20) + 1), "file"),
    ],
)
def test_hostile_files_are_named_for_what_they_are(data: bytes, check: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse(data)
    assert caught.value.check == check
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("score", "drop_pp"), 10),
        (("score", "drop_pp"), 1e300),
        (("victims", 0, "steps"), 400.0),
        (("victims", 0, "steps"), True),
        (("victims", 0, "steps"), -1),
        (("victims", 0, "steps"), 10**40),
        (("victims", 0, "clean", "source_points"), 0),
        (("victims", 0, "arm"), "noise"),
        (("victims", 0, "bits", "targeted"), "not base64!"),
        (("victims", 0, "extra"), 1),
        (("victims",), {}),
        (("victims",), []),
        (("flips", "poisoned", 0), [[1, 2]]),
        (("poisoner", "name"), ""),
        (("poisoner", "name"), "a\nb"),
        (("poisoner", "name"), "a" * 41),
        (("poisoner", "name"), "made_up\n"),
        (("poisoner", "name"), "Made_up"),
        (("poisoner", "name"), "m\u0430tched_search"),
        (("poisoner", "name"), "matched_search(surrogates=128)"),
        (("poisoner", "name"), "=1+1"),
        (("poisoner", "parameters"), {"a": [1]}),
        (("poisoner", "source"), 5),
        (("run", "started"), "yesterday"),
        (("run", "started"), "9999-01-01T00:00:00Z"),
        (("run", "started"), "0001-01-01T00:00:00+23:59"),
        (("run", "started"), "2019-12-31T23:59:59Z"),
        (("run", "started"), "2026-02-30T00:00:00Z"),
        (("run", "started"), "2026-02-03T25:00:00Z"),
        (("arms", "random", "adv_acc"), 1),
        (("arms", "random", "curve", "mlp", "epsilons", 0), 1),
        (("arms", "matched"), None),
        (("score", "matched"), None),
        (("flips", "matched"), None),
        (("thumbnails",), None),
        (("score", "drop_pp"), True),
        (("replication", "quick"), 1),
        (("environment", "id"), "a\x1b[2J"),
        (("poisoner", "parameters"), {"a": 10**20}),
        (("poisoner", "parameters"), {"a\x1b[2J" * 40: [1]}),
        (("flags",), ["<script>"]),
        (("track", "name"), "../../etc"),
        (("sandbox",), "docker"),
        (("salt",), "secret"),
        (("sha256",), "A" * 64),
    ],
)
def test_wrong_types_and_ranges_break_the_schema(made: record.Record, path: tuple[Any, ...], value: Any) -> None:
    forged = replaced(made.document, path, value)
    if path != ("sha256",):
        forged["sha256"] = record.digest(forged)
    with pytest.raises(RefusedError) as caught:
        parse(canonical_json(forged))
    assert caught.value.check == "schema"
    assert str(path[0]) in str(caught.value)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable() and str(caught.value)[-1] in ".?"


def test_a_missing_key_is_named(made: record.Record) -> None:
    forged = json.loads(canonical_json(made.document))
    del forged["victims"][5]["clean"]["correct"]
    with pytest.raises(RefusedError, match=r"victims\[5\]\.clean: the key 'correct' is missing\."):
        parse(canonical_json(forged))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 7),
        (("sha256",), "0" * 64),
        (("name",), "other"),
        (("document", "noise", "budget"), 5),
        (("document", "noise"), [[[[1]]]]),
        (("document", "surprise"), 1),
    ],
)
def test_a_track_that_is_not_what_it_says_is_refused(made: record.Record, path: tuple[Any, ...], value: Any) -> None:
    forged = replaced(made.document, ("track", *path), value)
    forged["sha256"] = record.digest(forged)
    with pytest.raises(RefusedError) as caught:
        parse(canonical_json(forged))
    assert caught.value.check == "track"


def test_a_clock_that_is_a_day_ahead_is_no_reason_to_refuse(
    made: record.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day on which a record is read decides what lies in the future."""
    stated = dates.instant(made.started)
    for day, refused in ((-1, False), (-3, True), (400, False)):
        monkeypatch.setattr(dates, "now", lambda day=day: stated + datetime.timedelta(days=day))
        if refused:
            with pytest.raises(
                RefusedError, match=r"run\.started: expected a time since 2020 that is not in the future"
            ):
                parse(canonical_json(made.document))
        else:
            parse(canonical_json(made.document))


def test_more_flips_than_there_are_points_are_refused_before_anything_counts_them() -> None:
    """The referee would count to any number that a nearest neighbour's record states."""
    path = next((Path(__file__).parents[2] / "leaderboard" / "records" / "digits-exact").glob("my_poisoner-*.json"))
    document = json.loads(path.read_bytes())
    for victim in document["victims"]:
        if "reached" in victim:
            victim["reached"]["eligible"] = 10**12
    with pytest.raises(RecordError, match="does not fit its curve or its flips"):
        _ = factories.rehashed(document).tables
