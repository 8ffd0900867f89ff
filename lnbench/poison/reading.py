"""What a submission's text says about the submission, read by the referee: its class, parameters and words.

Nothing is run, so nothing that the code does can change what a record says about it. What is not written out, a class
that a function makes or a default that is computed, is refused.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lnbench.characters import first_unseen, named, printable
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.poison.contract import POISONER, Contract

Scalar = bool | int | float | str

_TEXTS = {"author": 100, "paper": 300, "license": 60}
_DESCRIPTION, _PARAMETERS, _TEXT = 200, 64, 200
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_RESERVED = {"description", "parameters", "poison", "defend"}
_AS_TEXT = 'a parameter is one int, float, bool or str, so write text such as "64,64" and split it in poison()'
_COMPUTED = object()


@dataclass(frozen=True)
class Details:
    """What a submission's text says about it: text of a stranger, one line each, bounded and without unseen characters.

    Attributes:
        description: first line of the class's docstring.
        author, paper, license: the class attributes of these names, or the lines `Author: …` of a docstring.
        defaults: every parameter's default; its type is the parameter's.
    """

    description: str = ""
    author: str = ""
    paper: str = ""
    license: str = ""
    defaults: Mapping[str, Scalar] = field(default_factory=dict)

    def values(self, given: Mapping[str, Any], file: str) -> dict[str, Scalar]:
        """Every parameter's value with `given` put in, text converted to the parameter's type.

        Raises:
            ProtocolError: if `given` names another parameter, or a value of another type.
        """
        values = dict(self.defaults)
        for name, value in given.items():
            if name not in values:
                near = difflib.get_close_matches(name, list(values), n=1, cutoff=0.5)
                known = f"it has {', '.join(values)}." if values else "it has none."
                hint = f"did you mean {near[0]!r}?" if near else known
                raise ProtocolError(f"{file}: no parameter is called {name!r}; {hint}")
            values[name] = _converted(name, value, self.defaults[name], file)
        return values


def details(tree: ast.Module, file: str, contract: Contract = POISONER) -> Details:
    """What a submission's syntax tree says about it.

    Raises:
        SubmissionError: if there is not exactly one class that extends the contract's at the top of the file, a
            parameter's default is not written out, or a word about the submission is not.
    """
    poisoner = _contestant(tree, file, contract)
    written = [ast.get_docstring(node, clean=False) or "" for node in (poisoner, tree)]
    fields, defaults = _fields(poisoner, file)
    texts = {key: fields[key] or _line(key, written) for key in _TEXTS}
    texts["description"] = written[0].strip().partition("\n")[0]
    for key, text in texts.items():
        if (at := first_unseen(text, "\n\t")) is not None:
            raise SubmissionError(f"{file}: the {key} holds {named(text[at])}, which a reader does not see; remove it.")
    limits = {**_TEXTS, "description": _DESCRIPTION}
    return Details(**{key: printable(text, limits[key]) for key, text in texts.items()}, defaults=defaults)


def _contestant(tree: ast.Module, file: str, contract: Contract) -> ast.ClassDef:
    """The one class at the top of the file that extends the contract's."""
    base, names, classes = contract.base, {contract.base}, list[ast.ClassDef]()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name == base and alias.asname}
        elif isinstance(node, ast.ClassDef) and any(_last(base) in names for base in node.bases):
            names.add(node.name)
            classes.append(node)
    if len(classes) != 1:
        found = ", ".join(node.name for node in classes[:9]) or "none"
        raise SubmissionError(
            f"{file}: expected exactly one class that extends lnbench.{base} at the top of the file, found {found}; "
            + ("keep one to a file." if classes else f"write `class Name(lnbench.{base}):` there.")
        )
    (poisoner,) = classes
    for node in poisoner.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            raise SubmissionError(
                f"{file}: {poisoner.name} defines __init__ in line {node.lineno}, and lnbench makes {contract.noun}s "
                f"itself; remove it and write its arguments as fields of the class, {_example(node)}."
            )
    return poisoner


def _last(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""


def _example(constructor: ast.FunctionDef) -> str:
    """The first argument of a constructor that has a plain default, as a field."""
    arguments = constructor.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs: list[tuple[ast.arg, ast.expr | None]] = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        value = _literal(default)
        if type(value) in _TYPES.values():
            return f"`{argument.arg}: {type(value).__name__} = {printable(repr(value), 40)}`"
    return "`rate: float = 0.1`"


def _fields(poisoner: ast.ClassDef, file: str) -> tuple[dict[str, str], dict[str, Scalar]]:
    """The words and the parameters' defaults in a class's body."""
    texts, kinds, values = dict.fromkeys(_TEXTS, ""), dict[str, str](), dict[str, ast.expr | None]()
    for node in poisoner.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, kind = node.target.id, _annotation(node.annotation)
            if kind != "ClassVar" and name not in texts:
                kinds[name] = kind
            values[name] = node.value
        elif isinstance(node, ast.Assign):
            values |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    for key in texts:
        if (value := values.get(key)) is not None:
            text = _literal(value)
            if not isinstance(text, str):
                raise SubmissionError(
                    f'{file}: expected {key} in line {value.lineno} as text, {key} = "…"; write out what it is to say.'
                )
            texts[key] = text
    if len(kinds) > _PARAMETERS:
        raise SubmissionError(f"{file}: expected at most {_PARAMETERS} parameters, got {len(kinds)}.")
    return texts, {name: _default(name, kind, values[name], file) for name, kind in kinds.items()}


def _annotation(node: ast.expr) -> str:
    """The first name of an annotation, which may be a string: `ClassVar` of `typing.ClassVar[int]`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.split(r"[\[|]", node.value, maxsplit=1)[0].strip().rpartition(".")[2]
    return _last(node.value) if isinstance(node, ast.Subscript) else _last(node)


def _default(name: str, kind: str, node: ast.expr | None, file: str) -> Scalar:
    """A parameter's default, in the type that its annotation says."""

    def refuse(got: str, todo: str) -> NoReturn:
        where = f" in line {node.lineno}" if node is not None else ""
        raise SubmissionError(
            f"{file}: parameter {name}{where} {got}; {todo}, or annotate it as ClassVar if it is not a parameter."
        )

    if name in _RESERVED or name.startswith("__") or len(name) > 64:
        raise SubmissionError(f"{file}: a parameter cannot be called {name[:64]!r}; choose another name.")
    if node is None:
        refuse("has no default", f"write one, as in `{name}: int = 0`")
    value = _literal(node)
    if value is _COMPUTED:
        if isinstance(node, ast.Call) and _last(node.func) == "field":
            refuse("is made by field()", _AS_TEXT)
        refuse("has a default that is computed", "write its value")
    if value is None:
        refuse("has the default None", "a parameter is one int, float, bool or str, so let one value of it mean none")
    if type(value) not in _TYPES.values():
        refuse(f"has a default of type {type(value).__name__}", _AS_TEXT)
    wanted = _TYPES.get(kind, type(value))
    if wanted is float and type(value) is int:
        value = _float(value)
    shown = printable(repr(value), 40)
    if type(value) is not wanted:
        refuse(f"is annotated {kind} and has the default {shown}", f"write a default of type {kind}")
    if not isinstance(value, (bool, int, float, str)) or not _fits(value):
        refuse(f"has the default {shown}", "write a finite number of at most 63 bits")
    if isinstance(value, str) and len(value) > _TEXT:
        refuse(f"has a default of {len(value)} characters", f"write at most {_TEXT}")
    if isinstance(value, str) and (at := first_unseen(value)) is not None:
        refuse(f"has {named(value[at])} in its default", "write text that can be seen")
    return value


def _literal(node: ast.expr | None) -> Any:
    """The value of an expression that is written out; `_COMPUTED` for any other, or none."""
    try:
        return _COMPUTED if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _COMPUTED


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _fits(value: Scalar) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 2**63


def _converted(name: str, given: Any, default: Scalar, file: str) -> Scalar:
    """A value, perhaps text of the command line, in the type of a parameter's default."""
    kind, value = type(default), given
    if isinstance(value, str) and kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        value = words.get(value.lower(), value)
    elif isinstance(value, str) and kind in (int, float):
        try:
            value = kind(value)
        except ValueError:
            pass
    if kind is float and type(value) is int:
        value = _float(value)
    if type(value) is not kind or not _fits(value):
        raise ProtocolError(
            f"{file}: parameter {name} is of type {kind.__name__} (default {default!r}), got {value!r}."
        )
    return value


def _line(key: str, docstrings: list[str]) -> str:
    """The rest of the line `Key: …` of the first docstring that has one."""
    spelling = "licen[cs]e" if key == "license" else key
    for text in docstrings:
        if line := re.search(rf"^[ \t]*{spelling}:[ \t]*(\S.*)$", text, re.MULTILINE | re.IGNORECASE):
            return line[1]
    return ""
