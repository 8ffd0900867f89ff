"""Class graphs: `kernels.neighbour_edges` beside scikit-learn's radius neighbours, on the points of one class.

    python tests/bench/bench_kernels.py --points 5900 --repeats 2

CPU seconds with one thread (`--device cuda`: wall-clock, ours only). Radii are quantiles of the pair distances.
MNIST is read from the folder in LNBENCH_DATA. Bandwidths of the GPU kernels: `pytest -m gpu -s tests/kernels`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import radius_neighbors_graph

from lnbench.kernels import neighbour_edges

METRICS = {"l2": ("euclidean", 2.0), "linf": ("chebyshev", float("inf")), "l1": ("manhattan", 1.0)}


def main() -> None:
    """Parse, load, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5900)
    parser.add_argument("--digit", type=int, default=9)
    parser.add_argument("--quantiles", type=float, nargs="+", default=[0.01, 0.05, 0.5])
    parser.add_argument("--norms", nargs="+", choices=sorted(METRICS), default=list(METRICS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(os.environ.get("LNBENCH_DATA", "data")) / "MNIST" / "raw"
    labels = np.fromfile(folder / "train-labels-idx1-ubyte", dtype=np.uint8)[8:]
    images = np.fromfile(folder / "train-images-idx3-ubyte", dtype=np.uint8)[16:].reshape(len(labels), -1)
    flat = images[labels == options.digit][: options.points].astype(np.float32) / 255
    points = torch.from_numpy(flat).to(options.device)
    print(f"{len(flat)} points of {flat.shape[1]} coordinates")
    for norm in options.norms:
        metric, order = METRICS[norm]
        sample = torch.from_numpy(flat[:500]).double()
        distances = torch.cdist(sample, sample, p=order, compute_mode="donot_use_mm_for_euclid_dist")
        for quantile in options.quantiles:
            radius = float(distances[distances > 0].quantile(quantile)) * (1 + 1e-9)
            edges = len(neighbour_edges(points, radius, norm))
            ours = least(lambda r=radius, n=norm: neighbour_edges(points, r, n), points.is_cuda, options.repeats)
            line = f"{norm}, quantile {quantile}, γ = {radius:.4f}: {edges} edges, {ours:.3f} s"
            if not points.is_cuda:
                theirs = least(
                    lambda r=radius, m=metric: radius_neighbors_graph(flat, r, metric=m), False, options.repeats
                )
                line += f"; scikit-learn {theirs:.3f} s; {theirs / ours:.1f} times"
            print(line, flush=True)


def least(run: Callable[[], object], cuda: bool, repeats: int) -> float:
    """The least of some runs: CPU seconds, or on a GPU wall-clock seconds."""
    clock, best = time.perf_counter if cuda else time.process_time, float("inf")
    for _ in range(repeats):
        if cuda:
            torch.cuda.synchronize()
        start = clock()
        run()
        if cuda:
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return best


if __name__ == "__main__":
    main()
