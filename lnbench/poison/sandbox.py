"""The box a submission runs in: which one this machine can give, and the command that builds it.

Bubblewrap makes a file system of read-only binds (the Python installation, the lnbench package, one problem, one
submission) and small memory disks, without network, in namespaces of its own. As root the kernel identity is dropped to
an unused user inside; as an ordinary user a user namespace does the same. `mode()` tries the very options it would use.
"""

from __future__ import annotations

import functools
import glob
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUBBLEWRAP, NONE = "bubblewrap", "none"
_SHARED_MEMORY_BYTES = 64 << 20
_EMPTY = ("--perms", "0755", "--size", "65536", "--tmpfs")
_UNUSED_USERS = ((0x70000000, 0x7FFFFFFF), (60001, 61183))  # no distribution hands these out
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lnbench.poison.guest import main; main()"
_PACKAGE = Path(__file__).resolve().parents[1]

_USER_NAMESPACES = (
    "on Ubuntu 23.10 or later AppArmor forbids user namespaces; "
    "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows them until the next start",
    "or, for good and for bubblewrap alone, put `abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap "
    "flags=(unconfined) { userns, include if exists <local/bwrap> }` into /etc/apparmor.d/bwrap and run "
    "`sudo apparmor_parser -r /etc/apparmor.d/bwrap`",
    "on other systems see that `sysctl user.max_user_namespaces` is above 0 and, on Debian, "
    "`sysctl kernel.unprivileged_userns_clone` is 1",
    "inside Docker start the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined "
    "--security-opt apparmor=unconfined`",
)
_INSTALL = ("install bubblewrap 0.8 or later: `sudo apt install bubblewrap`, `sudo dnf install bubblewrap`",)


@dataclass(frozen=True)
class Diagnosis:
    """What this machine gives.

    Attributes:
        mode: `"bubblewrap"` or `"none"`.
        reason: why, in one sentence.
        remedies: what would get a better mode, most likely first; empty if there is none better.
    """

    mode: str
    reason: str
    remedies: tuple[str, ...] = ()


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
        gpu: whether the GPU's devices are visible.
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
    (box.library / "lnbench").symlink_to(_PACKAGE)
    for path, content in ((box.inputs / "job.json", job), (box.submission / file, source)):
        path.write_bytes(content)
        path.chmod(0o644)
    return box


def mode() -> str:
    """The best sandbox of this machine: `"bubblewrap"` or `"none"`. Tried once for each process."""
    return diagnose().mode


@functools.lru_cache(maxsize=1)
def diagnose() -> Diagnosis:
    """Which sandbox this machine gives, why, and how to get a better one. Tried once for each process."""
    from lnbench.poison import process, seccomp

    if sys.platform != "linux":
        return Diagnosis(NONE, f"bubblewrap needs Linux, this is {sys.platform}.", ("use a Linux virtual machine",))
    if not seccomp.supported():
        return Diagnosis(NONE, f"the system-call filter knows x86_64 and aarch64, this is {os.uname().machine}.")
    if bubblewrap() is None:
        return Diagnosis(NONE, "bubblewrap (bwrap) is not installed.", _INSTALL)
    if dropped_user() is not None and not Path("/usr/bin/setpriv").exists():
        return Diagnosis(NONE, "setpriv is not installed.", ("install util-linux",))
    problem = process.probe()
    if problem is None:
        who = "as root, with the user dropped inside" if dropped_user() is not None else "as an ordinary user"
        return Diagnosis(BUBBLEWRAP, f"bubblewrap works here {who}.")
    if "Unknown option" in problem:
        return Diagnosis(NONE, f"bubblewrap is too old: {problem}.", _INSTALL)
    if "bwrap:" in problem:
        refused = any(word in problem for word in ("namespace", "uid map", "RTM_NEWADDR", "not permitted", "denied"))
        remedies = _USER_NAMESPACES if refused else ("report it, with the output of `lnbench doctor`",)
        return Diagnosis(NONE, f"bubblewrap cannot build the sandbox: {problem}.", remedies)
    return Diagnosis(
        NONE,
        f"Python does not start inside bubblewrap: {problem}.",
        ("install lnbench into a virtual environment that every user may read (chmod -R a+rX), not with pip --user",),
    )


def bubblewrap() -> str | None:
    """Path of the bwrap program, or None."""
    return shutil.which("bwrap")


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
    if sys.platform != "linux" or (mode == BUBBLEWRAP and dropped_user() is not None):
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
    if mode == NONE and "LD_LIBRARY_PATH" in os.environ:  # some clusters' Python does not start without it
        fixed["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return {**fixed, **threads}


def python(library: str, inputs: str, result: int) -> list[str]:
    """The guest's command. Not `-I`: it would ignore the hash seed, and the environment is ours anyway."""
    return [_executable(), "-P", "-s", "-B", "-c", _BOOT, library, inputs, str(result)]


def plain_command(box: Box, result: int) -> list[str]:
    """The guest's command without a sandbox."""
    return python(str(box.library), str(box.inputs), result)


def command(box: Box, *, result: int, rules: int, info: int, block: int) -> list[str]:
    """The bubblewrap command.

    Args:
        result: descriptor that the guest writes its answer to.
        rules: descriptor with the seccomp program.
        info: descriptor on which bwrap tells the host's number of the sandbox's first process.
        block: descriptor bwrap waits for before it starts the guest.
    """
    user = dropped_user()
    program = bubblewrap()
    if program is None:
        raise FileNotFoundError("bwrap")
    arguments = [program, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "box"]
    arguments += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    arguments += ["--cap-drop", "ALL"]
    if user is None:
        arguments += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
    else:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):  # for setpriv below, which drops them
            arguments += ["--cap-add", capability]
    arguments += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--perms", "1777", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]
    arguments += ["--perms", "1777", "--size", str(box.scratch_mib << 20), "--tmpfs", "/tmp"]
    if box.gpu:  # after --dev; CUDA reads /sys as well
        for device in sorted(glob.glob("/dev/nvidia*")):
            arguments += ["--dev-bind", device, device]
        arguments += ["--ro-bind", "/sys", "/sys"]
    arguments += _installation()
    arguments += _directories(["/referee/lnbench"])
    arguments += ["--ro-bind", str(_PACKAGE), "/referee/lnbench"]
    arguments += ["--ro-bind", str(box.inputs), "/in", "--ro-bind", str(box.submission), "/submission"]
    for name, value in environment(box, BUBBLEWRAP).items():
        arguments += ["--setenv", name, value]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    arguments += ["--info-fd", str(info), "--block-fd", str(block), "--seccomp", str(rules), "--"]
    if user is not None:
        arguments += ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        arguments += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return arguments + python("/referee", "/in", result)


def _executable() -> str:
    """The interpreter's path without `..`, which bubblewrap takes for a folder's name."""
    return os.path.abspath(sys.executable)


def _system() -> list[str]:
    """Binds of /usr and of the folders that are links into it on most systems."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(name):
            arguments += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            arguments += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/nix/store"):
        arguments += ["--ro-bind-try", name, name] if os.path.exists(name) else []
    return arguments


@functools.lru_cache(maxsize=1)
def _installation() -> list[str]:
    """Binds of the Python installation, read-only, with every folder that could hold test data masked.

    A virtual environment needs both its own prefix and its base's, and the links in between. Parents are made by hand:
    bwrap would make them with mode 0700, closed to the dropped user.
    """
    named = set(map(os.path.abspath, (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)))
    prefixes = sorted({*named, *map(os.path.realpath, named)}, key=lambda p: (p.count("/"), p))
    arguments: list[str] = []
    bound: list[str] = ["/usr"]
    masks: list[str] = []
    for prefix in prefixes:
        if _inside(prefix, ["/usr"]):
            continue
        if prefix not in bound:
            arguments += [*_directories([prefix]), "--ro-bind", prefix, prefix]
            bound.append(prefix)
        if os.path.isdir(os.path.join(prefix, "conda-meta")) or os.path.isdir(os.path.join(prefix, "envs")):
            for other in ("pkgs", "envs"):  # other environments, with their own copies of data sets
                if os.path.isdir(mask := os.path.join(prefix, other)):
                    arguments += [*_EMPTY, mask]
                    masks.append(mask)
    for link, target in _links(_executable()):
        if not _inside(link, bound):
            arguments += [*_directories([link]), "--symlink", target, link]
    for folder in _bundled_data([*prefixes, "/usr", "/usr/local"]):
        arguments += [*_EMPTY, folder]
        masks.append(folder)
    for mask in masks:  # once all that lies below is bound
        arguments += ["--remount-ro", mask]
    return arguments


def _bundled_data(prefixes: Sequence[str]) -> list[str]:
    """Folders of data sets that come with scikit-learn: the digits' test points are in there."""
    found = set()
    for library in (path for prefix in prefixes for path in glob.glob(f"{glob.escape(prefix)}/lib*")):
        if not os.path.islink(library):
            found.update(glob.glob(f"{glob.escape(library)}/python*/*-packages/sklearn/datasets/data"))
    return sorted(found)


def _links(path: str) -> Iterator[tuple[str, str]]:
    """The symbolic links met on the way to the file, as (link, its text)."""
    for _ in range(40):
        parts = Path(path).parts
        for i in range(1, len(parts) + 1):
            link = os.path.join(*parts[:i])
            if os.path.islink(link):
                target = os.readlink(link)
                yield link, target
                path = os.path.normpath(os.path.join(os.path.dirname(link), target, *parts[i:]))
                break
        else:
            return


def _inside(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _directories(paths: Sequence[str]) -> list[str]:
    """`--dir` for every parent that is not there yet, readable for all."""
    arguments: list[str] = []
    for path in paths:
        for parent in reversed(Path(path).parents):
            if str(parent) not in ("/", "/tmp", "/dev", "/dev/shm", "/usr"):
                arguments += ["--perms", "0755", "--dir", str(parent)]
    return arguments
