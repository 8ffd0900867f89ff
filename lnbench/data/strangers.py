"""What a track that came with a stranger's record or dataset may make this machine do.

Such a track is only a claim. It may draw splits of the data sets that lnbench pins itself. Only a track that ships with
lnbench, or one whose file the user gives, may name what is downloaded or decoded, how much it takes, and what runs.
"""

from __future__ import annotations

from lnbench import data
from lnbench.errors import DataError, ProtocolError, RecordError
from lnbench.protocol import track as tracks
from lnbench.protocol.track import Track


def ships(track: Track) -> bool:
    """Whether a track is one that ships with this lnbench, key for key but for its budget where it says so."""
    return track.name in tracks.names() and tracks.load(track.name).at_budget_of(track).sha256 == track.sha256


def check_track(track: Track) -> None:
    """Check that a stranger's track does not pass for another one, and is on data that lnbench has.

    An older version of a track that ships may differ from it.

    Raises:
        RecordError: if it borrows the name of a track that ships, or names an unknown source of data.
    """
    if track.data.source not in data.sources():
        raise RecordError(
            f"its track is on the data {track.data.source[:40]!r}; this lnbench has {', '.join(data.sources())}."
        )
    if ships(track) or track.name not in tracks.names():
        return
    own = tracks.load(track.name)
    if track.version == own.version:
        raise RecordError(f"its {track.name} is not the one of version {own.version} that ships with lnbench.")
    if track.version > own.version:
        raise RecordError(f"it is for version {track.version} of {track.name}, newer than {own.version} here: update.")


def check_data(track: Track, given: Track | None = None, *, option: str = "--track") -> None:
    """Check that a stranger's track makes nothing be downloaded or decoded that only the stranger chose.

    To be called before anything loads the data of a track out of a record or a dataset.

    Args:
        given: the track whose file the user gave, if any.
        option: the option of the command line with which it is given.

    Raises:
        DataError: if the track says itself where its data is from and how it is decoded, and is neither one that ships
            with lnbench nor the one given.
    """
    where = track.data.parquet
    if where is None or ships(track) or (given is not None and given.at_budget_of(track).sha256 == track.sha256):
        return
    home = "from nowhere that it names" if where.hub is None else f"from {where.hub} at {where.revision}"
    raise DataError(
        f"the images of the track {track.name} are those of {where.folder}, {home}, and nothing is downloaded or "
        f"decoded on a stranger's word; if you know the track, give its file as {option} FILE.toml."
    )


def own_track(theirs: Track, given: Track | None, what: str, *, option: str = "--track") -> Track:
    """The track on which to run or train anything of a stranger's: one that ships, or the user's own.

    Args:
        theirs: the track in the record or dataset.
        given: the track that the user asked for; None for the one that ships under the same name.
        what: what it came with, for the sentence.

    Raises:
        ProtocolError: if there is no such track here, or it is not the one of the record or dataset.
    """
    if given is None:
        if theirs.name not in tracks.names():
            raise ProtocolError(
                f"{what} is for the track {theirs.name}, which does not ship with this lnbench; give its file as "
                f"{option} FILE.toml."
            )
        given = tracks.load(theirs.name)
    given = given.at_budget_of(theirs)
    if given.sha256 != theirs.sha256:
        raise ProtocolError(
            f"{what} is for version {theirs.version} of {theirs.name} (sha256 {theirs.sha256[:12]}…), not for version "
            f"{given.version} of {given.name} (sha256 {given.sha256[:12]}…)."
        )
    return given
