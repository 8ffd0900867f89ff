"""Class matrices pick what class graphs do, node for node."""

from __future__ import annotations

import numpy as np
import pytest

from lnbench import graphs
from lnbench.thesis import class_matrices


@pytest.mark.parametrize("quantile", [0.02, 0.1, 0.5])
def test_the_picks_are_those_of_the_graph(quantile: float) -> None:
    points = np.random.default_rng(0).normal(size=(90, 4, 5)) * np.linspace(0.2, 3, 5) + 40
    graph = graphs.class_graph(points, graphs.radius(points, quantile))
    matrix = class_matrices.class_matrix(points, quantile)
    assert matrix.shape == (90, 90) and (matrix == matrix.T).all() and not matrix.diagonal().any()
    assert sorted(map(tuple, np.argwhere(np.triu(matrix)).tolist())) == sorted(
        (min(edge), max(edge)) for edge in graph.edges
    )
    for name in ("high_degree", "coverage"):
        for budget in (0, 1, 12, 90, 99):
            ours, theirs = (
                getattr(module, name)(made, budget, np.random.default_rng(7))
                for module, made in ((class_matrices, matrix), (graphs, graph))
            )
            assert ours.tolist() == theirs.tolist()
