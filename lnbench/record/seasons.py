"""Seasons: a salt that is secret while rows are made, committed to beforehand and revealed afterwards.

The salt draws every split and every seed, so while it is secret nobody can tune to the referee's dice; its commitment,
published first, shows afterwards that it was not chosen after the rows were seen. A closed season keeps the hashes of
its rows: with the salt known, a later row could have been tuned to it.

`seasons.toml` has one table a season: `commitment` and `opened`, and once it is closed `closed`, `salt` and `records`.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import PUBLIC_SALT, Streams

_NAME = r"[a-z0-9][a-z0-9_-]{0,39}"
_HEX = r"[0-9a-f]{64}"
_HEAD = (
    "# The seasons of this board: `lnbench season open` and `close` write it, and `lnbench season list` checks it.\n"
)


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
        RecordError: if it is no TOML, or a season is not what it should be.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    try:
        found = {name: _season(name, table) for name, table in document.items()}
        committed = [season.commitment for season in found.values()]
        if len(set(committed)) != len(committed):
            raise RecordError("two seasons have the same salt.")
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    return found


def open_season(path: str | Path, name: str, salt_file: str | Path, today: datetime.date) -> Season:
    """Draw a salt, keep it in a new file that only this user may read, and add its commitment to the seasons.

    Raises:
        ProtocolError: if there is a season or a file of this name already, or it is no name.
        UnavailableError: if one of the files cannot be written.
    """
    seasons, salt_file = read(path), Path(salt_file)
    if name in seasons:
        raise ProtocolError(f"a season is called {name!r} already; choose another name.")
    if not re.fullmatch(_NAME, name):
        raise ProtocolError(f"expected a season's name to be up to 40 of a–z, 0–9, '_' and '-', got {name!r}.")
    salt = secrets.token_hex(32)
    season = Season(name, commitment(salt), today.isoformat())
    try:
        salt_file.touch(mode=0o600, exist_ok=False)
        salt_file.write_text(salt + "\n", encoding="ascii")
    except FileExistsError:
        raise ProtocolError(f"there is a file {salt_file} already; it may be another season's salt.") from None
    except OSError as error:
        raise UnavailableError(f"the salt cannot be written to {salt_file}: {error.strerror}.") from None
    _write(path, [*seasons.values(), season])
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
        known = ", ".join(seasons) or "none"
        raise ProtocolError(f"no season is called {name!r}; there are: {known}.")
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
        reason = getattr(error, "strerror", None) or "it is no ASCII"
        raise ProtocolError(f"the salt's file {path} cannot be read: {reason}.") from None
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ProtocolError(f"the salt's file {path} has no salt; expected one word on one line.")
    return text


def salt_of(seasons: Mapping[str, Season], name: str | None) -> str | None:
    """The salt of a closed season, None for any other."""
    season = seasons.get(name or "")
    return None if season is None else season.salt


def check_record(seasons: Mapping[str, Season], name: str, salt_commitment: str, sha256: str) -> str:
    """One sentence on how a record belongs to the season it names.

    Raises:
        RecordError: if it does not.
    """
    season = seasons.get(name)
    if season is None:
        raise RecordError(f"no season is called {name!r}; seasons.toml has {', '.join(seasons) or 'none'}.")
    if season.commitment != salt_commitment:
        raise RecordError(f"its salt is not the one that season {name!r} is committed to.")
    if season.is_open:
        return f"season {name!r}, open since {season.opened}, is committed to this record's salt."
    if sha256 not in season.records:
        raise RecordError(
            f"season {name!r} closed on {season.closed} without it; since then its salt is known, and no row is added."
        )
    return f"season {name!r}, closed on {season.closed}, has this record among its rows."


def _season(name: str, table: Any) -> Season:
    if not re.fullmatch(_NAME, name):
        raise RecordError(f"expected a season's name to be up to 40 of a–z, 0–9, '_' and '-', got {name[:60]!r}.")
    if not isinstance(table, dict):
        raise RecordError("expected one table a season.")
    wanted = (
        {"commitment", "opened"} if "closed" not in table else {"commitment", "opened", "closed", "salt", "records"}
    )
    if table.keys() != wanted:
        raise RecordError(
            f"season {name!r}: expected the keys {', '.join(sorted(wanted))}, got {', '.join(table)[:200]}."
        )
    if not _is(_HEX, table["commitment"]):
        raise RecordError(f"season {name!r}: expected a commitment of 64 hexadecimal digits.")
    days = [table[key] for key in ("opened", "closed") if key in table]
    if not all(_is(r"\d{4}-\d\d-\d\d", day) for day in days) or days != sorted(days):
        raise RecordError(f"season {name!r}: expected days like 2026-01-31 in quotes, opened before closed.")
    if table["commitment"] == commitment(PUBLIC_SALT):
        raise RecordError(f"season {name!r} is committed to the public salt.")
    if "closed" not in table:
        return Season(name, table["commitment"], table["opened"])
    salt, records = table["salt"], table["records"]
    if not _is(r"[!-~]{1,200}", salt) or commitment(salt) != table["commitment"]:
        raise RecordError(f"season {name!r}: its salt is not the one it was committed to.")
    if not isinstance(records, list) or not all(_is(_HEX, sha256) for sha256 in records):
        raise RecordError(f"season {name!r}: expected its records to be a list of hashes of 64 hexadecimal digits.")
    return Season(name, table["commitment"], table["opened"], table["closed"], salt, tuple(records))


def _is(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


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
