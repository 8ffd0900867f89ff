"""The page of a folder of experiments: of each its figure, claims, verdicts, choices and command.

The page depends on nothing but the documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.thesis.experiment import LEVELS
from lnbench.thesis.verdicts import AGREES, BEYOND, DISAGREES, MEMORISED, UNDECIDED, VOID

NAME = "README.md"
_SMALL = "small"
_OUTCOMES = {
    AGREES: "Holds",
    DISAGREES: "Does not hold",
    UNDECIDED: "Undecided, with the power that the tables below give",
    VOID: "Void, for the reason that the tables below give",
    _SMALL: "Held at a small size, and not at the thesis's own",
}
"""What may become of a claim -> the head of its list."""
_VERBS = {
    AGREES: ("agrees", "agree"),
    DISAGREES: ("disagrees", "disagree"),
    UNDECIDED: ("is undecided", "are undecided"),
    VOID: ("is void", "are void"),
}
"""What claims do, of one and of several."""
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
        f"networks have memorised less than {MEMORISED:g} % of the flips, all other verdicts are *void*. On toy sets",
        "and in adversarial training with label noise it is part of the question whether wrong labels are fitted:",
        "there the evidence says how many were.",
        "",
        "*Replicates* are those used, and those that were planned: so many find the effect named, beyond the limit of",
        "the claim (or, with ±, none larger), with a power of 80 %, if they spread by σ, which was measured before or",
        "guessed; the level `quick` shows the plan of `full`. An undecided claim that was planned says what power it",
        "had, at the spread of its own replicates. Plans and margins were written after the level `quick` had been",
        "run and before the level `full`, unless they say that this run came first; where one changed a verdict of",
        "`quick`, the experiment says so.",
        "",
        "Claims that the thesis does not make, and controls that its claims rest on, are listed apart, and not counted",
        "among its own.",
        "",
        f"Level `full` means {LEVELS['full']}; level `quick` means **{LEVELS['quick']}**.",
        "",
        *_in_short(documents),
        "",
        "## The experiments",
        "",
        "| experiment | thesis | level | agrees | disagrees | undecided | void | beyond the thesis |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for document in documents:
        own, beyond = _parts(document)
        counts = [*(sum(v["verdict"] == kind for v in own) for kind in _MARKS), len(beyond)]
        name = document["experiment"]
        row = [f"[{name}](#{name})", document["thesis"], document["level"], *(str(n or "–") for n in counts)]
        lines.append(f"| {' | '.join(row)} |")
    for document in documents:
        lines += ["", *_section(document)]
    return ("\n".join(lines) + "\n").encode()


def _in_short(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The thesis's claims by what became of them at its own size, and how many were not tried there."""
    large = [document for document in documents if document["level"] != "quick"]
    small = [document for document in documents if document["level"] == "quick"]
    found: dict[str, list[str]] = {kind: [] for kind in _OUTCOMES}
    for document in large:
        earlier = document.get("small", {})
        for verdict in _parts(document)[0]:
            name, claim, outcome = document["experiment"], verdict["claim"], verdict["verdict"]
            found[outcome].append(f"- {claim} ([{name}](#{name}))")
            if earlier.get(claim) == AGREES and outcome != AGREES:
                found[_SMALL].append(f"- {claim} ([{name}](#{name}), {outcome})")
    lines = [
        "## In short",
        "",
        "What became of the thesis's own claims at its own size, or where there is no size to speak of.",
    ]
    if plain := [document["experiment"] for document in large if _on_images_without_convolutions(document)]:
        named = ", ".join(f"[{name}](#{name})" for name in plain)
        lines += ["", f"The thesis uses convolutional networks on images; these experiments use an MLP: {named}."]
    for kind, words in _OUTCOMES.items():
        if found[kind]:
            lines += ["", f"**{words}**", "", *found[kind]]
    counts = Counter(verdict["verdict"] for document in small for verdict in _parts(document)[0])
    if counts:
        told = ", ".join(f"{counts[kind]} {words[counts[kind] > 1]}" for kind, words in _VERBS.items() if counts[kind])
        where = ", ".join(f"[{document['experiment']}](#{document['experiment']})" for document in small)
        lines += ["", f"**Run at a small size only**, of whose {counts.total()} claims {told}: {where}."]
    return lines


def _on_images_without_convolutions(document: Mapping[str, Any]) -> bool:
    """Whether an experiment of the thesis trains MLPs on images."""
    settings = document["settings"]
    return {"train", "width"} <= settings.keys() and "network" not in settings and bool(_parts(document)[0])


def _section(document: Mapping[str, Any]) -> list[str]:
    name, level = document["experiment"], document["level"]
    direction = f" **{LEVELS['quick'].capitalize()}.**" if level == "quick" else ""
    own, beyond = _parts(document)
    return [
        f"## {name}",
        "",
        f"{document['title']} (thesis {document['thesis']}).{direction}",
        "",
        f"![{document['title']}]({name}.svg)",
        *(["", *_table("claim", own)] if own else []),
        *(["", *_table("beyond the thesis", beyond)] if beyond else []),
        "",
        "What the thesis leaves open, and what was chosen here:",
        "",
        *(f"- {choice}" for choice in document["choices"]),
        *_from_before(document),
        "",
        f"`lnbench reproduce {name} --{level}` · [numbers]({name}.json)",
    ]


def _from_before(document: Mapping[str, Any]) -> list[str]:
    """How many replicates an extended document has from earlier runs."""
    if not (count := sum(run["replicates"] for run in document.get("earlier", []))):
        return []
    return [
        f"- {count} of the {len(document['found'])} replicates were there before the rest was measured, in another "
        "environment or with another version of lnbench, which the file names."
    ]


def _parts(document: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The verdicts on the thesis's claims, and those on ours."""
    parts: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = [], []
    for verdict in document["verdicts"]:
        parts[verdict["claim"].startswith(BEYOND)].append(verdict)
    return parts


def _table(head: str, verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = (
        f"| {_cell(_bare(v['claim']))} | {_MARKS[v['verdict']]} | {_cell(v['evidence'])} | {_replicates(v)} |"
        for v in verdicts
    )
    return [f"| {head} | verdict | evidence | replicates |", "|---|---|---|---|", *rows]


def _bare(claim: str) -> str:
    """A claim without the words that say that it is ours: the table's head says so."""
    bare = claim.removeprefix(BEYOND[0]).lstrip(",: ")
    return bare[:1].upper() + bare[1:]


def _replicates(verdict: Mapping[str, Any]) -> str:
    """Those used and planned, what with, and the power if they did not decide."""
    if not verdict.get("planned") or not verdict["n"]:
        return str(verdict["n"] or "")
    text = f"{verdict['n']} of {verdict['needed'] or 'over 1,000'} ({verdict['planned']})"
    if verdict["verdict"] == UNDECIDED and verdict["power"] is not None:
        text += f"; power {100 * verdict['power']:.0f} %"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
