"""Seasons: what is committed to, what is revealed, and what a closed one still lets in."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest

import factories
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.protocol import PUBLIC_SALT
from lnbench.record import Record, seasons

MAY, JUNE = datetime.date(2026, 5, 1), datetime.date(2026, 6, 30)
ROW = "a" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seasons.toml"


def row(salt: str, name: str = "s1", *, started: str = "2026-05-02T03:04:05Z", seed: int = 0) -> Record:
    """A record of a season."""
    return factories.make(factories.small(2, 1), season=name, salt=salt, started=started, seed=seed)


def opened(path: Path, name: str = "s1") -> str:
    """Open a season; its salt."""
    seasons.open_season(path, name, path.with_name(f"{name}.salt"), MAY)
    return seasons.read_salt(path.with_name(f"{name}.salt"))


def test_a_season_from_its_commitment_to_its_reveal(path: Path) -> None:
    assert seasons.read(path) == {}
    salt = opened(path)
    season = seasons.read(path)["s1"]
    assert season.is_open and season.opened == "2026-05-01" and season.salt is None
    assert season.commitment == seasons.commitment(salt) and salt not in path.read_text()
    assert len(salt) == 64 and salt != opened(path, "s2"), "256 bits, drawn anew"
    assert seasons.opened(seasons.read(path), "s1") == season
    assert seasons.salt_of(seasons.read(path), "s1") is None
    closed = seasons.close_season(path, "s1", salt, [ROW], JUNE)
    assert seasons.read(path) == {"s1": closed, "s2": seasons.read(path)["s2"]}
    assert (closed.closed, closed.salt, closed.records) == ("2026-06-30", salt, (ROW,))
    assert seasons.salt_of(seasons.read(path), "s1") == salt


def test_the_salt_is_the_opener_s_alone(path: Path) -> None:
    opened(path)
    assert stat.S_IMODE(path.with_name("s1.salt").stat().st_mode) == 0o600


def test_a_salt_is_never_overwritten(path: Path) -> None:
    salt_file = path.with_name("s1.salt")
    salt_file.write_text("mine")
    with pytest.raises(ProtocolError, match="another season's salt"):
        seasons.open_season(path, "s1", salt_file, MAY)
    assert salt_file.read_text() == "mine" and not path.exists()


def test_requests_that_make_no_sense_are_sentences(path: Path) -> None:
    salt = opened(path)
    for name, words in (("s1", "called 's1' already"), ("S 2", "up to 40")):
        with pytest.raises(ProtocolError, match=words):
            seasons.open_season(path, name, path.with_name("other"), MAY)
    with pytest.raises(ProtocolError, match=r"no season is called 's9'; there are: s1\."):
        seasons.close_season(path, "s9", salt, [], JUNE)
    with pytest.raises(ProtocolError, match="not the salt"):
        seasons.close_season(path, "s1", "wrong", [], JUNE)
    seasons.close_season(path, "s1", salt, [], JUNE)
    with pytest.raises(ProtocolError, match="closed since 2026-06-30"):
        seasons.close_season(path, "s1", salt, [], JUNE)
    with pytest.raises(UnavailableError, match="cannot be written"):
        seasons.open_season(path, "s3", path / "no" / "folder", MAY)


def test_a_row_belongs_to_its_season_or_not(path: Path) -> None:
    salt = opened(path)
    record, other = row(salt), row(salt, seed=1)
    assert "open since 2026-05-01" in seasons.check_record(seasons.read(path), record)
    for forged, words in ((row(salt, "s2"), "no season is called 's2'"), (row("guessed"), "not the one")):
        with pytest.raises(RecordError, match=words):
            seasons.check_record(seasons.read(path), forged)
    seasons.close_season(path, "s1", salt, [record.sha256], JUNE)
    assert "among its rows" in seasons.check_record(seasons.read(path), record)
    with pytest.raises(RecordError, match="closed on 2026-06-30 without it"):
        seasons.check_record(seasons.read(path), other)


@pytest.mark.parametrize(
    ("started", "words"),
    [
        ("2026-04-30T23:59:59Z", "began on 2026-04-30, before season 's1' opened on 2026-05-01"),
        ("2026-05-01T01:00:00+02:00", "began on 2026-04-30, before season 's1' opened"),
        ("2026-07-01T00:00:00Z", "began on 2026-07-01, after season 's1' closed on 2026-06-30"),
        ("2026-05-01 00:00", None),
        ("2026-06-30T23:59:59.999Z", None),
    ],
)
def test_a_row_began_while_its_season_was_open(path: Path, started: str, words: str | None) -> None:
    salt = opened(path)
    record = row(salt, started=started)
    seasons.close_season(path, "s1", salt, [record.sha256], JUNE)
    if words is None:
        assert seasons.check_record(seasons.read(path), record)
    else:
        with pytest.raises(RecordError, match=words):
            seasons.check_record(seasons.read(path), record)


GOOD = f'commitment = "{seasons.commitment("pepper")}"\nopened = "2026-05-01"\n'
CLOSED = GOOD + f'closed = "2026-06-30"\nsalt = "pepper"\nrecords = ["{ROW}"]\n'


def test_what_is_written_by_hand_is_read(path: Path) -> None:
    path.write_text(f"[s0]\n{CLOSED}", "utf-8")
    assert seasons.read(path)["s0"].records == (ROW,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[s1", "cannot be read"),
        ("a = " + "[" * 5000, "cannot be read"),
        ("a = " + "9" * 5000, "cannot be read"),
        ("s1 = 3", "s1: expected a table, got 3"),
        (f"['S 1']\n{GOOD}", "up to 40"),
        ("[s1]\nopened = '2026-05-01'", "s1: the key 'commitment' is missing"),
        (f"[s1]\n{GOOD}salt = 'pepper'", "s1: unknown key 'salt'"),
        (f"[s1]\n{GOOD}closed = '2026-06-30'", "s1: the key 'salt' is missing"),
        (f"[s1]\n{GOOD.replace('a', 'g')}", "s1.commitment: expected 64 hexadecimal digits"),
        (f"[s1]\n{GOOD.replace('2026-05-01', 'May')}", "s1.opened: expected a day like '2026-01-31'"),
        (f"[s1]\n{CLOSED.replace('2026-06-30', '2026-04-30')}", "opened before closed"),
        (f"[s1]\n{CLOSED.replace('pepper', 'salted')}", "not the one it is committed to"),
        (f"[s1]\n{CLOSED.replace(ROW, 'x')}", "s1.records.0.: expected 64 hexadecimal digits"),
        (f"[s1]\n{GOOD.replace('2026-05-01', '2026-02-30')}", "real days"),
        (f"[s1]\n{GOOD}".replace('"2026-05-01"', "2026-05-01"), "in quotes"),
        (f"[s1]\n{CLOSED}extra = 1", "s1: unknown key 'extra'"),
        (f"[s1]\n{GOOD}\n[s2]\n{GOOD}", "two seasons have the same salt"),
        (f"[s1]\n{GOOD.replace(seasons.commitment('pepper'), seasons.commitment(PUBLIC_SALT))}", "public salt"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(path: Path, text: str, words: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(RecordError, match=words) as caught:
        seasons.read(path)
    assert str(caught.value).startswith(str(path)) and str(caught.value).endswith(".")


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff", b"x" * 300])
def test_a_salt_file_that_holds_no_salt_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "salt").write_bytes(content)
    with pytest.raises(ProtocolError, match="the salt's file"):
        seasons.read_salt(tmp_path / "salt")
    with pytest.raises(ProtocolError, match="cannot be read"):
        seasons.read_salt(tmp_path / "none")
