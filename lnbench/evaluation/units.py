"""The units of a campaign: every row of a folder of poisoners on every track; and the share of one shard."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import ProtocolError
from lnbench.evaluation import submissions
from lnbench.poison.submission import Submission
from lnbench.protocol import Track

LIST = "strategies.toml"
_LABEL = re.compile(r"([a-z0-9_-]+)(?:\((\w+=[^,()]+(?:, \w+=[^,()]+)*)\))?")


@dataclass(frozen=True)
class Unit:
    """One poisoner on one track.

    Attributes:
        row: as on the board, name and parameters.
    """

    row: str
    submission: Submission
    track: Track


@dataclass(frozen=True)
class Share:
    """The pieces of a campaign that one of several processes does: number `index` of `count`, from 1.

    >>> [place for place in range(7) if Share(2, 3).has(place)]
    [1, 4]
    """

    index: int = 1
    count: int = 1

    def has(self, place: int) -> bool:
        """Whether the piece at this place in the campaign's order is in it."""
        return place % self.count == self.index - 1

    @property
    def whole(self) -> bool:
        """Whether it is all there is."""
        return self.count == 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """`i/n` as a share.

        Raises:
            ProtocolError: if it is not one.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count) <= 100_000):
            raise ProtocolError(f"expected a shard as i/n with 1 ≤ i ≤ n, such as 3/16, got {text[:40]!r}.")
        return cls(int(index), int(count))


def units_of(folder: Path, tracks: Sequence[Track]) -> list[Unit]:
    """Every row of a folder on every track: those that its `strategies.toml` lists, else one for each file.

    Raises:
        ProtocolError: if there is no such folder, or nothing in it.
        SubmissionError: if a file is not a submission's.
    """
    if not folder.is_dir():
        raise ProtocolError(f"there is no folder {str(folder)[:200]}; give one that holds poisoners' files.")
    if (folder / LIST).exists():
        rows = [(row, submission_of(row, folder)) for row in reference_rows(folder)]
    else:
        rows = [(path.stem, Submission.from_file(path)) for path in sorted(folder.glob("[!_]*.py"))]
    if not rows:
        raise ProtocolError(f"{folder} holds no poisoner: expected files such as mine.py.")
    return [Unit(row, submission, track) for track in tracks for row, submission in rows]


def reference_rows(attacks: Path) -> list[str]:
    """The rows that a folder's `strategies.toml` lists, as on the board.

    Raises:
        ProtocolError: if there is no such list.
    """
    path = attacks / LIST
    try:
        strategies = tomllib.loads(path.read_text(encoding="utf-8"))["strategy"]
        return [str(strategy["row"]) for strategy in strategies]
    except (OSError, ValueError, KeyError, TypeError):
        raise ProtocolError(f"{path} does not list rows: expected [[strategy]] tables, each with a `row`.") from None


def submission_of(row: str, folder: Path | None = None) -> Submission:
    """The attack of a row such as `adversarial_path(bucket=far)`, with its parameters.

    Args:
        folder: where its file is, if it is there; else the bundled attack or template is meant.

    Raises:
        ProtocolError: if this is not a row's name, or there is no such attack.
    """
    match = _LABEL.fullmatch(row)
    if match is None:
        raise ProtocolError(f"expected a row such as name or name(parameter=value), got {row!r}.")
    settings = (pair.partition("=") for pair in (match[2] or "").split(", ") if pair)
    own = folder / f"{match[1]}.py" if folder is not None else None
    name = str(own) if own is not None and own.exists() else match[1]
    return submissions.load(name, {name: value for name, _, value in settings})
