"""A sample of the fault campaign. The whole of it is `make faults`."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from faults import campaign
from faults.kinds import damaged
from faults.lab import Lab, Tally, whole
from lnbench.store import Store


def test_damage_is_damage_and_is_seen(tmp_path: Path) -> None:
    store, rng = Store(tmp_path), random.Random(0)
    store.put("labels", {"split": 0}, {"flips": [[1, 9, 0]]})
    (path,) = tmp_path.rglob("*.json")
    good = path.read_bytes()
    assert whole(path)
    for _ in range(200):
        path.write_bytes(damaged(good, rng, b"{}"))
        assert path.read_bytes() != good and not whole(path)


def test_a_loss_is_counted() -> None:
    tally = Tally(injected=3)
    tally.lose(2, "gone")
    tally.ended(-9)
    assert (tally.lost, tally.stories, tally.endings) == (2, ["gone"], {-9: 1})


@pytest.mark.slow
def test_a_few_faults_of_every_kind_lose_nothing(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: without a sandbox there is no guest to kill")
    found = campaign.run(Lab(tmp_path, random.Random(1)), 2, list(campaign.KINDS))
    assert {kind: tally.stories for kind, tally in found.items() if tally.lost} == {}
    assert sum(tally.injected for tally in found.values()) > 10
