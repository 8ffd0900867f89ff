"""What is seen of a file from outside: kind, size, name, text. None of it is ever imported here."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from lnbench.errors import ProtocolError, SubmissionError
from lnbench.poison.run import Submission
from lnbench.poison.submission import SOURCE_BYTES


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
    with pytest.raises(ProtocolError, match="is no file name"):
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    write(tmp_path / "a.py").chmod(0)
    with pytest.raises(ProtocolError, match="cannot be read: Permission denied"):
        Submission.from_file(tmp_path / "a.py")


@pytest.mark.parametrize(
    "parameters",
    [{"a b": 1}, {"": 1}, {"é": 1}, {"k": [1]}, {"k": None}, {"k": float("nan")}, {"k": "x" * 201}, {1: 1}],
)
def test_parameters(tmp_path: Path, parameters: Any) -> None:
    with pytest.raises(ProtocolError):
        Submission.from_file(write(tmp_path / "a.py"), parameters)


def test_too_many_parameters(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="at most 64 parameters, got 65"):
        Submission.from_file(write(tmp_path / "a.py"), {f"k{i}": 1 for i in range(65)})
