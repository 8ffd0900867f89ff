"""The page of a folder of experiments: figure, claims, verdicts, setting, command. A pure function of the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.thesis.experiment import LEVELS

NAME = "README.md"
_MARKS = {"agrees": "✓ agrees", "disagrees": "✗ disagrees", "undecided": "? undecided"}


def render(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """The page as markdown."""
    lines = [
        "# The thesis, measured again",
        "",
        "Every experiment below is one command; its JSON file holds every number, and the figure, the verdicts and",
        "this page are made from it by `lnbench reproduce --redraw`. A claim *agrees* with the numbers, *disagrees*,",
        "or is *undecided* by its own 95 % interval over replicates. Where a claim is tested on several strategies or",
        "scores, its evidence says for how many tests at once the interval holds; nothing else is corrected.",
        "",
        f"Level `full` means {LEVELS['full']}; level `quick` means **{LEVELS['quick']}**.",
        "",
        "| experiment | thesis | level | agrees | disagrees | undecided |",
        "|---|---|---|---|---|---|",
    ]
    for document in documents:
        counts = [sum(v["verdict"] == kind for v in document["verdicts"]) for kind in _MARKS]
        name = document["experiment"]
        row = [f"[{name}](#{name})", document["thesis"], document["level"], *(str(n or "–") for n in counts)]
        lines.append(f"| {' | '.join(row)} |")
    for document in documents:
        lines += ["", *_section(document)]
    return ("\n".join(lines) + "\n").encode()


def _section(document: Mapping[str, Any]) -> list[str]:
    name, level = document["experiment"], document["level"]
    direction = f" **{LEVELS['quick'].capitalize()}.**" if level == "quick" else ""
    return [
        f"## {name}",
        "",
        f"{document['title']} (thesis {document['thesis']}).{direction}",
        "",
        f"![{document['title']}]({name}.svg)",
        "",
        "| claim | verdict | evidence |",
        "|---|---|---|",
        *(f"| {_cell(v['claim'])} | {_MARKS[v['verdict']]} | {_cell(v['evidence'])} |" for v in document["verdicts"]),
        "",
        "Chosen here, the thesis leaving it open:",
        "",
        *(f"- {choice}" for choice in document["choices"]),
        "",
        f"`lnbench reproduce {name} --{level}` · [numbers]({name}.json)",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
