"""The record of one evaluation: its file, its schema, what follows from its victims, and what it must satisfy."""

from lnbench.record.record import (
    FLAGS,
    LARGEST,
    SCHEMA,
    Record,
    RefusedError,
    assemble,
    digest,
    meaning,
    pack,
    parse,
    read,
    rounded,
    unpack,
    write,
)

__all__ = [
    "FLAGS",
    "LARGEST",
    "SCHEMA",
    "Record",
    "RefusedError",
    "assemble",
    "digest",
    "meaning",
    "pack",
    "parse",
    "read",
    "rounded",
    "unpack",
    "write",
]
