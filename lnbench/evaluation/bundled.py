"""What comes with lnbench: attacks, defences and the template by the names they can be called by, and the board."""

from __future__ import annotations

import os
from pathlib import Path


def attacks() -> dict[str, Path]:
    """Stem -> file of every bundled attack; LNBENCH_ATTACKS names one more folder of them."""
    override = os.environ.get("LNBENCH_ATTACKS")
    return {**_files("attacks"), **(_stems(Path(override)) if override else {})}


def bundled() -> dict[str, Path]:
    """Stem -> file of every bundled attack and template; a submission never stands for an attack of its name."""
    return {**attacks(), **{stem: path for stem, path in _files("submissions").items() if stem not in attacks()}}


def defences() -> dict[str, Path]:
    """Stem -> file of every bundled defence."""
    return _files("defences")


def board() -> Path:
    """The board's folder, with `board.json` and `records/TRACK/*.json` in it: the repository's, or the wheel's copy."""
    package = Path(__file__).parents[1]
    there = package.parent / "leaderboard"
    return there if (there / "board.json").is_file() else package / "_leaderboard"


def board_at(folder: Path) -> Path:
    """A board's folder; where it is not there, that of the board that comes with lnbench."""
    return folder if folder.is_dir() else board()


def knowing_search() -> Path:
    """The file of the attacker whose surrogates are trained with a defence's recipe."""
    return _files("defences/attackers")["knowing_search"]


def knowing_labels() -> Path:
    """The file of the attacker that runs a defence itself, whose text is to be put into it."""
    return _files("defences/attackers")["knowing_labels"]


def _files(folder: str) -> dict[str, Path]:
    """Stem -> file in a folder of the repository, or in what the wheel carries of it."""
    package = Path(__file__).parents[1]
    return {**_stems(package / f"_{folder}"), **_stems(package.parent / folder)}


def _stems(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")}
