"""The hash of the code: contents count, names and places of modules do not."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from lnbench.evaluation import code_hash
from lnbench.protocol import track as tracks

FILES = {
    "__init__.py": '"""The package."""\n',
    "base.py": '"""Base."""\n\nRATE = 0.1\n\n\ndef step(x: float) -> float:\n    """Go on."""\n    return RATE * x\n',
    "room/__init__.py": "from lnbench.base import step as stride\n",
    "room/top.py": (
        "from lnbench import base\nfrom lnbench.room import stride\n\n\n"
        "def run(x):\n    from lnbench.base import RATE\n    return stride(x) + base.step(RATE), 'lnbench.base:step'\n"
    ),
}
TOP = "lnbench.room.top"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str], str], str]:
    """A function that lays a package of some files and takes the hash of one module of it."""

    def hashed(files: dict[str, str], module: str) -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        monkeypatch.setattr(code_hash, "_ROOT", root)
        for cached in (code_hash.module_sha256, code_hash._meaning, code_hash._tree):
            cached.cache_clear()
        try:
            return code_hash.module_sha256(module)
        finally:
            for cached in (code_hash.module_sha256, code_hash._meaning, code_hash._tree):
                cached.cache_clear()

    return hashed


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """The files with one text replaced."""
    assert old in FILES[name]
    return {**FILES, name: FILES[name].replace(old, new)}


def test_renaming_or_moving_a_module_changes_nothing(package: Callable[[dict[str, str], str], str]) -> None:
    here = package(FILES, TOP)
    moved = {
        **{name: text.replace("lnbench.base", "lnbench.deep.under") for name, text in FILES.items()},
        "deep/__init__.py": '"""Deep."""\n',
        "deep/under.py": FILES["base.py"],
    }
    del moved["base.py"]
    moved["room/top.py"] = moved["room/top.py"].replace("from lnbench import base", "from lnbench.deep import under")
    moved["room/top.py"] = moved["room/top.py"].replace("base.step(", "under.step(")
    assert package(moved, TOP) == here
    renamed = {
        name.replace("room/", "hall/"): text.replace("lnbench.room", "lnbench.hall") for name, text in moved.items()
    }
    assert package(renamed, "lnbench.hall.top") == here


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("base.py", '"""Go on."""', '"""Go further."""'),
        ("base.py", "RATE = 0.1\n", "RATE = 0.1  # a comment\n"),
        ("base.py", "(x: float) -> float", "(x)"),
        ("room/top.py", "from lnbench.room import stride", "from lnbench.base import step as stride"),
        ("room/top.py", "from lnbench import base\n", "from lnbench import base\nfrom lnbench.room import top2\n"),
        ("room/top.py", "def run", "if TYPE_CHECKING:\n    from lnbench.room.top import run\n\n\ndef run"),
    ],
)
def test_what_cannot_move_a_score_does_not_count(
    package: Callable[[dict[str, str], str], str], name: str, old: str, new: str
) -> None:
    assert package(changed(name, old, new), TOP) == package(FILES, TOP)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("base.py", "0.1", "0.2"),
        ("base.py", "RATE * x", "x"),
        ("room/top.py", "base.step(RATE)", "base.step(x)"),
        ("room/top.py", "stride(x) +", "stride(x) -"),
        ("room/top.py", "base:step'", "base:stop'"),
        ("room/__init__.py", "import step as stride", "import RATE as stride"),
    ],
)
def test_a_line_that_can_move_a_score_changes_it(
    package: Callable[[dict[str, str], str], str], name: str, old: str, new: str
) -> None:
    assert package(changed(name, old, new), TOP) != package(FILES, TOP)


def test_a_circle_is_an_error(package: Callable[[dict[str, str], str], str]) -> None:
    files = {
        **FILES,
        "base.py": FILES["base.py"] + "\n\ndef back(x):\n    from lnbench.room import top\n    top.run(x)\n",
    }
    with pytest.raises(RuntimeError, match=r"in a circle: lnbench\.room\.top → .* → lnbench\.room\.top"):
        package(files, TOP)


def test_the_shipped_code_reaches_what_moves_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editing any of these would change the hash of a track's cells; editing an attack or the board would not."""
    read: set[str] = set()
    real = code_hash._tree.__wrapped__
    for cached in (code_hash.module_sha256, code_hash._meaning, code_hash._tree):
        cached.cache_clear()

    def noted(module: str) -> ast.Module:
        read.add(module)
        return real(module)

    monkeypatch.setattr(code_hash, "_tree", noted)
    code_hash.code_sha256(tracks.load("digits-9to0"))
    for cached in (code_hash.module_sha256, code_hash._meaning):
        cached.cache_clear()
    must = {"adversary.pgd", "kernels.linf_step", "victims.training", "victims.architectures.cnn", "data.digits"}
    assert {f"lnbench.{name}" for name in must | {"protocol.flips", "protocol.seeds"}} <= read
    assert not {
        name for name in read if name.split(".")[1:2] in (["board"], ["cli"], ["thesis"], ["trust"], ["poison"])
    }
    assert "lnbench.victims.architectures.timm" not in read
