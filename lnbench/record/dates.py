"""Dates that people state: real ones, and such as can be true. Still claims: no hash covers them."""

from __future__ import annotations

import datetime

BEGINNING = datetime.date(2026, 1, 1)
"""No record was verified before lnbench began."""
_EARLIEST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_AHEAD = datetime.timedelta(days=2)
"""How far a clock may be ahead of ours."""


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def instant(text: str) -> datetime.datetime:
    """The time that an ISO 8601 text names, in UTC, which is also what a text without a time zone means.

    Raises:
        ValueError: if it names none.
    """
    time = datetime.datetime.fromisoformat(text)
    aware = time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)
    try:
        return aware.astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError("it lies outside the calendar") from None


def check_start(text: str) -> None:
    """Check when an evaluation is said to have begun.

    Raises:
        ValueError: in words for what was expected, if it is not a real time since 2020, or lies in the future.
    """
    try:
        plausible = _EARLIEST <= instant(text) <= now() + _AHEAD
    except ValueError:
        raise ValueError("a real date and time") from None
    if not plausible:
        raise ValueError("a time since 2020 that is not in the future (is this machine's clock right?)")


def check_signing(day: datetime.date) -> None:
    """Check when a statement is said to have been signed.

    Raises:
        ValueError: in words for what was expected, if it is before the project began or after tomorrow.
    """
    tomorrow = now().date() + datetime.timedelta(days=1)
    if not BEGINNING <= day <= tomorrow:
        raise ValueError(f"a day from {BEGINNING} to tomorrow, {tomorrow}")
