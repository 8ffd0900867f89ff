"""The plan's arithmetic against its simulation, and both against cases that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from lnbench.errors import UnavailableError
from lnbench.evaluation import forecast
from lnbench.evaluation.forecast import Cells, Faults
from lnbench.evaluation.store import Store
from lnbench.protocol import Track

TRACK = Track.from_document(tiny.document())
CALM = Faults(stragglers=0.0, hours_to_failure=1e9)


def test_equal_cells_on_devices_that_never_fail_take_what_division_says() -> None:
    cells = [Cells("t", "mlp", 4, 2, 8, 10.0, 0.0, 1)]
    assert cells[0].count(3) == 10
    for devices, seconds in ((1, 100), (2, 50), (3, 40), (10, 10), (99, 10)):
        made = forecast.simulated(cells, 3, devices, CALM, 0)
        assert made == pytest.approx(seconds)
        assert abs(forecast.reckoned(cells, 3, devices, CALM) - seconds) <= 5.1, "half of a last cell"


@pytest.mark.parametrize(
    "faults", [CALM, Faults(0.05, 5.0, 1e9), Faults(0.0, 1.0, 0.5), Faults()], ids=["calm", "slow", "fails", "default"]
)
def test_arithmetic_and_simulation_agree(faults: Faults) -> None:
    cells = [Cells("t", "cnn", 8, 4, 8, 120.0, 30.0, 9), Cells("t", "mlp", 8, 4, 8, 40.0, 5.0, 9)]
    runs = [forecast.simulated(cells, 300, 16, faults, i) for i in range(4)]
    assert np.mean(runs) == pytest.approx(forecast.reckoned(cells, 300, 16, faults), rel=0.05)


def test_failures_and_stragglers_cost_time() -> None:
    cells = [Cells("t", "cnn", 8, 4, 8, 120.0, 30.0, 9)]
    calm = forecast.simulated(cells, 100, 8, CALM, 0)
    for faults in (Faults(0.1, 4.0, 1e9), Faults(0.0, 1.0, 0.2)):
        assert forecast.simulated(cells, 100, 8, faults, 0) > 1.1 * calm


def test_cells_are_counted_as_the_plan_of_an_evaluation_has_them(tmp_path: Path) -> None:
    from lnbench.evaluation import plan
    from lnbench.protocol import Streams

    (some,) = forecast.cells_of(TRACK, "cpu", {"mlp": (1.5, 0.5, 3)})
    streams = Streams(TRACK.sha256)
    flips: dict[str, list[Any]] = {"random": [[[]] * 2] * 2, "poisoned": [[]] * 2}
    planned = [arm for arm, _ in plan.plan(TRACK, streams, "cpu", 2, 2, flips)]
    assert some.shared == sum(arm in ("clean", "random") for arm in planned)
    assert some.own == planned.count("poisoned")
    assert (some.victims, some.seconds) == (4, 6.0)
    with pytest.raises(UnavailableError, match="no cell of mlp on tiny"):
        forecast.cells_of(TRACK, "cpu", {})


def test_seconds_are_those_of_the_environment_with_the_most_cells(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = {"track": TRACK.sha256, "victim": "mlp", "places": [[0, 0], [0, 1]]}
    for n, (environment, seconds) in enumerate([("a", 4.0), ("a", 6.0), ("b", 99.0)]):
        store.put("cells", {**name, "environment": environment, "n": n}, {"seconds": seconds})
    store.put("cells", {**name, "track": "other", "environment": "a"}, {"seconds": 77.0})
    measured, environment = forecast.seconds_in(store, TRACK)
    assert environment == "a" and measured == {"mlp": (2.5, 0.5, 2)}
    assert forecast.seconds_in(Store(tmp_path / "empty"), TRACK) == ({}, "")
