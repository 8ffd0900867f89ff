"""The record of one evaluation: its file, its schema, what follows from its victims, and what it must satisfy."""

from lnbench.protocol import pack, unpack
from lnbench.record.assembly import assemble
from lnbench.record.derived import rounded
from lnbench.record.record import FLAGS, LARGEST, Record, RefusedError, digest, meaning, parse, read, write
from lnbench.record.schema import SCHEMA

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
