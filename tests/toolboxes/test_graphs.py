"""Class graphs and what is picked on them, on problems small enough for the answer to be known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lnbench import graphs
from lnbench.errors import ProtocolError


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _star(rays: int) -> nx.Graph:
    """A hub, node 0, and its rays."""
    return nx.star_graph(rays)


def test_the_radius_is_the_quantile_of_the_pair_distances_within_classes() -> None:
    points = np.array([0.0, 1.0, 3.0, 100.0, 100.5])[:, None]
    classes = np.array([0, 0, 0, 1, 1])
    pairs = sorted([1.0, 3.0, 2.0, 0.5])
    for place, distance in enumerate(pairs):
        assert graphs.radius(points, place / 3, classes=classes) == pytest.approx(distance)
    assert graphs.radius(points[:1], 0.5) == 0.0
    assert graphs.radius(np.zeros((4, 3)), 0.5) == 0.0


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_a_class_graph_joins_what_is_near_and_of_one_class(norm: str, rng: np.random.Generator) -> None:
    points, classes = rng.random((40, 1, 3, 3)).astype(np.float32), rng.integers(0, 2, 40)
    gamma = graphs.radius(points, 0.3, norm, classes)
    graph = graphs.class_graph(points, gamma, norm, classes)
    apart = graphs.distances(points, norm)
    wanted = {
        (i, j) for i, j in itertools.combinations(range(40), 2) if classes[i] == classes[j] and apart[i, j] <= gamma
    }
    assert {tuple(sorted(e)) for e in graph.edges} == wanted
    pairs = sum(int(n * (n - 1) / 2) for n in np.bincount(classes))
    assert len(wanted) == pytest.approx(0.3 * pairs, abs=1.5)


def test_the_ends_of_the_radius_give_empty_and_complete_graphs(rng: np.random.Generator) -> None:
    points = rng.random((12, 4))
    nearest = graphs.class_graph(points, graphs.radius(points, 0.0))
    assert nearest.number_of_edges() == 1 and graphs.class_graph(points, 0.0).number_of_edges() == 0
    assert graphs.class_graph(points, graphs.radius(points, 1.0)).number_of_edges() == 66
    for graph in (graphs.class_graph(points, 0.0), graphs.class_graph(points, 9.0)):
        for pick in (graphs.high_degree, graphs.coverage):
            assert len(set(pick(graph, 5, rng))) == 5


def test_the_hub_of_a_star_is_the_first_pick(rng: np.random.Generator) -> None:
    assert graphs.high_degree(_star(6), 1, rng).tolist() == [0]
    assert graphs.coverage(_star(6), 1, rng).tolist() == [0]
    assert graphs.degrees(_star(6)).tolist() == [6, 1, 1, 1, 1, 1, 1]


def test_coverage_leaves_a_neighbourhood_that_degree_stays_in(rng: np.random.Generator) -> None:
    """A clique of six and a path of three: the clique has all the high degrees, but covering needs the path."""
    graph = nx.disjoint_union(nx.complete_graph(6), nx.path_graph(3))
    assert set(graphs.high_degree(graph, 2, rng)) < set(range(6))
    first, second = graphs.coverage(graph, 2, rng)
    assert first < 6 and second == 7


@pytest.mark.parametrize("seed", range(8))
def test_greedy_coverage_is_within_1_minus_1_over_e_of_the_best(seed: int) -> None:
    graph = nx.gnp_random_graph(11, 0.2, seed=seed)

    def covered(nodes: tuple[int, ...]) -> int:
        return len(set(nodes).union(*(graph[i] for i in nodes)))

    picks = tuple(int(i) for i in graphs.coverage(graph, 3, np.random.default_rng(seed)))
    best = max(covered(nodes) for nodes in itertools.combinations(range(11), 3))
    assert len(set(picks)) == 3 and covered(picks) >= (1 - np.exp(-1)) * best
    # The first pick alone is the best single one, the second the best beside it.
    assert covered(picks[:1]) == max(covered((i,)) for i in range(11))
    assert covered(picks[:2]) == max(covered((picks[0], i)) for i in range(11))


def test_ties_are_broken_by_the_generator_alone() -> None:
    graph = nx.cycle_graph(30)
    draws = [tuple(graphs.high_degree(graph, 5, np.random.default_rng(s))) for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    scores = graphs.by_score(np.array([1.0, 3.0, 2.0]), 2, np.random.default_rng(0))
    assert scores.tolist() == [1, 2]
    assert graphs.by_score(np.zeros(3), 9, np.random.default_rng(0)).size == 3


@pytest.mark.parametrize("seed", range(6))
def test_colours_differ_at_distance_one_and_two(seed: int, rng: np.random.Generator) -> None:
    graph = nx.gnp_random_graph(25, 0.12, seed=seed)
    colours = graphs.distance_two_colours(graph, rng)
    lengths = dict(nx.all_pairs_shortest_path_length(graph, cutoff=2))
    for i, j in itertools.combinations(range(25), 2):
        assert colours[i] != colours[j] or j not in lengths[i]
    assert set(colours) == set(range(colours.max() + 1))


def test_a_star_needs_a_colour_for_every_node(rng: np.random.Generator) -> None:
    assert sorted(graphs.distance_two_colours(_star(5), rng)) == [0, 1, 2, 3, 4, 5]
    assert len(set(graphs.distance_two_colours(nx.empty_graph(4), rng))) == 1
    assert len(set(graphs.distance_two_colours(nx.complete_graph(4), rng))) == 4
    inside = graphs.relabelled(nx.path_graph(4), np.array([3, 1, 2]))
    assert {frozenset(edge) for edge in inside.edges} == {frozenset({0, 2}), frozenset({1, 2})}


def test_the_log_density_is_scipys(rng: np.random.Generator) -> None:
    points = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + 5
    wanted = multivariate_normal(points.mean(0), np.cov(points, rowvar=False, bias=True)).logpdf(points)
    np.testing.assert_allclose(graphs.log_density(points), wanted)


def test_a_singular_covariance_is_shrunk_and_constant_coordinates_say_nothing(rng: np.random.Generator) -> None:
    few = rng.normal(size=(5, 40))
    assert np.isfinite(graphs.log_density(few)).all()
    points = rng.normal(size=(60, 2))
    padded = np.concatenate([points, np.ones((60, 3))], 1)
    np.testing.assert_allclose(graphs.log_density(padded), graphs.log_density(points))
    assert graphs.log_density(np.ones((3, 2))).tolist() == [0, 0, 0]
    assert graphs.log_density(np.ones((1, 2))).tolist() == [0]


def test_buckets_are_slices_along_the_score(rng: np.random.Generator) -> None:
    scores = rng.permutation(50)
    names = ("low", "middle", "high")
    low, middle, high = (scores[graphs.bucket(scores, name, names, 4, rng)] for name in names)
    assert low.tolist() == list(range(16)) and high.tolist() == list(range(34, 50))
    assert middle.tolist() == list(range(17, 33))
    assert len(graphs.bucket(scores, "low", names, 40, rng)) == 40
    assert len(graphs.bucket(scores[:1], "high", names, 4, rng)) == 1


def test_the_gaussian_kernel_in_closed_form() -> None:
    points = np.array([[0.0], [2.0]])
    np.testing.assert_allclose(graphs.gaussian_kernel(points, points, 2.0), [[1, np.exp(-0.5)], [np.exp(-0.5), 1]])
    np.testing.assert_allclose(graphs.gaussian_kernel(points, points[:1], 0.0), [[1], [0]])
    kernel, alien = graphs.contrast(points, np.array([[1.0], [1.0]]), 0.5)  # the median distance is 2, so h = 1
    np.testing.assert_allclose(kernel, [[1, np.exp(-2)], [np.exp(-2), 1]])
    np.testing.assert_allclose(alien, [np.exp(-0.5)] * 2)
    assert graphs.contrast(points, points[:0], 0.5)[1].tolist() == [0, 0]


def test_herding_takes_one_point_of_each_cluster_and_no_exchange_helps(rng: np.random.Generator) -> None:
    clusters = np.concatenate([rng.normal(at, 0.05, (8, 2)) for at in (0.0, 3.0, 6.0)])
    kernel = graphs.gaussian_kernel(clusters, clusters, 0.5)
    assert sorted(graphs.herd(kernel, 3, kernel.mean(1)) // 8) == [0, 1, 2]

    points = rng.normal(size=(14, 3))
    kernel = graphs.gaussian_kernel(points, points, 1.0)
    mean = kernel.mean(1)
    chosen = graphs.herd(kernel, 3, mean)
    value = graphs.mismatch(kernel, chosen, mean)
    assert all(
        graphs.mismatch(kernel, np.array([*np.delete(chosen, place), other]), mean) >= value - 1e-9
        for place in range(3)
        for other in set(range(14)) - set(chosen.tolist())
    )
    every = [graphs.mismatch(kernel, np.array(s), mean) for s in itertools.combinations(range(14), 3)]
    assert (np.array(every) < value - 1e-9).mean() < 0.02
    # The discrepancy it is named for: the squared distance of the means in the kernel's space.
    whole = np.arange(14)
    assert graphs.mismatch(kernel, whole, mean) == pytest.approx(-kernel.mean())


def _measures(apart: np.ndarray, kernel: np.ndarray, mean: np.ndarray, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Mean distance to the nearest chosen point, and mismatch, of each set, (set, 2)."""
    near = [apart[list(some)].min(0).mean() for some in sets]
    return np.stack([near, [graphs.mismatch(kernel, np.array(some), mean) for some in sets]], 1)


def test_a_miniature_is_near_the_best_by_the_sum_of_both_measures(rng: np.random.Generator) -> None:
    points = rng.normal(size=(14, 3))
    apart, (kernel, alien) = graphs.distances(points), graphs.contrast(points, rng.normal(1.0, 1.0, (20, 3)), 1.0)
    every = list(itertools.combinations(range(14), 3))
    values = _measures(apart, kernel, kernel.mean(1) - alien, every)
    for share in (0.0, 0.5, 1.0):
        total = (values / values.std(0)) @ [1 - share, share]
        chosen = tuple(graphs.miniature(apart, [(kernel, alien)], 3, np.random.default_rng(0), share=share).tolist())
        assert (total < total[every.index(chosen)] - 1e-9).mean() < 0.02, share
    by_both, by_near, by_mean = (
        values[every.index(tuple(graphs.miniature(apart, [(kernel, alien)], 3, rng, share=share).tolist()))]
        for share in (0.5, 0.0, 1.0)
    )
    assert by_near[0] <= by_both[0] <= by_mean[0] and by_mean[1] <= by_both[1] <= by_near[1]


def test_a_miniature_follows_the_counts_and_is_defined_at_the_ends_of_the_budget() -> None:
    points = np.concatenate([np.linspace(0.0, 0.2, 5), np.linspace(5.0, 5.2, 5)])[:, None]
    apart, kernels = graphs.distances(points), [(graphs.gaussian_kernel(points, points, 1.0), np.zeros(10))]
    for first in (True, False):
        counts = np.repeat([1.0, 0.0] if first else [0.0, 1.0], 5)
        (chosen,) = graphs.miniature(apart, kernels, 1, np.random.default_rng(0), counts=counts)
        assert bool(chosen < 5) == first
    assert graphs.miniature(apart, kernels, 0, np.random.default_rng(0)).tolist() == []
    assert graphs.miniature(apart, kernels, 99, np.random.default_rng(0)).tolist() == list(range(10))
    same = np.zeros((3, 3))
    assert graphs.miniature(same, [(np.ones((3, 3)), np.zeros(3))], 2, np.random.default_rng(0)).shape == (2,)


def test_medoids_serve_the_heavy_clusters_best_first() -> None:
    points = np.array([0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 0.5])
    costs = np.abs(points[:, None] - points[None])
    assert graphs.medoids(costs, 3).tolist() == [6, 1, 4]
    assert graphs.medoids(costs[3:6], 1).tolist() == [4]  # serving the last cluster alone
    assert graphs.medoids(costs, 0).tolist() == [] and sorted(graphs.medoids(costs, 9)) == list(range(7))


def test_herding_is_defined_at_the_ends_of_the_budget() -> None:
    kernel = np.eye(3)
    assert graphs.herd(kernel, 0, kernel.mean(1)).tolist() == []
    assert graphs.herd(kernel, 9, kernel.mean(1)).tolist() == [0, 1, 2]
    assert graphs.herd(np.ones((1, 1)), 2, np.ones(1)).tolist() == [0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: graphs.radius(p, 1.5), r"a quantile of the pair distances, a share in \[0, 1\]; got 1.5"),
        (lambda p: graphs.radius(p, 0.5, "l3"), "no norm is called 'l3'; there are l2, linf, l1"),
        (lambda p: graphs.class_graph(p, -1.0), "γ is at least 0; got -1.0"),
        (lambda p: graphs.class_graph(p, 1.0, classes=np.zeros(2)), "3 points need as many classes; got 2"),
        (lambda p: graphs.bucket(p[:, 0], "high", ("a", "b"), 1, np.random.default_rng()), "bucket is one of a, b"),
        (lambda p: graphs.gaussian_kernel(p, p, -1.0), "scale is a number of at least 0"),
        (lambda p: graphs.contrast(p, p, 0.0), "width is a positive number of median distances; got 0.0"),
    ],
)
def test_bad_input_is_worded(call: Callable[[np.ndarray], object], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        call(np.eye(3))
