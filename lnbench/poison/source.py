"""A submission's bytes -> the text that readers see and Python compiles; what shows one and runs another is refused."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator

from lnbench.characters import first_unseen, named, printable
from lnbench.errors import SubmissionError

SOURCE_BYTES = 65536
"""The most a submission may have."""

_MARK = "\ufeff"  # what some editors put before UTF-8
_CODING = re.compile(r"[ \t]*#.*?coding[:=][ \t]*([-\w.]+)")
_UTF8 = re.compile(r"utf[-_]?8(-unix|-dos|-mac)?", re.IGNORECASE)
_BLANKS = 120


def decoded(content: bytes, file: str) -> str:
    """The text of a submission, with the byte order mark if there is one.

    Raises:
        SubmissionError: if there is too much of it, it is not UTF-8 or names another encoding, or characters in it
            hide code or move it out of sight.
    """
    if len(content) > SOURCE_BYTES:
        raise SubmissionError(
            f"{file}: expected at most {SOURCE_BYTES} bytes of source, got more; submit code, not data."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SubmissionError(
            f"{file}: expected Python source in UTF-8, but byte {error.start} is not; save the file as UTF-8."
        ) from None
    for number, line in enumerate(text.split("\n")[:2], 1):
        coding = _CODING.match(line.removeprefix(_MARK))
        if coding and not _UTF8.fullmatch(coding[1]):
            raise SubmissionError(
                f"{file}: line {number} says that the file is in {printable(coding[1], 40)}, and a submission is read "
                "as UTF-8; save it as UTF-8 and remove that line."
            )
    _check_characters(text, file)
    return text


def compiled_text(source: str) -> str:
    """What Python compiles of a submission's text: all but a byte order mark."""
    return source.removeprefix(_MARK)


def parsed(source: str, file: str) -> ast.Module:
    """A submission's syntax tree; nothing of it is run.

    Raises:
        SubmissionError: if it is not Python, nested too deeply, or a name in it is not written in ASCII.
    """
    text = compiled_text(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python, on the stranger's text
            tree = ast.parse(text)
        _check_names(tree, text, file)
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SubmissionError(
            f"{file}: expected Python {version}, got a syntax error{where}: {printable(error.msg, 200)}."
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise SubmissionError(
            f"{file}: expected code that a person can read, got some that is nested too deeply to be parsed."
        ) from None
    return tree


def _check_characters(text: str, file: str) -> None:
    """Raise unless every character is seen where it stands."""
    shown = compiled_text(text).replace("\r\n", "\n")
    if (at := first_unseen(shown, "\n\t")) is not None:
        number = shown.count("\n", 0, at) + 1
        raise SubmissionError(
            f"{file}: line {number} holds {named(shown[at])}, with which a reader sees other code than Python runs; "
            "remove it, or write it as an escape in a string."
        )
    for number, line in enumerate(text.split("\n"), 1):
        if " " * _BLANKS in line.expandtabs(8).rstrip():
            raise SubmissionError(
                f"{file}: line {number} goes on behind more than {_BLANKS} blanks, where a reader does not look; break "
                "the line."
            )


def _check_names(tree: ast.Module, text: str, file: str) -> None:
    """Raise unless all identifiers are ASCII: others imitate letters, or are read by Python as ASCII (NFKC)."""
    known = set()
    for node in ast.walk(tree):
        for name in _identifiers(node):
            known.add(name)
            if not name.isascii():
                _refuse_name(name, getattr(node, "lineno", 0), file)
    if text.isascii():
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if token.string.isascii() or kind == "COMMENT" or kind.endswith("STRING_MIDDLE"):
            continue
        if kind != "STRING":
            _refuse_name(token.string, token.start[0], file)
        if (
            "f" in re.split("['\"]", token.string, maxsplit=1)[0].lower()
        ):  # before Python 3.12 it holds the names inside
            for word in re.findall(r"\w+", token.string):
                if not word.isascii() and unicodedata.normalize("NFKC", word) in known:
                    _refuse_name(word, token.start[0], file)


def _identifiers(node: ast.AST) -> Iterator[str]:
    """The names that stand in a node itself, as Python reads them."""
    if isinstance(node, ast.Constant) or type(node).__name__ == "Interpolation":  # text, not names
        return
    for _, value in ast.iter_fields(node):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield item


def _refuse_name(name: str, line: int, file: str) -> None:
    where = f"line {line}" if line else "the source"
    shown = printable(name, 40)
    raise SubmissionError(
        f"{file}: {where} has the name {shown!r}, which is not ASCII; such a name can look like another, or be another "
        "to Python, so write it in the letters a–z."
    )
