"""What is seen of a file from outside: kind, size, name, text. None of it is ever imported here."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from lnbench.characters import first_unseen
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.poison.run import Submission
from lnbench.poison.source import SOURCE_BYTES


def write(path: Path, content: bytes = b"x = 1\n") -> Path:
    path.write_bytes(content)
    return path


def test_reads_a_file(tmp_path: Path) -> None:
    content = "# é\r\nx = 1\n".encode()
    submission = Submission.from_file(write(tmp_path / "my-attack_2.py", content), {"k": 1})
    assert submission.name == "my-attack_2" and submission.file == "my-attack_2.py"
    assert submission.sha256 == hashlib.sha256(content).hexdigest() and submission.source.encode() == content
    assert submission.parameters == {"k": 1}


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.py", tmp_path / "no" / "where.py"):
        with pytest.raises(ProtocolError, match="there is no file"):
            Submission.from_file(path)
    with pytest.raises(ProtocolError, match="is not a file name"):
        Submission.from_file("a\0b.py")


@pytest.mark.parametrize(
    "name",
    ["A.py", "a b.py", "a.txt", ".py", "a", "a.b.py", "é.py", f"{'a' * 41}.py", "a\n.py", "<b>.py", "\x1b[2J.py"],
)
def test_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(SubmissionError, match="rename the file") as caught:
        Submission.from_file(write(tmp_path / name))
    assert str(caught.value).isprintable()


def test_forty_characters_are_a_name(tmp_path: Path) -> None:
    assert Submission.from_file(write(tmp_path / f"{'a' * 40}.py")).name == "a" * 40


def test_kinds_of_file(tmp_path: Path) -> None:
    write(tmp_path / "real.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "real.py")
    (tmp_path / "dangling.py").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "socket.py"))
    kinds = {"link": "a symbolic link", "dangling": "a symbolic link", "pipe": "a named pipe", "folder": "a directory"}
    for name, kind in {**kinds, "socket": "a socket"}.items():
        with pytest.raises(SubmissionError, match=f"expected a regular file, got {kind}"):
            Submission.from_file(tmp_path / f"{name}.py")
    with pytest.raises(SubmissionError, match="expected a regular file, got a device"):
        Submission.from_file("/dev/zero")


def test_size(tmp_path: Path) -> None:
    assert len(Submission.from_file(write(tmp_path / "a.py", b"#" * SOURCE_BYTES)).source) == SOURCE_BYTES
    with pytest.raises(SubmissionError, match="at most 65536 bytes"):
        Submission.from_file(write(tmp_path / "a.py", b"#" * (SOURCE_BYTES + 1)))
    with open(tmp_path / "a.py", "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SubmissionError, match="at most 65536 bytes"):
        Submission.from_file(tmp_path / "a.py")


def test_text(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="UTF-8, but byte 2 is not"):
        Submission.from_file(write(tmp_path / "a.py", b"ab\xff"))


def refused(content: bytes) -> str:
    with pytest.raises(SubmissionError) as caught:
        Submission.from_bytes("a.py", content)
    assert str(caught.value).startswith("a.py: ") and first_unseen(str(caught.value)) is None
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b"# -*- coding: utf-7 -*-",
        b"# coding=latin-1",
        b"# vim: set fileencoding=cp1252 :",
        b"\t #!coding:unicode_escape",
        b"# coding: utf-8-sig",
        b"\xef\xbb\xbf# coding: utf-16",
        b"#\n# coding: rot13",
        b"x = 1\n# coding: rot13",
    ],
)
def test_a_coding_line_other_than_utf8_is_refused(line: bytes) -> None:
    assert "says that the file is in " in refused(line + b"\nx = 1\n")


@pytest.mark.parametrize(
    "text",
    [
        "# -*- coding: utf-8 -*-\n",
        "# coding=UTF8\n",
        "# coding: utf_8\n",
        "# coding: utf-8-unix\n",
        "#\n\n# coding: latin-1\n",  # on the third line it says nothing
        "\ufeff# coding: utf-8\nx = 'é'\n",
        "x = 1\r\ny = 2\r\n",
        "author = 'نیک\u200cنژاد 👩\u200d🔬'  # ε, ℓ₂ and 漢字\n",
        "x = 'a\\x1b\\u202e'\n",
        "x = f'{1}²ℓ'\n",
        "x = 1  #" + " " * 119 + "|\n",
        "x = 1" + " " * 500 + "\n",
    ],
)
def test_what_reads_as_it_runs_is_a_source(text: str) -> None:
    submission = Submission.from_bytes("a.py", text.encode())
    assert submission.source == text and submission.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x = 1\0", "line 1 holds a null byte (U+0000)"),
        ("x = 1\n\f", "line 2 holds a form feed (U+000C)"),
        ("x = 1\v", "line 1 holds U+000B"),
        ("# a\rx = 1", "line 1 holds a carriage return (U+000D)"),
        ("# a\r\r\nx = 1", "line 1 holds a carriage return (U+000D)"),
        ("# a\x85", "line 1 holds U+0085"),
        ("x = 1\n\n# a\u2028x = 1", "line 3 holds U+2028 LINE SEPARATOR"),
        ("x = '\x1b[2J'", "line 1 holds an escape character (U+001B)"),
        ("x = '\u2067'", "line 1 holds U+2067 RIGHT-TO-LEFT ISOLATE"),
        ("x = '\u200e'", "line 1 holds U+200E LEFT-TO-RIGHT MARK"),
        ("x = 'a\u200db'", "line 1 holds U+200D ZERO WIDTH JOINER"),
        ("x = '\U000e0100'", "line 1 holds U+E0100 VARIATION SELECTOR-17"),
        ("x = 1\ufeff", "line 1 holds U+FEFF"),
        ("\ufeff\ufeffx = 1", "line 1 holds U+FEFF"),
        ("x = 1\n" + "\t" * 20 + "y = 2", "line 2 goes on behind more than 120 blanks"),
        ("x = 1;" + " " * 200 + "y = 2", "line 1 goes on behind more than 120 blanks"),
    ],
)
def test_what_a_reader_does_not_see_is_refused(content: str, words: str) -> None:
    assert words in refused(content.encode())


@pytest.mark.parametrize(
    "text",
    [
        "\uff45\uff56\uff41\uff4c('1')",
        "x = \u03b5",
        "def f(\u0430): pass",
        "import \u043es",
        "a.\u017f = 1",
        "f(\ufb01=1)",
        "class \u0410: pass",
        "x = f'{\uff45\uff56\uff41\uff4c(1)}'",
        "x = rf'{y!r:{\uff59}}'",
        "try: pass\nexcept E as \u00e9: pass",
        "def f(): global \u03c0",
        "match x:\n  case A(\u03c0=1): pass",
    ],
)
def test_names_that_are_not_ascii_are_refused(text: str) -> None:
    with pytest.raises(SubmissionError, match=r"^a\.py: (line \d|the source) has the name '.+', which is not ASCII"):
        Submission.from_bytes("a.py", text.encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = = 1", "got a syntax error in line 1: invalid syntax"),
        ("x = 1\n  y = 2", "got a syntax error in line 2: unexpected indent"),
        ("(" * 5000, "got a syntax error in line 1: too many nested parentheses"),
        ("x = " + "-" * 60000 + "1", "nested too deeply"),
        ("x = " + "1+" * 30000 + "1", "nested too deeply"),
        ("x = a" + ".b" * 30000, "nested too deeply"),
        ("x = " + "9" * 5000, "got a syntax error in line 1: Exceeds the limit"),
    ],
)
def test_what_is_not_python_is_refused(text: str, words: str) -> None:
    assert words in refused(text.encode())


def test_reading_says_nothing_of_the_strangers_on_its_own_account(recwarn: pytest.WarningsRecorder) -> None:
    Submission.from_bytes("a.py", b"x = '\\d'\ny = 1 is 1\n")
    assert not recwarn.list


PARTS = (
    "a submission may use lnbench.DefenceProblem, Defender, Poisoner, Problem, Recipe, Threat, Training and "
    "lnbench.adversary, exact, graphs, kernels"
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import lnbench.evaluation", "lnbench.evaluation"),
        ("import lnbench.protocol.seeds as s", "lnbench.protocol.seeds"),
        ("from lnbench.protocol import Streams", "lnbench.protocol.Streams"),
        ("from lnbench.protocol.seeds import permutation", "lnbench.protocol.seeds.permutation"),
        ("from lnbench import record, graphs", "lnbench.record"),
        ("from lnbench import load_split", "lnbench.load_split"),
        ("from lnbench import *", "lnbench.*"),
        ("from lnbench.graphs import _private", "lnbench.graphs._private"),
        ("import lnbench\nlnbench.data.load", "lnbench.data"),
        ("import lnbench as l\ndef f():\n  return l.trust.verify", "lnbench.trust"),
        ("from lnbench import protocol\nprotocol.Streams", "lnbench.protocol.Streams"),
        ("from lnbench import surrogates as s\ns.seeds", "lnbench.surrogates.seeds"),
        ("def f():\n  from lnbench.poison import guest", "lnbench.poison.guest"),
        ("import importlib\nimportlib.import_module('lnbench.protocol.seeds')", "lnbench.protocol.seeds"),
        ("__import__('lnbench.poison.guest')", "lnbench.poison.guest"),
        ("import sys\nsys.modules['lnbench.evaluation.stages']", "lnbench.evaluation.stages"),
    ],
)
def test_the_referees_own_parts_are_refused(text: str, name: str) -> None:
    said = refused(text.encode())
    assert f"uses {name}, which is the referee's; {PARTS}" in said.replace("lnbench.data.load", "lnbench.data").replace(
        "lnbench.trust.verify", "lnbench.trust"
    )


@pytest.mark.parametrize(
    "text", ["from . import a", "from .a import b", "from .. import a", "def f():\n  from . import a"]
)
def test_a_file_beside_it_is_refused(text: str) -> None:
    assert "imports from a file beside it, and a submission is one file" in refused(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "import lnbench\nlnbench.Poisoner, lnbench.Problem, lnbench.Threat, lnbench.Recipe, lnbench.__version__",
        "from lnbench import Poisoner, adversary, graphs, kernels, metagradients, surrogates, victims",
        "import lnbench.victims.architectures.mlp as mlp\nmlp.anything",
        "from lnbench.protocol.poisoner import Problem\nimport lnbench.protocol.poisoner as p\np.Threat",
        "import lnbench.protocol.poisoner\nlnbench.protocol.poisoner.Threat",
        "import os.path, torch.nn as nn, my.lnbench.evaluation",
        "x = 'lnbench.org'\ny = 'see lnbench.protocol.seeds'\nseeds = Streams = 1\nmodel._private",
    ],
)
def test_the_toolboxes_are_a_submissions_to_use(text: str) -> None:
    assert Submission.from_bytes("a.py", text.encode()).source == text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    write(tmp_path / "a.py").chmod(0)
    with pytest.raises(ProtocolError, match="cannot be read: Permission denied"):
        Submission.from_file(tmp_path / "a.py")


@pytest.mark.parametrize(
    "parameters",
    [
        *[{"a b": 1}, {"": 1}, {"é": 1}, {"k": [1]}, {"k": None}, {"k": float("nan")}, {"k": "x" * 201}, {1: 1}],
        *[{"k": "a\x1b[2J"}, {"k": "a\nb"}, {"k": "\u202e"}],
    ],
)
def test_parameters(tmp_path: Path, parameters: Any) -> None:
    with pytest.raises(ProtocolError):
        Submission.from_file(write(tmp_path / "a.py"), parameters)


def test_too_many_parameters(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="at most 64 parameters, got 65"):
        Submission.from_file(write(tmp_path / "a.py"), {f"k{i}": 1 for i in range(65)})
