"""Whether a machine gives a sandbox, what is told to a person when it gives none, and what the box is made of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnbench.errors import UnavailableError
from lnbench.poison import diagnosis, process, sandbox
from lnbench.poison.run import Submission, poison


@pytest.fixture
def fresh() -> Iterator[None]:
    """No diagnosis from before, and none for later."""
    diagnosis.diagnose.cache_clear()
    yield
    diagnosis.diagnose.cache_clear()


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """A bwrap that fails with these words."""
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_this_machine(bubblewrap: str, fresh: None) -> None:
    found = diagnosis.diagnose()
    assert (found.mode, found.remedies) == ("bubblewrap", ()) and found.reason.startswith("bubblewrap works here as ")
    assert diagnosis.mode() == "bubblewrap"


def test_not_installed(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = diagnosis.diagnose()
    assert found.mode == "none" and "not installed" in found.reason and "apt install bubblewrap" in found.remedies[0]


@pytest.mark.parametrize(
    "says",
    [
        "bwrap: setting up uid map: Permission denied",
        "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
        "bwrap: No permissions to create new namespace, likely because the kernel does not allow it.",
    ],
)
def test_namespaces_forbidden(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str) -> None:
    pretend(tmp_path, monkeypatch, says)
    found = diagnosis.diagnose()
    assert found.mode == "none" and says.rstrip(".") in found.reason
    assert any("apparmor_restrict_unprivileged_userns" in remedy for remedy in found.remedies)
    assert any("profile bwrap /usr/bin/bwrap" in remedy for remedy in found.remedies)


def test_root_without_capabilities(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with every capability dropped: no identity to take."""
    monkeypatch.setattr(diagnosis, "dropped_user", lambda: 60001)
    monkeypatch.setattr(sandbox, "dropped_user", lambda: 60001)
    monkeypatch.setattr(diagnosis, "bubblewrap", lambda: "bwrap")
    monkeypatch.setattr(process, "probe", lambda: pytest.fail("there is nothing to try"))
    for held, missing in (
        (0, "CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_ADMIN, CAP_SYS_ADMIN"),
        (0xA80425FB, "CAP_NET_ADMIN, CAP_SYS_ADMIN"),  # Docker's own
    ):
        diagnosis.diagnose.cache_clear()
        monkeypatch.setattr(sandbox, "_capabilities", lambda held=held: held)
        found = diagnosis.diagnose()
        assert found.mode == "none"
        assert found.reason == f"bubblewrap cannot build the sandbox: this process is root without {missing}."
        assert found.remedies == ("run lnbench as an ordinary user; in a container, `--user 1000:1000`",)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give its capabilities up")
def test_root_without_capabilities_for_real() -> None:
    code = "from lnbench.poison import diagnosis; print(diagnosis.diagnose())"
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-P", "-c", code]
    variables = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Diagnosis(mode='none', reason=") and "run lnbench as an ordinary" in done.stdout


def test_a_probe_that_cannot_be_set_up_is_a_reason(
    bubblewrap: str, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room, or no folder at all: the diagnosis says so instead of failing."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    found = diagnosis.diagnose()
    assert found.mode == "none" and "No such file or directory: '/nowhere/lnbench-" in found.reason


def test_too_old(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(tmp_path, monkeypatch, "bwrap: Unknown option --size")
    found = diagnosis.diagnose()
    assert found.mode == "none" and "too old" in found.reason and "0.8 or later" in found.remedies[0]


def test_python_does_not_start_inside(
    bubblewrap: str, fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The probe is the real thing: an interpreter that the box does not hold shows."""
    monkeypatch.setattr(sandbox, "_BOOT", "import a_library_that_is_not_there")
    found = diagnosis.diagnose()
    assert found.mode == "none" and "No module named 'a_library_that_is_not_there'" in found.reason


def test_other_systems(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = diagnosis.diagnose()
    assert found.mode == "none" and found.reason == "bubblewrap needs Linux, this is darwin."


def test_a_sandbox_that_breaks_is_not_the_submissions_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Any, track: Any, streams: Any
) -> None:
    pretend(tmp_path, monkeypatch, "bwrap: Can t do it today")

    submission = Submission.from_bytes("a.py", b"import lnbench\nclass A(lnbench.Poisoner): pass\n")
    with pytest.raises(UnavailableError, match="the sandbox did not start: bwrap: Can t do it today"):
        poison(submission, data, track, 0, streams, mode="bubblewrap")


def test_dropped_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert sandbox.dropped_user() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    maps = {
        "         0          0 4294967295\n": range(0x70000000, 0x80000000),
        "         0       1000          1\n         1     100000      65536\n": range(60001, 61184),
        "         0       1000          1\n": None,
        "": None,
    }
    for text, users in maps.items():
        monkeypatch.setattr(Path, "read_text", lambda _self, text=text: text)
        drawn = {sandbox.dropped_user() for _ in range(5)}
        assert drawn == {None} if users is None else len(drawn) > 1 and all(user in users for user in drawn)


def box(tmp_path: Path, **options: Any) -> sandbox.Box:
    return sandbox.make_box(tmp_path, b"{}", "a.py", b"", **options)


def test_a_killed_probe_says_nothing_about_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that kills it by chance, for want of memory say, has a sandbox all the same."""
    codes = [-9, 137, 0]

    def run(*_: Any, **__: Any) -> process.Outcome:
        return process.Outcome(b"lnbench1", b"", codes.pop(0), "", 0.1, "process")

    monkeypatch.setattr(process, "run", run)
    assert process.probe() is None and codes == []
    codes += [137] * 9
    with pytest.raises(UnavailableError, match="something killed its trial 5 times in a row"):
        process.probe()
    assert len(codes) == 4


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_a_caller_without_standard_streams_has_a_sandbox(bubblewrap: str, closed: tuple[int, ...]) -> None:
    """The numbers of closed descriptors are free: pipes that get them would be taken for the child's own streams."""
    code = (
        "import os, sys\n"
        f"for fd in {closed}: os.close(fd)\n"
        "from lnbench.poison import process\n"
        "os._exit(0 if process.probe() is None else 9)"
    )
    variables = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=variables).returncode == 0


def test_bwrap_is_not_taken_from_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "below"):
        folder.mkdir(exist_ok=True)
        pretend(folder, monkeypatch, "a stranger's program")
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", "below", ".:below", f":{tmp_path.parent}"):
        monkeypatch.setenv("PATH", path)
        assert sandbox.bubblewrap() is None
    monkeypatch.setenv("PATH", f".:{tmp_path / 'below'}")
    assert sandbox.bubblewrap() == str(tmp_path / "below" / "bwrap")


def test_command(bubblewrap: str, tmp_path: Path) -> None:
    """Each trap has its option."""
    command, words = sandbox.bubblewrap_command(box(tmp_path), result=3, rules=4, info=5, block=6, options=7)
    assert command[1:4] == ["--args", "7", "--"] and not any(str(tmp_path) in word for word in command)
    text = " ".join(words)
    assert "--die-with-parent" in words and "--new-session" in words and "--clearenv" in words
    assert all(f"--unshare-{name}" in words for name in ("ipc", "pid", "net", "uts"))
    assert "--size 67108864 --tmpfs /dev/shm" in text and "--size 268435456 --tmpfs /tmp" in text
    assert "--remount-ro / " in text and "--remount-ro /dev " in text and "--seccomp 4" in text
    if os.geteuid() == 0:
        user = re.search(r"--reuid=(\d+)", " ".join(command))
        assert user and int(user[1]) >= 60001 and "--bounding-set=-all" in command and "--cap-drop ALL" in text
    else:
        assert "--unshare-user --disable-userns --uid 65534" in text
    bound = [words[i + 1] for i, word in enumerate(words) if word in ("--ro-bind", "--bind", "--dev-bind")]
    package = Path(sandbox.__file__).parents[1]
    assert str(package) in bound and str(package.parent) not in bound
    assert not set(bound) & {"/", "/home", "/etc", "/var", "/run", "/root", str(Path.home()), "/dev", "/sys"}
    assert "--bind" not in words and "--dev-bind" not in words


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for mode in ("bubblewrap", "none"):
        (tmp_path / mode).mkdir()
        seen = sandbox.environment(box(tmp_path / mode, threads=2), mode)
        assert "hf_secret" not in seen.values() and seen["PYTHONHASHSEED"] == "0" and seen["OMP_NUM_THREADS"] == "2"


def test_process_count_without_a_namespace(bubblewrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.processes_counted("none") > 0
    monkeypatch.setattr(sandbox, "dropped_user", lambda: None)
    if os.uname().release >= "6":
        assert sandbox.processes_counted("bubblewrap") == 0
    monkeypatch.setattr(os, "uname", lambda: type("Name", (), {"release": "4.18.0-553.el8", "machine": "x86_64"}))
    assert sandbox.processes_counted("bubblewrap") > 0


def test_probe_leaves_nothing(bubblewrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert process.probe() is None
    assert list(tmp_path.iterdir()) == []


def test_a_slow_start_is_not_the_submissions_fault(
    bubblewrap: str, monkeypatch: pytest.MonkeyPatch, data: Any, track: Any, streams: Any
) -> None:
    """The submission's clock starts when the guest is up; the start has a limit of its own."""
    source = (
        b"import lnbench\nclass A(lnbench.Poisoner):\n    def poison(self, problem):\n        return problem.labels\n"
    )
    submission = Submission.from_bytes("a.py", source)
    monkeypatch.setattr(sandbox, "_LIBRARY", "import time; time.sleep(1); " + sandbox._LIBRARY)
    poison(submission, data, track, 0, streams, mode="bubblewrap", seconds=0.5)
    monkeypatch.setattr(process, "START_SECONDS", 0.5)
    with pytest.raises(UnavailableError, match=r"nothing happened in 0\.5 s"):
        poison(submission, data, track, 0, streams, mode="bubblewrap")
