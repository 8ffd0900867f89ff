"""A class as the file that would be submitted: what goes in, what no file can hold, and that it is the same code."""

from __future__ import annotations

import ast
import importlib.util
import linecache
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lnbench
import toy
from lnbench.api import class_source
from lnbench.api.class_source import NoSourceError

MINE = '''
class Mine(lnbench.Poisoner):
    """From a cell."""

    skip: int = 1

    def poison(self, problem):
        return problem.flipped(problem.eligible[self.skip :][: problem.budget])
'''


class Session:
    """Cells run one after the other in one namespace, each with lines under a name of its own, as a notebook has."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._cells = 0

    def run(self, source: str, *, known: bool = True, by_statement: bool = False) -> Session:
        """Run a cell, whole or each statement by itself; its lines can be looked up unless it is not `known`."""
        self._cells += 1
        name = f"<cell {id(self)} {self._cells}>"
        if known:
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        body = ast.parse(source).body
        for part in [[node] for node in body] if by_statement else [body]:
            exec(compile(ast.Module(part, []), name, "exec", dont_inherit=True), self.names)
        return self

    def source(self, name: str = "Mine") -> str:
        """The source of the file that a class of the session is."""
        return class_source.submission(self.names[name]).source


@pytest.fixture
def session() -> Iterator[Session]:
    """A session that has imported lnbench."""
    yield Session().run("import lnbench\nimport numpy as np")
    for name in [name for name in linecache.cache if name.startswith("<cell ")]:
        del linecache.cache[name]


def load(source: str) -> Any:
    """The one poisoner in a file, loaded as a module of its own."""
    module = ModuleType("submission")
    sys.modules["submission"] = module  # where dataclasses look for the names in annotations
    exec(compile(source, "submission.py", "exec", dont_inherit=True), vars(module))
    members = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, lnbench.Poisoner)]
    (kind,) = {kind for kind in members if kind.__module__ == "submission"}
    return kind


def again(source: str, **parameters: Any) -> list[int]:
    """What the class in a file flips."""
    kind = load(source)
    problem = toy.problem(np.zeros((6, 2)), budget=2)
    return np.flatnonzero(kind(**parameters).poison(problem) != problem.labels).tolist()


def test_the_class_and_the_import_it_needs_and_nothing_else(session: Session) -> None:
    source = session.run("import os\nSECRET = 'not used'").run(MINE).source()
    assert again(source) == [1, 2] and again(source, skip=3) == [3, 4]
    assert "import lnbench\n" in source and "numpy" not in source and "SECRET" not in source
    made = class_source.submission(session.names["Mine"], {"skip": 3})
    assert (made.name, dict(made.parameters)) == ("mine", {"skip": 3})


def test_what_it_uses_comes_along_whatever_cell_it_is_in(session: Session) -> None:
    cells = [
        "from functools import lru_cache, partial as some\nimport scipy.spatial.distance",
        "from numpy import maximum as most",
        "RATE = 2\nPLACES = [0, {'first': (1, 2.5)}]\nNAME = 'x'",
        "@lru_cache\ndef start():\n    return RATE - len(PLACES)\n",
        "def even(n):\n    return n == 0 or odd(n - 1)\n\ndef odd(n):\n    return n != 0 and even(n - 1)\n",
        "class Rule:\n    def keep(self, i: int) -> bool:\n        return even(i)\n",
        MINE.replace(
            "return problem",
            "assert most(1, 2) == 2 and scipy.spatial.distance.cdist and some and NAME and Rule().keep(4)\n"
            "        assert np.linalg.norm([3, 4]) == 5\n        return problem",
        ).replace("self.skip :", "start() + self.skip :"),
    ]
    for cell in cells:
        session.run(cell)
    source = session.source()
    assert again(source) == [1, 2]
    for line in (
        "import scipy.spatial.distance",
        "import numpy as np",
        "from functools import partial as some",
        "from numpy import maximum as most",
        "@lru_cache",
        "RATE = 2",
    ):
        assert f"{line}\n" in source
    assert source.index("RATE = 2") < source.index("class Mine")


def test_the_same_class_is_the_same_file_whatever_was_imported_first() -> None:
    cells = ["import numpy as np", "import lnbench", "from scipy import stats", "A = 1"]
    use = MINE.replace("return problem", "assert np and stats and A\n        return problem")
    one, other = Session(), Session()
    for cell in cells:
        one.run(cell)
    for cell in reversed(cells):
        other.run(cell)
    assert one.run(use).source() == other.run(use).source()


def test_annotations_that_are_not_evaluated_stay_so(session: Session) -> None:
    session.run(
        "from __future__ import annotations\n" + MINE.replace("(self, problem)", "(self, problem: Nowhere) -> No")
    )
    source = session.source()
    assert "from __future__ import annotations\n" in source and again(source) == [1, 2]


def test_a_class_defined_inside_a_function_keeps_its_strings(session: Session) -> None:
    inner = textwrap.indent(MINE.replace("skip: int", "TEXT = TEXT\n\n    skip: int"), "    ")
    inner = inner.replace("TEXT = TEXT", 'TEXT = """left\n  right"""').replace("From a cell.", "From\na cell.")
    session.run(f"def make():\n{inner}    return Mine\n").run("Mine = make()")
    source = session.source()
    assert again(source) == [1, 2]
    assert load(source).TEXT == "left\n  right" and load(source).__doc__ == session.names["Mine"].__doc__


def test_an_import_in_the_same_cell_makes_no_difference(session: Session) -> None:
    """Python compiles calls of an imported module's functions otherwise than those of other objects."""
    use = MINE.replace("return problem", "assert np.zeros(1).sum() == 0\n        return problem")
    source = Session().run(f"import lnbench, numpy as np\n{use}").source()
    assert source == session.run(use).source() and again(source) == [1, 2]
    by_statement = Session()
    by_statement.run(f"import lnbench, numpy as np\n{use}", by_statement=True)
    assert source == by_statement.source(), "as IPython runs a cell"


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["DATA = np.zeros(3)", MINE.replace("self.skip :", "int(DATA[0]) :")], r"DATA, whose value \(ndarray\)"),
        (["f = lambda: 1", MINE.replace("self.skip :", "f() :")], "the lines of <lambda> are not known"),
        (["FAR = float('inf')", MINE.replace("self.skip :", "int(FAR) :")], r"FAR, whose value \(float\)"),
        ([MINE, "Mine.poison = lambda self, problem: problem.labels"], "no function of its own"),
        ([MINE, "Mine.poison = lnbench.Poisoner.poison"], "no function of its own"),
        ([MINE, "Mine.table = [1]"], "changed afterwards"),
        (["class Mine(lnbench.Poisoner):\n    pass"], "no function of its own"),
        (
            [MINE.replace("Mine", "Base"), MINE.replace("lnbench.Poisoner", "Base")],
            "uses the poisoner Base, and a file holds one",
        ),
        (
            [
                "def make(n):\n" + textwrap.indent(MINE.replace("self.skip", "n"), "    ") + "    return Mine",
                "Mine = make(2)",
            ],
            "Mine uses n of the function around it",
        ),
        (
            [
                f"def make(base):\n{textwrap.indent(MINE.replace('lnbench.Poisoner', 'base'), '    ')}    return Mine",
                "Mine = make(lnbench.Poisoner)",
            ],
            "Mine uses base of the function around it",
        ),
        (
            ["import toy", MINE.replace("return", "assert toy\n        return")],
            "the module toy, which is not an installed",
        ),
    ],
)
def test_what_no_file_can_hold_is_said(session: Session, cells: list[str], why: str) -> None:
    for cell in cells:
        session.run(cell)
    with pytest.raises(NoSourceError, match=why):
        session.source()


def test_lines_that_nobody_kept_are_no_source(session: Session) -> None:
    session.run(MINE, known=False)
    with pytest.raises(NoSourceError, match="the lines of Mine are not known here"):
        session.source()


def test_a_name_that_means_two_things_is_said(session: Session) -> None:
    other = Session().run("import numpy as np\nRATE = 3\ndef helper():\n    return RATE")
    session.names["helper"] = other.names["helper"]
    session.run("RATE = 2").run(MINE.replace("self.skip :", "helper() - RATE :"))
    with pytest.raises(NoSourceError, match="RATE means two things"):
        session.source()


def test_a_misspelt_name_is_the_poisoners_own_error(session: Session) -> None:
    """It fails where it would have failed, inside the sandbox, and is no reason to leave that."""
    session.run(MINE.replace("problem.budget", "problem.budget + typo"))
    with pytest.raises(NameError, match="typo"):
        again(session.source())


def _module(path: Path, text: str) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose modules are forgotten afterwards."""
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_class_with_a_module_to_itself_is_that_file(folder: Path) -> None:
    text = f"# a comment that stays\nimport lnbench\n{MINE}"
    made = class_source.submission(_module(folder / "my_own.py", text).Mine)
    assert (made.name, made.source) == ("my_own", text)
    capital = class_source.submission(_module(folder / "MyOwn.py", text).Mine)
    assert (capital.name, capital.source) == ("mine", text)


@pytest.mark.parametrize(
    "more",
    [MINE.replace("Mine", "Other"), "import toy\n", "from toy import problem\n", "if False:\n    from . import x\n"],
)
def test_a_file_that_could_not_be_submitted_gives_the_class_alone(folder: Path, more: str) -> None:
    module = _module(folder / "several.py", f"import lnbench\n{MINE}\n{more}")
    made = class_source.submission(module.Mine)
    assert made.name == "mine" and "Other" not in made.source and again(made.source) == [1, 2]


def test_a_file_that_was_edited_since_is_not_taken_for_the_class(folder: Path) -> None:
    path = folder / "edited.py"
    module = _module(path, f"import lnbench\n{MINE}")
    path.write_text(f"import lnbench\n{MINE}".replace("self.skip :", "2 * self.skip :"))
    with pytest.raises(NoSourceError, match="changed afterwards"):
        class_source.submission(module.Mine)


def test_a_class_of_a_doctest_has_its_lines() -> None:
    """
    >>> class Mine(lnbench.Poisoner):
    ...     def poison(self, problem):
    ...         return problem.flipped(problem.eligible[: problem.budget])
    >>> "class Mine(lnbench.Poisoner):\\n    def poison(" in class_source.submission(Mine).source
    True
    """
    import doctest

    names = {"lnbench": lnbench, "class_source": class_source}
    (found,) = doctest.DocTestFinder().find(test_a_class_of_a_doctest_has_its_lines, globs=names)
    assert doctest.DocTestRunner().run(found).failed == 0


def test_names_of_rows_are_names_of_files() -> None:
    for name, row in {"Mine": "mine", "MyPCAThing2": "my_pca_thing2", "Ünlü": "nl", "Ω": "poisoner"}.items():
        assert class_source.row_name(type(name, (lnbench.Poisoner,), {})) == row
