"""The repository's Python files and what they import, for the tests of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lnbench

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lnbench"


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, where it stands, and whether a function has to be called first."""

    module: str
    line: int
    lazy: bool

    @property
    def room(self) -> str | None:
        """The room of lnbench it names, None for another library, `` for the package's own index."""
        head, _, rest = self.module.partition(".")
        return rest.split(".")[0] if head == "lnbench" else None


def imports(path: Path) -> list[Import]:
    """Everything a file imports, by statement or `import_module`, except under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_bytes())
    return list(_imports(tree, path, lazy=False))


def _imports(node: ast.AST, path: Path, lazy: bool) -> Iterator[Import]:
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for child in node.orelse:
            yield from _imports(child, path, lazy)
        return
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path}:{node.lineno}: import by full name"
        yield from (Import(_resolved(node.module or "", alias.name), node.lineno, lazy) for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")) and node.args:
        name = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield Import(name.value.rstrip("."), node.lineno, lazy)
    inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for inner in ast.iter_child_nodes(node):
        yield from _imports(inner, path, inside)


def _resolved(module: str, name: str) -> str:
    """`from lnbench import x` names a module of that name, or the module in which the public index finds x."""
    if module != "lnbench":
        return module
    if name in lnbench._INDEX:
        return lnbench._INDEX[name].partition(":")[0]
    return f"lnbench.{name}" if (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists() else "lnbench"


def modules(*folders: str) -> list[Path]:
    """The Python files of some folders of the repository."""
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def name_of(path: Path) -> str:
    """A path as pytest shows it."""
    return path.relative_to(ROOT).as_posix()
