"""Where a submission's file is, by the path or name a person gives."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnbench.errors import ProtocolError
from lnbench.evaluation.bundled import bundled, defences
from lnbench.poison.contract import DEFENDER, POISONER, Contract
from lnbench.poison.source import parsed
from lnbench.poison.submission import Submission


def load(name: str, parameters: Mapping[str, Any] | None = None, contract: Contract = POISONER) -> Submission:
    """The submission in this file, or of this name, with parameters set; it is read, not run.

    Args:
        contract: whether it is a poisoner or a defender.

    Raises:
        ProtocolError: if there is no such file or name, or no such parameter of this type.
        SubmissionError: if the file is not a submission's.
    """
    submission = Submission.from_file(find(name, contract), parameters, contract)
    if parameters:
        _ = submission.values  # one that it does not have is refused now, not after the first seconds of work
    return submission


def of_source(name: str, source: str, parameters: Mapping[str, Any]) -> Submission:
    """The submission of this name and text with parameters set, all of which it has; it is read, not run.

    Raises:
        ProtocolError: if it has no such parameter of this type.
        SubmissionError: if the text is not a submission's.
    """
    submission = Submission.from_bytes(f"{name}.py", source.encode(), parameters)
    _ = submission.values
    return submission


def contract_of(name: str) -> Contract:
    """Which contract a file or bundled name is of, by the class that its text extends; a poisoner's in doubt.

    Raises:
        ProtocolError, SubmissionError: as `load`.
    """
    path = Path(name)
    if not path.suffix and not os.path.lexists(path) and name not in bundled():
        return DEFENDER if name in defences() else POISONER
    submission = Submission.from_file(find(name))
    tree = parsed(submission.source, submission.file)
    bases = {
        ast.unparse(base).rpartition(".")[2]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    return DEFENDER if DEFENDER.base in bases and POISONER.base not in bases else POISONER


def find(name: str, contract: Contract = POISONER) -> Path:
    """The file behind a name: a path as it is, or the stem of a bundled attack, template or defence.

    Raises:
        ProtocolError: if there is no such file or name.
    """
    path = Path(name)
    there = os.path.lexists(path)
    files, what = (defences(), "defence") if contract == DEFENDER else (bundled(), "attack")
    if path.suffix or there or len(path.parts) > 1:
        if not there:
            raise ProtocolError(
                f"there is no file {_short(name)}; give a path to a submission, or one of: {', '.join(files)}."
            )
        return path
    if name not in files:
        raise ProtocolError(f"no file or bundled {what} is called {_short(name)!r}; there are: {', '.join(files)}.")
    return files[name]


def _short(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"
