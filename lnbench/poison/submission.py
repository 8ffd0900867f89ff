"""A stranger's file as bytes: checked for what can be seen from outside, never imported here."""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lnbench.characters import first_unseen, named, printable
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.poison.contract import POISONER, Contract
from lnbench.poison.imports import check_imports
from lnbench.poison.reading import Details, Scalar, details
from lnbench.poison.source import SOURCE_BYTES, decoded, parsed
from lnbench.protocol.hashes import sha256


@dataclass(frozen=True)
class Submission:
    """One poisoner's or defender's file, read but never imported.

    Attributes:
        name: the file's stem, up to 40 of a–z, 0–9, `_` and `-`.
        source: its text.
        sha256: of its bytes.
        parameters: values set on the command line, as they were given.
        contract: what the file has to define.
    """

    name: str
    source: str
    sha256: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    contract: Contract = POISONER

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.py"

    @cached_property
    def details(self) -> Details:
        """What the text says about itself.

        Raises:
            SubmissionError: if it is not one poisoner whose parameters and words are written out.
        """
        return details(parsed(self.source, self.file), self.file, self.contract)

    @property
    def values(self) -> dict[str, Scalar]:
        """Every parameter's value in its own type; raises as `Details.values`."""
        return self.details.values(self.parameters, self.file)

    @property
    def overrides(self) -> dict[str, Scalar]:
        """The parameters given that differ from their defaults: part of the row's identity."""
        defaults = self.details.defaults
        return {k: v for k, v in self.values.items() if k in self.parameters and v != defaults[k]}

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        parameters: Mapping[str, Any] | None = None,
        contract: Contract = POISONER,
    ) -> Submission:
        """Read a submission.

        Raises:
            ProtocolError: if there is no such file, it may not be read, or a parameter could not be anybody's.
            SubmissionError: if it is not a regular file, has no proper name, or is not Python of which a reader sees
                all that runs; if it names parts of lnbench that are the referee's.
        """
        return cls.from_bytes(os.path.basename(os.fspath(path)), _read(path), parameters, contract)

    @classmethod
    def from_bytes(
        cls,
        file: str,
        content: bytes,
        parameters: Mapping[str, Any] | None = None,
        contract: Contract = POISONER,
    ) -> Submission:
        """A submission of this file name and content; raises as `from_file`."""
        shown = printable(file, 80)
        stem, dot, suffix = file.rpartition(".")
        if not dot or suffix != "py" or not re.fullmatch(r"[a-z0-9_-]{1,40}", stem):
            raise SubmissionError(
                f"{shown}: expected a file name of up to 40 of a–z, 0–9, '_' and '-', ending in .py; rename the file, "
                "its name becomes the row's."
            )
        source = decoded(content, shown)
        check_imports(parsed(source, shown), shown)
        return cls(stem, source, sha256(content), _checked(parameters or {}), contract)


def _read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file, no link followed, at most one more than a submission may have."""
    shown = printable(os.fspath(path), 200)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProtocolError(f"there is no file {shown}.") from None
    except OSError as error:
        if error.errno == errno.ELOOP or os.path.islink(path):
            raise SubmissionError(
                f"{shown}: expected a regular file, got a symbolic link; give the file itself."
            ) from None
        if error.errno == errno.ENXIO:
            raise SubmissionError(f"{shown}: expected a regular file, got a socket; give a Python file.") from None
        raise ProtocolError(f"the file {shown} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ProtocolError(f"{shown} is not a file name.") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            kind = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a named pipe"}.get(stat.S_IFMT(mode), "a device")
            raise SubmissionError(f"{shown}: expected a regular file, got {kind}; give a Python file.")
        content = b""
        while len(content) <= SOURCE_BYTES and (more := os.read(fd, SOURCE_BYTES + 1 - len(content))):
            content += more
        return content
    except OSError as error:
        raise ProtocolError(f"the file {shown} cannot be read: {error.strerror}.") from None
    finally:
        os.close(fd)


def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, if they could be somebody's: which the file has is told by `Submission.values`."""
    if len(parameters) > 64:
        raise ProtocolError(f"expected at most 64 parameters, got {len(parameters)}.")
    for name, value in parameters.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", str(name)):
            raise ProtocolError(f"expected a parameter's name to be an identifier, got {printable(str(name), 80)!r}.")
        if not isinstance(value, (bool, int, float, str)) or (isinstance(value, float) and not math.isfinite(value)):
            shown = printable(repr(value), 80)
            raise ProtocolError(f"parameter {name}: expected a finite number, a bool or text, got {shown}.")
        if isinstance(value, str):
            if len(value) > 200:
                raise ProtocolError(f"parameter {name}: expected at most 200 characters, got {len(value)}.")
            if (at := first_unseen(value)) is not None:
                raise ProtocolError(
                    f"parameter {name}: expected text that can be seen, got {named(value[at])} in it; remove it."
                )
    return dict(parameters)
