"""Floors that hold, ceilings where private names are used, and constraints that say what pyproject.toml says."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from walk import ROOT

PRIVATE = {
    "torch._subclasses.fake_tensor.FakeTensorMode": "lnbench/victims/memory.py",
    "torch.utils._python_dispatch.TorchDispatchMode": "lnbench/victims/memory.py",
}
"""Private names of other packages that have no public equal, and the one file that uses each."""


def _requirements() -> list[Requirement]:
    """Every requirement of pyproject.toml: to build, to run, and of every extra."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    texts = [*document["build-system"]["requires"], *project["dependencies"]]
    texts += [text for extra in project["optional-dependencies"].values() for text in extra]
    return [r for r in map(Requirement, texts) if r.name != "lnbench"]


def _pins(name: str) -> dict[str, list[Version]]:
    """Package -> its versions in a file of constraints; several where it depends on Python's."""
    pins: dict[str, list[Version]] = {}
    for line in (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins.setdefault(requirement.name, []).append(Version(pin.version))
    return pins


def test_the_oldest_constraints_are_the_floors() -> None:
    """`make lock` after a change, and `make oldest`: a floor that nobody tries is a guess."""
    oldest = _pins("oldest")
    for requirement in _requirements():
        floors = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        assert oldest[requirement.name] == floors, f"{requirement}: constraints/oldest.txt has another version"


def test_the_newest_constraints_are_allowed_and_not_older() -> None:
    oldest, newest = _pins("oldest"), _pins("newest")
    for requirement in _requirements():
        for version in newest[requirement.name]:
            assert version in requirement.specifier and version >= oldest[requirement.name][0]


def _private_names(path: Path) -> Iterator[str]:
    """Dotted names of packages other than lnbench and Python's own that begin with an underscore somewhere."""
    tree, bound, dotted = ast.parse(path.read_text(encoding="utf-8")), dict[str, str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                dotted.add(alias.name)
                bound |= {alias.asname: alias.name} if alias.asname else {(top := alias.name.split(".")[0]): top}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            dotted |= set(names.values())
            bound |= names
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            if root in bound and rest.replace(".", "").replace("_", "").isalnum():
                dotted.add(f"{bound[root]}.{rest}")
    for name in dotted:
        top, *parts = name.split(".")
        outside = top not in sys.stdlib_module_names and top not in ("lnbench", "__future__")
        if outside and any(part.startswith("_") and not part.startswith("__") for part in parts):
            yield name


def test_the_private_names_of_other_packages_are_the_known_ones() -> None:
    files = [
        p for folder in ("lnbench", "attacks", "defences", "submissions") for p in sorted((ROOT / folder).rglob("*.py"))
    ]
    assert len(files) > 100
    used = {(name, path.relative_to(ROOT).as_posix()) for path in files for name in _private_names(path)}
    assert used == set(PRIVATE.items()), "use a public name, or give the package a ceiling and add the name here"


def test_private_names_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(
        "import os, torch\nimport numpy.core._methods\nimport torch.nn.functional as F\nfrom timm import models as m\n"
        "from torch._C import Generator\nos._exit(0)\nself._own\ntorch._foreach_add_([], 1)\nF._pad\nm.vit._cfg(1)._x\n"
    )
    assert set(_private_names(path)) == {
        "numpy.core._methods",
        "torch._C.Generator",
        "torch._foreach_add_",
        "torch.nn.functional._pad",
        "timm.models.vit._cfg",
    }


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_name_is_still_there_and_its_package_has_a_ceiling(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)
    (requirement,) = (r for r in _requirements() if r.name == name.partition(".")[0])
    assert any(s.operator == "<" for s in requirement.specifier)
