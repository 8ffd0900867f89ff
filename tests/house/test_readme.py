"""README and docs/house.md tell the truth: the tree, commands, links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import blocks
from lnbench.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def readme() -> str:
    """The README's text."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_entry_of_the_tree_exists() -> None:
    (tree,) = [block.text for block in blocks.read(ROOT / "docs" / "house.md") if block.text.startswith("lnbench/")]
    folders: list[str] = []
    count = 0
    for line in tree.splitlines():
        indent, names = len(line) - len(line.lstrip()), re.split(r"\s{2,}", line.strip())[0]
        if indent > 4:  # the description goes on
            continue
        folders = folders[: indent // 2]
        for name in names.split(" · "):
            count += 1
            assert Path(ROOT, *folders, name).exists(), f"the tree names {'/'.join([*folders, name])}"
        folders.append(names)
    assert count > 15


def test_every_command_of_the_readme_is_one(readme: str) -> None:
    text = "\n".join(block.text for block in blocks.read(ROOT / "README.md"))
    verbs = re.findall(r"^(?:\$ )?lnbench ([a-z]+)", text, flags=re.M)
    verbs += re.findall(r"`lnbench ([a-z]+)[ `]", readme)
    assert set(verbs) <= set(VERBS) and "evaluate" in verbs


def test_ci_finds_the_readmes_test_command(readme: str) -> None:
    (block,) = re.findall(r"<!-- tests -->\n```sh\n(.*?)^```", readme, flags=re.M | re.S)
    assert "pytest" in block
    shell = f"sed -n '/<!-- tests -->/,/^```$/{{/^```\\|<!--/!p}}' '{ROOT / 'README.md'}'"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == block
    assert "/<!-- tests -->/" in (ROOT / ".ci" / "run").read_text(), ".ci/run extracts it the same way"


def test_the_readme_links_to_what_exists(readme: str) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", readme):
        assert (ROOT / target).exists(), f"the README links to {target}"
