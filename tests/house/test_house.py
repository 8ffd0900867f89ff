"""The rules of the house that a machine can check: what costs import time, what is written down."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lnbench
from walk import PACKAGE, ROOT, modules, name_of

# --- what costs import time


def _loaded(code: str) -> set[str]:
    """Top-level modules in a fresh process after some code."""
    program = f"import sys\nsys.path[:0] = {[str(ROOT)]}\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_and_the_package_itself_import_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "scipy", "sklearn", "rich", "timm", "torchvision", "huggingface_hub", "networkx"}
    assert not _loaded("import lnbench; lnbench.__version__; dir(lnbench)") & (heavy | {"click"})
    show = "from lnbench.cli import cli\ntry: cli(['--help'])\nexcept SystemExit: pass"
    assert not _loaded(show) & heavy
    listed = "from lnbench.cli import cli\ntry: cli(['tracks'])\nexcept SystemExit: pass"
    assert not _loaded(listed) & (heavy - {"numpy", "rich"} | {"pandas", "tabulate", "pyarrow"})


@pytest.mark.parametrize("words", ["leaderboard show", "attacks", "compare my_poisoner my_poisoner", "completion bash"])
def test_what_only_reads_the_board_needs_no_torch(words: str) -> None:
    run = f"from lnbench.cli import cli\ntry: cli({words.split()})\nexcept SystemExit as end: assert not end.code"
    heavy = {"torch", "torchvision", "timm", "sklearn", "huggingface_hub", "matplotlib"}
    assert not _loaded(run) & (heavy | ({"numpy", "rich"} if words.startswith("completion") else set()))


TORCH_FREE = ["protocol", "data", "record", "board", "evaluation.store", "evaluation.conductor", "trust.verify"]
TORCH_FREE += ["trust.audit", "evaluation.saved_victims", "contribute.pull_request"]
TORCH_FREE += ["hub.pushing", "hub.pulling", "hub.searching", "hub.dataset", "hub.contents"]


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


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
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
    "path", [p for p in modules("lnbench", "attacks", "defences", "submissions") if p.stat().st_size], ids=name_of
)
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    if not tree.body:  # an empty __init__.py
        return
    assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
    if path.name.startswith("_") and path.name != "__init__.py":
        return
    contract = {"poison", "defend"} if PACKAGE not in path.parents else set()  # what they do is the class's docstring
    missing = [
        name for name, node in _public(tree) if not ast.get_docstring(node) and name.split(".")[-1] not in contract
    ]
    assert not missing, f"{name_of(path)}: no docstring: {', '.join(missing)}"


@pytest.mark.parametrize("path", modules("lnbench", "attacks", "defences", "submissions", "tests"), ids=name_of)
def test_no_file_is_over_400_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{name_of(path)} has {lines} lines: a second idea may live there"


def _tracked() -> list[Path]:
    """The repository's own files: what git knows or would add, or everything if this is no checkout.

    Virtual environments do not count, whatever a user calls them.
    """
    git = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    done = subprocess.run(git, capture_output=True, text=True)
    names = done.stdout.split("\0") if done.returncode == 0 else [name_of(p) for p in ROOT.rglob("*")]
    environments = {path.parent for path in ROOT.glob("*/pyvenv.cfg")}
    files = (ROOT / name for name in names if name)
    return [path for path in files if path.is_file() and not environments & {*path.parents}]


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
