"""What `pip install` of a built wheel brings: the referee, the contents, the board's records, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import lnbench
from lnbench.record.folder import records_in

ROOT = Path(__file__).resolve().parents[2]


def season_row() -> str:
    """The track and file of a row whose salt only the board's seasons have."""
    records = ROOT / "leaderboard" / "records"
    row = min(path for path in records_in(records, "digits-9to0") if json.loads(path.read_bytes()).get("season"))
    return str(row.relative_to(records))


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
    expected |= {f"lnbench/_defences/{name}" for name in files("defences")}
    expected |= {f"lnbench/_leaderboard/records/{name}" for name in files("leaderboard/records")}
    expected |= {f"lnbench/_leaderboard/{name}" for name in ("board.json", "seasons.toml", "allowed_signers")}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected | {"lnbench/_submissions/my_poisoner.py"}


def test_the_readme_of_the_wheel_has_links_that_work_elsewhere(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    page = wheel.read(name).decode()
    assert f"](https://github.com/lnbench/lnbench/blob/v{lnbench.__version__}/leaderboard/README.md)" in page
    links = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)", page)
    assert len(links) > 20
    assert "href=" not in page and not re.search(r"^\[[^]]+\]:", page, re.MULTILINE), "links of other kinds"
    assert [link for pair in links for link in pair if link and not link.startswith(("https://", "#"))] == []


def test_the_board_in_the_wheel_is_read(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked where no checkout can help it, as an installation is."""
    wheel.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (("leaderboard", "show"), "my_poisoner"),
        (("compare", "my_poisoner", "random_flip"), "my_poisoner beats random_flip on digits-9to0"),
        (("verify", f"../site/lnbench/_leaderboard/records/{season_row()}"), "ok      season: season"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lnbench", *arguments],
            cwd=tmp_path / "empty",
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and words in done.stdout, done.stderr


def test_the_wheel_says_who_may_use_it_and_how(wheel: zipfile.ZipFile) -> None:
    info = f"lnbench-{lnbench.__version__}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata and "Requires-Python: >=3.11" in metadata
    assert "\nAuthor: The lnbench developers\n" in metadata
    for python in ("3.11", "3.12", "3.13", "3.14"):
        assert f"\nClassifier: Programming Language :: Python :: {python}\n" in metadata
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"\nProject-URL: Homepage, {citation['repository-code']}\n" in metadata
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert (
        wheel.read(f"{info}/entry_points.txt").decode().split()
        == "[console_scripts] lnbench = lnbench.__main__:main".split()
    )


def test_the_citation_is_of_this_version() -> None:
    """A version in development has no date of release; CHANGELOG.md heads a released one with its own."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == citation["preferred-citation"]["version"] == lnbench.__version__
    assert ("date-released" in citation) == (not Version(lnbench.__version__).is_devrelease)
    if "date-released" in citation:
        changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        assert f"## {lnbench.__version__} ({citation['date-released']})" in changes
