"""From cells to files: a run resumes, verdicts and figures follow from the numbers alone, and drift is seen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lnbench.errors import DataError, ProtocolError
from lnbench.evaluation import nodes
from lnbench.evaluation.code_hash import module_sha256
from lnbench.evaluation.progress import Progress
from lnbench.evaluation.store import Store
from lnbench.thesis import epsilon, experiments, extension, images, page, run
from lnbench.thesis.experiment import ABSENT, LEVELS, settings_of

NAMES = experiments.names()


class Here:
    """An engine that runs cells in this process."""

    ran = 0

    def map(self, function: str, cells: list[dict[str, Any]]) -> Iterator[tuple[int, float, dict[str, Any]]]:
        """Every cell in turn."""
        assert function == "lnbench.thesis.experiments:run_cell"
        for i, cell in enumerate(cells):
            Here.ran += 1
            yield i, 1.0, experiments.run_cell(cell, lambda share: None)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, and cells that run here."""
    monkeypatch.setattr(nodes, "engine", lambda name, workers, device: Here())
    Here.ran = 0
    return Store(tmp_path / "store")


@pytest.fixture
def document(store: Store) -> dict[str, Any]:
    """A small experiment's document."""
    return run.measure("fig02", "quick", 1, lambda progress: None, store)


def test_a_second_run_computes_nothing_and_says_the_same(store: Store, document: dict[str, Any]) -> None:
    ran = Here.ran
    reports: list[Progress] = []
    assert ran == len(document["found"]) == 5
    again = run.measure("fig02", "quick", 1, reports.append, store)
    assert Here.ran == ran and again == document
    assert reports[-1].done == reports[-1].reused == reports[-1].total == 5


def test_an_interrupted_run_resumes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def notify(progress: Any) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.measure("fig02", "quick", 1, notify, store)
    assert Here.ran == 2
    run.measure("fig02", "quick", 1, lambda progress: None, store)
    assert Here.ran == 5


def test_more_splits_keep_those_that_are_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "run_cell", lambda request, report: {"aa": [1.0] * 10})
    monkeypatch.setattr(run, "with_verdicts", lambda document: document)
    for splits in (2, 3):
        monkeypatch.setattr(run, "settings_of", lambda experiment, level, n=splits: {**images.QUICK, "splits": n})
        document = run.measure("fig16", "quick", 1, lambda progress: None, store)
        assert [entry["cell"]["splits"] for entry in document["found"]] == [splits] * splits
    assert Here.ran == 3


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Measures figure 16 with so many splits, all of whose results are one value, in an environment of some name."""
    monkeypatch.setattr(run, "with_verdicts", lambda document: document)

    def measured(n: int, machine: str, **more: Any) -> dict[str, Any]:
        monkeypatch.setattr(run, "settings_of", lambda experiment, level: {**images.QUICK, "splits": n})
        monkeypatch.setattr(run, "environment", lambda device: {"id": machine})
        monkeypatch.setattr(experiments, "run_cell", lambda request, report: {"aa": [float(len(machine))]})
        return run.measure("fig16", "quick", 1, lambda progress: None, **more)

    return measured


def test_a_level_is_extended_on_another_machine(
    splits: Callable[..., dict[str, Any]], store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    documents: list[dict[str, Any]] = []
    for n, machine, fresh in ((2, "a", 2), (5, "bb", 3), (6, "ccc", 1), (6, "dddd", 0)):
        Here.ran = 0
        document = splits(n, machine, store=store, folder=folder if documents else None)
        (folder / "fig16.json").write_text(json.dumps(document), encoding="utf-8")
        assert Here.ran == fresh
        documents.append(document)
    first, second, third, last = documents
    assert [entry["result"]["aa"] for entry in third["found"]] == [[1.0]] * 2 + [[2.0]] * 3 + [[3.0]]
    assert "earlier" not in first
    assert second["earlier"] == [{"replicates": 2, **first["run"]}] and second["run"]["environment"] == "bb"
    assert third["earlier"] == [*second["earlier"], {"replicates": 3, **second["run"]}]
    assert last == third, "nothing was measured, and so nothing is said anew"


def test_results_that_a_level_does_not_have_are_not_extended(
    splits: Callable[..., dict[str, Any]], store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ProtocolError, match="nothing to extend"):
        splits(2, "a", store=store, folder=tmp_path)
    document = splits(2, "a", store=store)
    other = {**document, "level": "full"}
    changed = copy.deepcopy(document)
    changed["found"][1]["cell"]["steps"] += 1
    for wrong, words in ((other, "is of level full, and --extend of level quick"), (changed, "other settings")):
        (tmp_path / "fig16.json").write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(ProtocolError, match=words):
            splits(3, "a", store=store, folder=tmp_path)
    (tmp_path / "fig16.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="expected the document"):
        splits(3, "a", store=store, folder=tmp_path)


def test_a_result_without_data_is_not_kept() -> None:
    cell = {"split": 0, "splits": 1}
    before = {"experiment": "fig16", "level": "full", "found": [{"cell": cell, "result": {ABSENT: True}}]}
    assert extension.kept(before, "full", [cell, {"split": 1, "splits": 2}]) == {}
    assert extension.origin({**before, "run": {}}, kept=0, new=2) == {}, "and its run is not named"


def test_the_page_says_how_many_replicates_were_there_before(document: dict[str, Any]) -> None:
    assert b"there before" not in page.render([document])
    extended = {**document, "earlier": [{"replicates": 2, **document["run"]}, {"replicates": 1, **document["run"]}]}
    assert b"- 3 of the 5 replicates were there before" in page.render([extended])


def test_what_is_absent_is_looked_for_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "run_cell", lambda request, report: {ABSENT: True})
    monkeypatch.setattr(run, "with_verdicts", lambda document: document)
    for _ in range(2):
        document = run.measure("fig02", "quick", 1, lambda progress: None, store)
        assert all(entry["result"] == {ABSENT: True} for entry in document["found"])
    assert Here.ran == 10


def test_what_is_written_follows_from_its_numbers_until_someone_touches_it(
    document: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    run.write(document, folder)
    assert {p.name for p in folder.iterdir()} == {"fig02.json", "fig02.svg", "README.md"}
    assert run.drifted(folder) == []
    page = (folder / "README.md").read_text()
    assert "fig02.svg" in page and "direction only" in page and document["verdicts"][0]["evidence"] in page

    touched = json.loads((folder / "fig02.json").read_text())
    touched["verdicts"][0]["verdict"] = "disagrees"
    (folder / "fig02.json").write_bytes(run._text(touched))
    assert {p.name for p in run.drifted(folder)} == {"fig02.json", "fig02.svg", "README.md"}
    run.redraw(folder)
    assert run.drifted(folder) == []
    assert json.loads((folder / "fig02.json").read_text())["verdicts"] == document["verdicts"]

    (folder / "fig02.svg").write_text("<svg/>")
    assert [p.name for p in run.drifted(folder)] == ["fig02.svg"]


def test_the_same_numbers_give_the_same_bytes(document: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        run.write(copy.deepcopy(document), tmp_path / name)
    for file in ("fig02.json", "fig02.svg", "README.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no experiments"):
        run.read_all(tmp_path)
    (tmp_path / "fig02.json").write_text('{"experiment": "fig03"}')
    with pytest.raises(DataError, match=r"fig02\.json: expected the document"):
        run.read_all(tmp_path)


def test_verdicts_and_drawing_are_not_in_the_key_of_a_cell() -> None:
    """A name that only `verdicts` and `draw` use does not reach the hash of what is left."""
    name = "lnbench.thesis.experiments.fig02"
    assert module_sha256(name, run._NOT_MEASURED) != module_sha256(name)
    source = (experiments.FOLDER / "fig02.py").read_text(encoding="utf-8")
    assert "def verdicts" in source and "def draw" in source and "verdicts" in source


def test_names_are_found_by_file_in_the_order_of_the_thesis() -> None:
    assert NAMES.index("theorem1") < NAMES.index("theorem2") < NAMES.index("fig02") < NAMES.index("fig17")
    with pytest.raises(ProtocolError, match=r"no experiment is called 'fig66'; did you mean fig"):
        experiments.load("fig66")


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_whole(name: str) -> None:
    experiment = experiments.load(name)
    about = experiments.about(name)
    assert about == {"TITLE": experiment.TITLE, "THESIS": experiment.THESIS}
    for level in LEVELS:
        settings = settings_of(experiment, level)
        assert all("{" not in choice for choice in run.choices(experiment, settings))
        cells = experiment.cells(settings)
        assert cells and json.loads(json.dumps(cells)) == cells
        texts = [json.dumps(cell, sort_keys=True) for cell in cells]
        assert len(set(texts)) == len(texts), "two cells are the same"
    optional = {"network", "recipe"}
    assert experiment.QUICK.keys() - optional == experiment.FULL.keys() - optional


def test_the_committed_figures_and_page_are_what_their_numbers_say(root: Path) -> None:
    assert run.drifted(root / "leaderboard" / "thesis") == []


def test_what_is_committed_was_run_at_the_settings_of_its_level(root: Path) -> None:
    for document in run.read_all(root / "leaderboard" / "thesis"):
        experiment = experiments.load(document["experiment"])
        assert document["settings"] == json.loads(json.dumps(settings_of(experiment, document["level"])))
        cells = json.loads(json.dumps(experiment.cells(document["settings"])))
        assert [entry["cell"] for entry in document["found"]] == cells, document["experiment"]


NOT_ABOUT_MEMORISED_FLIPS = {
    *("theorem1", "theorem2", "bilevel", "fig01", "fig02", "fig03", "fig04", "fig14", "fig16"),  # no victim of flips
    *("fig05", "fig06", "fig07", "fig08"),  # ask which wrong labels are fitted
    "noilin",  # adversarial training is not meant to memorise
}


WITHOUT_VICTIMS = {
    "For small budgets the second algorithm selects almost the same points as the greedy one.",
    "Many of MNIST's points closest to the boundary have a wrong label.",
    "Control: the network memorises the colours.",
    "Not in the thesis: the scores are hardly more than the degrees in the class graph.",
}
"""Claims that need no network trained on flips."""


@pytest.mark.parametrize("name", sorted({*NAMES} - NOT_ABOUT_MEMORISED_FLIPS))
def test_no_verdict_is_printed_without_memorisation(name: str, root: Path) -> None:
    document = json.loads((root / "leaderboard" / "thesis" / f"{name}.json").read_bytes())
    forgotten = copy.deepcopy(document)
    for entry in forgotten["found"]:
        result = entry["result"]
        if name == "pockets":
            for i, flip in enumerate(result["flips"]):
                flip["kept"] = i % 4 == 0
        elif name == "features":
            result["flips"] = result["flips"][::4]
        elif "memorised" in result:
            result["memorised"] = _scaled(result["memorised"], 0.27)
        else:
            assert (name, entry["cell"].get("kind")) == ("fig15", "toy"), "it does not store what was memorised"
    *every, memorisation = run.with_verdicts(forgotten)["verdicts"]
    others = [verdict for verdict in every if verdict["claim"] not in WITHOUT_VICTIMS]
    spared = [verdict for verdict in every if verdict["claim"] in WITHOUT_VICTIMS]
    assert spared == [verdict for verdict in document["verdicts"] if verdict["claim"] in WITHOUT_VICTIMS]
    assert memorisation["claim"] == "Control: the flips are memorised." and memorisation["verdict"] != "agrees"
    assert others and {verdict["verdict"] for verdict in others} == {"void"}
    assert not any(verdict["planned"] for verdict in others), "a void claim has no power to speak of"
    for verdict in others:
        assert verdict["evidence"].startswith("only ") and verdict["estimate"] is verdict["low"] is None
    shown = page.render([run.with_verdicts(forgotten)]).decode()
    gone = [v for v in document["verdicts"] if v["verdict"] != "void" and v["claim"] not in WITHOUT_VICTIMS]
    assert "∅ void" in shown and not any(v["evidence"] in shown for v in gone)


@pytest.mark.parametrize("name", sorted(NOT_ABOUT_MEMORISED_FLIPS))
def test_an_experiment_that_is_not_about_memorised_flips_claims_nothing_about_them(name: str, root: Path) -> None:
    document = json.loads((root / "leaderboard" / "thesis" / f"{name}.json").read_bytes())
    assert all(verdict["claim"] != "Control: the flips are memorised." for verdict in document["verdicts"])


def _scaled(shares: Any, factor: float) -> Any:
    """Shares in dictionaries and lists, all multiplied by a factor."""
    if isinstance(shares, dict):
        return {key: _scaled(value, factor) for key, value in shares.items()}
    return [_scaled(value, factor) for value in shares] if isinstance(shares, list) else factor * shares


def test_claims_that_the_thesis_does_not_make_are_listed_apart(root: Path) -> None:
    documents = run.read_all(root / "leaderboard" / "thesis")
    shown = page.render(documents).decode()
    for name in ("fig04", "bilevel", "theorem2", "noilin"):
        section = shown.split(f"\n## {name}\n")[1].split("\n## ")[0]
        own, beyond = section.split("| beyond the thesis |") if "| claim |" in section else ("", section)
        (document,) = (some for some in documents if some["experiment"] == name)
        ours = [v for v in document["verdicts"] if v["claim"].startswith("Not in the thesis")]
        assert ours and all(page._cell(v["evidence"]) in beyond for v in ours)
        row = next(line for line in shown.splitlines() if line.startswith(f"| [{name}]"))
        assert row.endswith(f"| {len(ours)} |") and "Not in the thesis" not in shown
        assert all(page._cell(v["evidence"]) not in own for v in ours)


@pytest.mark.parametrize("name", NAMES)
def test_every_plan_stands_beside_a_claim(name: str, root: Path) -> None:
    """Each plan is used; and a claim that was left undecided says what power it had."""
    plans = getattr(experiments.load(name), "PLAN", {})
    document = json.loads((root / "leaderboard" / "thesis" / f"{name}.json").read_bytes())
    used = {v["planned"] for v in document["verdicts"] if v["planned"]}
    if not any(v["verdict"] == "void" for v in document["verdicts"]):
        assert {str(plan) for plan in plans.values()} == used
    for verdict in document["verdicts"]:
        if verdict["planned"]:
            assert verdict["needed"] is None or verdict["needed"] > 1
            assert (verdict["power"] is not None) == (verdict["verdict"] == "undecided")


def test_the_page_says_used_of_planned_and_the_power_of_what_is_undecided() -> None:
    verdict = {"n": 8, "needed": 22, "planned": "5 at σ 8 from fig17 quick", "verdict": "undecided", "power": 0.314}
    assert page._replicates(verdict) == "8 of 22 (5 at σ 8 from fig17 quick); power 31 %"
    assert page._replicates({**verdict, "verdict": "agrees", "power": None}) == "8 of 22 (5 at σ 8 from fig17 quick)"
    assert page._replicates({**verdict, "needed": None, "power": None}).startswith("8 of over 1,000")
    assert page._replicates({**verdict, "planned": ""}) == "8"


FLIPS_ON_MNIST = ("noise-rate", "graphs", "features", "density", "fig09", "coloring", "fig10", "fig17", "pockets")


@pytest.mark.parametrize("name", FLIPS_ON_MNIST)
def test_the_full_level_is_the_thesis_size_with_a_recipe_that_memorises(name: str) -> None:
    full = dict(settings_of(experiments.load(name), "full"))
    assert full["train"] == 60000
    many = images.FULL_CNN_MANY if name in ("fig10", "noise-rate") else images.FULL_CNN
    wanted = many if "network" in full else images.FULL
    assert all(full[key] == wanted[key] for key in ("steps", "batch", "rate", "recipe"))


@pytest.mark.parametrize("name", ["fig11", "fig15"])
def test_zeros_and_ones_are_all_of_mnists_at_the_full_level(name: str) -> None:
    full = settings_of(experiments.load(name), "full")
    assert full["train"] == 12665 and full["network"] == images.CNN and full["epsilon"] == epsilon.GRID
    assert full["steps"] * full["batch"] / full["train"] > 43, (
        "epochs in which the same network memorises 60,000 points"
    )


@pytest.mark.parametrize("level", LEVELS)
def test_choices_speak_of_test_points_where_there_are_some(level: str) -> None:
    both = (experiments.load("fig17"), experiments.load("fig13"))
    tested, untested = (run.choices(experiment, settings_of(experiment, level))[0] for experiment in both)
    assert "and tests on up to" in tested and "test" not in untested
    assert "differ in the first weights" in untested or "training points anew. The" in untested


def test_choices_name_the_network_of_their_level() -> None:
    experiment = experiments.load("fig17")
    quick, full = (" ".join(run.choices(experiment, settings_of(experiment, level))) for level in LEVELS)
    assert "The network has 2 hidden layers of 128 ReLU units (the thesis" in quick
    assert "convolutions of 16 and 32 channels (5×5, stride 2) and 128 hidden units (the thesis" in full
    assert "14000 steps of 128, peak rate 0.004, in bfloat16." in full and "peak rate 0.004." in quick
