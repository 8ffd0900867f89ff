"""A defender's guest: what it is told, what it may answer, and the sentence for every answer that it may not give."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnbench.errors import LnbenchError, SubmissionError
from lnbench.poison import process
from lnbench.poison.contract import DEFENDER
from lnbench.poison.defend import Defended, defend, problem_of
from lnbench.poison.guest import Refused
from lnbench.poison.sandbox import BUBBLEWRAP, NONE
from lnbench.poison.submission import Submission
from lnbench.poison.training_bytes import encode, longest
from lnbench.poison.treatment import decode
from lnbench.protocol import Recipe, Training
from lnbench.protocol.treatment import Treatment

CHEATS = Path(__file__).parents[1] / "cheats" / "defenders"
N, CLASSES = 60, 4
GIVEN = np.arange(N, dtype=np.int64) % CLASSES


def _verdict(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    (found,) = re.findall(r"^Verdict: (.*(?:\n    .*)*)", text, flags=re.MULTILINE)
    return " ".join(str(found).split())


@pytest.mark.parametrize("path", sorted(CHEATS.glob("*.py")), ids=lambda path: path.stem)
def test_a_cheat_gets_its_verdict(path: Path, bubblewrap: str, data: Any, track: Any, streams: Any) -> None:
    labels = data.labels.copy()
    labels[3] = 0
    try:
        submission = Submission.from_file(path, None, DEFENDER)
        made = defend(submission, data, labels, track, 0, streams, mode=bubblewrap, budget=3)
        said = "harmless"
        if path.stem == "returns_what_it_guessed":
            assert np.array_equal(made.treatment.labels, [GIVEN]), "the labels that it guessed are what is trained on"
    except LnbenchError as error:
        said = f"{type(error).__name__}: {error}"
    assert said == _verdict(path)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, bytes]]]:
    """What each guest would have been given; none is started."""
    files: list[dict[str, bytes]] = []

    def run(box: Any, mode: str, **options: Any) -> process.Outcome:
        files.append({path.name: path.read_bytes() for path in sorted(box.inputs.iterdir())})
        body = encode(Training(), N, 0)
        return process.Outcome(b"lnbench1T" + body, b"", 0, "", 0.1, "process")

    monkeypatch.setattr(process, "run", run)
    yield files


def _asked(labels: np.ndarray, data: Any, track: Any, streams: Any, split: int = 0) -> Defended:
    source = b"import lnbench\n\n\nclass D(lnbench.Defender):\n    def defend(self, problem):\n        return None\n"
    submission = Submission.from_bytes("d.py", source, None, DEFENDER)
    return defend(submission, data, labels, track, split, streams, mode=NONE, budget=3)


def test_clean_random_and_poisoned_labels_differ_in_the_labels_alone(
    seen: list[dict[str, bytes]], data: Any, track: Any, streams: Any
) -> None:
    for wrong in ([], [3], [7, 11, 15]):
        labels = data.labels.copy()
        labels[wrong] = 0
        _asked(labels, data, track, streams)
        assert np.array_equal(np.load(_file(seen[-1]["labels.npy"])), labels)
    clean, random, poisoned = seen
    assert clean.keys() == random.keys() == poisoned.keys() == {"job.json", "inputs.npy", "labels.npy"}
    assert clean["inputs.npy"] == random["inputs.npy"] == poisoned["inputs.npy"]
    jobs = [{k: v for k, v in json.loads(one["job.json"]).items() if k not in ("limits", "submission")} for one in seen]
    assert jobs[0] == jobs[1] == jobs[2], "limits and paths are this machine's"
    assert set(jobs[0]).isdisjoint({"pairs", "split", "arm", "flips"})
    _asked(data.labels, data, track, streams, split=1)
    assert json.loads(seen[-1]["job.json"])["entropy"] != jobs[0]["entropy"]


def _file(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


def test_a_budget_may_be_unknown(data: Any, track: Any, streams: Any) -> None:
    assert problem_of(data, track, 0, streams, None)["budget"] is None


def _answer(track: Any, **fields: Any) -> Treatment:
    return decode(encode(Training(**fields), N, 5), "d.py", GIVEN, track)


def test_a_training_arrives_whole_and_is_the_same_as_json(track: Any) -> None:
    plain = _answer(track)
    assert np.array_equal(plain.labels, [GIVEN]) and plain.weights is None and plain.trainings == 5
    assert plain.document(GIVEN) == {"labels": [[]], "weights": None, "partition": None, "recipe": {}}
    rows = np.stack([GIVEN, (GIVEN + 1) % 4])
    mask = np.arange(N) > 3
    full = _answer(
        track,
        labels=rows,
        weights=np.linspace(1, 2, N),
        subset=mask,
        partition=np.arange(N) % 3 - 1,
        recipe={"adversarial": {"epsilon": np.float64(0.1), "steps": 3}, "elr": 1},
    )
    assert full.weights is not None and (full.weights > 0).tolist() == [mask.tolist()] * 2
    again = Treatment.from_document(json.loads(json.dumps(full.document(GIVEN))), GIVEN)
    assert (
        np.array_equal(again.labels, rows) and again.weights is not None and np.array_equal(again.weights, full.weights)
    )
    assert again.partition is not None and full.partition is not None
    assert np.array_equal(again.partition, full.partition) and again.recipe == dict(full.recipe)
    left_out = _answer(track, subset=[5, 1, 2, 3, 4])
    assert left_out.document(GIVEN)["weights"].startswith("bits:")
    kept = Treatment.from_document(left_out.document(GIVEN), GIVEN).weights
    assert kept is not None and left_out.weights is not None and np.array_equal(kept, left_out.weights)


WEIGHTS = "d.py: expected finite weights of at least 0, but point 7 has "
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "negative weight": ({"weights": np.where(np.arange(N) == 7, -1.0, 1)}, WEIGHTS + "-1;"),
    "NaN weight": ({"weights": np.where(np.arange(N) == 7, np.nan, 1)}, WEIGHTS + "nan;"),
    "infinite weight": ({"weights": np.where(np.arange(N) == 7, 1e300, 1)}, WEIGHTS + "1e+300;"),
    "no weight": ({"weights": np.zeros(N)}, "d.py: expected a point of weight above 0 for every network, got zeros"),
    "empty subset": ({"subset": []}, "d.py: expected a point of weight above 0 for every network, got zeros"),
    "empty class": ({"subset": GIVEN != 2}, "d.py: no point of class 2 is left to train on, of 15 that came; keep at"),
    "class relabelled": (
        {"labels": np.zeros(N, int)},
        "d.py: no point of class 1 is left to train on, of 15 that came",
    ),
    "label": ({"labels": GIVEN + 1}, "d.py: expected labels in 0 … 3, but point 3 has 4; start from"),
    "recipe range": ({"recipe": {"elr": -1}}, "d.py: recipe: elr: expected at least 0, got -1."),
    "recipe name": ({"recipe": {"momentum": 1}}, "d.py: recipe: unknown key 'momentum'; there are"),
    "recipe kind": ({"recipe": {"sam": "much"}}, "d.py: recipe: sam: expected a number, got 'much'."),
    "recipe at odds": ({"recipe": {"loss": "gce", "label_smoothing": 0.1}}, "d.py: recipe: loss: gce takes labels as"),
    "recipe steps": ({"recipe": {"steps": 5}}, "d.py: recipe: steps: expected at most 4 on tiny-3to0, got 5."),
    "recipe batch": ({"recipe": {"batch": 61}}, "d.py: recipe: batch: expected at most 4 on tiny-3to0, got 61."),
    "adversary": (
        {"recipe": {"adversarial": {"epsilon": 0.1, "steps": 21}}},
        "d.py: recipe: adversarial.steps: expected at most 20, got 21.",
    ),
    "precision": ({"recipe": {"precision": "bf16"}}, "d.py: recipe: precision is the track's to choose; leave it out."),
    "partition": ({"partition": GIVEN}, "d.py: expected a partition into the 1 networks of a victim, at least two of"),
    "rows": (
        {"labels": [GIVEN] * 2, "weights": np.ones((3, N))},
        "d.py: expected as many rows of weights as of labels",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_training_that_makes_no_sense_gets_one_sentence(name: str, track: Any) -> None:
    fields, sentence = BAD[name]
    with pytest.raises(SubmissionError) as caught:
        _answer(track, **fields)
    assert str(caught.value).startswith(sentence) and caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (None, "expected defend() to return a lnbench.Training, got None; end it with"),
        (GIVEN, "expected defend() to return a lnbench.Training, got a ndarray."),
        (Training(labels=GIVEN + 0.5), "labels: expected 60 integers, or rows of them, got values of type float64."),
        (Training(weights=np.ones(59)), "weights: expected 60 numbers, or rows of them, got shape (59,)."),
        (Training(subset=[60]), "subset: expected indices of points, integers from 0 to 59"),
        (Training(recipe=Recipe(steps=1, batch=1, learning_rate=1)), "recipe: expected fields by name"),  # type: ignore[arg-type]
        (
            Training(recipe={"elr": float("nan")}),
            "recipe: expected numbers, text, true and false, got what JSON cannot",
        ),
        (Training(labels=np.zeros((33, N), int)), "labels: expected 60 integers, or rows of them, got 33 rows"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_the_guest(result: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        encode(result, N, 0)
    assert issubclass(Refused, Exception)


def test_bytes_that_the_guest_did_not_write_are_refused(track: Any) -> None:
    body = encode(Training(weights=np.ones(N)), N, 0)
    assert len(body) <= longest(N)
    for wrong in (b"", body[:3], body[:-1], body + b"\0", b"\xff" * 40, body.replace(b'"weights": 1', b'"weights": 2')):
        with pytest.raises(SubmissionError, match=r"^d\.py: expected the answer that lnbench's guest writes"):
            decode(wrong, "d.py", GIVEN, track)
    with pytest.raises(SubmissionError, match="expected the victim trainings spent to be between 0"):
        decode(body.replace(b'"trainings": 0', b'"trainings":-1'), "d.py", GIVEN, track)


def test_a_poisoner_is_not_a_defender() -> None:
    source = b"import lnbench\n\n\nclass P(lnbench.Poisoner):\n    pass\n"
    with pytest.raises(
        SubmissionError, match=r"exactly one class that extends lnbench\.Defender at the top of the file"
    ):
        _ = Submission.from_bytes("p.py", source, None, DEFENDER).details
    assert BUBBLEWRAP != NONE
