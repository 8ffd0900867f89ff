"""Seasons: a salt that is secret while rows are made, committed to beforehand and revealed afterwards.

The salt draws every split and every seed, so while it is secret nobody can tune to the referee's dice; its commitment,
published first, shows afterwards that it was not chosen after the rows were seen. A closed season holds the hashes of
its rows: with the salt known, a later row could have been tuned to it.

`seasons.toml` has one table a season: `commitment` and `opened`, and once it is closed `closed`, `salt` and `records`.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lnbench.errors import ProtocolError, RecordError, UnavailableError, nearest
from lnbench.files import write_atomically
from lnbench.protocol import PUBLIC_SALT, Streams
from lnbench.protocol import documents as typed
from lnbench.protocol.documents import Part, Sha256, WrongError, whole
from lnbench.record import dates
from lnbench.record.record import Record
from lnbench.record.score_schema import Name

_SALT = "[!-~]{1,200}"
_HEAD = (
    "# The seasons of this board: `lnbench season open` and `close` write it, and `lnbench season list` checks it.\n"
)
_Day = Annotated[str, Meta(pattern=whole(r"\d{4}-\d\d-\d\d"), description="a day like '2026-01-31', in quotes")]


class _Open(Part, frozen=True):
    """The table of an open season."""

    commitment: Sha256
    opened: _Day


class _Closed(_Open, frozen=True):
    """The table of a closed season."""

    closed: _Day
    salt: Annotated[str, Meta(pattern=whole(_SALT), description="a salt, one word of ASCII")]
    records: tuple[Sha256, ...]


@dataclass(frozen=True)
class Season:
    """One season.

    Attributes:
        name: up to 40 of a–z, 0–9, `_` and `-`.
        commitment: SHA-256 of the salt, see `Streams.commitment`.
        opened, closed: days, ISO 8601; `closed` is None while it is open.
        salt: None while it is open.
        records: hashes of its rows, fixed when it was closed.
    """

    name: str
    commitment: str
    opened: str
    closed: str | None = None
    salt: str | None = None
    records: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its salt is still secret."""
        return self.closed is None


def commitment(salt: str) -> str:
    """What may be published of a salt while it is secret; the same for all tracks."""
    return Streams("", salt).commitment


def read(path: str | Path) -> dict[str, Season]:
    """The seasons in a file by name, in its order; none if there is no such file.

    Raises:
        RecordError: if it is not TOML, or a season is not what it should be.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    try:
        seasons = {name: _season(name, table) for name, table in document.items()}
        committed = [season.commitment for season in seasons.values()]
        if len(set(committed)) != len(committed):
            raise RecordError("two seasons have the same salt.")
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    return seasons


def open_season(path: str | Path, name: str, salt_file: str | Path, today: datetime.date) -> Season:
    """Draw a salt, write it to a new file that only this user may read, and add its commitment to the seasons.

    Raises:
        ProtocolError: if there is a season or a file of this name already, or the name cannot be a season's.
        UnavailableError: if one of the files cannot be written; neither is left then.
    """
    seasons, salt_file = read(path), Path(salt_file)
    if name in seasons:
        raise ProtocolError(f"a season is called {name!r} already; choose another name.")
    try:
        typed.read(name, Name)
    except WrongError as wrong:
        raise ProtocolError(f"the season's name: {wrong}") from None
    salt = secrets.token_hex(32)
    season = Season(name, commitment(salt), today.isoformat())
    try:
        salt_file.touch(mode=0o600, exist_ok=False)
        salt_file.write_text(salt + "\n", encoding="ascii")
    except FileExistsError:
        raise ProtocolError(f"there is a file {salt_file} already; it may be another season's salt.") from None
    except OSError as error:
        with contextlib.suppress(OSError):
            salt_file.unlink()
        raise UnavailableError(f"the salt cannot be written to {salt_file}: {error.strerror}.") from None
    try:
        _write(path, [*seasons.values(), season])
    except UnavailableError:
        salt_file.unlink()  # nobody is committed to it, and it would bar the next attempt
        raise
    return season


def close_season(path: str | Path, name: str, salt: str, records: Sequence[str], today: datetime.date) -> Season:
    """Reveal a season's salt and fix its rows.

    Args:
        records: hashes of its rows.

    Raises:
        ProtocolError: if there is no such season, it is closed already, or this is not its salt.
        UnavailableError: if the file cannot be written.
    """
    seasons = read(path)
    season = opened(seasons, name)
    check_salt(season, salt)
    closed = replace(season, closed=today.isoformat(), salt=salt, records=tuple(sorted(records)))
    _write(path, [closed if other.name == name else other for other in seasons.values()])
    return closed


def opened(seasons: Mapping[str, Season], name: str) -> Season:
    """The open season of this name.

    Raises:
        ProtocolError: if there is none, or it is closed.
    """
    season = seasons.get(name)
    if season is None:
        raise ProtocolError(f"no season is called {name!r}; {nearest(name, seasons)}")
    if not season.is_open:
        raise ProtocolError(
            f"season {name!r} is closed since {season.closed}: its salt is known, its rows are complete."
        )
    return season


def check_salt(season: Season, salt: str) -> None:
    """Raise ProtocolError unless this is the salt the season is committed to."""
    if commitment(salt) != season.commitment:
        raise ProtocolError(f"this is not the salt that season {season.name!r} is committed to.")


def read_salt(path: str | Path) -> str:
    """The salt in a file: its one line.

    Raises:
        ProtocolError: if it cannot be read or has another form.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(4096).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not ASCII"
        raise ProtocolError(f"the salt's file {path} cannot be read: {reason}.") from None
    if not re.fullmatch(_SALT, text):
        raise ProtocolError(f"the salt's file {path} has no salt; expected one word on one line.")
    return text


def salt_of(seasons: Mapping[str, Season], name: str | None) -> str | None:
    """The salt of a closed season, None for any other."""
    season = seasons.get(name or "")
    return None if season is None else season.salt


def check_record(seasons: Mapping[str, Season], record: Record) -> str:
    """One sentence on how a record belongs to the season it names.

    Raises:
        RecordError: if it does not: there is no such season, the record is committed to another salt, says that it
            began before the season opened or after it closed, or is not among a closed season's rows.
    """
    name = record.season or ""
    season = seasons.get(name)
    if season is None:
        raise RecordError(f"no season is called {name!r}; seasons.toml has {', '.join(seasons) or 'none'}.")
    if season.commitment != record.salt_commitment:
        raise RecordError(f"its salt is not the one that season {name!r} is committed to.")
    day = dates.instant(record.started).date().isoformat()
    if day < season.opened:
        raise RecordError(f"it says that it began on {day}, before season {name!r} opened on {season.opened}.")
    if season.closed is None:
        return f"season {name!r}, open since {season.opened}, is committed to this record's salt."
    if record.sha256 not in season.records:
        raise RecordError(
            f"season {name!r} closed on {season.closed} without it; since then its salt is known, and no row is added."
        )
    if day > season.closed:
        raise RecordError(f"it says that it began on {day}, after season {name!r} closed on {season.closed}.")
    return f"season {name!r}, closed on {season.closed}, has this record among its rows."


def _season(name: str, table: Any) -> Season:
    """A season from its table; raises RecordError."""
    kind = _Closed if isinstance(table, dict) and "closed" in table else _Open
    try:
        typed.read(name, Name)
        stated = typed.read(table, kind, name)
    except WrongError as wrong:
        raise RecordError(str(wrong)) from None
    season = Season(name, **msgspec.structs.asdict(stated))
    days = [season.opened] if season.closed is None else [season.opened, season.closed]
    if not all(map(_is_day, days)) or days != sorted(days):
        raise RecordError(f"{name}: expected real days, opened before closed, got {', '.join(days)}.")
    if season.commitment == commitment(PUBLIC_SALT):
        raise RecordError(f"{name}: it is committed to the public salt.")
    if season.salt is not None and commitment(season.salt) != season.commitment:
        raise RecordError(f"{name}: its salt is not the one it is committed to.")
    return season


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(path: str | Path, seasons: Sequence[Season]) -> None:
    parts = [_HEAD]
    for season in seasons:
        lines = [f"[{season.name}]", f'commitment = "{season.commitment}"', f'opened = "{season.opened}"']
        if season.closed is not None:
            hashes = "".join(f'  "{sha256}",\n' for sha256 in season.records)
            lines += [f'closed = "{season.closed}"', f"salt = {json.dumps(season.salt)}", f"records = [\n{hashes}]"]
        parts.append("\n".join(lines) + "\n")
    try:
        write_atomically(Path(path), "\n".join(parts).encode("utf-8"))
    except OSError as error:
        raise UnavailableError(f"the seasons cannot be written to {path}: {error.strerror}.") from None
