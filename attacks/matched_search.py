"""Search among miniatures: mean matching proposes, successive halving on fresh surrogates disposes.

Idea: flips hurt most when their kernel mean matches the class's (`mean_matching`); among the many sets that match
well, some still hurt more than others, and only training shows which. So candidates are drawn by matching bootstrap
samples of the class, the plain match first among them; each is tried on one surrogate of each architecture in
`victims`; the better half is tried again on fresh seeds, with twice the surrogates a set, and so on until one is
left. Every trial of a set counts in its mean, so that no set wins by one lucky seed. `surrogates` counts all
trainings. When time runs out the best mean so far is returned. Threat model: knows the training set and the victims'
recipe, or with `victims=mlp` one architecture of them.
Source: lnbench; successive halving after Karnin, Koren & Somekh 2013 and Jamieson & Talwalkar 2016.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained


class MatchedSearch(lnbench.Poisoner):
    """Flip the one of many miniatures of the class that hurts surrogates most, found by successive halving."""

    license = "Apache-2.0"

    surrogates: int = 128
    victims: str = "mlp,cnn"
    candidates: int = 16
    width: float = 0.5

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names = self.victims.split(",")
        sets = self.proposals(problem)
        rounds = max(1, int(np.ceil(np.log2(len(sets)))))
        trials = self.surrogates // len(names) // rounds  # of one architecture, in each round
        total, count, mean = np.zeros(len(sets)), np.zeros(len(sets)), np.zeros(len(sets))
        left = np.arange(len(sets))
        for _ in range(rounds):
            again = np.repeat(left, max(1, trials // len(left)))
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
        """Different sets of flips that match the class, the plain match first, (set, k) indices."""
        eligible, rng = problem.eligible, problem.rng
        kernel = graphs.gaussian_kernel(problem.inputs[eligible], self.width)
        found = {tuple(graphs.herd(kernel, problem.budget)): None}
        for _ in range(10 * self.candidates):  # two samples may have the same match
            if len(found) >= self.candidates:
                break
            sample = rng.integers(len(eligible), size=len(eligible))
            found[tuple(graphs.herd(kernel, problem.budget, mean=kernel[:, sample].mean(1)))] = None
        return eligible[np.array(list(found), dtype=np.int64)]
