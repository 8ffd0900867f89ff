"""A new poisoner's file: everything that a submission needs, and flips that are valid from the first run on."""

from __future__ import annotations

import ast
import json
import keyword
import os
import re
from pathlib import Path

from lnbench.characters import printable
from lnbench.contribute import names
from lnbench.errors import ProtocolError, UnavailableError

_SOURCE = '''"""TITLE: one sentence on what it does.

Idea: what makes a flip hurt, and how this finds such flips.
Threat model: what it needs to know, for example whether it trains networks of its own.
Source: a paper, or "new".

    lnbench check FILE              # does it run, and does it keep the rules?  seconds
    lnbench evaluate FILE --quick   # a first score
    lnbench submit FILE             # the score, and a pull request
"""

import numpy as np

import lnbench


class CLASS(lnbench.Poisoner):
    """One line that becomes the row's description."""

    author = AUTHOR
    paper = ""  # an https address, a DOI, an arXiv number, or a citation with its year
    license = "Apache-2.0"  # of this file, as an SPDX expression

    # Annotated fields are parameters, each an int, float, bool or str that is written out:  --set skip=3
    skip: int = 0

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        # To be replaced by your idea. This shuffles the points whose label may change and takes the first ones.
        candidates = problem.rng.permutation(problem.eligible)[self.skip :]
        return problem.flipped(candidates[: problem.budget])
'''


_DEFENCE = '''"""TITLE: one sentence on what it does.

Idea: what a wrong label does to a training, and how this keeps it from that.
Source: a paper, or "new".

    lnbench check FILE                                  # does it run, and does it keep the rules?  seconds
    lnbench defend FILE --against my_poisoner --quick   # a first score
"""

import numpy as np

import lnbench


class CLASS(lnbench.Defender):
    """One line that becomes the row's description."""

    author = AUTHOR
    paper = ""  # an https address, a DOI, an arXiv number, or a citation with its year
    license = "Apache-2.0"  # of this file, as an SPDX expression

    # Annotated fields are parameters, each an int, float, bool or str that is written out:  --set share=0.2
    share: float = 0.1

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        # To be replaced by your idea. This leaves nothing out, counts all points alike and smooths the labels.
        weights = np.ones(len(problem.labels))
        return lnbench.Training(weights=weights, recipe={"label_smoothing": self.share})
'''


def source(name: str, author: str = "", *, defender: bool = False) -> str:
    """The text of a new poisoner's file, or of a new defender's.

    Args:
        name: the file's stem, up to 40 of a–z, 0–9, `_` and `-`.
        author: who is shown beside the row; characters that nobody sees are left out.

    Raises:
        ProtocolError: if the name cannot be a row's name, or is a bundled attack's or looks like one.
    """
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", name):
        raise ProtocolError(
            f"expected a name of up to 40 of a–z, 0–9, '_' and '-', got {name[:80]!r}; it becomes the row's name."
        )
    if trouble := names.trouble(name):
        raise ProtocolError(trouble)
    words = [word.capitalize() for word in re.split(r"[_-]+", name) if word]
    kind = "".join(words)
    if not kind.isidentifier() or keyword.iskeyword(kind):  # "2cool", "_", "none"
        kind = f"{'Defender' if defender else 'Poisoner'}{kind}"
    fields = {
        "TITLE": " ".join(words) or name,
        "CLASS": kind,
        "AUTHOR": json.dumps(_seen(author), ensure_ascii=False),
        "FILE": f"{name}.py",
    }
    return re.sub("|".join(fields), lambda match: fields[match[0]], _DEFENCE if defender else _SOURCE)


def untouched(submission: str) -> bool:
    """Whether a file's method is still the one that `lnbench new` wrote."""
    return any(_method(text) == _method(submission) for text in (_SOURCE, _DEFENCE))


def _method(text: str) -> str | None:
    """The syntax of the method `poison` or `defend` of a text's last class; None where there is none."""
    kinds = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    methods = [
        node
        for kind in kinds[-1:]
        for node in kind.body
        if isinstance(node, ast.FunctionDef) and node.name in ("poison", "defend")
    ]
    return ast.dump(methods[0]) if methods else None


def _seen(author: str) -> str:
    """An author's name as a submission may hold it: one line of at most 100 characters, all of which are seen."""
    return printable(author, 100).replace("\N{REPLACEMENT CHARACTER}", "")


def write(name: str, folder: Path, author: str = "", *, defender: bool = False) -> Path:
    """Write a new poisoner's file, or a new defender's; returns its path.

    Raises:
        ProtocolError: as `source`, or if the file is already there: nothing is overwritten.
        UnavailableError: if the folder cannot be written.
    """
    path, text = folder / f"{name}.py", source(name, author, defender=defender)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ProtocolError(f"{path} is already there; choose another name.") from None
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {os.strerror(error.errno or 0)}.") from None
    return path
