"""A poisoner's class as the file that would be submitted: its source, what that uses, and the imports it needs.

A class with a module to itself is that module's file. Any other (of a notebook's cell, a session, a script, a test) is
put together: the class's own lines, the functions and constants that they use, and an import for each library.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lnbench.api import libraries
from lnbench.api.definitions import Definition, NoSourceError, codes, definition_of
from lnbench.poison.submission import Submission
from lnbench.protocol import Poisoner

__all__ = ["NoSourceError", "row_name", "submission"]

_HEAD = "# Put together by lnbench from a class that has no file to itself.\n"
_LOADS = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
_LITERALS = (bool, int, float, str, bytes, types.NoneType, tuple, list, dict, set)


def submission(kind: type[Poisoner], parameters: Mapping[str, Any] | None = None) -> Submission:
    """The submission that a class is.

    Raises:
        NoSourceError: if its source is not known, or it uses what no file could hold.
        SubmissionError, ProtocolError: as `Submission.from_bytes`.
    """
    own = _own_file(kind)
    if own is None:
        return Submission.from_bytes(f"{row_name(kind)}.py", _Together(kind).text().encode(), parameters)
    name = own.name if re.fullmatch(r"[a-z0-9_-]{1,40}\.py", own.name) else f"{row_name(kind)}.py"
    return Submission.from_bytes(name, own.read_bytes(), parameters)


def row_name(kind: type[Poisoner]) -> str:
    """The row's name of a class without a file of that name.

    >>> class MyPoisonerPCA(Poisoner): pass
    >>> row_name(MyPoisonerPCA)
    'my_poisoner_pca'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()
    return re.sub(r"[^a-z0-9_-]", "", words)[:40] or "poisoner"


def _own_file(kind: type[Poisoner]) -> Path | None:
    """The file of a module that holds this poisoner and no other, and needs nothing that is not a library; or None."""
    module = sys.modules.get(kind.__module__)
    path = Path(getattr(module, "__file__", None) or "")
    if module is None or kind.__module__ == "__main__" or path.suffix != ".py" or not path.is_file():
        return None
    members = [value for value in vars(module).values() if isinstance(value, type)]
    if [m for m in members if issubclass(m, Poisoner) and m.__module__ == kind.__module__] != [kind]:
        return None
    definition_of(kind)
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and not (node.level == 0 and libraries.installed(node.module or "")):
            return None
        if isinstance(node, ast.Import) and not all(libraries.installed(alias.name) for alias in node.names):
            return None
    return path


class _Together:
    """A file that is put together around one class."""

    def __init__(self, kind: type[Poisoner]) -> None:
        self.imports, self.parts, self.future = set[str](), list[str](), False
        self._known: dict[str, Any] = {}
        self._define(kind, kind.__name__)

    def text(self) -> str:
        """The file."""
        future = "from __future__ import annotations\n\n" if self.future else ""
        imports, parts = "".join(sorted(self.imports)), "\n\n".join(self.parts)
        return f"{_HEAD}{future}{imports}\n\n{parts}"

    def _define(self, thing: type | types.FunctionType, name: str) -> None:
        """Write a definition, after all that it uses."""
        definition = definition_of(thing)
        self._known[definition.name] = thing
        self.future |= definition.future
        for used, at_once in _used(definition).items():
            self._bind(used, definition, at_once)
        for module in _submodules(definition):
            self.imports.add(f"import {module}\n")
        self.parts.append(definition.text + (f"\n\n{name} = {definition.name}\n" if name != definition.name else ""))

    def _bind(self, name: str, user: Definition, at_once: bool) -> None:
        """See that a name means in the file what it means in the module of who uses it.

        Args:
            at_once: whether it is used while the class or function is defined, not only when it runs.
        """
        if name not in user.namespace:
            if at_once and not hasattr(builtins, name):
                raise NoSourceError(f"{user.name} uses {name} of the function around it.")
            return
        value = user.namespace[name]
        if name in self._known:
            if self._known[name] is not value:
                raise NoSourceError(f"{name} means two things in what {user.name} uses.")
            return
        self._known[name] = value
        if (statement := libraries.statement(name, value)) is not None:
            self.imports.add(statement)
        elif isinstance(value, types.ModuleType):
            raise NoSourceError(f"{user.name} uses the module {value.__name__}, which is not an installed library.")
        elif _literal(value):
            self.parts.append(f"{name} = {value!r}\n")
        elif isinstance(value, type) and issubclass(value, Poisoner):
            raise NoSourceError(f"{user.name} uses the poisoner {value.__name__}, and a file holds one.")
        elif isinstance(value, type) or isinstance(inspect.unwrap(value), types.FunctionType):
            self._define(inspect.unwrap(value), name)
        else:
            raise NoSourceError(f"{user.name} uses {name}, whose value ({type(value).__name__}) no file can hold.")


def _used(definition: Definition) -> dict[str, bool]:
    """The names of its module that a definition uses, in the order of the text: whether it does while it is made."""
    used = dict[str, bool]()
    for code in codes(definition.code):
        instructions = list(dis.get_instructions(code))
        own = {i.argval for i in instructions if i.opname == "STORE_NAME"}  # what a class's body gives itself
        for load in (i for i in instructions if i.opname in _LOADS):
            at_once = load.opname != "LOAD_GLOBAL"
            name = load.argval
            if not (at_once and name in own) and name != definition.name and not name.startswith("__"):
                used[name] = used.get(name, False) or at_once
    return used


def _submodules(definition: Definition) -> Iterator[str]:
    """Modules that a definition reaches as attributes of others, as `scipy.spatial.distance` of `scipy`."""
    for node in ast.walk(ast.parse(definition.text)):
        chain: list[str] = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
        module: Any = definition.namespace.get(node.id) if isinstance(node, ast.Name) else None
        for attribute in chain:
            if not isinstance(module, types.ModuleType):
                break
            name = f"{module.__name__}.{attribute}"
            if name not in sys.modules or vars(module).get(attribute) is not sys.modules[name]:
                break
            if not libraries.installed(name):
                break
            yield name
            module = sys.modules[name]


def _literal(value: Any) -> bool:
    """Whether a value can be written down and read back."""
    if type(value) not in _LITERALS:
        return False
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
