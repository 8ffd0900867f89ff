"""What a record must satisfy together with the data it was made on: test points, labels and random arm of every split.

One split is in memory at a time. Records of one track and salt share it, since drawing the data takes most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lnbench import data
from lnbench.data import Split, strangers
from lnbench.errors import ProtocolError, RecordError
from lnbench.protocol import (
    MATCHED,
    RANDOM,
    Flip,
    Streams,
    Track,
    applied,
    eligible,
    matched_flips,
    random_draw,
    sha256,
    unpack,
)
from lnbench.protocol.exactness import CLOSED_FORM
from lnbench.record.consistency import Check
from lnbench.record.reached import base_and_reach, broken_by
from lnbench.record.record import Record
from lnbench.record.thumbnails import MOST, thumbnails

NAMES = ("data", "labels", "random arm")
"""The checks, in their order."""
_UNFIT = (ProtocolError, ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError)
"""What a data source raises for a track that it was never meant to serve: the track in a record is a stranger's."""


def checks(record: Record, streams: Streams | None, given: Track | None = None) -> list[Check]:
    """The checks of `NAMES` for one record.

    Args:
        streams: those of `Record.streams`; None if the salt is not known, and nothing can be checked.
        given: the caller's own track, which may name data that no track which ships does.

    Raises:
        DataError: if the track's data is missing here.
    """
    if streams is None:
        why = "the record's salt is not public, so its splits cannot be drawn."
        return [Check(name, None, why) for name in NAMES]
    comparison = Comparison(record)
    compare([comparison], record.track, streams, given)
    return comparison.checks()


def compare(comparisons: Sequence[Comparison], track: Track, streams: Streams, given: Track | None = None) -> None:
    """Compare records of one track and one salt with the data, split by split.

    Raises:
        DataError: if the track's data is missing here, or only a stranger's track says what it is.
    """
    strangers.check_data(track, given, option="--track-file")
    try:
        fixed = data.fixed_test_set(track)
        for one in comparisons:
            one.fixed_test_set(fixed)
        for split in range(max((one.splits for one in comparisons), default=0)):
            points = data.load(track, split, streams)
            for one in comparisons:
                if split < one.splits:
                    one.add(split, points, streams)
    except _UNFIT as error:
        for one in comparisons:
            one.wrong = dict.fromkeys(NAMES, f"the track's data cannot be drawn here ({error}).")


class Comparison:
    """One record on its way through the splits. It holds what is compared, not the whole record.

    Attributes:
        splits: how many there are.
        wrong: check -> what is wrong first.
    """

    def __init__(self, record: Record) -> None:
        document = record.document
        self.splits = int(document["replication"]["splits"])
        self.wrong: dict[str, str] = {}
        self._track = record.track
        self._flips, self._labels_sha256 = document["flips"], document["labels_sha256"]
        self._fixed = document["score"]["fixed_test_set"]
        self._stated, self._drawn = document.get("thumbnails"), dict[str, Any]()
        self._tested: dict[int, set[tuple[int, int]]] = {}
        self._exact: dict[int, list[dict[str, Any]]] = {}
        for victim in document["victims"]:
            if self._track.spec(victim["architecture"]).architecture == CLOSED_FORM:
                fields = ("architecture", "arm", "seed", "bits", "reached")
                self._exact.setdefault(victim["split"], []).append({k: victim[k] for k in fields if k in victim})
            counts = victim["clean"]["points"], victim["clean"]["source_points"]
            self._tested.setdefault(victim["split"], set()).add(counts)
        if (last := max(self._tested)) >= self.splits:
            self.wrong["data"] = f"a victim is of split {last}, the record has {self.splits}."
        if not len(self._flips["poisoned"]) == len(self._labels_sha256) == self.splits:
            self.wrong["labels"] = f"flips and label hashes are not given once for each of the {self.splits} splits."

    def fixed_test_set(self, fixed: bool) -> None:
        """Compare what the record says of its test sets."""
        if self._fixed != fixed:
            self.wrong.setdefault("data", f"score.fixed_test_set is {not fixed}, the data says {fixed}.")

    def add(self, split: int, points: Split, streams: Streams) -> None:
        """Compare one split."""
        self._run("data", lambda: self._compare_tests(split, points))
        self._run("labels", lambda: self._compare_labels(split, points))
        self._run("random arm", lambda: self._compare_random(split, points, streams))
        self._run("labels", lambda: self._compare_reached(split, points))

    def checks(self) -> list[Check]:
        """The outcome, once every split was compared."""
        self._run("labels", self._compare_pictures)
        right = {
            "data": f"the numbers of test points are those of the {self.splits} splits.",
            "labels": "the data with the poisoner's flips has the stated label hashes.",
            "random arm": "the random arm's flips are the ones its streams draw.",
        }
        return [Check(name, name not in self.wrong, self.wrong.get(name, right[name])) for name in NAMES]

    def _run(self, name: str, check: Callable[[], None]) -> None:
        """Make a part of a check, unless an earlier part has failed."""
        if name in self.wrong:
            return
        try:
            check()
        except RecordError as error:
            self.wrong[name] = str(error)
        except _UNFIT as error:
            self.wrong[name] = f"the data does not fit the track ({error})."

    def _compare_tests(self, split: int, points: Split) -> None:
        sources = {source for source, _ in self._track.pairs(split)}
        labels = points.test_labels
        expected = len(labels), sum(int((labels == source).sum()) for source in sources)
        for stated in self._tested.get(split, ()):
            if stated != expected:
                raise RecordError(
                    f"victims of split {split} were tested on {stated[0]} points, {stated[1]} of them of the source "
                    f"classes; the data has {expected[0]} and {expected[1]}."
                )

    def _compare_labels(self, split: int, points: Split) -> None:
        flips, stated = self._flips["poisoned"][split], self._labels_sha256[split]
        for index, old, _ in flips:
            if index >= len(points.labels) or points.labels[index] != old:
                came = points.labels[index] if index < len(points.labels) else "nothing"
                raise RecordError(f"split {split} flips point {index} from {old}; the data has {came} there.")
        made = sha256(applied(points.labels, flips).astype("<i8").tobytes())
        if made != stated:
            raise RecordError(f"the labels of split {split} have sha256 {made[:12]}…, it states {stated[:12]}….")
        if self._stated is not None and (drawn := thumbnails([points], [flips])) is not None:
            images = self._drawn.get("images", [])
            images += [{**image, "split": split} for image in drawn["images"][: MOST - len(images)]]
            self._drawn = {**drawn, "images": images}

    def _compare_pictures(self) -> None:
        if self._stated is not None and self._stated != self._drawn:
            raise RecordError("its pictures are not those of the data's points that it flipped.")

    def _compare_reached(self, split: int, points: Split) -> None:
        """On a nearest neighbour the bits of every arm follow from its flips and what single flips reach."""
        of_random = {(v["architecture"], v["seed"]): v["reached"] for v in self._exact.get(split, ()) if "reached" in v}
        may, sources = eligible(points.labels, self._track.pairs(split)), [s for s, _ in self._track.pairs(split)]
        tests = int(np.isin(points.test_labels, sources).sum())
        for victim in self._exact.get(split, ()):
            name, seed, arm = victim["architecture"], victim["seed"], victim["arm"]
            reached, given = of_random[name, seed], self._flips.get(arm, {split: ()})[split]
            flips = given[seed] if arm == RANDOM else given
            if reached["eligible"] != len(may):
                raise RecordError(f"split {split} has {len(may)} points to flip, it states {reached['eligible']}.")
            base, reach = base_and_reach(reached, tests, self._track.scored_index(name))
            if (unpack(victim["bits"]["targeted"], tests) != broken_by(base, reach, may, flips)).any():
                raise RecordError(f"arm {arm} of split {split} is broken elsewhere than its flips can reach.")

    def _compare_random(self, split: int, points: Split, streams: Streams) -> None:
        track, draws = self._track, self._track.replication.random_draws
        for number, stated in enumerate(_at(self._flips["random"], split)):
            seed, draw = divmod(number, draws)
            drawn = random_draw(points.labels, track, streams, split, seed, draw)
            _same(drawn, stated, f"the random flips of split {split}, seed {seed}, draw {draw}")
        poisoned = _at(self._flips["poisoned"], split)
        for seed, stated in enumerate(_at(self._flips.get(MATCHED, ()), split)):
            drawn = matched_flips(points.labels, poisoned, streams.generator(MATCHED, split, seed))
            _same(drawn, stated, f"the matched flips of split {split}, seed {seed}")


def _at(lists: Sequence[Any], split: int) -> Any:
    """The entry of a split, or nothing where there is none: that is told by another check."""
    return lists[split] if split < len(lists) else ()


def _same(drawn: Sequence[Flip], stated: Sequence[Sequence[int]], what: str) -> None:
    if [list(flip) for flip in drawn] != stated:
        raise RecordError(f"{what} are not the ones its stream draws.")
