"""Files of lnbench that are not records but lie beside them, each known by its keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lnbench.files import read_at_most

Kind = Literal["audit", "defence", "budgets", "statement"]

_LARGEST = 64 << 20
_SENTENCES: dict[Kind, str] = {
    "audit": "this is the audit of the record {record}…, not a record; give the record's own file.",
    "defence": "this is a defence's record, not a poisoner's.",
    "budgets": "this is the curve over budgets of {poisoner}, not a record; give a record of one budget.",
    "statement": "this is somebody's statement on the record {record}…, not a record; give the record's own file.",
}


def kind_of(document: Any) -> Kind | None:
    """What a document is, by its keys alone; None of a record and of anything else."""
    if not isinstance(document, Mapping):
        return None
    if document.get("kind") == "audit":
        return "audit"
    if document.get("kind") == "budgets":
        return "budgets"
    if "defence_schema" in document:
        return "defence"
    return "statement" if {"by", "checks", "record", "cells"} <= document.keys() else None


def refusal(document: Any) -> str | None:
    """The sentence with which a reader of records refuses a document of another kind; None if it is of none."""
    kind = kind_of(document)
    if kind is None:
        return None
    poisoner = document.get("poisoner")
    name = poisoner.get("name") if isinstance(poisoner, Mapping) else None
    return _SENTENCES[kind].format(record=ascii(document.get("record"))[1:13], poisoner=ascii(name)[1:41].strip("'"))


def peek(path: Path) -> tuple[Kind | None, Any]:
    """What a file is by its keys, and its JSON; (None, None) if it is none of these, or cannot be read."""
    try:
        document = json.loads(read_at_most(path, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return None, None
    kind = kind_of(document)
    return (None, None) if kind is None else (kind, document)
