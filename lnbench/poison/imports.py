"""Which parts of lnbench a submission may use, as far as its text shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lnbench.errors import SubmissionError
from lnbench.poison.installation import PACKAGE

NAMES = ("DefenceProblem", "Defender", "Poisoner", "Problem", "Recipe", "Threat", "Training")
"""What a submission may take from `lnbench` itself."""

TOOLBOXES = ("adversary", "exact", "graphs", "kernels", "metagradients", "surrogates", "victims")
"""The modules of lnbench that a submission may use, with all that is public below."""

_CONTRACTS = (("protocol", "poisoner"), ("protocol", "defender"))
_REFEREE = {"PUBLIC_SALT", "Streams", "seeds"}  # and whatever module has them in reach
_DOTTED = re.compile(r"lnbench(\.[a-z_]\w*)+")


def check_imports(tree: ast.Module, file: str) -> None:
    """Raise a SubmissionError if a syntax tree names a part of lnbench that is the referee's, or a neighbouring file.

    Imports, attributes of what was imported, and names of modules in strings. Code can hide a name from this; the
    rules forbid the use, this sees what is written out.
    """
    for node, name in _named(tree):
        if name == ".":
            raise SubmissionError(
                f"{file}: line {node.lineno} imports from a file beside it, and a submission is one file; put what it "
                "needs into it."
            )
        if not _allowed(name):
            raise SubmissionError(
                f"{file}: line {node.lineno} uses {name}, which is the referee's; a submission may use "
                f"lnbench.{', '.join(NAMES)} and lnbench.{', '.join(TOOLBOXES)}."
            )


def _allowed(name: str) -> bool:
    """Whether a submission may use what has this full name, `lnbench.…`."""
    parts = name.split(".")[1:]
    if parts in ([], ["__file__"], ["__version__"]):
        return True
    if any(part in _REFEREE or part.startswith("_") for part in parts):
        return False
    contract = any(all(a == b for a, b in zip(parts, known, strict=False)) for known in _CONTRACTS)
    return parts[0] in (*NAMES, *TOOLBOXES) or contract


def _named(tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Every full name in lnbench that a tree mentions, with where; `.` for a relative import."""
    bound: dict[str, str] = {}  # a name in the file -> what of lnbench it stands for
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "lnbench":
                    bound[alias.asname or "lnbench"] = alias.name if alias.asname else "lnbench"
                    yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node, "."
            elif (node.module or "").split(".")[0] == "lnbench":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    bound[alias.asname or alias.name] = full
                    yield node, full
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if path := _path(node, bound):
                yield node, path
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            if _is_module(node.value.split(".")[1]):
                yield node, node.value


def _is_module(name: str) -> bool:
    """Whether lnbench has a module or a folder of this name."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def _path(node: ast.Attribute, bound: dict[str, str]) -> str:
    """The full name of an attribute of what was imported from lnbench; empty for any other."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in bound:
        return ""
    return ".".join([bound[inner.id], *reversed(parts)])
