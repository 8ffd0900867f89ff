"""The lines that define a class or a function of this process, proven to be the code that it has."""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import linecache
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_FUTURE = __future__.annotations.compiler_flag
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef)


class NoSourceError(Exception):
    """Why a class cannot be had as a file, in one sentence."""


@dataclass(frozen=True)
class Definition:
    """A class or function as text.

    Attributes:
        name: as it is defined.
        text: its lines, with its decorators, from the left margin.
        code: of a module with just these lines.
        future: whether its annotations are not evaluated (`from __future__ import annotations`).
        namespace: the names of the module that it was defined in.
    """

    name: str
    text: str
    code: types.CodeType
    future: bool
    namespace: dict[str, Any]


def definition_of(thing: type | types.FunctionType) -> Definition:
    """The definition of a class or function, from its file, notebook cell or doctest.

    Raises:
        NoSourceError: if its lines are not known, or say something else than it does.
    """
    name = thing.__name__
    functions = _functions(thing)
    if not functions:
        raise NoSourceError(f"{name} has no function of its own, and so no lines are known for it.")
    first = functions[0]
    for function in functions:
        if outer := sorted(set(function.__code__.co_freevars) - {"__class__"}):
            raise NoSourceError(f"{name} uses {outer[0]} of the function around it.")
    future = bool(first.__code__.co_flags & _FUTURE)
    node, whole = _node(thing, first.__code__, future)
    lines = linecache.getlines(first.__code__.co_filename)[_start(node) - 1 : node.end_lineno]
    text = textwrap.dedent("".join(lines)).rstrip("\n") + "\n"
    if not _means(text, node):  # of a class further right, a string may have lines further left
        text = ast.unparse(node) + "\n"
    alone = _compiled(text, "<definition>", future)
    # Calls of a module's functions are compiled in another way where the import stands in the same text, which for a
    # notebook is one statement and for all others the file.
    candidates = [code for code in (*codes(whole), *codes(alone)) if code.co_qualname == thing.__qualname__]
    if not any(_is(thing, code, node) for code in candidates):
        raise NoSourceError(f"{name} is not what its lines say: they, or it, were changed afterwards.")
    return Definition(name, text, alone, future, first.__globals__)


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all that are inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def _functions(thing: type | types.FunctionType) -> list[types.FunctionType]:
    """The functions that were written for a class, in the order of its lines, or the function itself."""
    if not isinstance(thing, type):
        return [thing]
    members: list[Any] = []
    for member in vars(thing).values():
        if isinstance(member, property):
            members += [member.fget, member.fset, member.fdel]
        else:
            members.append(member.func if isinstance(member, functools.cached_property) else member)
    unwrapped = [inspect.unwrap(getattr(m, "__func__", m)) for m in members if callable(getattr(m, "__func__", m))]
    functions = [f for f in unwrapped if isinstance(f, types.FunctionType)]
    written = [f for f in functions if f.__code__.co_qualname.startswith(f"{thing.__qualname__}.")]
    return sorted(written, key=lambda f: f.__code__.co_firstlineno)


def _node(
    thing: type | types.FunctionType, code: types.CodeType, future: bool
) -> tuple[ast.ClassDef | ast.FunctionDef, types.CodeType]:
    """The statement that defines a class or function, given the code of one of its functions, and its file's code."""
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename))
    try:
        tree, whole = ast.parse(source), _compiled(source, code.co_filename, future)
    except (SyntaxError, ValueError):
        raise NoSourceError(f"the lines of {thing.__name__} are not Python any more.") from None
    kind = ast.ClassDef if isinstance(thing, type) else ast.FunctionDef
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, kind)
        and node.name == thing.__name__
        and _start(node) <= code.co_firstlineno <= (node.end_lineno or 0)
    ]
    if not around:
        raise NoSourceError(f"the lines of {thing.__name__} are not known here ({code.co_filename}).")
    return max(around, key=lambda node: node.lineno), whole  # the innermost


def _start(node: ast.ClassDef | ast.FunctionDef) -> int:
    """The line of a definition's first decorator, or its own."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _compiled(source: str, name: str, future: bool) -> types.CodeType:
    code: types.CodeType = compile(source, name, "exec", flags=_FUTURE if future else 0, dont_inherit=True)
    return code


def _means(text: str, node: ast.stmt) -> bool:
    """Whether a text is this statement and nothing else."""
    try:
        return [ast.dump(inner) for inner in ast.parse(text).body] == [ast.dump(node)]
    except SyntaxError:
        return False


def _is(thing: type | types.FunctionType, inner: types.CodeType, node: ast.ClassDef | ast.FunctionDef) -> bool:
    """Whether a class or function has exactly the code that its lines give."""
    if not isinstance(thing, type):
        return _same(thing.__code__, inner)
    live = [f.__code__ for f in _functions(thing)]
    written = [c for c in inner.co_consts if isinstance(c, types.CodeType)]
    if _named(live) != _named(written) or not all(any(_same(a, b) for b in written) for a in live):
        return False
    stored = set(inner.co_names) | {c.co_name for c in written}
    added = {name for name in vars(thing) if not name.startswith("__")} - stored
    return not added and all(vars(thing).get(name, value) == value for name, value in _constants(node))


def _named(some: list[types.CodeType]) -> set[str]:
    """Names of code objects, of those that have one: no lambda, no comprehension."""
    return {code.co_name for code in some if not code.co_name.startswith("<")}


def _constants(node: ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, Any]]:
    """Names and values of a class's own constants."""
    for inner in node.body:
        targets = inner.targets if isinstance(inner, ast.Assign) else [getattr(inner, "target", None)]
        value = getattr(inner, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                yield target.id, value.value


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects do the same, wherever their lines are."""

    def facts(code: types.CodeType) -> tuple[Any, ...]:
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        return code.co_code, names, code.co_flags

    if facts(one) != facts(other) or len(one.co_consts) != len(other.co_consts):
        return False
    for a, b in zip(one.co_consts, other.co_consts, strict=True):
        if isinstance(a, types.CodeType) and isinstance(b, types.CodeType):
            if not _same(a, b):
                return False
        elif type(a) is not type(b) or (a != b if isinstance(a, frozenset) else repr(a) != repr(b)):
            return False
    return True
