"""What `pip install` of a built wheel brings: the referee, the reference attacks, the template, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lnbench

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from this tree, offline."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (path,) = folder.glob("*.whl")
    assert path.name == f"lnbench-{lnbench.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_package_the_attacks_and_the_template(wheel: zipfile.ZipFile) -> None:
    def files(folder: str) -> set[str]:
        return {
            p.relative_to(ROOT / folder).as_posix()
            for p in (ROOT / folder).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }

    expected = {f"lnbench/{name}" for name in files("lnbench")} | {f"lnbench/_attacks/{n}" for n in files("attacks")}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected | {"lnbench/_submissions/my_poisoner.py"}


def test_the_wheel_says_who_may_use_it_and_how(wheel: zipfile.ZipFile) -> None:
    info = f"lnbench-{lnbench.__version__}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata and "Requires-Python: >=3.11" in metadata
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert (
        wheel.read(f"{info}/entry_points.txt").decode().split()
        == "[console_scripts] lnbench = lnbench.__main__:main".split()
    )
