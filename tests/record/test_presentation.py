"""A record as people see it: one line, a table in a notebook, a dictionary, a data frame."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest

import factories
from lnbench.errors import RecordError, UnavailableError
from lnbench.record import Record, RefusedError

NASTY = "</td><script>alert(1)</script>\n\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}&amp;"


@pytest.fixture(scope="module")
def made() -> Record:
    return factories.make(factories.small(3, 2), effect=0.3, parameters={"bucket": 3})


@pytest.fixture(scope="module")
def nasty() -> Record:
    """With whatever a stranger may write into a record."""
    return factories.make(factories.small(2, 1), parameters={"how": NASTY, "x": "y" * 5000}, sandbox="none")


class Tags(HTMLParser):
    """The tags of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_the_repr_is_one_line_and_never_the_document(made: Record, nasty: Record) -> None:
    start = f"<Record made_up(bucket=3) on digits-9to0: +{made.score.drop_pp:.1f} pp ["
    assert repr(made).startswith(start) and repr(made).endswith("], ranked>")
    assert "not ranked>" in repr(nasty)
    for record in (made, nasty):
        assert repr(record).isprintable() and len(repr(record)) < 200


def test_a_record_without_a_score_has_a_line_and_a_table_too() -> None:
    def diverged(victim: dict[str, object]) -> None:
        victim["diverged"] = True

    record = factories.make(factories.small(2, 1), change=diverged)
    assert repr(record) == "<Record made_up on digits-9to0: – pp –, not ranked>"
    assert "diverged" in record._repr_html_()


def test_the_table_is_complete_in_itself_and_escaped(made: Record, nasty: Record) -> None:
    lines = 6 + len(made.track.victims)
    for record in (made, nasty):
        page = record._repr_html_()
        assert Tags(page).seen == ["table", "caption", "tbody", *["tr", "th", "td"] * lines]
        assert page.isprintable() and len(page) < 5000
    page = made._repr_html_()
    assert "<caption>made_up(bucket=3)</caption>" in page and f"+{made.score.drop_pp:.1f} [" in page
    assert "&lt;script&gt;" in nasty._repr_html_()


def test_the_dictionary_is_a_copy(made: Record) -> None:
    copied = made.to_dict()
    assert copied == made.document and copied is not made.document
    copied["score"]["drop_pp"] = 99.0
    copied["victims"].clear()
    assert made.document["score"]["drop_pp"] != 99.0 and made.document["victims"]


def test_the_frame_has_a_line_for_each_victim(made: Record) -> None:
    pytest.importorskip("pandas")
    frame = made.to_frame()
    assert len(frame) == len(made.victims) == 3 * 2 * 3 * len(made.track.victims)
    first, victim = frame.iloc[0], made.victims[0]
    assert (first["architecture"], first["split"], first["seed"], first["arm"]) == victim.key[:4]
    assert first["clean.correct"] == victim.clean.correct and first["broken.targeted"] == victim.broken.targeted
    means = frame[frame["arm"] == "random"].groupby("split")["clean.correct"].mean()
    assert len(means) == 3


def test_without_pandas_a_frame_says_what_to_install(made: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UnavailableError, match="pip install pandas"):
        made.to_frame()


def test_the_blocks_have_types(made: Record) -> None:
    document = made.document
    assert made.poisoner.name == made.name == "made_up" and made.poisoner.parameters == {"bucket": 3}
    assert made.score["drop_pp"] == made.score.drop_pp == document["score"]["drop_pp"]
    assert made.arms["random"].adv_acc == made.arms["random"]["adv_acc"] == document["arms"]["random"]["adv_acc"]
    assert set(made.arms) == {"clean", "random", "poisoned"} and not made.score.matched and not made.flips.matched
    assert (made.replication.splits, made.replication.seeds, made.replication.quick) == (3, 2, False)
    assert [list(flip) for flip in made.flips.poisoned[0]] == [list(f) for f in document["flips"]["poisoned"][0]]
    assert made.victims[5].bits.targeted == document["victims"][5]["bits"]["targeted"]
    assert (made.environment.id, made.run.workers, made.thumbnails) == ("e" * 64, 2, None)
    assert made.labels_sha256 == tuple(document["labels_sha256"]) and made.trainings == (0, 0, 0)
    assert (made.salt, made.sandbox, made.code_sha256) == ("public", "bubblewrap", "c" * 64)
    with pytest.raises(KeyError):
        made.score["__class__"]
    with pytest.raises(AttributeError):
        made.score.drop_pp = 99.0  # type: ignore[misc]


def test_a_record_of_a_document_that_nobody_read_is_read_block_by_block(made: Record) -> None:
    slim = Record({name: block for name, block in made.document.items() if name != "victims"}, made.track)
    assert slim.score == made.score and slim.name == made.name and repr(slim) == repr(made)
    with pytest.raises(RecordError, match="loaded without its victims"):
        _ = slim.victims
    forged = Record({**made.document, "score": {**made.document["score"], "drop_pp": "high"}}, made.track)
    with pytest.raises(RefusedError, match=r"score\.drop_pp: expected a number, got 'high'"):
        _ = forged.score


def test_the_streams_are_those_of_a_salt_that_is_known(made: Record) -> None:
    private = factories.make(factories.small(2, 1), salt="pepper", season="s1")
    assert made.streams() == made.streams("pepper") and made.streams().salt == "public"  # type: ignore[union-attr]
    assert private.streams() is None and private.streams(None, "salt") is None
    streams = private.streams(None, "salt", "pepper")
    assert streams is not None and (streams.salt, streams.track_sha256) == ("pepper", private.track.sha256)
