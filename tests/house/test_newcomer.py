"""The newcomer of `make newcomer` runs what it should, notices what goes wrong, and has no network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import blocks
import newcomer

GOOD = """# A page

```sh
export NAME=two
mkdir -p deeper
cd deeper
echo "one 1.25 of"
```

<!-- block: numbers may differ -->
```
one 3.5 of
```

<!-- block: file note.txt -->
```text
written
```

```sh
pwd | sed 's|.*/||'
echo "$NAME" "$HOME" | sed 's|/.*/||'
cat ../note.txt
```

```
deeper
two home
written
```

<!-- block: skip, it needs a friend -->
```sh
exit 7
```
"""
BAD = """```sh
echo 1
```

```
2
```

```sh
false
```

```sh
python3 -I -c 'import socket; socket.create_connection(("192.0.2.1", 9), timeout=5)'
```
"""


@pytest.fixture
def visitor(tmp_path: Path) -> newcomer.Newcomer:
    """A newcomer with a home, a checkout and a `lnbench`, but without an environment of its own."""
    made = newcomer.Newcomer(tmp_path)
    for folder in (tmp_path / "home", made.bin, made.checkout):
        folder.mkdir(parents=True)
    (made.bin / "lnbench").touch()
    return made


def test_blocks_run_in_order_and_share_folder_and_variables(visitor: newcomer.Newcomer, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(GOOD, encoding="utf-8")
    outcomes = [(block.line, wrong) for block, wrong, _ in newcomer.visit(visitor, page, write=False)]
    assert outcomes == [(3, ""), (16, ""), (20, "")]
    skipped = [newcomer.skipped(block) for block in blocks.read(page) if not block.runs and not block.file]
    assert skipped == ["it needs a friend"]


def test_what_goes_wrong_is_noticed_and_there_is_no_network(
    visitor: newcomer.Newcomer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not visitor.offline:
        pytest.skip("no namespace without a network can be made here: neither bwrap nor unshare works")
    page = tmp_path / "page.md"
    page.write_text(BAD, encoding="utf-8")
    wrong = [wrong for _, wrong, _ in newcomer.visit(visitor, page, write=False)]
    assert wrong == ["it shows\n2\n\nand printed\n1\n", "exit status 1", "exit status 1"]
    assert "Network is unreachable" in capsys.readouterr().err
    wrong = [wrong for _, wrong, _ in newcomer.visit(visitor, page, write=True)]
    assert wrong == ["", "exit status 1", "exit status 1"]
    assert page.read_text(encoding="utf-8") == BAD.replace("\n2\n", "\n1\n")


def test_only_installing_and_cloning_have_the_network(
    visitor: newcomer.Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[tuple[str, bool]]()

    def shell(text: str, cwd: Path, *, online: bool) -> subprocess.CompletedProcess[str]:
        calls.append((text, online))
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(visitor, "shell", shell)
    text = "```sh\ngit clone https://github.com/lnbench/lnbench\ncd lnbench\npip install -e .\nlnbench doctor\n```\n"
    visitor.commands(blocks.parse(text, Path("page.md"))[0])
    lines = text.splitlines()[1:-1]
    assert calls == [(f"{line}\n", line.startswith(("git", "pip"))) for line in lines]
