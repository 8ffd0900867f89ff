"""Which of some salts is the one that a record is committed to."""

from __future__ import annotations

from lnbench.protocol import PUBLIC_SALT, Streams


def matching(commitment: str, track_sha256: str, *salts: str | None) -> Streams | None:
    """The random streams of the public salt or of one of `salts`, whichever has this commitment; None if none has.

    Args:
        commitment: see `Streams.commitment`.
        track_sha256: hash of the track whose splits the streams draw.
        salts: candidates besides the public salt; None is passed over.
    """
    candidates = (Streams(track_sha256, salt) for salt in (PUBLIC_SALT, *salts) if salt is not None)
    return next((streams for streams in candidates if streams.commitment == commitment), None)


def is_public(commitment: str) -> bool:
    """Whether a commitment is the public salt's."""
    return matching(commitment, "") is not None
