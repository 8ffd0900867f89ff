"""A record's labels and victims made again; a forged one is caught; and the audit of its score."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path

import pytest

import tiny
from lnbench.errors import RecordError
from lnbench.evaluation import cells
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.engine import local
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import ARMS, Track, sha256_json
from lnbench.record.record import Record
from lnbench.trust import audit, rerun

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
def record(store: Store) -> Record:
    keys = tiny.document()
    keys["adversary"]["steps"] = 20
    submission = Submission.from_bytes("first.py", SOURCE, {"skip": "3"})
    return evaluate(submission, Track.from_document(keys), store=store, workers=1, sandbox="none")


def _altered(record: Record, change: str) -> Record:
    document = copy.deepcopy(dict(record.document))
    if change == "victims":
        for victim in document["victims"]:
            if victim["arm"] == "poisoned":
                victim["broken"]["targeted"] = [victim["clean"]["source_points"]] * 2
    elif change == "nudge":
        counts = document["victims"][0]["broken"]["targeted"]
        counts[-1] += 1 if counts[-1] < document["victims"][0]["clean"]["source_points"] else -1
    elif change == "source":
        document["poisoner"]["source"] = document["poisoner"]["source"].replace("self.skip :", "self.skip + 1 :")
    return Record(document, record.track)


def test_the_stored_source_makes_the_flips_again_and_another_does_not(record: Record) -> None:
    told: list[tuple[int, int]] = []
    check = rerun.repoison(record, mode="none", on_split=lambda done, total: told.append((done, total)))
    assert check.passed, check.sentence
    assert told == [(1, 2), (2, 2)]
    forged = rerun.repoison(_altered(record, "source"), mode="none")
    assert forged.passed is False
    assert "flips 4 labels of split 0, of which 3 are among the record's 4" in forged.sentence


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells in this process: what a worker computes, without starting one."""

    def run(self: local.LocalEngine, function: str, some: list) -> object:
        module = {"lnbench.evaluation.cells:run": cells.run, "lnbench.trust.audit:run_cell": audit.run_cell}[function]
        return ((i, 1.0, module(cell)) for i, cell in enumerate(some))

    monkeypatch.setattr(local.LocalEngine, "map", run)


@pytest.mark.usefixtures("inline")
def test_victims_trained_again_are_equal_bit_for_bit_and_forged_ones_are_caught(record: Record) -> None:
    check = rerun.retrain(record, 99, rng=random.Random(0))
    assert check.passed, check.sentence
    assert "12 victims of 3 random cells trained again are equal bit for bit" in check.sentence
    forged = rerun.retrain(_altered(record, "victims"), 99, rng=random.Random(0))
    assert forged.passed is False
    assert "of arm poisoned" in forged.sentence
    assert "differs in broken" in forged.sentence


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("where", ["environment", "code_sha256"])
def test_in_another_environment_or_code_the_mean_is_compared(
    record: Record, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    strict = rerun.retrain(_altered(record, "nudge"), 99, rng=random.Random(0))
    assert not strict.passed
    monkeypatch.setattr(rerun, where, lambda *args: {"id": "elsewhere"} if where == "environment" else "other")
    check = rerun.retrain(record, 99, rng=random.Random(0))
    assert check.passed
    assert "equal bit for bit" in check.sentence
    check = rerun.retrain(_altered(record, "nudge"), 99, rng=random.Random(0))
    assert check.passed
    assert re.search(
        r"in points: clean [+-]0\.\d \(up to ±28\.3 is expected of rounding\), poisoned \+0\.0", check.sentence
    )
    assert rerun.retrain(_altered(record, "victims"), 99, rng=random.Random(0)).passed is False


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
    blocks = {"ranked": record.ranked, "score": {"drop_pp": 1.0, "ci95_pp": [-3.0, 5.0]}}
    survives, verdict = audit._verdict(Record(document, record.track), blocks)
    assert not survives
    assert "is not told apart from random; in the record it beats random" in verdict[1]
    assert "outside the record's interval" in verdict[2]
    blocks["score"] = {"drop_pp": 5.0, "ci95_pp": [1.0, 9.0]}
    assert audit._verdict(Record(document, record.track), blocks)[0]


def test_the_audit_lands_beside_its_record(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lnbench.cli import cli

    result = CliRunner().invoke(cli, ["audit", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "does not exist" in result.output
