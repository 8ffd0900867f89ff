"""Search among miniatures: matching proposes, successive halving on fresh surrogates disposes.

Idea: flips hurt most when together they are a miniature of their class, whether that is measured by the mean in a
kernel's feature space, less the other classes' (`mean_matching`), or by how near every point is to some flip
(k-medoids, the submissions' template). Among the many sets that are good miniatures some still hurt more than others,
and only training shows which. So candidates are drawn by matching bootstrap samples of the class, in turn by kernel
mean, its kernels of several widths, and by k-medoids, the plain matches first; each is tried on one surrogate of each
architecture in `victims`; the better half is tried again on fresh seeds, with twice the surrogates a set, and so on
until one is left. Every trial of a set counts in its mean, so that no set wins by one lucky seed. `surrogates` counts
all trainings. When time runs out the best mean so far is returned.
Threat model: knows the training set and the victims' recipe, or with `victims=mlp` one architecture of them.
Source: lnbench; successive halving after Karnin, Koren & Somekh 2013 and Jamieson & Talwalkar 2016.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained

WIDTHS = (1.0, 0.5, 2.0, 0.25)
"""Widths of the kernels that are tried in turn, in median distances within the class: surrogates tell which serve."""


class MatchedSearch(lnbench.Poisoner):
    """Flip the one of many miniatures of the class that hurts surrogates most, found by successive halving."""

    license = "Apache-2.0"

    surrogates: int = 64
    victims: str = "mlp,cnn"
    candidates: int = 16
    contrast: float = 1.0
    others: int = 4096

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        if self.candidates < 1:
            raise ValueError(f"candidates is at least 1; got {self.candidates}")
        names = self.victims.split(",")
        sets, each = self.proposals(problem), self.surrogates // len(names)  # trainings of one architecture
        sets = sets[: max(1, each // max(1, _rounds(len(sets))))]
        rounds = _rounds(len(sets))
        total, count, mean = np.zeros(len(sets)), np.zeros(len(sets)), np.zeros(len(sets))
        left = np.arange(len(sets))
        for _ in range(rounds):
            again = np.repeat(left, max(1, each // rounds // len(left)))
            harm = trained.ensemble_harm(problem, sets[again], names)
            measured = ~np.isnan(harm)
            np.add.at(total, again[measured], harm[measured])
            np.add.at(count, again[measured], 1)
            mean = total / np.maximum(count, 1)
            left = left[np.argsort(-mean[left], kind="stable")]
            if not measured.all():  # no time for more
                break
            left = left[: -(-len(left) // 2)]
        return problem.flipped(sets[left[0]])

    def proposals(self, problem: lnbench.Problem) -> np.ndarray:
        """Different sets of flips that are miniatures of the class, the plain ones first, (set, k) indices."""
        eligible, rng = problem.eligible, problem.rng
        rest = np.setdiff1d(np.arange(len(problem.labels)), eligible)
        some = np.sort(rng.choice(rest, min(self.others, len(rest)), replace=False))
        points = problem.inputs[eligible]
        kernels = [graphs.contrast(points, problem.inputs[some], width) for width in WIDTHS]
        apart = graphs.distances(points)
        sample, found = np.arange(len(eligible)), dict[tuple[int, ...], None]()
        for attempt in range(10 * self.candidates):  # two samples may have the same miniature
            if len(found) >= self.candidates:
                break
            if attempt % 2:
                found[tuple(np.sort(graphs.medoids(apart[sample], problem.budget)))] = None
                sample = rng.integers(len(eligible), size=len(eligible))
            else:
                kernel, alien = kernels[attempt // 2 % len(kernels)]
                mean = kernel[:, sample].mean(1) - self.contrast * alien
                found[tuple(graphs.herd(kernel, problem.budget, mean))] = None
        return eligible[np.array(list(found), dtype=np.int64)]


def _rounds(sets: int) -> int:
    """Halvings until one is left."""
    return int(np.ceil(np.log2(sets)))
