"""What is refused of a cluster's nodes, by name, and where submissions run."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

import tiny
from lnbench.errors import UnavailableError
from lnbench.evaluation import machine, needs, nodes
from lnbench.evaluation.environment import environment
from lnbench.protocol import PUBLIC_SALT, Track

TRACK = Track.from_document(tiny.document())


class Pool:
    """An engine whose nodes say what it is told."""

    name = "ray"

    def __init__(self, **said: dict[str, Any]) -> None:
        self.said = said

    def everywhere(self, function: str, cell: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return self.said

    def map(self, *_: object) -> Any:
        raise AssertionError

    def done_by(self) -> dict[str, int]:
        return {}


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    return nodes.look({"track": TRACK.document, "device": "cpu", "salt": PUBLIC_SALT})


def changed(seen: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """A copy with another value somewhere."""
    made = copy.deepcopy(seen)
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = to
    return made


def test_nodes_that_are_alike_work(seen: dict[str, Any]) -> None:
    box = changed(seen, "sandbox", to="bubblewrap")
    made = nodes.survey(Pool(a=box, b=box), TRACK, "cpu")
    assert made.environment == environment("cpu", TRACK) and made.boxes and made.sandbox("auto") == "bubblewrap"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("lnbench", "lnbench"), "9.9", "node b has another lnbench (9.9)"),
        (("lnbench", "code"), "0", "code differ"),
        (("lnbench", "code for poisoners"), "0", "code for poisoners differ"),
        (("environment", "parts", "libraries", "torch"), "1.0", "node b is not like node a: torch 1.0 instead of"),
        (("environment", "parts", "cpu"), "Other", "cpu Other instead of"),
        (("environment", "parts", "instructions"), ["avx99"], "avx99"),
        (("data",), "0", "node b reads other data of tiny than node a"),
    ],
)
def test_a_node_that_differs_is_named_with_what_differs(
    path: tuple[str, ...], value: Any, words: str, seen: dict[str, Any]
) -> None:
    with pytest.raises(UnavailableError) as caught:
        nodes.survey(Pool(a=seen, b=changed(seen, *path, to=value)), TRACK, "cpu")
    assert words in str(caught.value)


def test_a_node_without_the_data_is_named(seen: dict[str, Any]) -> None:
    absent = {"error": "DataError", "message": "mnist: train-images is not here; set LNBENCH_DATA."}
    with pytest.raises(UnavailableError, match=r"^node b: mnist: train-images is not here; set LNBENCH_DATA\.$"):
        nodes.survey(Pool(a=seen, b=absent), TRACK, "cpu")
    with pytest.raises(UnavailableError, match="no node of the cluster has a processor"):
        nodes.survey(Pool(), TRACK, "cpu")


def test_no_submission_runs_where_a_node_has_no_sandbox(seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    box, none = changed(seen, "sandbox", to="bubblewrap"), changed(seen, "sandbox", to="none")
    made = nodes.survey(Pool(a=box, b=none), TRACK, "cpu")
    assert not made.boxes and made.without == ("b",)

    def refuse(wish: str) -> str:
        raise UnavailableError("none works here.")

    monkeypatch.setattr(machine, "resolved_sandbox", refuse)
    with pytest.raises(UnavailableError, match="node b has no bubblewrap, so no submission runs on the cluster; and"):
        made.sandbox("auto")


def test_a_worker_without_the_sandbox_refuses_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from lnbench.evaluation import label_runs
    from lnbench.poison import diagnosis

    monkeypatch.setattr(diagnosis, "mode", lambda: "none")
    with pytest.raises(UnavailableError, match="it does not work on this node"):
        label_runs.run({"sandbox": "bubblewrap"})


def test_what_a_cell_needs_is_what_its_training_is_predicted_to_hold() -> None:
    cell = {"track": TRACK.document, "victim": "mlp", "places": [[0, 0], [0, 1]], "device": "cpu"}
    one = needs.of_cell("f", {**cell, "places": [[0, 0]]})["memory"]
    two = needs.of_cell("f", cell)["memory"]
    predicted = needs.training_bytes(json.dumps(TRACK.document, sort_keys=True), "mlp", 2)
    assert two == needs._PROCESS + predicted and one < two
    on_gpu = needs.of_cell("f", {**cell, "device": "cuda"})
    assert 0 < on_gpu["num_gpus"] <= 1 and round(on_gpu["num_gpus"] * 20) == pytest.approx(on_gpu["num_gpus"] * 20)
    assert needs.of_cell("f", {"track": TRACK.document, "source": ""})["memory"] == TRACK.limits.memory_gib * 2**30
    assert needs.of_cell("f", {"n": 1}) == {}
