"""The fenced blocks of a Markdown document, and what the document's own comments say about running them.

A comment on the line before a block's fence says what is to be done with it:

    <!-- block: skip, WHY -->               it is not run, for this reason
    <!-- block: file NAME -->               it is written to a file of this name
    <!-- block: numbers may differ -->      of an output: other numbers are no failure
    <!-- blocks: skip, WHY -->              anywhere in a document: none of its blocks is run

Blocks of `sh`, `console` and `python` are run. A block without a language that follows one of them, with nothing but
blank lines and its own comment between, shows its output; a line of it that is a lone `…` stands for any lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

RUNNABLE = ("sh", "console", "python")
_FENCE = re.compile(
    r"^(?:<!-- (?P<marker>[^\n]*?) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SECTION = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
_NUMBER = re.compile(r"[+−-]?\d[\d.,]*(?:e[+-]?\d+)?")
_TESTS = "the test suite, which CI runs by itself"


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        document: the file it is in.
        line: the line of its fence.
        section: the heading it stands under, without its marks.
        language: what the fence says; empty if nothing.
        text: its lines.
        marker: the comment before it; empty if there is none.
        reason: why it is not run; empty if it is run, or if its language is not one that runs.
        output: the output that the document shows of it, or None.
    """

    document: Path
    line: int
    section: str
    language: str
    text: str
    marker: str = ""
    reason: str = ""
    output: Output | None = None

    @property
    def runs(self) -> bool:
        """Whether a newcomer runs it."""
        return self.language in RUNNABLE and not self.reason and not self.file

    @property
    def file(self) -> str:
        """The name of the file that it is, or nothing."""
        return self.marker.removeprefix("block: file ") if self.marker.startswith("block: file ") else ""


@dataclass(frozen=True)
class Output:
    """What a document says that a block prints.

    Attributes:
        text: its lines.
        numbers_differ: whether the document lets numbers differ.
        start, end: where the lines stand in the document, in characters.
    """

    text: str
    numbers_differ: bool
    start: int
    end: int

    def agrees(self, printed: str) -> bool:
        """Whether this was printed; empty lines do not count.

        >>> Output("AA  45.0\\n…\\nranked\\n", True, 0, 0).agrees("AA 44.81\\n\\nmore\\nranked  \\n")
        True
        >>> Output("AA 45.0\\n", False, 0, 0).agrees("AA 44.8\\n")
        False
        """
        parts = [self._plain(line) for line in self.text.splitlines() if line.strip()]
        pattern = "".join("(?:.*\n)*" if part == "…" else re.escape(part) + "\n" for part in parts)
        lines = [self._plain(line) for line in printed.splitlines() if line.strip()]
        return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None

    def _plain(self, line: str) -> str:
        if not self.numbers_differ:
            return line.rstrip()
        return re.sub(r"[\s─━]+", " ", _NUMBER.sub("#", line)).strip()


def read(document: Path) -> list[Block]:
    """The blocks of a document, in order."""
    return parse(document.read_text(encoding="utf-8"), document)


def parse(text: str, document: Path) -> list[Block]:
    """The blocks of a document's text, in order."""
    whole = re.search(r"^<!-- blocks: skip, (.*) -->$", text, re.MULTILINE)
    blocks = list[Block]()
    end = 0
    for match in _FENCE.finditer(text):
        marker, language = match["marker"] or "", match["language"].strip()
        between = text[end : match.start()].strip()
        previous, end = (blocks[-1] if blocks else None), match.end()
        if language.startswith("{"):  # a directive of the site
            continue
        if not language and not between and previous is not None and previous.runs and previous.output is None:
            output = Output(
                match["text"], marker == "block: numbers may differ", match.start("text"), match.end("text")
            )
            blocks[-1] = replace(previous, output=output)
            continue
        reason = whole[1] if whole else _TESTS if marker == "tests" else ""
        if marker.startswith("block: skip, "):
            reason = marker.removeprefix("block: skip, ")
        headings = _SECTION.findall(text, 0, match.start())
        line = text.count("\n", 0, match.start("text"))
        blocks.append(Block(document, line, headings[-1] if headings else "", language, match["text"], marker, reason))
    return blocks


def commands(block: Block) -> list[str]:
    """The commands of a block of `sh` or `console`: lines that go on are joined, comments and prompts are gone."""
    lines = block.text.replace("\\\n", "").splitlines()
    bare = [line.removeprefix("$ ").partition(" #")[0].strip() for line in lines]
    return [line for line in bare if line and not line.startswith("#")]
