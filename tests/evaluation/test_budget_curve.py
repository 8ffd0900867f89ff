"""The curve of AA against η: a track a budget, one document, one figure, and nothing that could rank."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

import factories
import tiny
from lnbench import data, record
from lnbench.board.budget_curve import figure
from lnbench.cli import cli
from lnbench.data import strangers
from lnbench.errors import ProtocolError
from lnbench.evaluation import budget_curve
from lnbench.protocol import Streams, Track
from lnbench.protocol import track as tracks
from lnbench.trust import verify


def test_any_budget_makes_a_valid_track_that_cannot_rank() -> None:
    track = tracks.load(tracks.DEFAULT)
    for k in (1, 3, 7, track.noise.budget, 90):
        other = budget_curve.at_budget(track, k)
        assert other.noise.budget == k and not other.calibrated
        assert (other.sha256 != track.sha256) or k == track.noise.budget
        assert other.victims == track.victims and other.adversary == track.adversary
        assert other.root == track.sha256 and budget_curve.at_budget(other, 2) == budget_curve.at_budget(track, 2)
    for k in (0, track.data.train):
        with pytest.raises(ProtocolError, match=rf"is 1 … {track.data.train - 1} flips, got {k}"):
            budget_curve.at_budget(track, k)
    with pytest.raises(ProtocolError, match="labels may change, 100 flips do not fit"):
        budget_curve.at_budget(track, 100)


def test_all_budgets_have_the_tracks_own_splits_and_random_streams() -> None:
    track = tracks.load(tracks.DEFAULT)
    one, four = (budget_curve.at_budget(track, k) for k in (1, 4))
    own, first, last = (data.load(t, 3) for t in (track, one, four))
    assert (own.inputs == first.inputs).all() and (first.inputs == last.inputs).all()
    assert Streams(one.root).entropy("order", 3, 1) == Streams(track.sha256).entropy("order", 3, 1)
    assert strangers.ships(one) and strangers.own_track(four, None, "it").sha256 == four.sha256
    forged = Track.from_document({**one.document, "adversary": {**one.document["adversary"], "steps": 3}})
    assert forged.root == track.sha256 and not strangers.ships(forged)
    made = factories.make(budget_curve.at_budget(factories.small(2, 1), 2))
    with pytest.raises(ProtocolError, match="expected false of a track that varies another's budget"):
        Track.from_document({**made.track.document, "calibrated": True})


def test_the_curve_is_by_rising_budget_and_says_what_the_records_say() -> None:
    track = factories.small(2, 1)
    made = [factories.make(budget_curve.at_budget(track, k), effect=k / 20) for k in (4, 1, 2)]
    found = budget_curve.curve(track, made)
    assert [point["budget"] for point in found["points"]] == [1, 2, 4]
    assert found["points"][2]["adv_acc"]["poisoned"] == made[0].arms["poisoned"]["adv_acc"]
    assert found["points"][0]["eta"] == 1 / 898
    assert all("uncalibrated" in point["flags"] for point in found["points"])
    assert not any(one.ranked for one in made)


def test_the_figure_places_eta_by_its_logarithm_and_accuracy_by_height() -> None:
    track = factories.small(2, 1)
    document = budget_curve.curve(
        track, [factories.make(budget_curve.at_budget(track, k), effect=k / 20) for k in (1, 2, 4)]
    )
    root = ET.fromstring(figure(document))
    space = "{http://www.w3.org/2000/svg}"
    dots = [e.attrib for e in root.iter(f"{space}circle") if e.attrib["class"] == "poisoned"]
    across = [float(dot["cx"]) for dot in dots]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2), "1, 2, 4 are equally far apart"
    heights = [float(dot["cy"]) for dot in dots]
    accuracies = [point["adv_acc"]["poisoned"] for point in document["points"]]
    slope = (heights[2] - heights[0]) / (accuracies[2] - accuracies[0])
    assert slope < 0 and heights[1] - heights[0] == pytest.approx(slope * (accuracies[1] - accuracies[0]), abs=0.2)
    alone = figure(budget_curve.curve(track, [factories.make(budget_curve.at_budget(track, 3))]))
    assert ET.fromstring(alone).tag == f"{space}svg"


@pytest.mark.usefixtures("no_workers")
def test_one_command_draws_it(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.py").write_text(tiny.POISONER)
    tiny.write(tmp_path / "tiny.toml")
    command = ["evaluate", "first.py", "--track", "tiny.toml", "--quick", "--workers", "1", "--json"]
    result = CliRunner().invoke(cli, [*command, "--budget", "4,1"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [point["budget"] for point in document["points"]] == [1, 4]
    folder = tmp_path / "records" / "tiny"
    assert (folder / "first-budgets.json").read_text() == result.stdout
    ET.fromstring((folder / "first-budgets.svg").read_text())
    made = [record.read(path) for path in folder.glob("first-????????.json")]
    assert {one.sha256 for one in made} == {point["record"] for point in document["points"]}
    every = {one.track.noise.budget: one for one in made}
    for one in made:
        assert verify.verify_record(one, track=tracks.load("tiny.toml")).passed
    clean = [[v for v in one.document["victims"] if v["arm"] == "clean"] for one in made]
    assert clean[0] == clean[1] and every[1].arms["clean"] == every[4].arms["clean"]
    assert result.stderr.count("victims: 6/6 (100%), 2 reused") == 1, "the clean arm is trained once"
    assert all(len(flips) == one.track.noise.budget for one in made for flips in one.document["flips"]["poisoned"])
    assert "none of these records ranks" in result.stderr


@pytest.mark.parametrize("value", ["", "1,,2", "a", "1.5", "-1", "0", "898", "1,400"])
def test_a_budget_that_makes_no_sense_is_usage(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.write(tmp_path / "tiny.toml")
    result = CliRunner().invoke(cli, ["evaluate", "random_flip", "--track", "tiny.toml", "--budget", value])
    assert result.exit_code == 2
    assert not (tmp_path / "records").exists()
