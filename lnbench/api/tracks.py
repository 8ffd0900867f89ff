"""Tracks by what a person names, and `lnbench.load_split`."""

from __future__ import annotations

import os

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.protocol import Streams, Track
from lnbench.protocol import track as tracks

TrackLike = str | os.PathLike[str] | Track


def track_of(track: TrackLike) -> Track:
    """The track of this name, or in this TOML file, or this track.

    Raises:
        ProtocolError: if there is none, or it breaks the rules.
    """
    if isinstance(track, Track):
        return track
    if isinstance(track, (str, os.PathLike)):
        return tracks.load(os.fspath(track))
    raise ProtocolError(f"expected a track's name, its TOML file or a Track, got {shown(track)}.")


def load_split(track: TrackLike, split: int, streams: Streams | None = None) -> data.Split:
    """Split number `split` of a track, the same on every machine.

    Args:
        track: a track's name, its TOML file, or a `Track`.
        streams: the track's random streams; those of the public salt if None.

    Raises:
        ProtocolError: if there is no such track, or it names a source that does not exist; if this is not a split.
        DataError: if the source's data is missing, truncated or altered.
    """
    if type(split) is not int or split < 0:
        raise ProtocolError(f"expected the number of a split, 0 or more, got {str(split)[:80]!r}.")
    return data.load(track_of(track), split, streams)


def shown(value: object) -> str:
    """A value of the wrong kind, as a message names it.

    >>> shown(3), shown(3.5)
    ('an int', 'a float')
    """
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
