"""The page's opening: what became of the thesis's claims at its own size, and what held at a small one only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lnbench.thesis import page, run


def _document(root: Path, level: str, verdicts: dict[str, str], name: str = "fig02") -> dict[str, Any]:
    """A committed document with another level and other verdicts."""
    made: dict[str, Any] = json.loads((root / "leaderboard" / "thesis" / f"{name}.json").read_bytes())
    like = made["verdicts"][0]
    return {
        **made,
        "level": level,
        "verdicts": [{**like, "claim": claim, "verdict": verdict} for claim, verdict in verdicts.items()],
    }


def _lists(shown: str) -> dict[str, list[str]]:
    """Head of a list in the opening -> its items."""
    opening = shown.split("## In short\n")[1].split("\n## ")[0]
    lists: dict[str, list[str]] = {}
    for line in opening.splitlines():
        if line.startswith("**"):
            lists[line.strip("*")] = []
        elif line.startswith("- "):
            lists[list(lists)[-1]].append(line)
    return lists


def test_claims_stand_under_what_became_of_them(root: Path) -> None:
    verdicts = {"One.": "agrees", "Two.": "disagrees", "Three.": "undecided", "Four.": "void"}
    large = _document(root, "full", {**verdicts, "Not in the thesis: five.": "agrees"})
    large["small"] = {"One.": "agrees", "Two.": "agrees", "Three.": "disagrees"}
    lists = _lists(page.render([large]).decode())
    link = "([fig02](#fig02)"
    assert lists == {
        "Holds": [f"- One. {link})"],
        "Does not hold": [f"- Two. {link})"],
        "Undecided, with the power that the tables below give": [f"- Three. {link})"],
        "Void, for the reason that the tables below give": [f"- Four. {link})"],
        "Held at a small size, and not at the thesis's own": [f"- Two. {link}, disagrees)"],
    }


def test_what_was_run_at_a_small_size_is_counted_apart(root: Path) -> None:
    small = _document(root, "quick", {"One.": "agrees", "Two.": "void", "Three.": "void"})
    shown = page.render([small]).decode()
    assert _lists(shown) == {"Run at a small size only**, of whose 3 claims 1 agrees, 2 are void: [fig02](#fig02).": []}
    assert "small size only" not in page.render([{**small, "level": "full"}]).decode()


def test_a_full_level_remembers_the_quick_one_that_it_replaces(root: Path, tmp_path: Path) -> None:
    found = {"One.": "agrees", "Two.": "void"}
    run.write(_document(root, "quick", found), tmp_path)
    run.write(_document(root, "full", {"One.": "undecided", "Two.": "agrees"}), tmp_path)
    written = json.loads((tmp_path / "fig02.json").read_bytes())
    assert (written["level"], written["small"]) == ("full", found)
    run.write(_document(root, "full", {"One.": "disagrees", "Two.": "agrees"}), tmp_path)
    assert json.loads((tmp_path / "fig02.json").read_bytes())["small"] == found, "once more does not forget it"
    run.write(_document(root, "quick", found), tmp_path)
    assert "small" not in json.loads((tmp_path / "fig02.json").read_bytes())
