"""Signatures under statements, made and checked by OpenSSH as git's are: a key and a list of who may sign.

The list, `allowed_signers` beside the board's `seasons.toml`, has OpenSSH's own format (ssh-keygen(1), "ALLOWED
SIGNERS"): one line a key, its owner's name in lower case with `-` for everything but letters and digits; a name with
letters beyond a to z, or a long one, ends in the start of its hash.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
import unicodedata
from pathlib import Path

from lnbench.errors import ProtocolError, UnavailableError

NAMESPACE = "lnbench-statement"
"""What the signatures are for: one made for anything else is refused."""
SIGNERS = "allowed_signers"
"""Name of the list."""
_LONGEST = 40
"""Characters of a name in the list, without its hash."""


def principal(name: str) -> str:
    """A person's name as the list has it: other people's names are other principals.

    >>> principal("A. Reader"), principal("José")
    ('a-reader', 'jos-d994e1d0')
    """
    folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    plain = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    if plain and len(plain) <= _LONGEST and not any(c.isalnum() and not c.isascii() for c in folded):
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.sha256(folded.encode()).hexdigest()[:8]}".strip("-")


def sign(data: bytes, key: Path) -> str:
    """The armoured signature of some bytes by a private key, or by the agent's key whose public half is given.

    Raises:
        ProtocolError: if the key cannot be used.
        UnavailableError: if OpenSSH is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        done = _keygen("sign", "-f", str(key), "-n", NAMESPACE, f"{folder}/data")
        signature = Path(folder) / "data.sig"
        if done.returncode or not signature.exists():
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["it did not say why"]
            raise ProtocolError(f"{key} cannot sign: {words[-1][:200]}.")
        return signature.read_text(encoding="ascii")


def signed_by(data: bytes, signature: str, name: str, signers: Path) -> bool:
    """Whether a signature is of these bytes, by a key that the list has under this name.

    Args:
        signers: the list; without it nobody has signed.

    Raises:
        UnavailableError: if OpenSSH is not installed.
    """
    if not signers.is_file():
        return False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signature"
        path.write_text(signature, encoding="ascii", errors="replace")
        options = ("-f", str(signers), "-I", principal(name), "-n", NAMESPACE, "-s", str(path))
        return _keygen("verify", *options, data=data).returncode == 0


def _keygen(action: str, *options: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", action, *options], input=data, capture_output=True, check=False)
    except OSError:
        raise UnavailableError(
            "ssh-keygen is not installed, and statements are signed and checked with it: "
            "`sudo apt install openssh-client` (OpenSSH 8.2 or later)."
        ) from None
