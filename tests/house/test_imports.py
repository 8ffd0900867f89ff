"""Who imports whom: between rooms, inside one, and from the content folders."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnbench.poison.imports import TOOLBOXES
from walk import PACKAGE, ROOT, imports, modules, name_of

IMPORTS: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli", "standard_streams"},
    "errors": set(),
    "characters": set(),
    "confusable": set(),
    "text": {"characters"},
    "templates": {"text"},
    "standard_streams": set(),
    "files": {"errors", "protocol"},
    "protocol": {"errors"},
    "kernels": set(),
    "data": {"errors", "protocol"},
    "adversary": {"errors", "kernels", "protocol"},
    "victims": {"adversary", "errors", "kernels", "protocol"},
    "poison.guest": {"poison", "protocol"},
    "poison": {"characters", "errors", "protocol"},
    "graphs": {"errors", "kernels"},
    "surrogates": {"adversary", "errors", "protocol", "victims"},
    "metagradients": {"adversary", "protocol", "surrogates", "victims"},
    "record": {"data", "errors", "files", "plotting", "protocol", "text"},
    "evaluation": {
        "adversary",
        "data",
        "errors",
        "exact",
        "files",
        "poison",
        "protocol",
        "record",
        "templates",
        "text",
        "victims",
    },
    "trust": {"adversary", "data", "errors", "evaluation", "files", "poison", "protocol", "record"},
    "board": {"confusable", "data", "errors", "evaluation", "files", "protocol", "record", "templates", "text"},
    "contribute": {
        "board",
        "characters",
        "confusable",
        "data",
        "errors",
        "evaluation",
        "files",
        "poison",
        "protocol",
        "record",
        "text",
    },
    "hub._torch": {"hub"},
    "hub": {"board", "data", "errors", "evaluation", "files", "poison", "protocol", "record", "templates", "text"},
    "thesis": {"adversary", "data", "errors", "evaluation", "files", "graphs", "plotting", "protocol", "victims"},
    "api": {
        "board",
        "data",
        "errors",
        "evaluation",
        "hub",
        "poison",
        "protocol",
        "record",
        "standard_streams",
        "trust",
    },
    "cli": {
        "api",
        "board",
        "characters",
        "contribute",
        "data",
        "errors",
        "evaluation",
        "files",
        "hub",
        "poison",
        "protocol",
        "record",
        "text",
        "thesis",
        "trust",
        "truth",
    },
    "exact": {"errors", "protocol"},
    "truth": {
        "adversary",
        "board",
        "data",
        "errors",
        "evaluation",
        "exact",
        "files",
        "graphs",
        "metagradients",
        "poison",
        "protocol",
        "record",
        "surrogates",
        "text",
    },
    "plotting": {"errors"},
}
"""Room -> the other rooms that it imports, whether at the top or inside a function: all of them, and no others."""

LIBRARIES: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": set(),
    "errors": set(),
    "characters": set(),
    "confusable": set(),
    "text": set(),
    "templates": {"jinja2"},
    "standard_streams": set(),
    "files": set(),
    "protocol": {"msgspec", "numpy"},
    "kernels": {"torch", "~triton"},
    "data": {"numpy", "platformdirs", "~PIL", "~huggingface_hub", "~pyarrow", "~sklearn", "~torchvision"},
    "adversary": {"torch"},
    "victims": {"numpy", "torch", "~timm"},
    "poison.guest": {"numpy"},
    "poison": {"msgspec", "numpy"},
    "graphs": {"networkx", "numpy", "scipy", "~sklearn", "~torch"},
    "surrogates": {"numpy", "torch", "~sklearn"},
    "metagradients": {"numpy", "torch"},
    "record": {"msgspec", "numpy", "scipy", "~markupsafe", "~matplotlib", "~pandas"},
    "evaluation": {"msgspec", "numpy", "scipy", "torch", "~fsspec", "~ray", "~safetensors", "~timm"},
    "trust": {"numpy", "~cleanlab", "~sklearn", "~torch"},
    "board": {"markupsafe", "msgspec", "numpy", "tabulate", "~scipy"},
    "contribute": {"~packaging"},
    "hub._torch": {"numpy", "torch"},
    "hub": {"jinja2", "markupsafe", "msgspec", "numpy", "~PIL", "~huggingface_hub", "~pyarrow", "~yaml"},
    "thesis": {"numpy", "scipy", "sklearn", "torch", "~matplotlib"},
    "api": set(),
    "cli": {"click", "~rich", "~torch"},
    "exact": {"numpy", "~scipy", "~sklearn"},
    "truth": {"markupsafe", "numpy", "torch", "~pyarrow", "~scipy"},
    "plotting": {"~matplotlib"},
}
"""Room -> the libraries that it imports; with ~ only inside a function, because they are heavy or optional."""

SUBMISSIONS_MAY_IMPORT = {"protocol", *TOOLBOXES}
SUBMISSIONS_LIBRARIES = {"numpy", "scipy", "sklearn", "networkx", "torch", "torchvision", "timm"}
OPTIONAL_LIBRARIES = {"cleanlab"}
"""What a defence may import inside a function besides: where it is not installed, the sandbox says so."""
CONTENT = {"attacks", "defences", "submissions", "leaderboard", "tests"}


def room(path: Path) -> str:
    """The room a module of lnbench belongs to."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    dotted = ".".join(parts)
    return dotted if dotted in IMPORTS else parts[0]


def _crossings(here: str) -> tuple[set[str], set[str]]:
    """Rooms and libraries that a room imports, the latter with ~ where a function has to be called first."""
    rooms, libraries = set(), dict[str, bool]()
    for path in modules("lnbench"):
        if room(path) != here:
            continue
        for found in imports(path):
            top = found.module.split(".")[0]
            assert top not in CONTENT, f"{name_of(path)}:{found.line}: the referee never imports content"
            if found.room is not None:
                rooms |= {found.room} - {here, ""}
            elif top not in sys.stdlib_module_names and top != "jaxtyping":
                libraries[top] = libraries.get(top, True) and (found.lazy or _private(path))
    return rooms, {f"~{name}" if lazy else name for name, lazy in libraries.items()}


def _private(path: Path) -> bool:
    """A private module of cli/ is itself imported inside a function, so what it imports is late enough."""
    return path.name.startswith("_") and path.parent.name == "cli"


def test_every_room_is_in_the_tables() -> None:
    assert {room(path) for path in modules("lnbench")} == IMPORTS.keys() == LIBRARIES.keys()


@pytest.mark.parametrize("here", IMPORTS)
def test_a_room_imports_what_the_tables_say_and_nothing_else(here: str) -> None:
    rooms, libraries = _crossings(here)
    assert rooms == IMPORTS[here], f"{here}: rooms"
    assert libraries == LIBRARIES[here], f"{here}: libraries"


def _graph() -> dict[str, set[str]]:
    """Module -> the modules of lnbench that it imports, at the top or inside a function."""
    files = {_dotted(path): path for path in modules("lnbench")}
    graph = {}
    for name, path in files.items():
        tree, targets = ast.parse(path.read_bytes()), set()
        for node in _outside_types(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    targets.add(whole if whole in files else str(node.module))
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        graph[name] = (targets & files.keys()) - {name}
    return graph


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _outside_types(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but those that only a type checker sees."""
    if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _outside_types(child)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither between rooms nor inside one."""
    graph = _graph()
    assert len(graph) > 150 and "lnbench.poison.process" in graph["lnbench.poison.diagnosis"]
    above: dict[str, int] = {}
    while len(above) < len(graph):
        ready = {name for name, below in graph.items() if name not in above and below <= above.keys()}
        assert ready, f"a circle among {sorted(graph.keys() - above.keys())}"
        above |= dict.fromkeys(ready, 0)


def test_half_of_all_modules_have_at_most_150_lines() -> None:
    lines = sorted(path.read_text(encoding="utf-8").count("\n") for path in modules("lnbench"))
    assert lines[len(lines) // 2] <= 150


@pytest.mark.parametrize("path", modules("attacks", "defences", "submissions"), ids=name_of)
def test_a_submission_imports_only_what_the_rules_allow(path: Path) -> None:
    for found in imports(path):
        where = f"{name_of(path)}:{found.line} ({found.module})"
        if found.room is None:
            top = found.module.split(".")[0]
            known = SUBMISSIONS_LIBRARIES | (OPTIONAL_LIBRARIES if found.lazy and "defences" in path.parts else set())
            assert top in known or top in sys.stdlib_module_names, f"{where}: not in the sandbox"
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
