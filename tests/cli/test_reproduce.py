"""`lnbench reproduce`: what it prints and how it ends."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lnbench import cli
from lnbench.thesis import experiments


def lnbench(*args: str | Path) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli.cli, ["reproduce", *[str(arg) for arg in args]])


def test_the_list_has_every_experiment_and_its_place_in_the_thesis() -> None:
    result = lnbench("--list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert tuple(line.split()[0] for line in lines) == experiments.names()
    assert all("§" in line for line in lines)


@pytest.mark.parametrize("args", [(), ("--all", "--list"), ("theorem1", "--check"), ("theorem1", "--all")])
def test_one_thing_is_asked_for(args: tuple[str, ...]) -> None:
    result = lnbench(*args)
    assert result.exit_code == 2 and "--list" in result.stderr


@pytest.mark.parametrize("args", [("--all",), ("--check",)])
def test_only_named_experiments_are_extended(args: tuple[str, ...]) -> None:
    result = lnbench(*args, "--extend")
    assert result.exit_code == 2 and "--extend needs experiments' names" in result.stderr


def test_what_cannot_be_extended_is_said_before_any_work(tmp_path: Path) -> None:
    result = lnbench("theorem1", "theorem2", "--extend", "--out", tmp_path)
    assert result.exit_code == 2 and "theorem1.json is not there" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_experiment_is_a_sentence_and_nothing_is_run(tmp_path: Path) -> None:
    result = lnbench("theorem1", "teorem2", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == "error: no experiment is called 'teorem2'; did you mean theorem2 or theorem1?\n"
    assert not (tmp_path / "out").exists()


def test_without_matplotlib_it_says_so_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    result = lnbench("theorem1", "--out", tmp_path / "out")
    assert result.exit_code == 3 and "pip install 'lnbench[figures]'" in result.stderr


def test_a_run_prints_its_verdicts_and_a_changed_number_is_seen(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = lnbench("fig02", "--out", out, "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "direction only" in result.stdout and "AGREES" in result.stdout
    assert f"written: {out}/fig02.json" in result.stderr
    assert lnbench("--check", "--out", out).exit_code == 0

    document = json.loads((out / "fig02.json").read_text())
    document["found"][0]["result"]["coverage"]["covered"] = 0
    (out / "fig02.json").write_text(json.dumps(document))
    result = lnbench("--check", "--out", out)
    assert result.exit_code == 1 and "differs" in result.stdout and "--redraw" in result.stderr
    assert lnbench("--redraw", "--out", out).exit_code == 0
    assert lnbench("--check", "--out", out).exit_code == 0


def test_checking_an_empty_folder_is_usage(tmp_path: Path) -> None:
    result = lnbench("--check", "--out", tmp_path)
    assert result.exit_code == 2 and "no experiments" in result.stderr
