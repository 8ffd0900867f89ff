"""A sample of the fuzz campaign, small enough for every run of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import campaign
from fuzz.target import Target
from fuzz.targets import TARGETS
from lnbench.errors import UnavailableError


def _made(name: str) -> Target:
    try:
        return TARGETS[name]()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_right_is_read(name: str) -> None:
    target = _made(name)
    refused = 0
    for seed in target.seeds:
        assert len(seed) <= target.longest
        try:
            target.read(seed)
        except target.allowed:
            refused += 1
    assert refused < len(target.seeds), "with nothing right to start from, a campaign only scratches at the door"


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_the_reader_returns_or_raises_its_own_errors(name: str) -> None:
    target = _made(name)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(target.almost | st.binary(max_size=60))
    def one(data: bytes) -> None:
        try:
            target.read(data)
        except target.allowed:
            pass

    one()


def test_a_finding_is_not_swallowed() -> None:
    """The campaign is only as good as this: an error that is not the reader's own comes through."""
    target = TARGETS["store_entry"]()
    assert target.allowed == ()
    with pytest.raises(TypeError):
        target.read("no bytes")  # type: ignore[arg-type]


def test_the_command_line_names_targets_and_engines() -> None:
    every = campaign.chosen([], ["idx", "hub_card"])
    assert len(every) == 4
    assert campaign.chosen(["idx"], ["idx", "hub_card"]) == [("idx", "atheris"), ("idx", "hypothesis")]
    assert campaign.chosen(["atheris"], ["idx", "hub_card"]) == [("idx", "atheris"), ("hub_card", "atheris")]
    assert campaign.chosen(["idx:atheris"], ["idx", "hub_card"]) == [("idx", "atheris")]
    with pytest.raises(ValueError, match="'idy' is none of idx"):
        campaign.chosen(["idy"], ["idx"])


def test_atheris_is_given_nothing_that_was_imported_before_it_looks(tmp_path: Path) -> None:
    """What is loaded before `instrument_imports` has no coverage, and a campaign without it mutates blindly."""
    (tmp_path / "atheris.py").write_text(
        "import contextlib, sys\n"
        "@contextlib.contextmanager\n"
        "def instrument_imports(include):\n"
        "    print(sorted(name for name in sys.modules if name.split('.')[0] in include))\n"
        "    yield\n"
        "def Setup(arguments, one): one(b'x')\n"
        "def Fuzz(): print('fuzzed')\n"
    )
    command = [sys.executable, "-P", campaign.__file__, "--here", "seasons_toml:atheris"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["[]", "fuzzed"]), done.stderr


def test_a_kept_result_stands_only_for_the_same_code_and_no_more_effort() -> None:
    code = {path: campaign._hash(path) for path in ("lnbench/record.py", "tests/fuzz/tape.py")}
    kept = {"code": code, "inputs": 500, "asked": {"inputs": 1000, "seconds": 60}, "verdict": "nothing found"}
    assert campaign.done_before(kept, 1000, 60) and campaign.done_before(kept, 400, 600)
    assert not campaign.done_before(kept, 1000, 61) and not campaign.done_before(kept, 1001, 60)
    assert not campaign.done_before({**kept, "verdict": "FOUND"}, 1000, 60)
    assert not campaign.done_before({**kept, "code": {**code, "lnbench/record.py": "0" * 16}}, 1000, 60)
    assert not campaign.done_before({**kept, "code": {}}, 1000, 60)


def test_a_finding_ends_the_campaign_with_1_and_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = iter(["FOUND", "broken off", "nothing found"])

    def run(name: str, engine: str, inputs: int, seconds: int, out: Path) -> dict[str, Any]:
        result = {"target": name, "engine": engine, "inputs": inputs, "seconds": 1.0, "peak_mib": 1, "findings": []}
        asked = {"inputs": inputs, "seconds": seconds}
        code = {"tests/tiny.py": campaign._hash("tests/tiny.py")}
        return {**result, "verdict": next(verdicts), "output": [], "code": code, "asked": asked}

    monkeypatch.setattr(campaign, "_run", run)
    monkeypatch.setattr(sys, "argv", ["campaign.py", "idx:hypothesis", "--out", str(tmp_path), "--inputs", "7"])
    assert [campaign.main() for _ in range(4)] == [1, 3, 0, 0]
    assert capsys.readouterr().out.count("nothing found (kept)") == 1
