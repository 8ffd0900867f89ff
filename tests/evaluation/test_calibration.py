"""Power: its formula against simulation, its parts against known ones, and a track's calibration from its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from known import known
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.evaluation import calibration
from lnbench.protocol import track as tracks
from lnbench.record.score import t_interval

TRIALS = 2500


def simulated(effect: float, between: float, within: float, splits: int, seeds: int) -> float:
    """Share of simulated evaluations whose own test finds the effect."""
    rng = np.random.default_rng(0)
    drops = effect + rng.normal(0, between, (TRIALS, splits)) + rng.normal(0, within / seeds**0.5, (TRIALS, splits))
    found = [t_interval(row) for row in drops]
    return float(np.mean([known(f.p) < 0.05 and known(f.mean) > 0 for f in found]))


@pytest.mark.parametrize(("between", "within", "seeds"), [(9.2, 9.2, 2), (3.0, 12.0, 4), (6.0, 0.0, 1)])
def test_the_splits_that_power_asks_for_find_the_effect_four_times_of_five(
    between: float, within: float, seeds: int
) -> None:
    sd = known(calibration.sd_of_split({"between": between, "within": within, "total": 0.0}, 0, seeds))
    splits = known(calibration.splits_needed(5.0, sd))
    assert calibration.power(5.0, sd, splits - 1) < 0.8 <= calibration.power(5.0, sd, splits)
    far = 4 * (0.8 * 0.2 / TRIALS) ** 0.5
    assert abs(simulated(5.0, between, within, splits, seeds) - calibration.power(5.0, sd, splits)) < far


@pytest.mark.parametrize("splits", [3, 8, 48])
def test_the_resolved_effect_is_found_four_times_of_five(splits: int) -> None:
    effect = known(calibration.resolved(11.0, splits))
    assert abs(simulated(effect, 11.0, 0.0, splits, 1) - 0.8) < 4 * (0.16 / TRIALS) ** 0.5


def test_power_at_its_limits() -> None:
    assert calibration.power(0.0, 10.0, 20) == pytest.approx(0.025), "no effect is found at half the level"
    assert calibration.power(5.0, 0.0, 2) == 1.0
    assert calibration.splits_needed(5.0, 0.0) == 2, "one split is no test"
    assert calibration.splits_needed(0.01, 50.0) is None
    assert calibration.resolved(10.0, 1) is None
    stricter = known(calibration.splits_needed(5.0, 11.0, alpha=0.001))
    assert stricter > known(calibration.splits_needed(5.0, 11.0))


def test_the_components_of_a_known_model_are_found() -> None:
    """r = split + seed + a set a seed + e, p = split + seed + one set + e': averaged squares must be the true ones."""
    rng = np.random.default_rng(1)
    true = {"split": 3.0, "seed": 2.0, "label_set": 8.0, "residual": 5.0}
    squares: dict[str, list[float]] = {}
    for _ in range(400):
        split, seed = rng.normal(0, true["split"], (40, 1)), rng.normal(0, true["seed"], (40, 4))
        sets, fixed = rng.normal(0, true["label_set"], (40, 4)), rng.normal(0, true["label_set"], (40, 1))
        noise = rng.normal(0, true["residual"], (2, 40, 4))
        found = calibration.components(split + seed + sets + noise[0], split + seed + fixed + noise[1])
        for name, value in found.items():
            squares.setdefault(name, []).append(known(value) ** 2)
    for name, value in true.items():
        assert np.mean(squares[name]) == pytest.approx(value**2, rel=0.12), name
    assert np.mean(squares["within"]) == pytest.approx(8**2 + 2 * 5**2, rel=0.05)
    assert np.mean(squares["total"]) == pytest.approx(8**2 + (8**2 + 2 * 5**2) / 4, rel=0.05)


def test_one_seed_tells_only_the_total() -> None:
    found = calibration.components(np.array([[50.0], [60.0]]), np.array([[40.0], [60.0]]))
    assert found["total"] == pytest.approx(50**0.5)
    assert {value for name, value in found.items() if name != "total"} == {None}
    assert calibration.sd_of_split(found, 1, 1) == found["total"]
    assert calibration.sd_of_split(found, 1, 2) is None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one track, not calibrated."""
    small = factories.track(
        calibrated=False, replication={"splits": 6, "seeds": 2, "quick_splits": 2, "quick_seeds": 1}
    )
    factories.ship(monkeypatch, tmp_path, small)
    return tmp_path


def test_a_run_gives_a_calibration_that_the_track_finds_again(here: Path) -> None:
    track = tracks.load("digits-9to0")
    made = factories.make(calibration.calibrated(track), name="random_flip", effect=0.0)
    found = calibration.calibrate(made, seconds=12.5, peak_mib=300.0)
    drops = 100 * np.array(made.score["split_drops_pp"]) / 100
    assert found["sd_of_split_drops_pp"] == pytest.approx(drops.std(ddof=1), abs=1e-3)
    assert found["components_pp"]["total"] == found["sd_of_split_drops_pp"]
    mlp, arms = found["architectures"]["mlp"], made.arms["random"]["per_architecture"]["mlp"]
    assert mlp["random_adv_acc"] == pytest.approx(arms["adv_acc"], abs=1e-4)
    assert (mlp["random_at_floor"], mlp["random_at_ceiling"]) == (0.0, 0.0)
    calibration.write(found, calibration.place("digits-9to0"))
    assert sorted(p.name for p in here.iterdir()) == ["digits-9to0.calibration.json", "digits-9to0.toml"]
    assert calibration.read("digits-9to0") == found
    assert calibration.read(str(here / "digits-9to0.toml")) == found


def test_what_is_no_calibration_run_is_refused(here: Path) -> None:
    track = calibration.calibrated(tracks.load("digits-9to0"))
    with pytest.raises(RecordError, match="this is a record of made_up"):
        calibration.calibrate(factories.make(track))
    with pytest.raises(RecordError, match=r"6 splits × 2 seeds; this record has 2 × 1"):
        calibration.calibrate(factories.make(track, name="random_flip", quick=True))

    def diverge(victim: dict[str, Any]) -> None:
        victim["diverged"] = victim["split"] == 0

    with pytest.raises(RecordError, match="diverged"):
        calibration.calibrate(factories.make(track, name="random_flip", change=diverge))


def test_no_old_and_broken_calibrations_name_the_command(here: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"has no calibration .* `lnbench tracks validate digits-9to0` makes one"
    ):
        calibration.read("digits-9to0")
    path = calibration.place("digits-9to0")
    path.write_text(json.dumps({"track_sha256": "0" * 64}))
    with pytest.raises(UnavailableError, match="of another version"):
        calibration.read("digits-9to0")
    for junk in ("{", "[]", '{"a": 1}'):
        path.write_text(junk)
        with pytest.raises(ProtocolError, match="is not the calibration"):
            calibration.read("digits-9to0")


@pytest.mark.parametrize(
    ("level", "words"), [(0.2, "take a smaller ε than"), (0.8, "take a larger ε than"), (0.5, None)]
)
def test_the_band_the_memory_and_the_power_are_judged(here: Path, level: float, words: str | None) -> None:
    track = calibration.calibrated(tracks.load("digits-9to0"))

    def forget(victim: dict[str, Any]) -> None:
        victim["memorised_count"] = min(victim["flipped"], 3)

    made = factories.make(track, name="random_flip", effect=0.0, level=level, change=forget)
    faults = calibration.faults(track, calibration.calibrate(made))
    assert any("memorised 75.0 % of its flips, memorised_min is 95 %" in fault for fault in faults)
    outside = [fault for fault in faults if "outside 30–70 %" in fault]
    assert len(outside) == (len(track.victims) if words else 0)
    for victim, fault in zip(track.victims, outside, strict=False):
        assert f"{words} {track.epsilon(victim):g}" in fault
    found = calibration.calibrate(made) | {"resolves_pp_at_80_percent_power": 10.01}
    assert any("resolve 10.01 pp at 80% power" in fault for fault in calibration.faults(track, found))
    assert not any(
        "resolve" in fault for fault in calibration.faults(track, found | {"resolves_pp_at_80_percent_power": 10.0})
    )


@pytest.mark.parametrize("name", [n for n in tracks.names() if tracks.load(n).calibrated])
def test_every_track_that_calls_itself_calibrated_is(name: str) -> None:
    found = calibration.read(name)
    assert calibration.faults(tracks.load(name), found) == []
    assert name != tracks.DEFAULT or found["resolves_pp_at_80_percent_power"] <= calibration.EFFECT_PP
