"""What a result depends on of lnbench's own code: a hash of contents that a module's name and place do not enter.

A module's hash covers its syntax tree without docstrings, comments and the annotations of functions. Wherever it uses
a name imported from lnbench, the hash of the module that defines the name takes its place, and import statements do not
count; so a module that moves, or is renamed, or is imported another way, keeps the hashes of all that use it, and a
line that can move a score changes all of them.
"""

from __future__ import annotations

import ast
import copy
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lnbench.protocol.exactness import is_exact
from lnbench.protocol.hashes import sha256, sha256_json
from lnbench.protocol.track import Track

_ROOT = Path(__file__).parents[1]
_FOR_POISONERS = (
    "protocol",
    "victims",
    "adversary",
    "exact",
    "kernels",
    "graphs.py",
    "surrogates.py",
    "metagradients.py",
)
_MODULE = re.compile(r"lnbench(\.[a-z_0-9]+)*[.:]?")


def code_sha256(track: Track) -> str:
    """Hash of the sources that a cell of this track can reach.

    Imports are followed from the cells, the track's data source and its architectures, so that a new attack, source or
    architecture leaves the results of other tracks in the store.
    """
    exact = is_exact(track)
    folder = "lnbench.exact" if exact else "lnbench.victims.architectures"
    return sha256_json(
        {
            "cells": module_sha256("lnbench.evaluation.exact_cells" if exact else "lnbench.evaluation.cells"),
            "data": module_sha256(f"lnbench.data.{track.data.source}"),
            "architectures": {
                name: module_sha256(f"{folder}.{name}") for name in {victim.architecture for victim in track.victims}
            },
        }
    )


def guest_code_sha256() -> str:
    """Hash of the lnbench code that a poisoner may call, and that its labels may therefore depend on."""
    files = [
        p for name in _FOR_POISONERS for p in ([_ROOT / name] if name.endswith(".py") else (_ROOT / name).rglob("*.py"))
    ]
    modules = {".".join(("lnbench", *p.relative_to(_ROOT).with_suffix("").parts)) for p in files}
    return sources_sha256(modules)


def sources_sha256(modules: Sequence[str] | set[str]) -> str:
    """Hash of the sources that some modules of lnbench, named in full, can reach; their order does not count."""
    return sha256_json(sorted(module_sha256(module.removesuffix(".__init__")) for module in modules))


@functools.cache
def module_sha256(module: str, without: tuple[str, ...] = ()) -> str:
    """Hash of a module of lnbench and of all of lnbench that it can reach.

    Args:
        module: its full name.
        without: functions and constants at its top that do not count.

    Raises:
        RuntimeError: if it imports itself, directly or not: there is nothing to begin with.
    """
    if module in _open:
        raise RuntimeError(f"modules import each other in a circle: {' → '.join([*_open, module])}")
    _open.append(module)
    try:
        tree = copy.deepcopy(_tree(module))
        tree.body = [node for node in tree.body if not _defines(node, without)]
        return sha256(ast.dump(_Neutral(tree).visit(tree)).encode())
    finally:
        _open.pop()


_open: list[str] = []
"""The modules whose hash is being taken."""


class _Neutral(ast.NodeTransformer):
    """Rewrites a module's tree so that no name or place of another module of lnbench is left in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.imported: dict[str, tuple[str, str]] = {}
        todo: list[ast.AST] = [tree]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.ImportFrom) and _ours(node.module):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = str(node.module), alias.name
            todo += [child for child in ast.iter_child_nodes(node) if not _for_types(child)]

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [inner for at, inner in enumerate(node.body) if not _skipped(inner, at)]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                node.returns = None
        return super().visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if _ours(node.module) else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        names = [f"={module_sha256(a.name)}" if _ours(a.name) else a.name for a in node.names]
        return ast.Import([ast.alias(name, a.asname) for name, a in zip(names, node.names, strict=True)])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        known = self.imported.get(node.id)
        return ast.Name(_meaning(*known) if known else node.id, node.ctx)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and (match := _MODULE.match(node.value)):
            return ast.Constant("lnbench " + node.value[match.end() :])  # a module loaded by name: the roots say which
        return node


def _ours(module: str | None) -> bool:
    return module is not None and module.split(".")[0] == "lnbench"


def _skipped(node: ast.stmt, at: int) -> bool:
    """A docstring, or what only a type checker sees."""
    if _for_types(node):
        return True
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return at == 0 and constant and isinstance(node.value.value, str)  # type: ignore[attr-defined]


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _defines(node: ast.stmt, names: Sequence[str]) -> bool:
    """Whether a statement defines one of these names."""
    if isinstance(node, ast.FunctionDef):
        return node.name in names
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id in names for target in targets)


@functools.cache
def _meaning(module: str, name: str) -> str:
    """What `from module import name` gives, told by contents: a module's hash, or that of its home and the name."""
    home, original = _home(module, name)
    return f"={original}@{module_sha256(home)}" if original else f"={module_sha256(home)}"


def _home(module: str, name: str) -> tuple[str, str]:
    """The module that defines what `from module import name` gives, and its name there; empty if it is a module."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and _ours(node.module):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _home(str(node.module), alias.name)
    return (f"{module}.{name}", "") if _source(f"{module}.{name}") else (module, name)


def _source(module: str) -> Path | None:
    """The file of a module of lnbench, or None."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file if _ours(module) and file.exists() else None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _source(module)
    return ast.parse(path.read_bytes() if path else b"")
