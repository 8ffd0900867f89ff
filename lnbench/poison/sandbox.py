"""The box a submission runs in: what it is given, and the command that builds it.

Bubblewrap makes a file system of read-only binds (the Python installation, the lnbench package, one problem, one
submission) and small memory disks, without network, in namespaces of its own. As root the kernel identity is dropped to
an unused user inside; an ordinary user's guest is in a user namespace. `lnbench.poison.diagnosis` tries these options.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.poison import installation

BUBBLEWRAP, NONE = MODES = "bubblewrap", "none"
_SHARED_MEMORY_BYTES = 64 << 20
_EMPTY = ("--perms", "0755", "--size", "65536", "--tmpfs")
_UNUSED_USERS = ((0x70000000, 0x7FFFFFFF), (60001, 61183))  # no distribution hands these out
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Libraries are told that there is no network: loading pretrained weights fails at once, not after a minute."""
_LIBRARY = "import sys; sys.path.insert(0, sys.argv.pop(1)); "
_LIBRARIES = "sys.path += [path for path in {!r} if path not in sys.path]; "
"""Folders of packages that this process has, and that an interpreter with an empty environment may not."""
_BOOT = "from lnbench.poison.guest import main; main()"

_CAPABILITIES = {"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
"""What root needs to build the sandbox and to make its guest another user."""


@dataclass(frozen=True)
class Box:
    """What one guest is given.

    Attributes:
        inputs: folder with job.json and the arrays; `/in` inside.
        submission: folder with the submission's file; `/submission` inside.
        library: folder whose only entry is the lnbench package; used where nothing is mounted.
        scratch: folder for temporary files; used where nothing is mounted.
        scratch_mib: size of `/tmp` inside.
        threads: threads of the numerical libraries.
        gpu: whether the GPU's devices are visible (untried: the binds are those others report to work).
    """

    inputs: Path
    submission: Path
    library: Path
    scratch: Path
    scratch_mib: int = 256
    threads: int = 1
    gpu: bool = False

    def seen_as(self, mode: str, folder: Path) -> Path:
        """The path at which the guest sees this box's `inputs` or `submission`."""
        return Path("/in" if folder == self.inputs else "/submission") if mode == BUBBLEWRAP else folder


def make_box(folder: Path, job: bytes, file: str, source: bytes, **options: Any) -> Box:
    """A box laid out in an empty folder: the guest's job, a copy of its file, room for its temporary files.

    The copies are readable by every user, the folder around them need not be: as root the guest is another user.
    """
    box = Box(folder / "in", folder / "submission", folder / "library", folder / "scratch", **options)
    for part in (box.inputs, box.submission, box.library, box.scratch):
        part.mkdir()
        part.chmod(0o755)
    (box.library / "lnbench").symlink_to(installation.PACKAGE)
    for path, content in ((box.inputs / "job.json", job), (box.submission / file, source)):
        path.write_bytes(content)
        path.chmod(0o644)
    return box


def missing_capabilities() -> str:
    """Names of the rights that root lacks here to build the sandbox and drop its user; empty if none."""
    if dropped_user() is None:
        return ""
    held = _capabilities()
    return ", ".join(name for name, bit in _CAPABILITIES.items() if not held >> bit & 1)


def _capabilities() -> int:
    """This process's effective capabilities as a bit mask; all of them if the kernel does not tell."""
    try:
        line = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        line = None
    return -1 if line is None else int(line[1], 16)


def bubblewrap() -> str | None:
    """Path of the bwrap program, or None; not one of the working folder, whatever PATH says."""
    return shutil.which("bwrap", path=_absolute(os.environ.get("PATH", os.defpath)))


def _absolute(folders: str) -> str:
    """A list of folders without those that depend on the working folder, where a stranger's file may lie."""
    return os.pathsep.join(filter(os.path.isabs, folders.split(os.pathsep)))


def dropped_user() -> int | None:
    """The kernel identity to take inside, if this process is root and may take one; drawn afresh for each guest.

    One of its own for each guest, because the kernel counts processes by user: a guest that forks to its limit must not
    starve the next.
    """
    if os.geteuid() != 0:
        return None
    try:
        ranges = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError):
        ranges = []
    for low, high in _UNUSED_USERS:
        if any(start <= low and high < start + length for start, _, length in ranges):
            return low + secrets.randbelow(high - low + 1)
    return None


def processes_counted(mode: str) -> int:
    """Threads of this user that the kernel counts against a guest's process limit although they are not the guest's.

    The count is the user's, except in a user namespace of Linux 5.14 or later, or for a user of the guest's own.
    """
    if sys.platform != "linux" or (mode != NONE and dropped_user() is not None):
        return 0
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if mode == BUBBLEWRAP and release and (int(release[1]), int(release[2])) >= (5, 14):
        return 0
    count, user = 0, os.getuid()
    for entry in glob.glob("/proc/[0-9]*"):
        try:
            if os.stat(entry).st_uid == user:
                count += len(os.listdir(f"{entry}/task"))
        except OSError:
            continue
    return count


def environment(box: Box, mode: str) -> dict[str, str]:
    """All environment variables that the guest sees. A fixed hash seed, so that equal problems give equal labels."""
    home = "/tmp" if mode == BUBBLEWRAP else str(box.scratch)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(box.threads))
    fixed = {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "USER": "guest", "LANG": "C.UTF-8"}
    fixed["PYTHONHASHSEED"] = "0"
    fixed |= dict.fromkeys(_OFFLINE, "1")
    if mode != BUBBLEWRAP and "LD_LIBRARY_PATH" in os.environ:  # some clusters' Python does not start without it
        fixed["LD_LIBRARY_PATH"] = _absolute(os.environ["LD_LIBRARY_PATH"])
    return {**fixed, **threads}


def python(library: str, inputs: str, result: int) -> list[str]:
    """The guest's command. Not `-I`: it would ignore the hash seed, and the environment is ours anyway."""
    code = _LIBRARY + _LIBRARIES.format(installation.libraries()) + _BOOT
    return [installation.executable(), "-P", "-s", "-B", "-c", code, library, inputs, str(result)]


def bubblewrap_command(
    box: Box, *, result: int, rules: int, info: int, block: int, options: int
) -> tuple[list[str], list[str]]:
    """The bubblewrap command, and the options it is to read from a descriptor instead.

    bwrap is process 1 inside, where its command line can be read: options given there would show the guest the host's
    paths of what is bound.

    Args:
        result: descriptor that the guest writes its answer to.
        rules: descriptor with the seccomp program.
        info: descriptor on which bwrap tells the host's number of the sandbox's first process.
        block: descriptor bwrap waits for before it starts the guest.
        options: descriptor that holds the options, each ended by a zero byte.
    """
    user = dropped_user()
    program = bubblewrap()
    if program is None:
        raise FileNotFoundError("bwrap")
    arguments = ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "box"]
    arguments += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    arguments += ["--cap-drop", "ALL"]
    if user is None:
        arguments += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
    else:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):  # for setpriv below, which drops them
            arguments += ["--cap-add", capability]
    arguments += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--ro-bind", "/dev/null", "/dev/zero"]  # cannot be opened: its shared pages escape every count
    arguments += ["--perms", "1777", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]
    arguments += ["--perms", "1777", "--size", str(box.scratch_mib << 20), "--tmpfs", "/tmp"]
    if box.gpu:  # after --dev; CUDA reads /sys as well
        for device in sorted(glob.glob("/dev/nvidia*")):
            arguments += ["--dev-bind", device, device]
        arguments += ["--ro-bind", "/sys", "/sys"]
    arguments += _installation()
    arguments += _directories(["/referee/lnbench"])
    arguments += ["--ro-bind", str(installation.PACKAGE), "/referee/lnbench"]
    arguments += ["--ro-bind", str(box.inputs), "/in", "--ro-bind", str(box.submission), "/submission"]
    for name, value in environment(box, BUBBLEWRAP).items():
        arguments += ["--setenv", name, value]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    arguments += ["--info-fd", str(info), "--block-fd", str(block), "--seccomp", str(rules)]
    command = [program, "--args", str(options), "--"]
    if user is not None:
        command += ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        command += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return command + python("/referee", "/in", result), arguments


def _system() -> list[str]:
    """Binds of the operating system's programs and libraries."""
    paths, links = installation.system()
    arguments = _directories(paths)
    for path in paths:
        arguments += ["--ro-bind-try", path, path]
    for link, text in links:
        arguments += ["--symlink", text, link]
    return arguments


def _installation() -> list[str]:
    """Binds of the Python installation, read-only, with what could hold test data masked.

    Parents are made by hand: bwrap would make them with mode 0700, closed to the dropped user.
    """
    arguments: list[str] = []
    masks, files = installation.masked()
    system = installation.system()[0]
    bound = [*system]
    for prefix in installation.prefixes():
        arguments += [*_directories([prefix]), "--ro-bind", prefix, prefix]
        bound.append(prefix)
        for mask in masks:  # before the next prefix, which may lie below
            if installation.inside(mask, [prefix]):
                arguments += [*_EMPTY, mask]
    for mask in masks:
        if installation.inside(mask, system):
            arguments += [*_EMPTY, mask]
    for link, target in installation.links(installation.executable()):
        if not installation.inside(link, bound):
            arguments += [*_directories([link]), "--symlink", target, link]
    for mask in masks:  # once all that lies below is bound
        arguments += ["--remount-ro", mask]
    for file in files:
        arguments += ["--ro-bind", "/dev/null", file]  # which cannot be opened there
    return arguments


def _directories(paths: Sequence[str]) -> list[str]:
    """`--dir` for every parent that is not there yet, readable for all."""
    parents = {str(parent): None for path in paths for parent in reversed(Path(path).parents)}
    missing = [parent for parent in parents if parent not in ("/", "/tmp", "/dev", "/dev/shm")]
    return [word for parent in missing for word in ("--perms", "0755", "--dir", parent)]
