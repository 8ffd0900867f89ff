"""Which modules a sandbox has too, and the import that gives a name its value there."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import lnbench
from lnbench.poison import installation


def installed(module: str) -> bool:
    """Whether a module is lnbench's, Python's or of an installed library: a sandbox has these and no others."""
    top = module.partition(".")[0]
    if top == "lnbench" or top in sys.stdlib_module_names:
        return True
    module_of = sys.modules.get(top)
    file = getattr(module_of, "__file__", None)
    places = [file] if file else list(getattr(module_of, "__path__", []))
    return any(_in_library(Path(os.path.abspath(place))) for place in places if place)


def statement(name: str, value: Any) -> str | None:
    """The import statement after which a name has this value, or None if no library has it."""
    if isinstance(value, types.ModuleType):
        if not installed(value.__name__):
            return None
        return f"import {value.__name__}\n" if name == value.__name__ else f"import {value.__name__} as {name}\n"
    if not callable(value):
        return None
    attribute = getattr(value, "__name__", name)
    if attribute in lnbench.__all__ and getattr(lnbench, attribute) is value:
        return _from("lnbench", attribute, name)
    home = getattr(value, "__module__", None)
    if isinstance(home, str) and home != "__main__":
        return _from(home, attribute, name) if _has(home, attribute, value) else None
    for module in sorted(sys.modules, key=lambda module: (module.count("."), module)):  # a ufunc does not say where
        if _has(module, attribute, value):
            return _from(module, attribute, name)
    return None


def _from(module: str, attribute: str, name: str) -> str:
    return f"from {module} import {attribute}{'' if name == attribute else f' as {name}'}\n"


def _has(module: str, attribute: str, value: Any) -> bool:
    """Whether an installed module has this very value under a name."""
    names = getattr(sys.modules.get(module), "__dict__", {})
    return names.get(attribute) is value and installed(module)


def _in_library(path: Path) -> bool:
    """Whether a file lies in a folder of installed libraries that a sandbox sees."""
    named = any(parent.name in ("site-packages", "dist-packages") for parent in path.parents)
    return named and installation.inside(str(path), [*installation.prefixes(), "/usr"])
