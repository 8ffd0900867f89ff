"""The page of a folder of experiments: of each its figure, claims, verdicts, choices and command.

The page depends on nothing but the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.thesis.experiment import LEVELS
from lnbench.thesis.verdicts import MEMORISED

NAME = "README.md"
_MARKS = {"agrees": "✓ agrees", "disagrees": "✗ disagrees", "undecided": "? undecided", "void": "∅ void"}


def render(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """The page as markdown."""
    lines = [
        "# The thesis, measured again",
        "",
        "One command runs each experiment below. Its JSON file holds every number; `lnbench reproduce --redraw` makes",
        "the figures, the verdicts and this page from it. The numbers *agree* with a claim, *disagree* with it, or",
        "leave it *undecided*, by a 95 % interval over replicates. If a claim is tested on several strategies or",
        "scores, its evidence says for how many tests at once the interval holds; nothing else is corrected. If the",
        f"networks have memorised less than {MEMORISED:g} % of the flips, all other verdicts are *void*.",
        "",
        f"Level `full` means {LEVELS['full']}; level `quick` means **{LEVELS['quick']}**.",
        "",
        "| experiment | thesis | level | agrees | disagrees | undecided | void |",
        "|---|---|---|---|---|---|---|",
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
        "What the thesis leaves open, and what was chosen here:",
        "",
        *(f"- {choice}" for choice in document["choices"]),
        "",
        f"`lnbench reproduce {name} --{level}` · [numbers]({name}.json)",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
