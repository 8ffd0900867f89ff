"""The rules of the house that a machine can check: who imports whom, what costs import time, what is written down."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import lnbench

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lnbench"

# --- who may import whom

_MEASURING = {"adversary", "cells", "data", "environment", "kernels", "poison", "victims"}
_RECORDING = {"score", "_record_schema", "_record_derived", "record", "_record_checks"}
_CONDUCTING = _MEASURING | _RECORDING | {"engine", "store", "_stages", "_matched", "_thumbnails", "evaluate", "verify"}
_CONDUCTING |= {"kept"}
_TRUSTING = {"seasons", "verification"}
_LEAVES = {"errors", "protocol"}
_TOOLBOXES = {"graphs", "surrogates", "metagradients", "toys"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "protocol": {"errors"},
    "kernels": set(),
    "data": _LEAVES,
    "poison.guest": {"protocol"},
    "poison": _LEAVES,
    "adversary": _LEAVES | {"kernels"},
    "victims": _LEAVES | {"kernels", "adversary"},
    "graphs": _LEAVES | {"kernels", "adversary", "victims"},
    "surrogates": _LEAVES | {"kernels", "adversary", "victims"},
    "metagradients": _LEAVES | {"kernels", "adversary", "victims", "surrogates"},
    "toys": _LEAVES | {"kernels", "adversary", "victims"},
    "score": _LEAVES,
    "_record_schema": _LEAVES,
    "_record_derived": _LEAVES | {"score"},
    "record": _LEAVES | {"score", "_record_schema", "_record_derived"},
    "_record_checks": _LEAVES | _RECORDING,
    "scaffold": _LEAVES,
    "submit": _LEAVES | _RECORDING | {"leaderboard", "poison"},
    "seasons": _LEAVES | {"store"},
    "verification": _LEAVES | _RECORDING | {"store"},
    "leaderboard": _LEAVES | _RECORDING | _TRUSTING,
    "engine": _LEAVES,
    "store": _LEAVES,
    "environment": _LEAVES,
    "cells": _LEAVES | {"adversary", "data", "victims"},
    "_stages": _LEAVES | _MEASURING | {"engine", "store"},
    "kept": _LEAVES | {"_stages", "_timm_folder", "cells", "engine", "record", "victims"},
    "_timm_folder": set(),
    "_matched": _LEAVES | {"_stages"},
    "_thumbnails": {"data"},
    "evaluate": _LEAVES | _CONDUCTING,
    "verify": _LEAVES | _CONDUCTING | {"rederive", "seasons"},
    "rederive": _LEAVES | _CONDUCTING - {"evaluate", "verify"},
    "audit": _LEAVES | _CONDUCTING | {"rederive", "detect", "standing"},
    "detect": _LEAVES | {"data", "record", "score"},
    "standing": {"record", "score"},
    "calibration": _LEAVES | _RECORDING,
    "budgets": _LEAVES | {"data", "record"},
    "rows": _LEAVES | _CONDUCTING | {"calibration", "leaderboard"},
    "hub._torch": _LEAVES | {"hub"},
    "hub": _LEAVES | _RECORDING | {"data", "engine", "kept", "leaderboard", "poison", "store"},
    "cli": _LEAVES
    | _CONDUCTING
    | _TRUSTING
    | {"leaderboard", "hub", "rederive", "audit", "budgets", "calibration", "experiments", "scaffold", "submit"}
    | {"rows"},
    "experiments": _LEAVES
    | {"victims", "adversary", "graphs", "surrogates", "toys", "theory", "data", "evaluate", "record", "score"}
    | {"engine", "store", "environment"},
    "theory": {"errors"},
    "__init__": set(),
    "__main__": {"cli"},
}
"""Room -> the other rooms it may import, whether at the top or inside a function. A new module needs a line here."""

LIBRARIES: dict[str, set[str]] = {
    "errors": set(),
    "protocol": {"numpy"},
    "kernels": {"torch", "~triton"},
    "data": {"numpy", "platformdirs", "~sklearn", "~torchvision", "~huggingface_hub", "~pyarrow", "~PIL"},
    "poison.guest": {"numpy"},
    "poison": {"numpy"},
    "adversary": {"numpy", "torch"},
    "victims": {"numpy", "torch", "~timm"},
    "graphs": {"numpy", "torch", "scipy", "sklearn", "networkx"},
    "surrogates": {"numpy", "torch", "scipy", "sklearn", "networkx"},
    "metagradients": {"numpy", "torch"},
    "toys": {"numpy", "torch", "scipy", "sklearn", "networkx"},
    "score": {"numpy", "scipy"},
    "_record_schema": set(),
    "_record_derived": {"numpy"},
    "record": {"numpy"},
    "_record_checks": {"numpy"},
    "seasons": set(),
    "verification": set(),
    "leaderboard": {"numpy", "tabulate", "~matplotlib"},
    "scaffold": set(),
    "submit": {"~packaging"},
    "engine": {"~torch", "~ray"},
    "store": {"~platformdirs"},
    "environment": {"~torch"},
    "cells": {"numpy", "torch"},
    "_stages": {"numpy"},
    "kept": {"~torch", "~safetensors"},
    "_timm_folder": {"~timm"},
    "_matched": {"numpy"},
    "_thumbnails": {"numpy"},
    "evaluate": {"numpy", "~torch"},
    "verify": {"numpy"},
    "rederive": {"numpy"},
    "audit": {"~numpy", "~torch"},
    "detect": {"numpy", "~sklearn", "~cleanlab"},
    "standing": {"numpy"},
    "calibration": {"numpy", "scipy"},
    "budgets": set(),
    "rows": set(),
    "hub._torch": {"numpy", "torch"},
    "hub": {"numpy", "~huggingface_hub", "~pyarrow", "~PIL", "~yaml"},
    "cli": {"click", "~rich", "~tabulate", "~torch"},
    "experiments": {"numpy", "scipy", "torch", "sklearn", "networkx", "~matplotlib"},
    "theory": set(),
    "__init__": set(),
    "__main__": set(),
}
"""Room -> the libraries it may import; with ~ only inside a function, because they are heavy or optional."""

SUBMISSIONS_MAY_IMPORT = _LEAVES | _TOOLBOXES | {"victims", "adversary", "kernels"}
SUBMISSIONS_LIBRARIES = {"numpy", "scipy", "sklearn", "networkx", "torch", "torchvision", "timm"}
CONTENT = {"attacks", "submissions", "leaderboard", "tests"}


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
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, path, inside)


def _resolved(module: str, name: str) -> str:
    """`from lnbench import x` names a module of that name, or the module in which the public index finds x."""
    if module != "lnbench":
        return module
    if name in lnbench._INDEX:
        return lnbench._INDEX[name].partition(":")[0]
    return f"lnbench.{name}" if (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists() else "lnbench"


def room(path: Path) -> str:
    """The room a module of lnbench belongs to."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    dotted = ".".join(parts)
    return dotted if dotted in MAY_IMPORT else parts[0]


def modules(*folders: str) -> list[Path]:
    """The Python files of some folders of the repository."""
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def name_of(path: Path) -> str:
    """A path as pytest shows it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", modules("lnbench"), ids=name_of)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    here = room(path)
    assert here in MAY_IMPORT and here in LIBRARIES, f"{name_of(path)}: give it a room in {Path(__file__).name}"
    libraries = {name.lstrip("~"): name.startswith("~") for name in LIBRARIES[here]}
    for found in imports(path):
        where = f"{name_of(path)}:{found.line} ({found.module})"
        top = found.module.split(".")[0]
        assert top not in CONTENT, f"{where}: the referee never imports content"
        if top == "lnbench":
            same = found.room == here.split(".")[0] and here in (found.room, "poison")
            index = found.room == "" and found.module == "lnbench"  # __version__ and the like
            assert same or index or found.room in MAY_IMPORT[here], f"{where}: {here} may not import {found.room}"
        elif top not in sys.stdlib_module_names and top != "jaxtyping":
            assert top in libraries, f"{where}: {here} may not import {top}"
            assert found.lazy or not libraries[top] or _private(path), f"{where}: import it inside a function"


def _private(path: Path) -> bool:
    """A private module of cli/ is itself imported inside a function, so what it imports is late enough."""
    return path.name.startswith("_") and path.parent.name == "cli"


@pytest.mark.parametrize("path", modules("attacks", "submissions"), ids=name_of)
def test_a_submission_imports_only_what_the_rules_allow(path: Path) -> None:
    for found in imports(path):
        where = f"{name_of(path)}:{found.line} ({found.module})"
        if found.room is None:
            top = found.module.split(".")[0]
            assert top in SUBMISSIONS_LIBRARIES or top in sys.stdlib_module_names, f"{where}: not in the sandbox"
        else:
            assert found.room == "" or found.room in SUBMISSIONS_MAY_IMPORT, f"{where}: not for submissions"
            assert not any(part.startswith("_") for part in found.module.split(".")), f"{where}: private"


def test_the_walk_sees_every_kind_of_import(tmp_path: Path) -> None:
    """The rules above are only as good as this list."""
    path = tmp_path / "sample.py"
    path.write_text(
        "from __future__ import annotations\nimport os.path, torch\nfrom lnbench import Track, data\n"
        "from lnbench.protocol.track import load\n"
        "if TYPE_CHECKING:\n    import rich\nelse:\n    import click\n"
        "def f():\n    import ray\n    import_module(f'lnbench.data.{x}')\n"
        "class C:\n    import attacks\n    async def g(self):\n        from scipy import stats\n"
    )
    found = {(i.module, i.lazy) for i in imports(path)}
    assert found == {
        ("__future__", False),
        ("os.path", False),
        ("torch", False),
        ("lnbench.protocol.track", False),
        ("lnbench.data", False),
        ("click", False),
        ("ray", True),
        ("lnbench.data", True),
        ("attacks", False),
        ("scipy", True),
    }
    assert [i.room for i in imports(path)] == [
        None,
        None,
        None,
        "protocol",
        "data",
        "protocol",
        None,
        None,
        "data",
        None,
        None,
    ]


# --- what costs import time


def _loaded(code: str) -> set[str]:
    """Top-level modules in a fresh process after some code."""
    program = f"import sys\nsys.path[:0] = {[str(ROOT)]}\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_and_the_package_itself_import_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "scipy", "sklearn", "rich", "timm", "torchvision", "huggingface_hub", "networkx"}
    assert not _loaded("import lnbench; lnbench.__version__; dir(lnbench)") & (heavy | {"click"})
    show = "from lnbench.cli import cli\ntry: cli(['--help'])\nexcept SystemExit: pass"
    assert not _loaded(show) & heavy


TORCH_FREE = ["protocol", "data", "store", "score", "record", "leaderboard", "verify", "evaluate", "audit", "kept"]
TORCH_FREE += ["hub.pushing", "hub.pulling", "hub.finding", "hub.dataset", "hub.contents"]


@pytest.mark.parametrize("top", TORCH_FREE)
def test_the_top_of_the_house_is_torch_free(top: str) -> None:
    assert not _loaded(f"import lnbench.{top}") & {"torch", "torchvision", "timm", "rich", "huggingface_hub"}


def test_every_name_of_the_public_index_is_there() -> None:
    for name in lnbench.__all__:
        assert getattr(lnbench, name) is not None
    assert dir(lnbench) == sorted(lnbench.__all__)
    with pytest.raises(AttributeError, match="module 'lnbench' has no attribute 'nonsense'"):
        lnbench.nonsense  # noqa: B018


# --- what is written down


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, kinds) and not inner.name.startswith("_") and not _stub(inner):
                        yield f"{node.name}.{inner.name}", inner


def _stub(node: ast.AST) -> bool:
    """A method of a Protocol: its class says what it is for."""
    body = getattr(node, "body", [])
    return len(body) == 1 and isinstance(body[0], ast.Expr) and getattr(body[0].value, "value", None) is Ellipsis


@pytest.mark.parametrize(
    "path", [p for p in modules("lnbench", "attacks", "submissions") if p.stat().st_size], ids=name_of
)
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    if not tree.body:  # an empty __init__.py
        return
    assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
    if path.name.startswith("_") and path.name != "__init__.py":
        return
    contract = {"poison"} if PACKAGE not in path.parents else set()  # what `poison` does is the class's docstring
    missing = [
        name for name, node in _public(tree) if not ast.get_docstring(node) and name.split(".")[-1] not in contract
    ]
    assert not missing, f"{name_of(path)}: no docstring: {', '.join(missing)}"


@pytest.mark.parametrize("path", modules("lnbench", "attacks", "submissions", "tests"), ids=name_of)
def test_no_file_is_over_400_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{name_of(path)} has {lines} lines: a second idea may live there"


def _tracked() -> list[Path]:
    """The repository's own files: what git knows or would add, or everything if this is no checkout."""
    git = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    done = subprocess.run(git, capture_output=True, text=True)
    names = done.stdout.split("\0") if done.returncode == 0 else [name_of(p) for p in ROOT.rglob("*")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_file_names_a_place_on_one_machine() -> None:
    prefixes = [f"{ROOT}/", *([] if sys.base_prefix.startswith("/usr") else [f"{sys.base_prefix}/"])]
    homes = re.compile(rb"/(?:home|Users)/[a-z][a-z0-9_-]*/")
    guilty = []
    for path in _tracked():
        content = path.read_bytes()
        if b"\0" not in content and (homes.search(content) or any(p.encode() in content for p in prefixes)):
            guilty.append(name_of(path))
    assert not guilty, f"paths of one machine in {', '.join(guilty)}"


def test_the_package_carries_its_types() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert importlib.util.find_spec("lnbench.cli") is not None
