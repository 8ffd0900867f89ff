"""docs/cluster.md: its commands are commands, and its blocks run as far as one machine can run them."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import blocks as markdown_blocks
import cluster
import tiny
from lnbench.cli import cli

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = markdown_blocks.read(ROOT / "docs" / "cluster.md")
SHIM = """#!{python} -P
import os, re, subprocess, sys
"""
SBATCH = """
script = sys.argv[-1]
first, last = map(int, re.search(r"--array=(\\d+)-(\\d+)", open(script).read()).groups())
for task in range(first, last + 1):
    more = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(last - first + 1)}
    subprocess.run(["bash", script], env={**os.environ, **more}, check=True)
"""
PARALLEL = """
at = sys.argv.index(":::")
for word in sys.argv[at + 1 :]:
    subprocess.run([part.replace("{}", word) for part in sys.argv[1:at]], check=True)
"""


def blocks(section: str, language: str = "sh") -> list[str]:
    """The blocks of a section."""
    return [block.text for block in BLOCKS if (block.section, block.language) == (section, language)]


def test_every_command_is_one_with_its_options() -> None:
    lines = [line for block in BLOCKS if block.language == "sh" for line in markdown_blocks.commands(block)]
    commands = [line[line.index("lnbench ") :] for line in lines if re.match(r"(parallel )?lnbench ", line)]
    assert len(commands) > 12
    for line in commands:
        words = shlex.split(line.partition(":::")[0])[1:]
        verb = cli.get_command(None, words[0])  # type: ignore[arg-type]
        assert verb is not None
        verb.make_context(words[0], words[1:], help_option_names=["-h", "--help"])  # as below lnbench


def test_the_kubernetes_block_is_a_cluster_of_these_versions() -> None:
    (block,) = blocks("Ray on Kubernetes", "yaml")
    made = yaml.safe_load(block)
    assert (made["kind"], made["spec"]["authOptions"]["mode"]) == ("RayCluster", "token")
    pins = (ROOT / "constraints" / "newest.txt").read_text(encoding="utf-8")
    assert f"ray=={made['spec']['rayVersion']}" in pins
    groups = [made["spec"]["headGroupSpec"], *made["spec"]["workerGroupSpecs"]]
    assert {c["image"] for g in groups for c in g["template"]["spec"]["containers"]} == {"lnbench-ray"}


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder with a tiny track and two poisoners, and a PATH on which `lnbench` and schedulers are."""
    keys = tiny.document()
    keys["victims"][0]["recipe"]["steps"] = 5
    keys["victims"][0] |= {"options": {"width": 4, "depth": 1}}
    tiny.write(tmp_path / "tiny.toml", keys)
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "first.py").write_text(tiny.POISONER, encoding="utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "lnbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m lnbench "$@"\n')
    for name, code in (("sbatch", SBATCH), ("parallel", PARALLEL)):
        if shutil.which(name) is None:
            (tools / name).write_text(SHIM.format(python=sys.executable) + code)
    for tool in tools.iterdir():
        tool.chmod(0o755)
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    return tmp_path, cluster.variables(PATH=path, LNBENCH_CACHE=str(tmp_path / "cache"))


def run(block: str, machine: tuple[Path, dict[str, str]], address: str = "") -> str:
    """Run a block in the folder, on the tiny track and a folder that can be written; all that it printed."""
    folder, environ = machine
    text = block.replace("/mnt/shared/lnbench", str(folder / "shared"))
    text = re.sub(r"digits-9to0(,mnist10k-9to0)?", str(folder / "tiny.toml"), text)
    text = text.replace("HEAD:6379", address).replace("--address auto", f"--address {address}")
    done = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=environ, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_blocks_for_one_machine_and_for_schedulers_run(machine: tuple[Path, dict[str, str]]) -> None:
    folder, _ = machine
    (laptop,) = blocks("A laptop")
    said = run(laptop, machine)
    assert "1 of 1 records written" in said and "3 of 3 cells done" in said
    alone = {path.name for path in (folder / "records" / "tiny").glob("*.json")}
    (stored,) = blocks("A store that many share")
    assert "1 of 1 records written" in run(stored, machine)
    shutil.rmtree(folder / "shared")
    script, commands, parallel = blocks("Slurm")
    (folder / "lnbench.sbatch").write_text(
        re.sub(r"digits-9to0", str(folder / "tiny.toml"), script).replace("/mnt/shared/lnbench", str(folder / "shared"))
    )
    assert "1 of 1 records written" in run(commands, machine)
    assert {path.name for path in (folder / "records" / "tiny").glob("*.json")} == alone, "the same records"
    shutil.rmtree(folder / "shared")
    assert "shard 4/4 of campaign" in run(parallel, machine)
    plan = blocks("What it will take")[0].splitlines()[0]
    assert "wall time by simulation" in run(plan, machine)


@pytest.mark.slow
def test_the_blocks_for_ray_run(machine: tuple[Path, dict[str, str]]) -> None:
    """`ray start` is run with --block and a port of its own, since `ray stop` would end other people's clusters."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'lnbench[ray]'")
    on_one, starts, command = blocks("Ray")
    assert "1 of 1 records written" in run(on_one, machine)
    assert "ray start --head" in starts and "RAY_AUTH_MODE=token" in starts
    with cluster.running((1,)) as made:
        shutil.rmtree(machine[0] / "cache")
        assert "1 of 1 records written" in run(command, machine, made.address)
        (auto,) = blocks("Ray on Kubernetes")
        assert "1 of 1 records written" in run(auto, machine, made.address)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="submissions run in bubblewrap")
def test_the_block_for_gpus_runs(machine: tuple[Path, dict[str, str]]) -> None:
    (block,) = blocks("One server")
    assert "1 of 1 records written" in run(block.replace("mnist-9to0", "digits-9to0"), machine)
