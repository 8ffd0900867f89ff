"""Every experiment end to end at a size of seconds: measured, with verdicts, drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lnbench.data import Split, cifar10, mnist, parquet
from lnbench.errors import UnavailableError
from lnbench.protocol import Streams
from lnbench.protocol.data_spec import DataSpec
from lnbench.thesis import experiments, images, run
from lnbench.thesis.experiment import settings_of
from lnbench.thesis.experiments import fig06, fig08, graphs_cifar10
from lnbench.thesis.experiments.bilevel import _adversarial_loss, _descended, _start
from lnbench.thesis.experiments.features import distances, nearest, overlap
from lnbench.thesis.experiments.fig03 import _class_zero as class_zero
from lnbench.thesis.experiments.fig07 import hashed
from lnbench.thesis.experiments.graphs import high_in_both
from lnbench.thesis.experiments.pockets import ownership
from lnbench.thesis.experiments.theorem1 import measure as measure_theorem1

TOY = {"seeds": 2, "n": 40, "test": 20, "width": 8, "steps": 20, "batch": 16, "pgd_steps": 3}
TINY: dict[str, dict[str, Any]] = {
    "theorem1": {"trials": 300, "risks": 5},
    "theorem2": {"trials": 100, "balls": [1, 2], "n": [2, 3]},
    "bilevel": {"sets": 3, "n": 8, "steps": 5, "outer_steps": 3, "fresh": 2},
    "fig02": {"sets": 3},
    "fig04": {"n": 300},
    "fig05": {**TOY, "distances": [2.0, 4.0], "radii": [0.0, 1.0]},
    "fig06": {**TOY, "radii": [0.0, 0.5, 1.0]},
    "fig07": {"seeds": 2, "n": 40, "steps": 20, "width": 8, "map": 10},
    "fig08": {**TOY, "norms": [1.0, 100.0], "distances": [1.4, 4.0]},
}
SMALL = {"train": 300, "test": 10, "splits": 2, "steps": 20, "width": 16, "pgd_steps": 3}
TINY_TOY = {
    "d": 4,
    "n": 60,
    "test": 20,
    "distance": 3.0,
    "depth": 1,
    "width": 8,
    "steps": 20,
    "batch": 16,
    "rate": 0.01,
}
RADII = {"epsilon": [0.05, 0.1]}
SETS = {"flips": 4, "buckets": 3, "draws": 2, "randoms": 2, "most": 30, "pgd_steps": 3, "epsilon": 0.1}
ON_MNIST: dict[str, dict[str, Any]] = {
    "fig01": {"train": 200, "test": 10, "splits": 2, "steps": 20, "attacked": 20, "pgd_steps": 2, "hidden": 16},
    "fig03": {"points": 60},
    "graphs": {**SMALL, **RADII, "per_class": 2, "randoms": 1, "dims": 4},
    "features": {**SMALL, "steps": 80, "train": 200, "networks": 2, "flips": 3, "near": 3},
    "density": {**SMALL, **RADII, "flips": 2, "buckets": 3, "randoms": 2},
    "fig09": {**SMALL, **RADII, "splits": 3, "points": 3},
    "coloring": {**SMALL, **RADII, "flips": 2, "randoms": 2, "networks": 2},
    "fig10": {**SMALL, "test": 3, "flips": 4, "epsilon": [0.03, 0.05], "epsilons": [0.03, 0.05]},
    "fig11": {**SMALL, **RADII, "flips": 4, "buckets": 3, "randoms": 2, "most": 30},
    "fig13": {**SMALL, "planted": 6, "folds": 3, "most": 20},
    "fig14": {
        **SMALL,
        "most": 20,
        "seeds": 2,
        "toy": TINY_TOY,
        "pair": {"train": 300, "steps": 20, "rate": 0.005},
    },
    "fig15": {**SMALL, **SETS, **RADII, "toy": {**TINY_TOY, **SETS, "splits": 2, "step": 0.02}},
    "fig16": {"train": 200, "test": 10, "splits": 2, "steps": 20, "most": 30},
    "fig17": {"train": 300, "test": 10, "splits": 2, "steps": 20, "width": 16, "flips": 5, "buckets": 3, "randoms": 2},
    "pockets": {"train": 300, "test": 10, "splits": 2, "steps": 80, "width": 32, "networks": 2, "most": 150, "map": 6},
    "noilin": {**SMALL, "test": 5, "rates": [0.0, 0.1], "train_steps": 2},
    "noise-rate": {**RADII, "train": 200, "test": 5, "splits": 2, "steps": 20, "width": 16},
}


def _whole(name: str, changes: dict[str, Any], folder: Path, level: str = "quick") -> dict[str, Any]:
    """Measure in this process, with verdicts and figure."""
    experiment = experiments.load(name)
    settings = {**settings_of(experiment, level), **changes}
    results = [
        {"cell": cell, "result": run._rounded(experiments.run_cell({"experiment": name, "cell": cell}, _share))}
        for cell in experiment.cells(settings)
    ]
    document = {"experiment": name, "level": level, "settings": settings, "found": results, "run": {}}
    document = run.with_verdicts(document)
    run.write(document, folder)
    return document


def _share(share: float) -> None:
    assert 0 <= share <= 1


def _good(document: dict[str, Any], folder: Path) -> None:
    assert document["verdicts"]
    for verdict in document["verdicts"]:
        assert (
            verdict["verdict"] in ("agrees", "disagrees", "undecided", "void")
            and verdict["claim"]
            and verdict["evidence"]
        )
        assert "nan" not in verdict["evidence"], verdict
    svg = ET.parse(folder / f"{document['experiment']}.svg").getroot()
    assert sum(1 for node in svg.iter() if node.tag.endswith("}text")) > 8
    assert run.drifted(folder) == []


@pytest.mark.parametrize("name", TINY)
def test_an_experiment_runs_to_its_page(name: str, tmp_path: Path) -> None:
    _good(_whole(name, TINY[name], tmp_path), tmp_path)


@pytest.fixture
def like_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In place of MNIST scikit-learn's digits at its size, and no other data set."""
    digits = load_digits()
    images = (digits.images / 16).repeat(3, 1).repeat(3, 2)
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None].astype(np.float32)

    def load(spec: DataSpec, split: int, streams: Streams) -> Split:
        order = streams.permutation(len(images), "split", split)
        index, rest = order[: min(spec.train, 1300)], order[1300:]
        labels = digits.target.astype(np.int64)
        return Split(images[index], labels[index], images[rest], labels[rest], index)

    monkeypatch.setattr(mnist, "load", load)
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("like_mnist")
@pytest.mark.parametrize("name", ON_MNIST)
def test_an_experiment_on_images_runs_to_its_page(name: str, tmp_path: Path) -> None:
    _good(_whole(name, ON_MNIST[name], tmp_path / "out"), tmp_path / "out")


@pytest.mark.usefixtures("like_mnist")
@pytest.mark.parametrize("name", ON_MNIST)
def test_the_full_level_of_an_experiment_runs_to_its_page(name: str, tmp_path: Path) -> None:
    """Its network, precision and radii, at a size of seconds."""
    _good(_whole(name, ON_MNIST[name], tmp_path / "out", "full"), tmp_path / "out")


@pytest.mark.network
@pytest.mark.parametrize("name", ON_MNIST)
def test_an_experiment_on_mnist_runs_to_its_page(
    name: str, tmp_path: Path, mnist_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MNIST").symlink_to(mnist_folder / "MNIST")
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    _good(_whole(name, ON_MNIST[name], tmp_path / "out"), tmp_path / "out")


def test_every_experiment_is_run_by_a_test() -> None:
    assert {*TINY, *ON_MNIST, "graphs-cifar10"} == set(experiments.names())


@pytest.mark.slow
def test_class_graphs_of_cifar_say_what_is_missing_or_run_to_their_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((260, 3, 16, 16), dtype=np.float32)  # PCA of whole images would take most of a minute
    labels = np.arange(260) % 10

    def load(spec: DataSpec, split: int, streams: Streams) -> Split:
        index = streams.permutation(200, "split", split)[: spec.train]
        return Split(images[index], labels[index], images[200:], labels[200:], index)

    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    small = {**ON_MNIST["graphs"], "train": 200}
    (missing,) = _whole("graphs-cifar10", small, tmp_path / "without")["verdicts"]
    assert (missing["verdict"], missing["evidence"]) == ("undecided", "CIFAR-10 is not on this machine")
    monkeypatch.setattr(cifar10, "local_folder", lambda spec=None: tmp_path)
    monkeypatch.setattr(cifar10, "load", load)
    document = _whole("graphs-cifar10", small, tmp_path / "out")
    _good(document, tmp_path / "out")
    assert {entry["result"]["source"] for entry in document["found"]} == {"cifar10"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_level_that_needs_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    points = Split(
        np.zeros((20, 3, 32, 32), np.float32),
        np.arange(20) % 10,
        np.zeros((20, 3, 32, 32), np.float32),
        np.arange(20) % 10,
        np.arange(20),
    )
    monkeypatch.setattr(images, "load_cifar10", lambda train, split: ("cifar10", points))
    settings = {**graphs_cifar10.FULL, "train": 20, "network": ["mlp", {"width": 4, "depth": 1}]}
    with pytest.raises(UnavailableError, match="needs a CUDA device, and none is here; try --quick"):
        graphs_cifar10.measure(graphs_cifar10.cells(settings)[0], _share)


def test_cifar_is_the_original_where_it_is_found_and_else_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1), np.array([0, 1, 0, 2, 0, 0])

    def load(spec: DataSpec, split: int, streams: Streams) -> Split:
        assert spec.train == 24
        return Split(x, y, x, y, y)

    for source in (cifar10, parquet):
        monkeypatch.setattr(source, "load", load)
        monkeypatch.setattr(source, "local_folder", lambda spec=None: Path("somewhere"))
    name, points = class_zero("cifar10", 2)
    assert name == "cifar10" and points is not None and points.tolist() == [[0.0], [2.0]]
    monkeypatch.setattr(cifar10, "local_folder", lambda spec=None: None)
    assert class_zero("cifar10", 2)[0] == "cifar10jpeg"
    monkeypatch.setattr(parquet, "local_folder", lambda spec: None)
    assert class_zero("cifar10", 2) == ("cifar10", None)


def test_greedy_in_both_graphs_takes_what_is_high_in_both() -> None:
    """Hubs of the first graph only and of the second only lose to nodes that are high in both."""
    first, second = (nx.Graph(nx.star_graph(9)) for _ in range(2))
    first.add_edges_from([(1, i) for i in range(2, 8)] + [(2, i) for i in range(3, 7)])
    second = nx.relabel_nodes(first, {0: 3, 3: 0})
    one, other = (nx.to_numpy_array(graph, range(10)) for graph in (first, second))
    picked, common = high_in_both(one, other, 2, np.random.default_rng(0))
    assert set(picked) == {1, 2} and common >= 2, "0 leads the first graph, 3 the second; 1 and 2 are next in both"


def test_features_of_a_flip_are_measured_from_the_unflipped_points() -> None:
    """Own and target means leave the flip out; every distance is in radii of the nines."""
    nines = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0], [9.0, 1.0]])
    zeros = np.array([[10.0, 1.0], [12.0, 1.0]])
    own, target = distances(nines, zeros, np.array([True] * 4 + [False]))[4]
    assert own == pytest.approx(8 / 2**0.5) and target == pytest.approx(2 / 2**0.5)


def test_a_point_is_not_in_its_own_vicinity_and_the_overlap_counts_shared_neighbours() -> None:
    line = np.array([[0.0], [1.0], [3.0], [7.0], [7.5]])
    vicinity = nearest(line, np.array([0, 3]), 2)
    assert [sorted(row) for row in vicinity.tolist()] == [[1, 2], [2, 4]]
    assert overlap(vicinity, np.array([[2, 1], [0, 4]])).tolist() == [1.0, 0.5]


def test_the_slope_over_norms_is_that_of_the_networks_that_fit() -> None:
    """AA falls by 3 a step where the poisons are fitted, has levels of its own per distance, and is 50 elsewhere."""
    x = np.arange(4.0)
    aa = np.stack([90 - 3 * x, 70 - 3 * x])[..., None].repeat(2, 2)
    counts = np.ones((2, 4, 2), bool)
    counts[:, :2, 0] = counts[1, 3, 0] = False
    counts[:, 1:, 1] = False
    aa[~counts] = 50
    assert fig08._slopes(x, aa, counts).tolist() == pytest.approx([-3.0]), "the second seed has one norm only"


def test_the_owner_of_a_broken_point_is_the_flip_without_which_it_stands() -> None:
    """Two flips: point 0 goes with the first, 1 with the second, 2 with either, 3 is broken without any."""
    with_both, without = [True, True, True, True], [[False, True, True, True], [True, False, True, True]]
    broken = torch.tensor([with_both, *without])[:, None]
    owners, costs = ownership(broken, torch.tensor([[False, False, False, True]]), 2)
    assert owners == [[1, 2, 0]] and costs.tolist() == [[[0.25], [0.25]]]


def test_the_listing_hashes_every_coordinate_by_itself() -> None:
    x = np.random.default_rng(0).normal(0, 3, (50, 2))
    bits = hashed(x, 11)
    assert bits.shape == (50, 22) and set(np.unique(bits)) == {0.0, 1.0}
    values = bits.reshape(50, 2, 11) @ (2 ** np.arange(10, -1, -1))
    assert (values == np.floor(x * 2048).astype(int) % 941).all()


def test_the_outer_gradient_is_that_of_finite_differences() -> None:
    """Through the unrolled training, in float64, with respect to one label."""
    cell = {**experiments.load("bilevel").QUICK, "steps": 6, "width": 5}
    rng = np.random.default_rng(2)
    x, y = torch.from_numpy(rng.normal(size=(1, 6, 2))), torch.from_numpy(rng.integers(0, 2, (1, 6)).astype(float))
    start = {name: p.detach().double().requires_grad_() for name, p in _start(cell, 1, 0).items()}

    def outer(targets: torch.Tensor) -> torch.Tensor:
        return _adversarial_loss(cell, _descended(cell, start, x, targets, unrolled=True), x, y).sum()

    targets = y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(outer(targets), targets)
    for i in range(6):
        step = torch.zeros_like(y)
        step[0, i] = 1e-6
        wanted = (outer(y + step) - outer(y - step)) / 2e-6
        assert gradient[0, i].item() == pytest.approx(wanted.item(), rel=1e-3, abs=1e-6)


def test_a_curve_is_judged_where_its_poisons_are_fitted_and_else_not_at_all() -> None:
    rng, radii = np.random.default_rng(4), [0.0, 1.0, 2.0, 3.0, 4.0]
    settings = {"radii": radii}

    def result(arm: str, i: int | None) -> dict[str, Any]:
        shape = {"adversarial": 0.9 if i is None else (0.9, 0.8, 0.5, 0.7, 0.9)[i], "natural": 0.99}
        values = {name: (mean + rng.normal(0, 0.01, 12)).tolist() for name, mean in shape.items()}
        share = 0.0 if arm == "pgd" and i is not None and i < unfitted else 1.0
        return {"cell": {"arm": arm}, "result": {**values, "training": [1.0] * 12, "fitted": [share] * 12}}

    found = {}
    for unfitted in (0, 2, 3, 5):
        results = [result(arm, i) for arm in ("opposite", "third", "pgd") for i in (None, *range(len(radii)))]
        found[unfitted] = fig06.verdicts(settings, results)
    of_pgd = {unfitted: [v for v in verdicts if "PGD" in v.claim] for unfitted, verdicts in found.items()}
    assert [[v.verdict for v in verdicts].count("void") for verdicts in of_pgd.values()] == [0, 0, 1, 3]
    assert [verdicts[0].verdict for verdicts in of_pgd.values()] == ["agrees", "disagrees", "void", "void"]
    assert "at r of 2 to 4, where the poisons are fitted" in of_pgd[2][0].evidence
    assert "r of 3, 4:" in of_pgd[3][1].evidence and all(v.verdict != "void" for v in found[5] if "PGD" not in v.claim)


def test_the_last_layers_norm_is_what_the_axis_says() -> None:
    result = fig08.measure(fig08.cells({**fig08.QUICK, "n": 60, "test": 20, "steps": 60})[4], lambda share: None)
    assert result["exact"] == pytest.approx(np.ones(6), rel=0.03)


def test_the_theorem_is_refuted_where_a_ball_is_missed() -> None:
    """The control's trials: no wrong label in some ball, and a critical radius above 2ρ in a good part of them."""
    result = measure_theorem1(
        {"kind": "missed", "seed": 0, "rho": 0.1, "n": 38, "wrong": 0.1, "trials": 40}, lambda share: None
    )
    ratios = result["ratios"]
    assert len(ratios) + result["hits"] == 40
    assert sum(r > 1 + 1e-6 for r in ratios) > 3
