"""What does the exact adversary of a nearest neighbour cost on MNIST, and where does it stop?

    python tests/bench/exact_cost.py --train 500,1000,2000,5000,10000 --tests 10

For each size of the training set it asks of some test nines which nines' cells, and whether a zero's cell, meet their
ℓ∞ ball, as a track with this victim would, and prints how many pairs the lower bound rules out, how many a lucky step
takes, how many need programmes, and what each of these takes. Distances between training points are made once for all
test points; the last column reckons one split of 200 test nines.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lnbench.data import mnist
from lnbench.exact.nearest import Cells
from lnbench.exact.polyhedra import TOLERANCE
from lnbench.protocol import Streams, track

TESTS = 200
"""Test points of the source class that a split is reckoned with."""


class Counted(Cells):
    """Cells that count the programmes they solve, and the seconds these take."""

    solved = 0
    seconds = 0.0

    def distance(self, x: np.ndarray, i: int, most: float) -> float:
        """As `Cells.distance`."""
        begin = time.perf_counter()
        found = super().distance(x, i, most)
        self.seconds += time.perf_counter() - begin
        self.solved += 1
        return found


def main() -> None:
    """Parse, measure each size, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", default="500,1000,2000,5000,10000")
    parser.add_argument("--tests", type=int, default=10)
    parser.add_argument("--epsilon", type=float, default=0.1)
    options = parser.parse_args()
    print("  train  pairs  ruled out  lucky  programmes  s each  AA clean  reached  s once  s a point  min a split")
    for size in map(int, options.train.split(",")):
        print(measured(size, options.tests, options.epsilon), flush=True)


def measured(size: int, tests: int, epsilon: float) -> str:
    """One row of the table."""
    spec = track.load("mnist10k-9to0").data.replaced(train=size)
    points = mnist.load(spec, 0, Streams("exact-cost"))
    cells = Counted(points.inputs, "linf")
    x = points.test_inputs[points.test_labels == 9][:tests].reshape(tests, -1).astype(float)
    nines, zeros = np.flatnonzero(points.labels == 9), np.flatnonzero(points.labels == 0)
    begin = time.perf_counter()
    bounds = cells.lower_bounds(x, nines)
    cells.lower_bounds(x, zeros)
    once = time.perf_counter() - begin
    near = bounds <= epsilon + TOLERANCE
    touched = [cells._touched(one, nines, np.array([epsilon]), row) for one, row in zip(x, bounds, strict=True)]
    lucky = int((np.stack(touched) == 0).sum())
    begin = time.perf_counter()
    base = np.isfinite(cells.reached_any(x, zeros, [epsilon]))
    reach = np.isfinite(cells.reached(x[~base], nines, [epsilon]))
    each = max(0.0, time.perf_counter() - begin - once) / tests
    return (
        f"{size:7d}  {near.size:5d}  {100 * (1 - near.mean()):7.1f} %  {lucky:5d}  {cells.solved:10d}  "
        f"{cells.seconds / max(1, cells.solved):6.2f}  {100 * (1 - base.mean()):6.0f} %  {100 * reach.mean():5.1f} %  "
        f"{once:6.1f}  {each:9.2f}  {(once + each * TESTS) / 60:11.1f}"
    )


if __name__ == "__main__":
    main()
