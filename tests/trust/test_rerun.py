"""A record's labels and victims made again; a forged one is caught; and the audit of its score."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest

import tiny
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation import cells
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.engine import local
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import ARMS, Track, sha256_json
from lnbench.record import audits
from lnbench.record.record import Record, read
from lnbench.trust import audit, rerun, retrain

pytestmark = pytest.mark.usefixtures("no_workers_in_this_file")

ROOT = Path(__file__).parents[2]
SOURCE = b'''
import lnbench

class First(lnbench.Poisoner):
    """Flip the first points that may be flipped."""

    skip: int = 0

    def poison(self, problem):
        return problem.flipped(problem.eligible[self.skip :][: problem.budget])
'''


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def record(store: Store, no_workers_in_this_file: None) -> Record:
    keys = tiny.document()
    keys["adversary"]["steps"] = 20
    keys["damage"] = {"epsilon": 0.1}
    submission = Submission.from_bytes("first.py", SOURCE, {"skip": "3"})
    return evaluate(submission, Track.from_document(keys), store=store, workers=1, sandbox="none")


def _altered(record: Record, change: str) -> Record:
    document = copy.deepcopy(dict(record.document))
    if change == "victims":
        for victim in document["victims"]:
            if victim["arm"] == "poisoned":
                victim["broken"]["targeted"] = [victim["clean"]["source_points"]] * 2
    elif change.startswith("nudge"):
        arm = change.removeprefix("nudge").strip() or "clean"
        victim = next(v for v in document["victims"] if v["arm"] == arm)
        counts = victim["broken"]["targeted"]
        counts[-1] += 1 if counts[-1] < victim["clean"]["source_points"] else -1
    elif change == "source":
        document["poisoner"]["source"] = document["poisoner"]["source"].replace("self.skip :", "self.skip + 1 :")
    return Record(document, record.track)


def test_the_stored_source_makes_the_flips_again_and_another_does_not(record: Record) -> None:
    told: list[tuple[int, int]] = []
    check = rerun.repoison(
        record, mode="none", track=record.track, on_split=lambda done, total: told.append((done, total))
    )
    assert check.passed, check.sentence
    assert told == [(1, 2), (2, 2)]
    forged = rerun.repoison(_altered(record, "source"), mode="none", track=record.track)
    assert forged.passed is False
    assert "flips 4 labels of split 0, of which 3 are among the record's 4" in forged.sentence


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells in this process: what a worker computes, without starting one."""

    def run(self: local.LocalEngine, function: str, some: list[dict[str, Any]]) -> object:
        module = {"lnbench.evaluation.cells:run": cells.run, "lnbench.trust.audit:run_cell": audit.run_cell}[function]
        return ((i, 1.0, module(cell)) for i, cell in enumerate(some))

    monkeypatch.setattr(local.LocalEngine, "map", run)


def _again(record: Record, number: int = 99) -> retrain.Retraining:
    return retrain.retrain(record, number, track=record.track, rng=random.Random(0))


@pytest.mark.usefixtures("inline")
def test_victims_trained_again_are_equal_bit_for_bit_and_forged_ones_are_caught(record: Record) -> None:
    again = _again(record)
    assert again.check.passed, again.check.sentence
    assert "12 victims of 3 random cells trained again are equal bit for bit" in again.check.sentence
    assert (again.cells, again.power) == (3, 1.0)
    forged = _again(_altered(record, "victims")).check
    assert forged.passed is False
    assert "of arm poisoned" in forged.sentence
    assert "differs in broken" in forged.sentence


@pytest.mark.usefixtures("inline")
def test_a_single_cell_is_one_of_the_poisoned_arm(record: Record) -> None:
    """The forged record of a review passed with four cells, none of them poisoned."""
    forged = _again(_altered(record, "victims"), 1)
    assert forged.check.passed is False
    assert "of arm poisoned" in forged.check.sentence
    assert _again(record, 1).power == 0.0, "a forger could have raised the random arm as well"


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("where", ["environment", "code_sha256"])
def test_elsewhere_equal_clean_cells_ask_for_equal_poisoned_ones(
    record: Record, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(retrain, where, lambda *args: {"id": "elsewhere"} if where == "environment" else "other")
    check = _again(record).check
    assert check.passed and "equal bit for bit" in check.sentence
    check = _again(_altered(record, "nudge poisoned")).check
    assert check.passed is False and "where the other arms of it are equal bit for bit" in check.sentence


@pytest.mark.usefixtures("inline")
def test_elsewhere_the_score_is_compared_with_a_stated_power(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrain, "environment", lambda *args: {"id": "elsewhere"})
    nudged = _altered(_altered(record, "nudge"), "nudge random")
    again = _again(nudged)
    assert again.check.passed, again.check.sentence
    assert re.search(r"score by [+-]\d\.\d points; up to ±\d+\.\d is expected of rounding", again.check.sentence)
    assert 0.0 < again.power < 1.0
    forged = _altered(_altered(nudged, "victims"), "nudge")
    assert _again(forged).check.passed is False
    alone = _again(_altered(record, "nudge poisoned"), 1)
    assert alone.check.passed is None and "takes more cells" in alone.check.sentence


def test_one_cell_is_drawn_from_every_stratum_then_from_those_of_the_score() -> None:
    strata = [(arm, name) for arm in ("clean", "random", "poisoned") for name in ("mlp", "cnn") for _ in range(5)]
    scored = [stratum for stratum in sorted(set(strata)) if stratum[0] != "clean"]
    for number in range(1, 31):
        chosen = [strata[i] for i in retrain.stratified(strata, number, random.Random(number))]
        counts = [chosen.count(stratum) for stratum in scored]
        assert len(chosen) == number and max(counts) - min(counts) <= 1
        assert number < 2 or {("poisoned", "mlp"), ("poisoned", "cnn")} <= set(chosen)
        clean = number - sum(counts)
        assert clean == (max(0, number - 4) if number <= 6 else 2 if number <= 22 else number - 20)
    assert retrain.stratified(strata, 99, random.Random(0)) == list(range(30))


def _cells(draws: int) -> list[tuple[str, dict[str, Any]]]:
    """Cells of 8 and 16 of an arm's 192 victims, of each draw of random flips."""
    return [
        (arm, {"victim": name, "places": [[split, 0] for split in range(start, start + size)]})
        for arm in ("clean", *["random"] * draws, "poisoned")
        for name, size in (("mlp", 8), ("cnn", 16))
        for start in range(0, 96, size)
    ]


def test_the_power_is_what_a_forger_meets(record: Record) -> None:
    """Raising the score by 5 points takes 3 of the small cells, 2 of the large ones, or one of each; of either arm."""
    cells = _cells(draws=1)
    document = copy.deepcopy(dict(record.document))
    document["arms"]["clean"]["adv_acc"] = clean = 0.5
    record = Record(document, record.track)
    assert 2 * 16 * clean / 192 >= 0.05 > 16 * clean / 192 and 3 * 8 * clean / 192 >= 0.05 > 2 * 8 * clean / 192
    strata, sizes = [(arm, cell["victim"]) for arm, cell in cells], {"mlp": 8, "cnn": 16}
    scored = [stratum for stratum in sorted(set(strata)) if stratum[0] != "clean"]
    rng = random.Random(1)
    for number in (10, 22, 30):  # as many of every arm and architecture that the score is made of
        drawn = [set(retrain.stratified(strata, number, rng)) for _ in range(1000)]
        stated = sum(retrain._power_of_bits(record, cells, list(chosen)) for chosen in drawn) / len(drawn)
        of = {stratum: [i for i, other in enumerate(strata) if other == stratum] for stratum in scored}
        caught = []
        for forged in itertools.product(range(4), repeat=len(scored)):
            if sum(n * sizes[name] for n, (_, name) in zip(forged, scored, strict=True)) * clean / 192 < 0.05:
                continue
            made = [
                {i for n, stratum in zip(forged, scored, strict=True) for i in rng.sample(of[stratum], n)}
                for _ in drawn
            ]
            caught.append(sum(bool(cells_made & chosen) for cells_made, chosen in zip(made, drawn, strict=True)) / 1000)
        assert abs(stated - min(caught)) < 0.06, (number, stated, min(caught))


def test_a_forged_draw_counts_for_its_share_of_the_random_arm(record: Record) -> None:
    """Raising the random arm's mean over four draws by 5 points takes 10 small cells or 5 large ones."""
    document = copy.deepcopy(dict(record.document))
    document["arms"]["clean"]["adv_acc"] = 0.5
    record, cells = Record(document, record.track), _cells(draws=4)
    strata = [(arm, cell["victim"]) for arm, cell in cells]
    everything = [i for i, stratum in enumerate(strata) if stratum[0] == "poisoned"]  # so that the random arm decides
    large = [i for i, stratum in enumerate(strata) if stratum == ("random", "cnn")]
    small = [i for i, stratum in enumerate(strata) if stratum == ("random", "mlp")]
    assert (len(small), len(large)) == (48, 24)
    power = retrain._power_of_bits(record, cells, [*everything, *small, *large[:3]])
    assert power == pytest.approx(1 - math.comb(24 - 3, 5) / math.comb(24, 5))
    power = retrain._power_of_bits(record, cells, [*everything, *small[:3], *large])
    assert power == pytest.approx(1 - math.comb(48 - 3, 10) / math.comb(48, 10))


def test_enough_cells_find_a_forgery_whichever_are_drawn() -> None:
    record = read(ROOT / "leaderboard" / "records" / "mnist10k-9to0" / "random_flip-687b01bb.json")
    least = retrain.enough(record)
    cells = rerun.cells_of(record, rerun.streams_of(record, None), "cpu")
    strata = [(arm, cell["victim"]) for arm, cell in cells]
    powers = {
        number: [
            retrain._power_of_bits(record, cells, retrain.stratified(strata, number, random.Random(seed)))
            for seed in range(100, 150)
        ]
        for number in (least - 1, least)
    }
    assert min(powers[least]) >= retrain.POWER > min(powers[least - 1])
    on_gpu = rerun.cells_of(record, rerun.streams_of(record, None), "cuda")
    assert retrain.enough(record, device="cuda") <= len(on_gpu) < len(cells)


def test_only_the_callers_own_track_lets_a_record_run_or_train_anything(record: Record) -> None:
    document = copy.deepcopy(dict(record.document["track"]["document"]))
    document["limits"] = {"seconds": 1e9, "memory_gib": 1e6, "scratch_mib": 10**6}
    greedy = Record(record.document, Track.from_document(document))
    for act in (lambda **o: rerun.repoison(greedy, mode="none", **o), lambda **o: retrain.retrain(greedy, 1, **o)):
        with pytest.raises(ProtocolError, match="which does not ship with this lnbench"):
            act()
        with pytest.raises(ProtocolError, match="not for version"):
            act(track=record.track)


def test_a_secret_salt_is_asked_for(record: Record) -> None:
    document = {**record.document, "salt": None, "salt_commitment": "0" * 64}
    with pytest.raises(RecordError, match="give the season's salt"):
        rerun.streams_of(Record(document, record.track))


@pytest.mark.usefixtures("inline")
def test_an_audit_reproduces_the_plain_bits_and_only_breaks_more(
    record: Record, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "STRENGTH", {"steps": 10, "restarts": 1, "all_targets": 2, "queries": 10})
    document = audit.audit(record, store=store)
    assert document["reproduced"] == [12, 12]
    assert document["record"] == record.sha256
    for arm in ARMS:
        values = document["arms"][arm]
        assert values["adv_acc"] <= values["plain_adv_acc"]
        assert values["untargeted_adv_acc"] <= values["plain_untargeted_adv_acc"]
        assert values["plain_adv_acc"] == record.arms[arm]["adv_acc"]
        assert values["damage_adv_acc"] <= values["plain_damage_adv_acc"] == record.arms[arm]["damage_adv_acc"]
    assert "Its damage score is" in document["verdict"][2]
    hashed = {k: v for k, v in document.items() if k not in ("run", "sha256")}
    assert document["sha256"] == sha256_json(hashed)
    assert audit.audit(record, store=store)["sha256"] == document["sha256"]
    assert set(document["doubts"]["clean"]["targeted"]) == {
        *("zero-gradient", "undefined", "not-monotone", "more-steps", "black-box")
    }
    assert isinstance(document["survives"], bool)
    assert json.loads(json.dumps(document)) == document


def test_a_conclusion_that_turns_does_not_survive(record: Record) -> None:
    document = copy.deepcopy(dict(record.document))
    document["score"] = {**document["score"], "drop_pp": 6.0, "ci95_pp": [2.0, 10.0]}
    blocks: dict[str, Any] = {"ranked": record.ranked, "score": {"drop_pp": 1.0, "ci95_pp": [-3.0, 5.0]}}
    damage = document["score"].pop("damage")
    survives, verdict = audits.verdict(Record(document, record.track), blocks)
    assert not survives
    assert "is not told apart from random; in the record it beats random" in verdict[1]
    assert "outside the record's interval" in verdict[2]
    blocks["score"] = {"drop_pp": 5.0, "ci95_pp": [1.0, 9.0]}
    document["score"]["damage"] = {**damage, "drop_pp": 2.0, "ci95_pp": [1.0, 3.0]}
    for low, holds in ((0.5, True), (-0.5, False)):
        blocks["score"]["damage"] = {"drop_pp": 1.5, "ci95_pp": [low, 3.5]}
        assert audits.verdict(Record(document, record.track), blocks)[0] is holds


def test_the_audit_lands_beside_its_record(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lnbench.cli import cli

    result = CliRunner().invoke(cli, ["audit", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "does not exist" in result.output
