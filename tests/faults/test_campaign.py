"""A sample of the fault campaign. The whole of it is `make faults`."""

from __future__ import annotations

import random
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from faults import campaign
from faults.kinds import before_lnbench, damaged
from faults.lab import ROOT, Lab, Tally, whole
from lnbench.evaluation.store import Store


def test_damage_is_damage_and_is_seen(tmp_path: Path) -> None:
    store, rng = Store(tmp_path), random.Random(0)
    store.put("labels", {"split": 0}, {"flips": [[1, 9, 0]]})
    (path,) = tmp_path.rglob("*.json")
    good = path.read_bytes()
    assert whole(path)
    for _ in range(200):
        path.write_bytes(damaged(good, rng, b"{}"))
        assert path.read_bytes() != good and not whole(path)


def test_ctrl_c_that_finds_python_still_loading_is_pythons_own() -> None:
    fatal = "Fatal Python error: init_import_site: Failed to import the site module\nKeyboardInterrupt\n"
    assert before_lnbench(1, fatal) and before_lnbench(1, "Could not import runpy module\nKeyboardInterrupt\n")
    assert not before_lnbench(1, fatal + 'File "lnbench/cli/__init__.py"') and not before_lnbench(4, fatal)
    assert not before_lnbench(1, "KeyboardInterrupt\n")


def test_a_loss_is_counted() -> None:
    tally = Tally(injected=3)
    tally.lose(2, "gone")
    tally.ended(-9)
    assert (tally.lost, tally.stories, tally.endings) == (2, ["gone"], {-9: 1})


def test_only_a_signal_that_nobody_here_sends_comes_from_outside() -> None:
    tally = Tally(injected=9)
    for code in (-signal.SIGTERM, 128 + signal.SIGHUP):
        tally.ended_wrongly(code, "struck")
    assert (tally.outside, tally.lost) == (2, 0)
    for code in (-signal.SIGKILL, -signal.SIGINT, -signal.SIGSEGV, 1, 4, 137):
        tally.ended_wrongly(code, "ours, or the kernel's")
    assert (tally.outside, tally.lost, len(tally.stories)) == (2, 6, 8)


def test_nothing_of_ours_sends_the_signals_that_count_as_from_outside() -> None:
    """Else a run that we ended ourselves would be excused."""
    sends = re.compile(r"\.terminate\(|SIGTERM|SIGHUP|\bkill(pg)?\([^)]*\b(1|15)\)")
    assert sends.search("os.kill(pid, 15)") and sends.search("process.terminate()")
    sources = [*(ROOT / "lnbench").rglob("*.py"), ROOT / "tests" / "faults" / "kinds.py", *(ROOT / "attacks").glob("*")]
    assert len(sources) > 100
    assert [str(path) for path in sources if path.suffix == ".py" and sends.search(path.read_text())] == []


def test_a_campaign_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def fault(lab: Lab, count: int) -> Tally:
        calls.append(count)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return Tally(injected=count, lost=len(calls) == 3, endings={3: count}, stories=["one"] * (len(calls) == 3))

    monkeypatch.setattr(campaign, "KINDS", {"fault": fault})
    path, lab = tmp_path / "fault.json", SimpleNamespace(rng=None)
    with pytest.raises(KeyboardInterrupt):
        campaign.inject("fault", lab, 25, path, seed=0)  # type: ignore[arg-type]
    result = campaign.inject("fault", lab, 25, path, seed=0)  # type: ignore[arg-type]
    assert calls == [10, 10, 10, 5]
    assert (result.tally.injected, result.tally.lost, result.tally.endings) == (25, 1, {3: 25})
    assert campaign.inject("fault", lab, 25, path, seed=0).tally.stories == ["one"], "a loss stays"  # type: ignore[arg-type]
    assert len(calls) == 4, "kept"
    monkeypatch.setattr(campaign, "code", lambda: "other")
    assert campaign.inject("fault", lab, 5, path, seed=0).tally.lost == 0  # type: ignore[arg-type]
    assert calls[4:] == [5], "other code is hurt anew"


@pytest.mark.slow
def test_a_few_faults_of_every_kind_lose_nothing(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: without a sandbox there is no guest to kill")
    lab = Lab(tmp_path, random.Random(1))
    found = {kind: campaign.inject(kind, lab, 2, tmp_path / f"{kind}.json", 1).tally for kind in campaign.KINDS}
    assert {kind: tally.stories for kind, tally in found.items() if tally.lost} == {}
    assert sum(tally.injected for tally in found.values()) > 10
