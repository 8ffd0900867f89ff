"""Signatures under statements: whose they are, of what, and for what."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.record import signature

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys of two people, and a list that has the first."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    public = (folder / "ada.pub").read_text().split()
    (folder / "signers").write_text(f"# who may sign\nada-b {public[0]} {public[1]}\n")
    return folder


def test_other_people_are_other_principals() -> None:
    names = ["Jos", "José", "李雷", "田中", "Ω", "Ada B.", "Ada C.", "a" * 41 + "b", "a" * 41 + "c"]
    found = [signature.principal(name) for name in names]
    assert len(set(found)) == len(names) and all(name.isascii() and name == name.lower() for name in found)
    assert signature.principal("JOSÉ") == signature.principal("Jose\u0301") == signature.principal("josé ")


@needs_ssh
def test_a_signature_is_of_these_bytes_by_this_person(keys: Path) -> None:
    made = signature.sign(b"statement", keys / "ada")
    assert made.startswith("-----BEGIN SSH SIGNATURE-----")
    assert signature.signed_by(b"statement", made, "Ada B.", keys / "signers")
    assert not signature.signed_by(b"statement.", made, "Ada B.", keys / "signers")
    assert not signature.signed_by(b"statement", made, "Ada C.", keys / "signers")
    assert not signature.signed_by(b"statement", made, "Ada B.", keys / "none")
    assert not signature.signed_by(b"statement", signature.sign(b"statement", keys / "eve"), "Ada B.", keys / "signers")


@needs_ssh
@pytest.mark.parametrize("text", ["", "-----BEGIN SSH SIGNATURE-----\n", "ä" * 100, "x" * 100_000])
def test_what_is_not_a_signature_is_nobodys(keys: Path, text: str) -> None:
    assert not signature.signed_by(b"statement", text, "Ada B.", keys / "signers")


@needs_ssh
def test_a_signature_for_something_else_does_not_count(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"statement")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(keys / "ada"), "-n", "git", str(tmp_path / "data")]
    subprocess.run(command, check=True, capture_output=True)
    assert not signature.signed_by(b"statement", (tmp_path / "data.sig").read_text(), "Ada B.", keys / "signers")


@needs_ssh
def test_a_key_that_cannot_sign_is_said(keys: Path, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="none cannot sign: "):
        signature.sign(b"x", tmp_path / "none")
    (tmp_path / "text").write_text("not a key")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ProtocolError, match="text cannot sign: "):
        signature.sign(b"x", tmp_path / "text")


def test_without_openssh_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "signers").write_text("")
    with pytest.raises(UnavailableError, match="ssh-keygen is not installed"):
        signature.sign(b"x", tmp_path / "key")
    with pytest.raises(UnavailableError, match="ssh-keygen is not installed"):
        signature.signed_by(b"x", "y", "ada", tmp_path / "signers")
