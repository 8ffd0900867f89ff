"""Class graphs: `kernels.neighbour_edges` beside scikit-learn's radius neighbours, on the points of one class.

    pytest -n 0 --benchmark-enable tests/bench/bench_kernels.py

Radii are quantiles of the pair distances. MNIST is read from the folder in LNBENCH_DATA. LNBENCH_BENCH_DEVICE=cuda puts
ours on a GPU; bandwidths of the GPU kernels: `pytest -n 0 -m gpu -s tests/kernels`.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import radius_neighbors_graph

from lnbench.kernels import neighbour_edges

METRICS = {"l2": ("euclidean", 2.0), "linf": ("chebyshev", float("inf")), "l1": ("manhattan", 1.0)}
DIGIT, POINTS = 9, 5900


@functools.cache
def _points() -> np.ndarray:
    """Points of one class of MNIST, (n, 784) float32 in [0, 1]."""
    folder = Path(os.environ.get("LNBENCH_DATA", "data")) / "MNIST" / "raw"
    labels = np.fromfile(folder / "train-labels-idx1-ubyte", dtype=np.uint8)[8:]
    images = np.fromfile(folder / "train-images-idx3-ubyte", dtype=np.uint8)[16:].reshape(len(labels), -1)
    points: np.ndarray = images[labels == DIGIT][:POINTS].astype(np.float32) / 255
    return points


@functools.cache
def _radius(norm: str, quantile: float) -> float:
    sample = torch.from_numpy(_points()[:500]).double()
    distances = torch.cdist(sample, sample, p=METRICS[norm][1], compute_mode="donot_use_mm_for_euclid_dist")
    return float(distances[distances > 0].quantile(quantile)) * (1 + 1e-9)


@pytest.mark.parametrize("contestant", ["lnbench", "scikit-learn"])
@pytest.mark.parametrize("quantile", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("norm", list(METRICS))
def test_class_graph(benchmark: Any, norm: str, quantile: float, contestant: str) -> None:
    """All pairs within the radius; both find the same number of edges."""
    torch.set_num_threads(1)
    flat, radius = _points(), _radius(norm, quantile)
    points = torch.from_numpy(flat).to(os.environ.get("LNBENCH_BENCH_DEVICE", "cpu"))

    def ours() -> int:
        return len(neighbour_edges(points, radius, norm))

    def theirs() -> int:
        return int(radius_neighbors_graph(flat, radius, metric=METRICS[norm][0]).nnz) // 2

    benchmark.group = f"{norm}, quantile {quantile}"
    edges = benchmark.pedantic(ours if contestant == "lnbench" else theirs, rounds=2)
    benchmark.extra_info["edges"] = edges
