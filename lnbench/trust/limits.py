"""What a stranger's record may make this machine do.

A record carries its own track, and a track names data, limits of time and memory, and how victims are trained. So the
record's source runs, and its victims are trained, only on a track that ships with lnbench or that the caller gives.
"""

from __future__ import annotations

from lnbench.errors import ProtocolError
from lnbench.protocol import Track
from lnbench.protocol import track as tracks
from lnbench.record.record import Record


def need_own_track(record: Record, track: Track | None = None) -> None:
    """Refuse a record whose track is nobody's but its own.

    Args:
        track: the caller's own track, if they gave one.

    Raises:
        ProtocolError: if the record's track is neither this one nor one that ships with lnbench, key for key.
    """
    own = record.track
    if track is not None:
        if track.sha256 != own.sha256:
            raise ProtocolError(
                f"the record is of the track {own.name} with sha256 {own.sha256[:12]}…, the file given is {track.name} "
                f"with {track.sha256[:12]}…; give the very file that it was evaluated on."
            )
        return
    if own.name not in tracks.names() or tracks.load(own.name).sha256 != own.sha256:
        raise ProtocolError(
            f"the record brings a track of its own, {own.name} with sha256 {own.sha256[:12]}…, which does not ship "
            "with lnbench; a stranger's track may not choose what runs here: give a file you trust as --track-file."
        )
