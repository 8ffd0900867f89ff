"""Which sandbox this machine can give, why, and how to get a better one: tried with the options that would be used."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lnbench.poison import installation, landlock, process, seccomp
from lnbench.poison.sandbox import BUBBLEWRAP, LANDLOCK, NONE, bubblewrap, dropped_user, missing_capabilities

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
        mode: `"bubblewrap"`, `"landlock"` (weaker) or `"none"`.
        reason: why, in one sentence.
        remedies: what would get a better mode, most likely first; empty if there is none better.
    """

    mode: str
    reason: str
    remedies: tuple[str, ...] = ()


def mode() -> str:
    """The best sandbox of this machine: `"bubblewrap"`, `"landlock"` or `"none"`. Tried once for each process.

    Raises:
        UnavailableError: if something kills whatever is tried.
    """
    return diagnose().mode


@functools.lru_cache(maxsize=1)
def diagnose() -> Diagnosis:
    """Which sandbox this machine gives, why, and how to get a better one. Tried once for each process.

    Raises:
        UnavailableError: if something kills whatever is tried.
    """
    if sys.platform != "linux":
        return Diagnosis(NONE, f"bubblewrap needs Linux, this is {sys.platform}.", ("use a Linux virtual machine",))
    if not seccomp.supported():
        return Diagnosis(NONE, f"the system-call filter knows x86_64 and aarch64, this is {os.uname().machine}.")
    reason, remedies = _bubblewrap_trouble()
    if not reason:
        who = "as root, with the user dropped inside" if dropped_user() is not None else "as an ordinary user"
        return Diagnosis(BUBBLEWRAP, f"bubblewrap works here {who}.")
    trouble, more = _landlock_trouble()
    if trouble:
        return Diagnosis(NONE, f"{reason} {trouble}", (*remedies, *(r for r in more if r not in remedies)))
    return Diagnosis(LANDLOCK, f"{reason} Landlock works, a weaker sandbox.", remedies)


def _bubblewrap_trouble() -> tuple[str, tuple[str, ...]]:
    """Why bubblewrap cannot be used, in a sentence, and the remedies; empty if it can."""
    if bubblewrap() is None:
        return "bubblewrap (bwrap) is not installed.", _INSTALL
    if dropped_user() is not None and not Path("/usr/bin/setpriv").exists():
        return "setpriv is not installed.", ("install util-linux",)
    if missing := missing_capabilities(BUBBLEWRAP):
        return f"bubblewrap cannot build the sandbox: this process is root without {missing}.", (_ORDINARY,)
    problem = process.probe(BUBBLEWRAP)
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


def _landlock_trouble() -> tuple[str, tuple[str, ...]]:
    """Why Landlock cannot be used, in a sentence, and the remedies; empty if it can."""
    if landlock.version() < landlock.OLDEST:
        return f"The kernel has no Landlock {landlock.OLDEST} either.", ()
    if missing := missing_capabilities(LANDLOCK):
        return f"Landlock does not work either: this process is root without {missing}.", (_ORDINARY,)
    problem = process.probe(LANDLOCK)
    if problem is None:
        return "", ()
    if dropped_user() is None or (found := installation.shut(installation.needed())) is None:
        return f"Landlock does not work either: {problem}.", ()
    folder, path = found
    way = "" if folder == path else f", on the way to {path},"
    return (
        f"Landlock does not work either: a guest of root becomes another user, and {folder}{way} is closed to others.",
        (f"for Landlock, put Python, lnbench and TMPDIR where every user may read, not below {folder}", _ORDINARY),
    )
