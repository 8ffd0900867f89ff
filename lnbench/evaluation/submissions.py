"""Where a submission's file is, by the path or name a person gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnbench.errors import ProtocolError
from lnbench.evaluation.bundled import bundled
from lnbench.poison.submission import Submission


def load(name: str, parameters: Mapping[str, Any] | None = None) -> Submission:
    """The submission in this file, or of this name, with parameters set; it is read, not run.

    Raises:
        ProtocolError: if there is no such file or name, or a parameter could be nobody's.
        SubmissionError: if the file is not a submission's.
    """
    return Submission.from_file(find(name), parameters)


def find(name: str) -> Path:
    """The file behind a name: a path as it is, or the stem of a bundled attack or template.

    Raises:
        ProtocolError: if there is no such file or name.
    """
    path = Path(name)
    there = os.path.lexists(path)
    if path.suffix or there or len(path.parts) > 1:
        if not there:
            raise ProtocolError(
                f"there is no file {_short(name)}; give a path to a submission, or one of: {', '.join(bundled())}."
            )
        return path
    files = bundled()
    if name not in files:
        raise ProtocolError(
            f"there is no file or bundled attack called {_short(name)!r}; there are: {', '.join(files)}."
        )
    return files[name]


def _short(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"
