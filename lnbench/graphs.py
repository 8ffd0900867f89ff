"""The geometry of a class: class graphs (thesis, Definition 1), what to pick on them, colours, densities, coresets.

    points = inputs[eligible].reshape(len(eligible), -1)
    graph = class_graph(points, radius(points, quantile=0.1))
    hubs = high_degree(graph, budget, rng)

The thesis's Algorithms 2 and 3 are template text; `high_degree` and `coverage` are what its prose describes. γ is a
quantile of the pair distances and ℓ2 the default norm, since under ℓ∞ the class graphs of digits are empty or complete.
Every choice between equals is drawn from a generator that is an argument. Nodes are 0 … n − 1, rows of `points`.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import multivariate_normal

from lnbench.errors import ProtocolError

METRICS = {"l2": "euclidean", "linf": "chebyshev", "l1": "cityblock"}
"""Norm -> SciPy's name of its distance."""
_DRAWS = 256  # random subsets that say how much a measure varies


def distances(points: np.ndarray, norm: str = "l2") -> np.ndarray:
    """Distances of all pairs, (n, n) float64.

    Args:
        points: (n, *shape).
        norm: `"l2"`, `"linf"` or `"l1"`.

    Raises:
        ProtocolError: if there is no such norm.
    """
    square: np.ndarray = squareform(_pairs(points, norm), checks=False)
    return square


def radius(points: np.ndarray, quantile: float, norm: str = "l2", classes: np.ndarray | None = None) -> float:
    """γ: the distance within which this share of the pairs of a class lies, in units of the points; 0 without pairs.

    Args:
        points: (n, *shape).
        quantile: share of pairs, in [0, 1].
        classes: (n,) labels; only pairs of one class count. None: all points are of one class.

    Raises:
        ProtocolError: if the share is not in [0, 1] or there is no such norm.
    """
    if not 0 <= quantile <= 1:
        raise ProtocolError(f"γ is a quantile of the pair distances, a share in [0, 1]; got {quantile}.")
    parts = [_pairs(points[members], norm) for members in _classes(points, classes)]
    pairs = np.concatenate(parts) if parts else np.zeros(0)
    # The pair at the quantile itself: between two pairs, rounding would decide whether the nearer one is an edge.
    return float(np.quantile(pairs, quantile, method="higher")) * (1 + 1e-9) if len(pairs) else 0.0


def class_graph(points: np.ndarray, gamma: float, norm: str = "l2", classes: np.ndarray | None = None) -> nx.Graph:
    """The class graph G(S) = (S, {{xᵢ, xⱼ} : ‖xᵢ − xⱼ‖ ≤ γ}); of several classes, their disjoint union.

    Args:
        points: (n, *shape), finite.
        gamma: γ ≥ 0, in units of the points.
        classes: (n,) labels; edges join points of one class. None: all points are of one class.

    Raises:
        ProtocolError: if γ is negative or there is no such norm.

    Source:
        Thesis, Definition 1.
    """
    import torch

    from lnbench.kernels import neighbour_edges

    if not gamma >= 0:
        raise ProtocolError(f"a class graph's γ is at least 0; got {gamma}.")
    _metric(norm)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(points)))
    for members in _classes(points, classes):
        flat = torch.from_numpy(_flat(points[members]))
        graph.add_edges_from(members[neighbour_edges(flat, gamma, norm).numpy()].tolist())
    return graph


def high_degree(graph: nx.Graph, budget: int, rng: np.random.Generator) -> np.ndarray:
    """The `budget` nodes with most neighbours, in that order, ties at random, (budget,) int64; all if there are fewer.

    Source:
        Thesis, §4.1.1, the greedy strategy.
    """
    return by_score(degrees(graph), budget, rng)


def coverage(graph: nx.Graph, budget: int, rng: np.random.Generator) -> np.ndarray:
    """Greedy maximum coverage: each node adds most to the union of closed neighbourhoods, (budget,) int64.

    At least 1 − 1/e of the largest cover that `budget` nodes have. Ties go to the higher degree, then at random; once
    everything is covered, degree alone decides.

    Source:
        Thesis, §4.1.1, the dominating-set strategy; Nemhauser, Wolsey & Fisher 1978.
    """
    n = graph.number_of_nodes()
    closed = nx.to_scipy_sparse_array(graph, nodelist=range(n), dtype=np.int64, format="csr") if n else None
    degree, tie = degrees(graph), rng.random(n)
    missing, chosen = np.ones(n, dtype=np.int64), np.zeros(n, dtype=bool)
    picks: list[int] = []
    while closed is not None and len(picks) < min(budget, n):
        gain = np.where(chosen, -1, closed @ missing + missing)
        best = int(np.lexsort((tie, degree, gain))[-1])
        picks.append(best)
        chosen[best] = True
        missing[[best, *graph[best]]] = 0
    return np.array(picks, dtype=np.int64)


def degrees(graph: nx.Graph) -> np.ndarray:
    """Neighbours of each node, (n,) int64."""
    return np.array([graph.degree[i] for i in range(graph.number_of_nodes())], dtype=np.int64)


def by_score(scores: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of the `budget` largest scores, largest first, ties at random, (budget,) int64."""
    order = np.lexsort((rng.random(len(scores)), scores))[::-1]
    return order[: max(budget, 0)].astype(np.int64)


def bucket(scores: np.ndarray, name: str, names: Sequence[str], budget: int, rng: np.random.Generator) -> np.ndarray:
    """The points of one of several buckets of equal size along a score, ascending by score, ties at random, int64.

    A bucket holds at least `budget` points; then neighbouring buckets overlap.

    Args:
        scores: (n,).
        name: which bucket; `names` lists them from the smallest scores to the largest.

    Raises:
        ProtocolError: if there is no such bucket.
    """
    return cut(by_score(-np.asarray(scores), len(scores), rng), name, names, budget)


def cut(order: np.ndarray, name: str, names: Sequence[str], budget: int) -> np.ndarray:
    """The points of one of several buckets of equal size along an order, as they are in it.

    A bucket holds at least `budget` points, as far as there are so many; then neighbouring buckets overlap.

    Args:
        order: (n,) the points, in order.
        name: which bucket; `names` lists them from the order's beginning to its end.

    Raises:
        ProtocolError: if there is no such bucket.
    """
    if name not in names:
        raise ProtocolError(f"bucket is one of {', '.join(names)}; got {name!r}.")
    size = min(max(budget, len(order) // len(names)), len(order))
    start = round(list(names).index(name) * (len(order) - size) / max(len(names) - 1, 1))
    return order[start : start + size]


def distance_two_colours(graph: nx.Graph, rng: np.random.Generator) -> np.ndarray:
    """Greedy colouring in which neighbours and neighbours' neighbours differ, (n,) int64, colours 0, 1, ….

    Nodes are coloured by descending degree of the squared graph, ties at random. The fewest colours are hard to find;
    this takes at most one more than the largest number of nodes within two steps of one.

    Source:
        Thesis, §4.8.
    """
    n = graph.number_of_nodes()
    squared = nx.Graph()
    squared.add_nodes_from(range(n))
    squared.add_edges_from((i, k) for i in graph for j in graph[i] for k in (j, *graph[j]) if k > i)
    order = [int(i) for i in by_score(degrees(squared), n, rng)]
    colours = nx.greedy_color(squared, strategy=lambda graph, colours: order)
    return np.array([colours[i] for i in range(n)], dtype=np.int64)


def relabelled(graph: nx.Graph, members: np.ndarray) -> nx.Graph:
    """The subgraph on some nodes, renamed 0, 1, … in their order."""
    inside: nx.Graph = nx.relabel_nodes(graph.subgraph(members.tolist()), {int(i): k for k, i in enumerate(members)})
    return inside


def log_density(points: np.ndarray) -> np.ndarray:
    """Log density of each point under the Gaussian fitted to all of them, (n,) float64, in nats.

    The covariance is the maximum-likelihood one where that is regular, else shrunk towards a multiple of the identity
    (Ledoit & Wolf 2004); coordinates that do not vary say nothing and are left out.

    Args:
        points: (n, *shape), n ≥ 1.

    Source:
        Thesis, §4.6.2 and §4.6.3.
    """
    from sklearn.covariance import LedoitWolf

    flat = _flat(points)
    flat = flat[:, flat.std(0) > 1e-9]
    n, d = flat.shape
    if d == 0:
        return np.zeros(n)
    covariance = np.atleast_2d(np.cov(flat, rowvar=False, bias=True))
    if n <= d or np.linalg.cond(covariance) > 1e10:
        covariance = LedoitWolf().fit(flat).covariance_
    densities: np.ndarray = multivariate_normal(flat.mean(0), covariance).logpdf(flat)
    return np.atleast_1d(densities)


def gaussian_kernel(points: np.ndarray, others: np.ndarray, scale: float) -> np.ndarray:
    """exp(−‖xᵢ − zⱼ‖² / 2h²), (n, m) float64.

    Args:
        points: (n, *shape).
        others: (m, *shape).
        scale: h, in units of the points; at 0 only points that coincide have a kernel, of 1.

    Raises:
        ProtocolError: if h is negative or not finite.
    """
    if not 0 <= scale < float("inf"):
        raise ProtocolError(f"a kernel's scale is a number of at least 0, in units of the points; got {scale}.")
    apart = cdist(_flat(points), _flat(others))
    kernel: np.ndarray = np.exp(-((apart / scale) ** 2) / 2) if scale else (apart == 0).astype(np.float64)
    return kernel


def contrast(points: np.ndarray, rest: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """How alike the points of a class are to each other and to everything else, under one Gaussian kernel.

    Args:
        points: (n, *shape), the class.
        rest: (m, *shape), all other points.
        width: the kernel's h in units of the median distance of two points of the class, positive.

    Returns:
        The class's kernel (n, n), and each of its points' mean kernel with the rest, (n,), 0 where there is no rest.

    Raises:
        ProtocolError: if `width` is not a positive number.
    """
    if not 0 < width < float("inf"):
        raise ProtocolError(f"a kernel's width is a positive number of median distances; got {width}.")
    scale = width * radius(points, 0.5)
    kernel = gaussian_kernel(points, points, scale)
    return kernel, gaussian_kernel(points, rest, scale).mean(1) if len(rest) else np.zeros(len(points))


def mismatch(kernel: np.ndarray, subset: np.ndarray, mean: np.ndarray) -> float:
    """‖φ̄(subset) − μ‖² less ‖μ‖²: Σᵢⱼ k(xᵢ, xⱼ) / s² − 2 Σᵢ μ(xᵢ) / s over a subset of s > 0 points.

    With μ the class's mean in the kernel's feature space it is the subset's squared maximum mean discrepancy, up to a
    constant.

    Args:
        kernel: (n, n).
        subset: (s,) indices.
        mean: (n,), μ(xᵢ) = ⟨φ(xᵢ), μ⟩.
    """
    return float(kernel[np.ix_(subset, subset)].mean() - 2 * mean[subset].mean())


def herd(kernel: np.ndarray, budget: int, mean: np.ndarray) -> np.ndarray:
    """A subset whose mean in feature space is close to μ: greedy herding, then exchanges of one point while any helps.

    It minimises `mismatch` among subsets of `budget` points, up to a local minimum.

    Args:
        kernel: (n, n), symmetric.
        mean: (n,), μ(xᵢ) = ⟨φ(xᵢ), μ⟩; the kernel's row means for the class itself.

    Returns:
        (min(budget, n),) int64 indices, ascending.

    Source:
        Chen, Welling & Smola 2010 (kernel herding); Gretton et al. 2012 (maximum mean discrepancy).
    """
    n = len(kernel)
    size = min(max(budget, 0), n)
    own = np.diag(kernel)
    chosen: list[int] = []
    potential = np.zeros(n)
    while len(chosen) < size:
        s = len(chosen) + 1
        cost = (2 * potential + own) / s**2 - 2 * mean / s
        cost[chosen] = np.inf
        chosen.append(int(cost.argmin()))
        potential += kernel[:, chosen[-1]]
    better = 0 < size < n
    while better:
        better = False
        for place in range(size):
            out = chosen[place]
            rest = potential - kernel[:, out]
            cost = (2 * rest + own) / size**2 - 2 * mean / size
            held = cost[out]
            cost[chosen] = np.inf
            best = int(cost.argmin())
            if cost[best] < held - 1e-12:
                chosen[place], potential, better = best, rest + kernel[:, best], True
    return np.sort(np.array(chosen, dtype=np.int64))


def medoids(costs: np.ndarray, budget: int) -> np.ndarray:
    """Greedy k-medoids: columns that together serve the rows at the smallest total cost, (min(budget, n),) int64.

    Each pick lowers the sum over rows of the cost to the nearest picked column most, in that order.

    Args:
        costs: (m, n), of serving row i by column j: distances, for points that serve each other.
    """
    nearest = np.full(len(costs), np.inf)
    chosen: list[int] = []
    while len(chosen) < min(max(budget, 0), costs.shape[1]):
        total = np.minimum(nearest[:, None], costs).sum(0)
        total[chosen] = np.inf
        chosen.append(int(total.argmin()))
        nearest = np.minimum(nearest, costs[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)


def miniature(
    costs: np.ndarray,
    kernels: Sequence[tuple[np.ndarray, np.ndarray]],
    budget: int,
    rng: np.random.Generator,
    *,
    share: float = 0.5,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """A subset that stands for a class by two measures at once: as medoids, and by its mean in feature spaces.

    It minimises (1 − share) · (mean cost to the nearest chosen point) + share · (mean `mismatch` over the kernels),
    each measure in units of its standard deviation over random subsets, up to a local minimum: greedy medoids, then
    exchanges of one point while any helps.

    Args:
        costs: (n, n), of serving row i by column j: distances.
        kernels: at least one (n, n) and what to take from the class's mean in its space, (n,): see `contrast`.
        share: how much the means weigh, in [0, 1].
        counts: (n,), how often each point of the class counts, as in a bootstrap sample; once each if None.

    Returns:
        (min(budget, n),) int64 indices, ascending.
    """
    n = len(costs)
    size = min(max(budget, 0), n)
    if size in (0, n):
        return np.arange(size, dtype=np.int64)
    weights = np.full(n, 1 / n) if counts is None else counts / counts.sum()
    means = [kernel @ weights - alien for kernel, alien in kernels]
    drawn = np.stack([rng.choice(n, size, replace=False) for _ in range(_DRAWS)])
    spreads = [np.std(weights @ costs[:, drawn].min(2))]
    spreads += [np.std([mismatch(k, some, m) for some in drawn]) for (k, _), m in zip(kernels, means, strict=True)]
    scales = np.array([1 - share] + [share / len(kernels)] * len(kernels)) / np.maximum(spreads, 1e-12)
    chosen, better = medoids(weights[:, None] * costs, size), True
    while better:
        better = False
        for place in range(size):
            others = np.delete(chosen, place)
            left = costs[:, others].min(1, initial=np.inf)
            total = scales[0] * (weights @ np.minimum(left[:, None], costs))
            for (kernel, _), mean, scale in zip(kernels, means, scales[1:], strict=True):
                pairs = 2 * kernel[:, others].sum(1) + np.diag(kernel)
                total += scale * (pairs / size**2 - 2 * mean / size)
            held = total[chosen[place]]
            total[chosen] = np.inf
            if total.min() < held - 1e-12:
                chosen[place], better = int(total.argmin()), True
    return np.sort(chosen)


def _metric(norm: str) -> str:
    if norm not in METRICS:
        raise ProtocolError(f"no norm is called {norm!r}; there are {', '.join(METRICS)}.")
    return METRICS[norm]


def _pairs(points: np.ndarray, norm: str) -> np.ndarray:
    pairs: np.ndarray = pdist(_flat(points), _metric(norm))
    return pairs


def _flat(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, dtype=np.float64).reshape(len(points), -1)


def _classes(points: np.ndarray, classes: np.ndarray | None) -> list[np.ndarray]:
    if classes is None:
        return [np.arange(len(points))]
    if len(classes) != len(points):
        raise ProtocolError(f"{len(points)} points need as many classes; got {len(classes)}.")
    return [np.flatnonzero(classes == c) for c in np.unique(classes)]
