"""What a person names, and the poisoner, record or store that it stands for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnbench.api import class_source
from lnbench.api.tracks import shown
from lnbench.board.rows import record_file
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.evaluation import submissions
from lnbench.evaluation.store import Store
from lnbench.poison.in_process import InProcess
from lnbench.poison.submission import Submission
from lnbench.protocol import Poisoner
from lnbench.protocol.track import DEFAULT
from lnbench.record.record import Record, read

HUB = "hf://"
"""What the address of a dataset on the Hub begins with."""

PoisonerLike = str | os.PathLike[str] | type[Poisoner] | Poisoner | Submission
RecordLike = str | os.PathLike[str] | Record


def poisoner_of(
    poisoner: PoisonerLike, parameters: Mapping[str, Any] | None = None, *, stacklevel: int = 3
) -> Submission | InProcess:
    """The submission that a path, a name, a class or an instance stands for.

    A class is taken by its source, as the file that would be submitted. One without a source stays in this process, and
    a warning says so and why.

    Args:
        parameters: values to set; of an instance, over its own.
        stacklevel: whose line the warning names: 1 is this function, 2 its caller.

    Raises:
        ProtocolError: if there is no such file or name, or it is nothing of the kind.
        SubmissionError: if the class is not a poisoner, or the file not a submission's.
    """
    given = dict(parameters or {})
    if isinstance(poisoner, Submission):
        return Submission(poisoner.name, poisoner.source, poisoner.sha256, {**poisoner.parameters, **given})
    if isinstance(poisoner, (str, os.PathLike)):
        return submissions.load(os.fspath(poisoner), given)
    kind: Any = poisoner
    own = dict[str, Any]()
    if isinstance(poisoner, Poisoner):
        kind, defaults = type(poisoner), type(poisoner).parameters()
        own = {name: value for name in defaults if (value := getattr(poisoner, name)) != defaults[name]}
    if not isinstance(kind, type):
        raise ProtocolError(
            f"expected a poisoner's file, name, class or instance, got {shown(poisoner)}; see lnbench.Poisoner."
        )
    if kind is Poisoner or not issubclass(kind, Poisoner):
        raise SubmissionError(
            f"expected a class that extends lnbench.Poisoner, got {kind.__name__}; define poison(self, problem) in one."
        )
    try:
        return class_source.submission(kind, {**own, **given})
    except class_source.NoSourceError as error:
        warnings.warn(
            f"{kind.__name__} runs in this process, without a sandbox, and its record cannot rank: {error} In a file "
            "of its own it would run sandboxed.",
            UserWarning,
            stacklevel=stacklevel,
        )
        return InProcess(class_source.row_name(kind), kind, {**own, **given})


def record_of(record: RecordLike, track: str = DEFAULT) -> Record:
    """A record, the record in a file, or the one behind the name of a row of the board that comes with lnbench.

    Args:
        track: the row's.

    Raises:
        RecordError: if it is not one.
        ProtocolError: if there is no such file or row, or this could be neither.
    """
    if isinstance(record, Record):
        return record
    if isinstance(record, os.PathLike):
        return read(Path(record))
    if isinstance(record, str):
        return read(Path(record) if record.endswith(".json") else record_file(record, track))
    raise ProtocolError(f"expected a record, its file or a row's name, got {shown(record)}.")


def store_of(store: Store | str | os.PathLike[str] | None) -> Store:
    """A store, the store in a folder, or the default one."""
    return store if isinstance(store, Store) else Store(None if store is None else Path(store))
