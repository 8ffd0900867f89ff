"""docs/start.ipynb shows what it says, on a tiny track; `make newcomer` runs it as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import cluster
import newcomer
import tiny

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / newcomer.NOTEBOOK
_TRACK = 'TRACK = \\"digits-9to0\\"'  # as JSON has it


def _executed(folder: Path, track: str) -> list[Any]:
    """The notebook's code cells after they ran in the folder, on another track."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text.count(_TRACK) == 1
    (folder / "start.ipynb").write_text(text.replace(_TRACK, f"TRACK = '{track}'"), encoding="utf-8")
    run = "from nbclient.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", run, "--timeout=1200", "--output=done.ipynb", "start.ipynb"],
        cwd=folder,
        env=cluster.variables(LNBENCH_CACHE=str(folder / "cache")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = nbformat.read(folder / "done.ipynb", as_version=4)
    return [cell for cell in made.cells if cell.cell_type == "code"]


def _shown(cell: Any, kind: str) -> list[Any]:
    return [output.data[kind] for output in cell.outputs if kind in output.get("data", {})]


def test_the_notebook_is_committed_without_outputs_and_installs_only_what_is_missing() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    condition, install = (line for line in code[0].source.splitlines() if "lnbench" in line)
    assert condition.startswith('if importlib.util.find_spec("lnbench") is None:') and install.startswith("    %pip")
    assert not any("pip install" in cell.source for cell in code[1:])
    assert any("lnbench.evaluate(Mine(skip=3)" in cell.source and "quick=True" in cell.source for cell in code)


@pytest.mark.slow
def test_the_notebook_runs_on_a_tiny_track(tmp_path: Path) -> None:
    track = tiny.write(tmp_path / "tiny.toml")
    cells = _executed(tmp_path, str(track))
    (table,) = (_shown(cell, "text/html") for cell in cells if cell.source.startswith("class Mine"))
    assert "adversarial" in table[0].lower()
    (verdict,) = (_shown(cell, "text/plain") for cell in cells if cell.source == "mine.verdict")
    assert "random flips" in verdict[0]
    assert len([cell for cell in cells if _shown(cell, "image/png")]) == 3, "flipped digits, and two figures of curves"
    assert "on tiny" in _shown(cells[-1], "text/plain")[0]
