"""Whether this machine can give a sandbox, why not, and how to get one: tried with the options that would be used."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lnbench.poison import process, seccomp
from lnbench.poison.sandbox import BUBBLEWRAP, NONE, bubblewrap, dropped_user, missing_capabilities

_USER_NAMESPACES = (
    "on Ubuntu 23.10 or later AppArmor forbids user namespaces; "
    "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows them until the next start",
    "or, for good and for bubblewrap alone, put `abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap "
    "flags=(unconfined) { userns, include if exists <local/bwrap> }` into /etc/apparmor.d/bwrap and run "
    "`sudo apparmor_parser -r /etc/apparmor.d/bwrap`",
    "on other systems see that `sysctl user.max_user_namespaces` is above 0 and, on Debian, "
    "`sysctl kernel.unprivileged_userns_clone` is 1",
    "inside Docker start the container as an ordinary user: `--user 1000:1000 --security-opt seccomp=unconfined "
    "--security-opt systempaths=unconfined --security-opt apparmor=unconfined`",
)
_ORDINARY = "run lnbench as an ordinary user; in a container, `--user 1000:1000`"
_INSTALL = ("install bubblewrap 0.8 or later: `sudo apt install bubblewrap`, `sudo dnf install bubblewrap`",)


@dataclass(frozen=True)
class Diagnosis:
    """What this machine gives.

    Attributes:
        mode: `"bubblewrap"`, or `"none"` where there is no sandbox.
        reason: why, in one sentence.
        remedies: what would get a sandbox, most likely first; empty if there is one, or no way to one.
    """

    mode: str
    reason: str
    remedies: tuple[str, ...] = ()


def mode() -> str:
    """The sandbox of this machine: `"bubblewrap"` or `"none"`. Tried once for each process.

    Raises:
        UnavailableError: if something kills whatever is tried.
    """
    return diagnose().mode


@functools.lru_cache(maxsize=1)
def diagnose() -> Diagnosis:
    """Whether this machine gives a sandbox, why, and how to get one. Tried once for each process.

    Raises:
        UnavailableError: if something kills whatever is tried.
    """
    if sys.platform != "linux":
        return Diagnosis(NONE, f"bubblewrap needs Linux, this is {sys.platform}.", ("use a Linux virtual machine",))
    if not seccomp.supported():
        return Diagnosis(NONE, f"the system-call filter knows x86_64 and aarch64, this is {os.uname().machine}.")
    reason, remedies = _bubblewrap_trouble()
    if reason:
        return Diagnosis(NONE, reason, remedies)
    who = "as root, with the user dropped inside" if dropped_user() is not None else "as an ordinary user"
    return Diagnosis(BUBBLEWRAP, f"bubblewrap works here {who}.")


def _bubblewrap_trouble() -> tuple[str, tuple[str, ...]]:
    """Why bubblewrap cannot be used, in a sentence, and the remedies; empty if it can."""
    if bubblewrap() is None:
        return "bubblewrap (bwrap) is not installed.", _INSTALL
    if dropped_user() is not None and not Path("/usr/bin/setpriv").exists():
        return "setpriv is not installed.", ("install util-linux",)
    if missing := missing_capabilities():
        return f"bubblewrap cannot build the sandbox: this process is root without {missing}.", (_ORDINARY,)
    problem = process.probe()
    if problem is None:
        return "", ()
    if "Unknown option" in problem:
        return f"bubblewrap is too old: {problem}.", _INSTALL
    if "bwrap:" in problem:
        refused = any(word in problem for word in ("namespace", "uid map", "RTM_NEWADDR", "not permitted", "denied"))
        remedies = _USER_NAMESPACES if refused else ("report it, with the output of `lnbench doctor`",)
        return f"bubblewrap cannot build the sandbox: {problem}.", remedies
    return f"Python does not start inside bubblewrap: {problem}.", (
        "install lnbench into a virtual environment that every user may read (chmod -R a+rX), not with pip --user",
    )
