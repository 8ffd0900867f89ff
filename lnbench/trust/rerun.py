"""A record's claims made again: its labels by rerunning its stored source, its victims by training some of them anew.

`verify` asks whether a record says what its bits say; these ask whether the bits are what the protocol gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lnbench import data
from lnbench.data.strangers import own_track
from lnbench.errors import RecordError, SubmissionError
from lnbench.evaluation.human import human_labels
from lnbench.evaluation.label_runs import poison_split
from lnbench.evaluation.plan import plan
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track, changed
from lnbench.record import flags as flagged
from lnbench.record.consistency import Check
from lnbench.record.record import Record

OnSplit = Callable[[int, int], None]


def streams_of(record: Record, salt: str | None = None) -> Streams:
    """The random streams of a record.

    Raises:
        RecordError: if its salt is not public and the one given is not the one it committed to.
    """
    streams = record.streams(salt)
    if streams is None:
        raise RecordError("the record's salt is not public; give the season's salt once it is revealed.")
    return streams


def cells_of(record: Record, streams: Streams, device: str) -> list[tuple[str, dict[str, Any]]]:
    """The cells that a record's victims came from, (arm, cell)."""
    document = record.document
    replication, flips = document["replication"], document["flips"]
    return plan(record.track, streams, device, replication["splits"], replication["seeds"], flips)


def repoison(
    record: Record,
    *,
    mode: str,
    track: Track | None = None,
    salt: str | None = None,
    on_split: OnSplit | None = None,
) -> Check:
    """Run the record's own source in the sandbox on every split and compare the flips.

    Args:
        mode: the sandbox; see `lnbench.poison.diagnosis.mode`.
        track: the caller's own, for a record whose track does not ship with lnbench.
        on_split: called with the number of splits done and in all.

    Raises:
        ProtocolError: if the record's track neither ships with lnbench nor is the caller's.
    """
    block = record.document["poisoner"]
    if record.labels_only:
        return Check(
            "repoison", None, f"the record scores published labels ({block['source'][:200]}): no source to run."
        )
    own_track(record.track, track, "the record", option="--track-file")
    if block["source"].startswith(flagged.HUMAN):
        drawn = human_labels(record.track, block["parameters"]).flips
        again = [[list(flip) for flip in drawn[s]] for s in range(len(record.document["flips"]["poisoned"]))]
        right = again == [[list(flip) for flip in made] for made in record.document["flips"]["poisoned"]]
        word = "are" if right else "are not"
        return Check("repoison", right, f"the record's flips {word} the mistakes of people that its splits draw.")
    streams, stated = streams_of(record, salt), record.document["flips"]["poisoned"]
    submission = Submission.from_bytes(f"{block['name']}.py", block["source"].encode(), dict(block["parameters"]))
    for split, flips in enumerate(stated):
        points = data.load(record.track, split, streams)
        try:
            made = poison_split(submission, record.track, points, streams, split, mode)
        except SubmissionError as error:
            return Check("repoison", False, f"the stored source fails on split {split}: {error}")
        made_again = [list(flip) for flip in changed(points.labels, made.labels)]
        if made_again != [list(flip) for flip in flips]:
            same = len({tuple(f) for f in made_again} & {tuple(f) for f in flips})
            return Check(
                "repoison",
                False,
                f"the stored source flips {len(made_again)} labels of split {split}, of which {same} are among the "
                f"record's {len(flips)}; its labels are not these, or it is not deterministic.",
            )
        if on_split is not None:
            on_split(split + 1, len(stated))
    return Check("repoison", True, f"the stored source makes the record's flips again on all {len(stated)} splits.")
