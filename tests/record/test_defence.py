"""What a defence achieved: the ratio's interval by simulation, and a record that cannot be altered unnoticed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

import factories
import here
import tiny
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation import defence as evaluation
from lnbench.evaluation import matrix
from lnbench.evaluation.store import Store
from lnbench.poison.contract import DEFENDER
from lnbench.poison.defend import Defended
from lnbench.poison.submission import Submission
from lnbench.poison.training_bytes import encode
from lnbench.poison.treatment import decode
from lnbench.protocol import Track, canonical_json
from lnbench.record import defence as records
from lnbench.record.defence_score import ratio
from lnbench.record.defence_words import verdict
from lnbench.trust.verify_defence import verify

DEFENCE = b'''
import msgspec
import numpy as np

import lnbench


class Parts(lnbench.Defender):
    """Two networks, each on its half; some labels smoothed."""

    share: float = 0.1

    def defend(self, problem):
        part = np.arange(len(problem.labels)) % 2
        return lnbench.Training(
            weights=np.stack([part == 0, part == 1]), partition=part, recipe={"label_smoothing": self.share}
        )
'''


def test_the_ratio_is_in_its_interval_19_times_in_20() -> None:
    generator, covered, wide = np.random.default_rng(0), 0, 0
    for _ in range(4000):
        below = 10 + 12 * generator.standard_normal(16)
        above = 0.4 * below + 3 * generator.standard_normal(16)
        mean, ends = ratio(above, below)
        if mean is None or ends is None:
            wide += 1
            continue
        assert ends[0] <= mean <= ends[1]
        covered += ends[0] <= 0.4 <= ends[1]
    assert covered / (4000 - wide) == pytest.approx(0.95, abs=0.012) and 0 < wide < 1200


def test_a_ratio_without_a_drop_to_remove_is_none() -> None:
    assert ratio(np.array([1.0, 2.0]), np.array([-1.0, -2.0])) == (None, None)
    assert ratio(np.array([1.0]), np.array([2.0])) == (0.5, None)
    assert ratio(np.array([1.0, -1.0, 2.0]), np.array([5.0, -6.0, 2.0]))[1] is None, "5, −6, 2: is it 0?"
    mean, ends = ratio(np.full(8, 2.0), np.full(8, 4.0))
    assert mean == 0.5 and ends == pytest.approx((0.5, 0.5))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[records.DefenceRecord, Store, list[str]]:
    store, stages = Store(tmp_path_factory.mktemp("store")), list[str]()
    with here.no_workers(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "defend", _defended)  # tests/poison/test_defend.py starts guests
        record = _evaluated(store, stages)
    return record, store, stages


def _defended(submission: Submission, data: Any, labels: np.ndarray, track: Track, *_: Any, **__: Any) -> Defended:
    """The answer of the class, called in this process."""
    namespace: dict[str, Any] = {"__name__": "parts"}
    exec(compile(submission.source, "parts.py", "exec", dont_inherit=True), namespace)
    problem: Any = SimpleNamespace(labels=labels)
    answer = namespace["Parts"](**submission.values).defend(problem)
    return Defended(decode(encode(answer, len(labels), 0), submission.file, labels, track), 0.0, "")


def _evaluated(store: Store, stages: list[str], **options: Any) -> records.DefenceRecord:
    track = Track.from_document(tiny.document())
    return evaluation.evaluate(
        Submission.from_bytes("parts.py", DEFENCE, {"share": 0.2}, DEFENDER),
        Submission.from_bytes("first.py", tiny.POISONER.encode()),
        track,
        quick=True,
        workers=1,
        sandbox="none",
        store=store,
        on_progress=lambda p: stages.append(f"{p.stage} {p.reused}"),
        **options,
    )


def test_a_defence_is_scored_beside_its_undefended_numbers(
    made: tuple[records.DefenceRecord, Store, list[str]],
) -> None:
    record, _, _ = made
    outcome, document = record.outcome, record.document
    assert record.label == "parts(share=0.2)" and record.undefended.name == "first"
    assert set(outcome.arms) == {"clean", "random", "poisoned"}
    of_random = outcome.arms["random"]
    for side, name in ((of_random.undefended, "undefended"), (of_random.defended, "defended")):
        drop = 100 * (known(side.adv_acc) - known(getattr(outcome.arms["poisoned"], name).adv_acc))
        assert outcome[name].mean_pp == pytest.approx(drop)
    assert outcome.arms["random"].undefended.adv_acc == record.undefended.arms["random"]["adv_acc"]
    assert outcome.certificate and outcome.certificate.sound and len(outcome.certificate.shares) == 2
    assert len(document["treatments"]) == 1, "the same answer to all labels is kept once"
    assert "no-sandbox" in record.flags and "attack:quick" in record.flags
    assert verdict(outcome)
    assert json.loads(canonical_json(document)) == document


def known(value: float | None) -> float:
    assert value is not None
    return value


def test_the_verdict_says_that_an_attack_passes_a_defence(
    made: tuple[records.DefenceRecord, Store, list[str]],
) -> None:
    def said(share: float | None, ends: tuple[float, float] | None, left: tuple[float, float]) -> str:
        outcome = made[0].outcome
        defended = msgspec.structs.replace(outcome.defended, mean_pp=21.2, ci95_pp=left)
        undefended = msgspec.structs.replace(outcome.undefended, mean_pp=-10.0)
        changes = {"share_removed": share, "share_ci95": ends, "defended": defended, "undefended": undefended}
        return verdict(msgspec.structs.replace(outcome, **changes))

    passes = "The attack passes it: on defended victims AA is 21.2 points lower than under random flips "
    assert said(None, None, (17.7, 24.6)).startswith(f"{passes}(95 % interval 17.7 to 24.6). Without the defence")
    assert said(None, None, (-1.0, 24.6)).startswith("No verdict: without the defence")
    assert f"(95 % interval 10 to 90 %). {passes}" in said(0.5, (0.1, 0.9), (17.7, 24.6))
    assert passes not in said(0.5, (0.1, 0.9), (-1.0, 24.6))


def test_a_second_run_is_the_same_and_computes_nothing(
    made: tuple[records.DefenceRecord, Store, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, store, _ = made
    again: list[str] = []
    with here.no_workers():
        assert _evaluated(store, again).sha256 == record.sha256
    assert {stage.split()[0] for stage in again} == {"poison", "victims", "defend"}
    assert not any(stage.endswith(" 0") for stage in again)


def test_a_record_holds_and_its_victims_come_out_again(
    made: tuple[records.DefenceRecord, Store, list[str]], tmp_path: Path
) -> None:
    path = tmp_path / made[0].filename
    records.write(made[0], path)
    assert records.is_defence(path) and records.read(path).sha256 == made[0].sha256
    with here.no_workers():
        report = verify(path, track=made[0].undefended.track, retrain=3, workers=1)
    assert report.passed, report.failures
    assert report.checks[-1].name == "retrain" and "equal bit for bit" in report.checks[-1].sentence


def _altered(document: dict[str, Any], change: str) -> None:
    victim = document["victims"][0]
    if change == "outcome":
        document["outcome"]["share_removed"] = 0.9
    elif change == "bits":
        victim["broken"]["targeted"][-1] ^= 1
    elif change == "flipped":
        victim["flipped"] += 1
    elif change == "treatments":
        next(iter(document["treatments"].values()))["recipe"]["label_smoothing"] = 0.9
    elif change == "source":
        document["defender"]["source"] += "#"
    elif change == "flags":
        document["flags"] = []
    else:
        document["undefended"]["score"]["drop_pp"] = 99.0
        document["undefended"]["sha256"] = _hash(document["undefended"])
    document["sha256"] = records.digest(document)


def _hash(document: dict[str, Any]) -> str:
    from lnbench.record.record import digest

    return digest(document)


@pytest.mark.parametrize("change", ["outcome", "bits", "flipped", "treatments", "source", "flags", "attack: score"])
def test_what_was_altered_is_named(
    change: str, made: tuple[records.DefenceRecord, Store, list[str]], tmp_path: Path
) -> None:
    document = json.loads(canonical_json(made[0].document))
    _altered(document, change)
    path = tmp_path / "altered.json"
    path.write_bytes(canonical_json(document))
    report = verify(path, track=made[0].undefended.track)
    assert {check.name for check in report.failures} & {change, "victims", "outcome"}, report.failures


def test_a_file_that_is_no_record_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(canonical_json({"defence_schema": 1}))
    assert not verify(path).passed
    path.write_bytes(canonical_json({"defence_schema": 2, "x": 1}))
    with pytest.raises(RecordError, match="unknown key 'x'"):
        records.read(path)


@pytest.mark.parametrize(
    ("arm", "to", "says"),
    [
        ("clean", lambda named: named[:1], "treated.clean names 1 treatments, expected one for each of 2"),
        ("random", lambda named: [named[0], named[0] * 2], "treated.random names 3 treatments"),
        ("poisoned", lambda named: ["a" * 64] * len(named), "treated.poisoned names a treatment aaaaaaaaaaaa"),
        ("matched", lambda _: [["a" * 64]], "treated.matched stands where the attack's record has no such arm"),
    ],
)
def test_every_set_of_labels_has_one_treatment_that_is_here(arm: str, to: Any, says: str) -> None:
    made = factories.defended(factories.make(factories.small(2, 1)))
    document = json.loads(canonical_json(made.document))
    document["treated"][arm] = to(document["treated"].get(arm))
    document["sha256"] = records.digest(document)
    with pytest.raises(RecordError, match=says):
        records.parse(canonical_json(document))


def test_an_attack_s_record_brings_its_own_splits(made: tuple[records.DefenceRecord, Store, list[str]]) -> None:
    record, store, _ = made
    with here.no_workers():
        again = evaluation.evaluate(
            Submission.from_bytes("parts.py", DEFENCE, {"share": 0.2}, DEFENDER),
            record.undefended,
            record.undefended.track,
            workers=1,
            sandbox="none",
            store=store,
        )
    assert again.sha256 == record.sha256
    other = Track.from_document({**tiny.document(), "version": 1})
    with pytest.raises(
        ProtocolError, match="the attack's record is of the track tiny, version 0, and not of this tiny"
    ):
        evaluation.evaluate(
            Submission.from_bytes("parts.py", DEFENCE, {}, DEFENDER), record.undefended, other, sandbox="none"
        )


def _is_refused(folder: Path) -> bool:
    """Whether the document of a matrix cannot be read, or says what its records do not."""
    from lnbench.board import defences as pages

    try:
        return bool({path.name for path in pages.drifted(folder)} & {"tiny.json", "none.json", "None"})
    except RecordError:
        return True


def test_a_matrix_is_a_document_from_which_the_page_is_drawn(
    made: tuple[records.DefenceRecord, Store, list[str]], tmp_path: Path
) -> None:
    from lnbench.board import defences as pages

    record = made[0]
    pairs = [
        matrix.Pair(record.label, "first", record),
        matrix.Pair("crop_and_flip", "first", None, "crop_and_flip.py: not on this data."),
    ]
    document = matrix.document(pairs, record.undefended.track)
    assert document["defences"][0]["cost"] == 2.0 and document["defences"][1]["cost"] is None
    written = pages.write(document, tmp_path)
    assert [path.name for path in written] == ["tiny.json", "tiny.svg", "README.md"]
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Here no attack is shown to lower AA below random flips" in page and "not possible: crop" in page
    place = pages.records_of(tmp_path, "tiny") / record.filename
    assert pages.drifted(tmp_path) == [place], "the record is not there"
    records.write(record, place)
    assert pages.drifted(tmp_path) == []
    better = copy.deepcopy(document)
    better["pairs"][0]["outcome"]["share_removed"] = 0.99
    pages.write(better, tmp_path)
    assert pages.drifted(tmp_path) == [place], "a number that the record does not have"
    pages.write(document, tmp_path)
    for change in (
        lambda d: (d["pairs"][0].update(attack="second"), d.update(attacks=["second", "first"])),
        lambda d: (d["pairs"][0].update(defence="another"), d["defences"][0].update(name="another")),
        lambda d: d["pairs"][0].pop("record"),
        lambda d: d["replication"].update(splits=5000),
        lambda d: d["defences"][0].update(cost=0.01),
        lambda d: d["pairs"].append({**d["pairs"][1], "outcome": d["pairs"][0]["outcome"], "record": "none.json"}),
    ):
        forged = copy.deepcopy(document)
        change(forged)
        (tmp_path / "tiny.json").write_bytes(canonical_json(forged))
        assert _is_refused(tmp_path)
    pages.write(document, tmp_path)
    place.write_bytes(place.read_bytes()[:-30])
    assert pages.drifted(tmp_path) == [place], "a record that was cut"
    records.write(record, place)
    (tmp_path / "tiny.svg").write_text("other")
    assert pages.drifted(tmp_path) == [tmp_path / "tiny.svg"]
    (tmp_path / "more.json").write_text("{}")
    with pytest.raises(RecordError, match="expected a document that `lnbench matrix` wrote"):
        pages.drifted(tmp_path)


def test_a_table_has_each_defence_under_the_attack_that_is_worst_for_it(
    made: tuple[records.DefenceRecord, Store, list[str]],
) -> None:
    from lnbench.board.defences import page

    record = made[0]
    pairs = [matrix.Pair(name, "first", record) for name in ("held", "fallen", "lost", "idle")]
    knowing = [matrix.Pair(name, matrix.KNOWING, record) for name in ("held", "fallen")]
    broken = matrix.Pair("lost", matrix.KNOWING, None, "too long")
    document = matrix.document([*pairs, *knowing, broken], record.undefended.track)
    for pair, adv_acc in zip(document["pairs"], (0.7, 0.6, 0.9, 0.5, 0.8, 0.4), strict=False):
        pair["outcome"] = copy.deepcopy(pair["outcome"])
        pair["outcome"]["arms"]["poisoned"]["defended"]["adv_acc"] = adv_acc
        pair["outcome"]["defended"] = {"mean_pp": 4.0, "ci95_pp": [1.0, 7.0]}
    document["pairs"][3]["outcome"]["defended"] = document["pairs"][3]["outcome"]["undefended"]
    lines = page([document]).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| defence | AA at worst | under |"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[at + 2 : at + 6]]
    assert [[row[0], row[1], row[2], row[5]] for row in cells] == [
        ["lost", "≤ 90.0", "first", "error"],
        ["held", "70.0", "first", "+4.0 [+1.0, +7.0]"],
        ["idle", "50.0", "first", "–"],
        ["fallen", "40.0", "an attacker who knows it", "+4.0 [+1.0, +7.0]"],
    ]
    assert {row[-1] for row in cells} == {"2 ×"}
    alone = matrix.document([pairs[0]], record.undefended.track)
    assert "AA at worst |" not in page([alone]), "one defence is its own worst row"
