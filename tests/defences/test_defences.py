"""Every file of defences/, through its own class: what it answers on a toy whose answer is known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lnbench
import toy
from lnbench.errors import ProtocolError
from lnbench.evaluation import matrix
from lnbench.evaluation.bundled import defences, knowing_labels, knowing_search
from lnbench.poison.contract import DEFENDER, POISONER
from lnbench.poison.submission import Submission
from lnbench.poison.training_bytes import encode
from lnbench.poison.treatment import decode
from lnbench.protocol import Recipe, Threat, Training
from lnbench.protocol.track import load as load_track
from lnbench.protocol.treatment import Treatment
from lnbench.record.soundness import sound
from lnbench.victims import architecture, train

FOLDER = Path(__file__).resolve().parents[2] / "defences"
RECIPES: dict[str, dict[str, Any]] = {
    "none": {},
    "early_stopping": {"early_stopping": 0.1},
    "label_smoothing": {"label_smoothing": 0.2},
    "weight_decay": {"weight_decay": 0.1},
    "crop_and_flip": {"crop": 1, "mirror": False},
    "pgd_training": {"adversarial": {"method": "pgd", "epsilon": 0.05, "norm": "linf", "steps": 5}},
    "trades": {"adversarial": {"method": "trades", "epsilon": 0.05, "norm": "linf", "steps": 5, "beta": 6.0}},
    "spectral_norm": {"spectral_norm": 2.0},
    "gce": {"loss": "gce", "gce_q": 0.7, "label_smoothing": 0.0},
    "sam": {"sam": 0.1},
    "elr": {"elr": 1.0, "elr_memory": 0.9},
    "co_teaching": {"co_teaching": True, "trim": 1 / 16, "trim_ramp": 0.2},
    "loss_trimming": {"trim": 1 / 16, "trim_ramp": 0.2},
}
ON_LABELS = {"knn_relabel", "confident_learning", "ss_dpa"}
N = 120


def _defence(name: str, **parameters: Any) -> lnbench.Defender:
    module = toy.loaded(FOLDER / f"{name}.py")
    kinds = [k for k in vars(module).values() if isinstance(k, type) and issubclass(k, lnbench.Defender)]
    (kind,) = (k for k in kinds if k.__module__ == name)
    made: lnbench.Defender = kind(**parameters)
    return made


def _clusters(wrong: tuple[int, ...] = (), **fields: Any) -> lnbench.DefenceProblem:
    """Three tight clusters far apart, one a class; the labels of `wrong` are the next class's."""
    generator = np.random.default_rng(0)
    true = np.arange(N) % 3
    inputs = 0.3 * true[:, None] + 0.15 + 0.05 * generator.random((N, 16))
    labels = true.astype(np.int64)
    labels[list(wrong)] = (labels[list(wrong)] + 1) % 3
    given: dict[str, Any] = {
        "inputs": inputs.reshape(N, 1, 4, 4).astype(np.float32),
        "labels": labels,
        "num_classes": 3,
        "budget": 1,
        "threat": Threat("linf", 0.1, 5),
        "recipes": {"mlp": Recipe(steps=100, batch=16, learning_rate=0.01)},
        "rng": np.random.default_rng(1),
    }
    return lnbench.DefenceProblem(**{**given, **fields})


def _treatment(name: str, problem: lnbench.DefenceProblem, **parameters: Any) -> Treatment:
    """The checked answer, on a track that has room for it."""
    answer = _defence(name, **parameters).defend(problem)
    return decode(encode(answer, len(problem.labels), 0), f"{name}.py", problem.labels, load_track("digits-9to0"))


def test_every_defence_is_here_and_in_the_readme() -> None:
    assert {*RECIPES, *ON_LABELS} == set(defences()) == {path.stem for path in FOLDER.glob("*.py")}
    listed = re.findall(r"^\| \[([a-z_\\]+)\]", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name.replace("\\", "") for name in listed) == sorted(defences())


@pytest.mark.parametrize("name", sorted({*RECIPES, *ON_LABELS}))
def test_a_defence_is_a_submission(name: str) -> None:
    details = Submission.from_file(defences()[name], None, DEFENDER).details
    assert details.description and details.license == "Apache-2.0"
    assert details.paper or name == "none"


@pytest.mark.parametrize("name", RECIPES)
def test_a_defence_by_recipe_changes_the_recipe_alone(name: str) -> None:
    made = _treatment(name, _clusters())
    assert made.weights is None and np.array_equal(made.labels, [_clusters().labels])
    assert made.recipe == RECIPES[name]


def test_what_is_trimmed_follows_the_budget() -> None:
    for name in ("co_teaching", "loss_trimming"):
        assert _treatment(name, _clusters(budget=10)).recipe["trim"] == pytest.approx(40 / N)
        assert _treatment(name, _clusters(budget=None)).recipe["trim"] == 1 / 16, "one example of a batch at least"
        assert _treatment(name, _clusters(), share=0.2).recipe["trim"] == 0.2
    assert _treatment("crop_and_flip", _clusters(inputs=np.zeros((N, 3, 32, 32), np.float32))).recipe == {
        "crop": 4,
        "mirror": True,
    }


WRONG = (4, 40)


def _memorised(changes: dict[str, Any]) -> tuple[float, float]:
    """Of two networks on scattered points with two wrong labels: the share memorised, and of all others right."""
    true, generator = np.arange(N) % 3, np.random.default_rng(0)
    scattered = 0.3 * true[:, None] + 0.15 + 0.4 * (generator.random((N, 16)) - 0.5)
    inputs = torch.from_numpy(scattered.clip(0, 1).reshape(N, 1, 4, 4).astype(np.float32))
    labels = torch.from_numpy(_clusters(WRONG).labels)
    recipe = Recipe(steps=400, batch=24, learning_rate=0.02).changed(changes)
    made = architecture("mlp", {"width": 64, "depth": 2})
    victims = train(made, recipe, inputs, labels.expand(2, -1), init=[1, 2], order=[3, 4], num_classes=3)
    right, others = victims.predict(inputs).eq(labels).numpy(), np.setdiff1d(np.arange(N), WRONG)
    return float(right[:, list(WRONG)].mean()), float(right[:, others].mean())


def test_an_undefended_network_memorises_wrong_labels() -> None:
    assert _memorised({}) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "changes", "most", "least"),
    [
        ("gce", {"gce_q": 0.9}, 0.0, 1.0),
        ("elr", {"elr": 0.3, "elr_memory": 0.7}, 0.25, 0.9),
        ("loss_trimming", {"trim": 0.125}, 0.0, 1.0),
        ("co_teaching", {"trim": 0.125}, 0.0, 1.0),
        ("early_stopping", {}, 0.5, 1.0),
    ],
)
def test_a_wrong_label_is_not_memorised(name: str, changes: dict[str, Any], most: float, least: float) -> None:
    memorised, right = _memorised({**_defence(name).defend(_clusters(WRONG)).recipe, **changes})
    assert memorised <= most and right >= least


def test_neighbours_correct_a_wrong_label_and_leave_right_ones() -> None:
    wrong = (4, 40)
    assert np.array_equal(_treatment("knn_relabel", _clusters(wrong)).labels, [np.arange(N) % 3])
    assert np.array_equal(_treatment("knn_relabel", _clusters()).labels, [np.arange(N) % 3])
    few = _clusters()
    labels = few.labels.copy()
    labels[labels == 2] = 1
    labels[:2] = 2
    kept = _treatment("knn_relabel", _clusters(labels=labels))
    assert (kept.labels[0][:2] == 2).all(), "a class that would vanish keeps its labels"


def test_confident_learning_leaves_out_the_wrong_labels() -> None:
    pytest.importorskip("cleanlab", reason="confident learning needs the extra `detect`")
    made = _treatment("confident_learning", _clusters((4, 40)), classifier="knn")
    assert made.weights is not None and np.flatnonzero(made.weights[0] == 0).tolist() == [4, 40]
    assert made.recipe == {} and np.array_equal(made.labels, [_clusters((4, 40)).labels])


@pytest.mark.parametrize("spread", [True, False])
def test_a_wrong_label_reaches_one_network_of_ss_dpa(spread: bool) -> None:
    sets: list[list[list[int]]] = [[], [[4, 1, 2]], [[4, 1, 2], [40, 1, 2]], [[7, 1, 2]]]
    documents = []
    for flips in sets:
        problem = _clusters(tuple(index for index, _, _ in flips))
        made = _treatment("ss_dpa", problem, parts=3, spread=spread)
        documents.append(made.document(problem.labels))
        assert len(made.labels) == 3 and made.partition is not None and made.recipe == {"steps": 40}
        assert spread == (made.weights is None or bool((made.weights > 0).all()))
    flips_of = {"poisoned": [sets[1]], "random": [sets[2:]]}
    treated = {"clean": ["0"], "poisoned": ["1"], "random": [["2", "3"]]}
    assert sound(flips_of, treated, {str(i): document for i, document in enumerate(documents)})
    heeds = {**documents[0], "labels": [[[0, 1]], *documents[0]["labels"][1:]]}
    assert not sound(flips_of, treated, {"0": heeds, **{str(i): documents[i] for i in (1, 2, 3)}})


def test_the_attacker_that_knows_a_defence_trains_its_surrogates_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from lnbench import surrogates

    assert Submission.from_file(knowing_search(), None, POISONER).details.defaults["recipe"] == "{}"
    given: list[dict[str, Any]] = []

    def harm(problem: Any, sets: np.ndarray, victims: Any, **changes: Any) -> np.ndarray:
        given.append(changes)
        return np.arange(len(sets), dtype=float)

    monkeypatch.setattr(surrogates, "ensemble_harm", harm)
    module = toy.loaded(knowing_search())
    problem = toy.problem(np.random.default_rng(0).random((9, 1, 2, 2)), budget=2)
    labels = module.KnowingSearch(recipe=json.dumps({"elr": 3.0}), surrogates=8).poison(problem)
    assert given == [{"elr": 3.0}] and (labels != problem.labels).sum() == 2
    again = np.random.default_rng(0)
    sets = [again.choice(problem.eligible, 2, replace=False) for _ in range(4)]
    assert sorted(sets[-1]) == np.flatnonzero(labels != problem.labels).tolist(), "the most harmful of four sets"
    assert Training().labels is None


ODD_LABELS = '''from __future__ import annotations

import lnbench
import numpy as np


class Odd(lnbench.Defender):
    """Undo what is seen of odd points: their labels become 5, and point 7 is left out."""

    wanted: int = 5

    def defend(self, problem):
        odd = np.arange(len(problem.labels)) % 2 == 1
        kept = np.arange(len(problem.labels)) != 7
        changes = {"label_smoothing": np.float64(0.1)}
        labels = np.where(odd, self.wanted, problem.labels)
        assert problem.threats is not None and problem.recipes["cnn"].steps
        return lnbench.Training(labels=labels[None], subset=kept, recipe=changes)


Alias = Odd
'''


def test_the_attacker_that_knows_a_defence_of_labels_flips_what_it_lets_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's source points are 0 … 8; the defence undoes flips of odd ones."""
    from lnbench import surrogates

    given: list[Any] = []

    def harm(problem: Any, sets: np.ndarray, victims: Any, *, treat: Any, **changes: Any) -> np.ndarray:
        given.append((changes, *treat(problem.flipped(sets[0]))))
        return np.arange(len(sets), dtype=float)

    monkeypatch.setattr(surrogates, "ensemble_harm", harm)
    module = toy.loaded(knowing_labels())
    with pytest.raises(ValueError, match="DEFENCE: expected the text of a defence, got none"):
        module.KnowingLabels().poison(toy.problem(np.zeros((2, 1, 2, 2))))
    monkeypatch.setattr(module, "DEFENCE", ODD_LABELS)
    monkeypatch.setattr(module, "PARAMETERS", json.dumps({"wanted": 5}))
    for budget, seed in ((2, 0), (4, 1)):
        problem = toy.problem(np.random.default_rng(seed).random((9, 1, 2, 2)), budget=budget)
        labels = module.KnowingLabels(surrogates=8).poison(problem)
        flipped = np.flatnonzero(labels != problem.labels)
        assert len(flipped) == budget and not (flipped % 2).any(), "even points pass"
    changes, heeded, weights = given[-1]
    assert changes == {"label_smoothing": 0.1} and set(heeded[1::2]) == {5}
    assert np.flatnonzero(weights == 0).tolist() == [7]
    few = toy.problem(np.random.default_rng(0).random((3, 1, 2, 2)), budget=3)
    assert (module.KnowingLabels(surrogates=2).poison(few) != few.labels).sum() == 3, "filled up where too few pass"


def test_the_matrix_lets_each_defence_be_known_as_far_as_it_can() -> None:
    track = load_track("digits-9to0")
    made = {
        name: matrix._knowing(Submission.from_file(defences()[name], given, DEFENDER), track)
        for name, given in (("none", {}), ("gce", {}), ("knn_relabel", {"neighbours": "5"}), ("ss_dpa", {}))
    }
    assert made["none"] is None and made["ss_dpa"] is None
    assert made["gce"] is not None and made["gce"].name == "knowing_search"
    inside = made["knn_relabel"]
    assert inside is not None and inside.name == "knowing_labels" and inside.details.defaults["tried"] == 64
    scope: dict[str, Any] = {}
    exec(compile(inside.source, "knowing_labels.py", "exec"), scope)
    assert scope["DEFENCE"] == defences()["knn_relabel"].read_text("utf-8")
    assert json.loads(scope["PARAMETERS"]) == {"neighbours": 5}
    soft = ODD_LABELS.partition("    def defend")[0] + (
        "    def defend(self, problem):\n        return lnbench.Training(weights=1.0 + (problem.labels == 9))\n"
    )
    weighing = matrix._knowing(Submission.from_bytes("soft.py", soft.encode(), {}, DEFENDER), track)
    assert weighing is not None and weighing.name == "knowing_labels", "weights are not imitated by a recipe"


def test_what_is_wrong_with_the_attacker_who_knows_ends_its_own_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ProtocolError("too long")

    track, attack = load_track("digits-9to0"), Submission.from_file(knowing_search(), None, POISONER)
    monkeypatch.setattr(matrix, "_knowing", broken)
    (pair,) = matrix.run(["gce"], [], track)
    assert (pair.defence, pair.attack, pair.record, pair.error) == ("gce", matrix.KNOWING, None, "too long")
    monkeypatch.setattr("lnbench.evaluation.defence.evaluate", broken)
    with pytest.raises(ProtocolError, match="too long"):
        list(matrix.run(["gce"], [attack], track))
