"""A scaffolded file is a submission from its first line on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lnbench.contribute import template
from lnbench.errors import ProtocolError
from lnbench.poison.submission import Submission


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("my_idea", "MyIdea"),
        ("k-medoids2", "KMedoids2"),
        ("2cool", "Poisoner2cool"),
        ("none", "PoisonerNone"),
        ("_", "Poisoner"),
    ],
)
def test_a_name_becomes_a_class(name: str, kind: str) -> None:
    (made,) = [node for node in ast.parse(template.source(name)).body if isinstance(node, ast.ClassDef)]
    assert made.name == kind and ast.unparse(made.bases[0]) == "lnbench.Poisoner"


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "a" * 41, "ä"])
def test_a_name_that_no_row_may_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="expected a name of up to 40"):
        template.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_authors_name_is_text_and_never_code() -> None:
    hostile = 'x"; import os\n"""FILE CLASS'
    tree = ast.parse(template.source("a", hostile))
    (author,) = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "author"]
    assert ast.literal_eval(author.value) == " ".join(hostile.split())


@pytest.mark.parametrize(
    ("author", "shown"),
    [
        ("  Ann \t Author\n", "Ann Author"),
        ("نیک\u200cنژاد", "نیک\u200cنژاد"),
        ("a\u202eb\x1b[31m\u200bc", "ab[31mc"),
        ("Zo\udceb", "Zo"),  # a name that git has in another encoding
        ("x" * 300, "x" * 99 + "…"),
        ("Ann\u00a0\u2028 Author \ufffd", "Ann Author "),
    ],
)
def test_any_authors_name_makes_a_file_that_is_accepted(author: str, shown: str, tmp_path: Path) -> None:
    details = Submission.from_file(template.write("mine", tmp_path, author)).details
    assert details.author == shown.strip() and details.license == "Apache-2.0" and details.defaults == {"skip": 0}
    assert details.description == "One line that becomes the row's description."


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = template.write("mine", tmp_path / "new", "A. Author")
    assert Submission.from_file(path).name == "mine" and 'author = "A. Author"' in path.read_text()
    path.write_text("mine")
    with pytest.raises(ProtocolError, match=r"mine\.py is already there"):
        template.write("mine", tmp_path / "new")
    assert path.read_text() == "mine"


def test_it_is_written_in_the_houses_style(tmp_path: Path) -> None:
    path = template.write("my_idea", tmp_path, "A. Author")
    pytest.importorskip("ruff", reason="ruff is in the extra `dev`")
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-P", "-m", "ruff", *check, "--isolated", "--line-length", "120", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
