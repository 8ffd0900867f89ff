"""Random search: train on random flip sets and keep the worst. What every cleverer attack is judged against.

Idea: draw sets of k flips at random, train one surrogate of each architecture in `victims` on each set, attack it on
the points of the class that the set left alone, and return the set whose surrogates fared worst. `surrogates` counts
the trainings, so that with two architectures half as many sets are tried: equal `surrogates` is equal effort in every
attack of this folder. When time runs out the best set so far is returned. Threat model: knows the training set and
the victims' recipe, or with `victims=mlp` one architecture of them.
Source: the obvious thing to do; lnbench's protocol demands it as a row.
"""

import numpy as np

import lnbench
from lnbench import surrogates as trained


class RandomSearch(lnbench.Poisoner):
    """Of some random flip sets, the one whose surrogates the adversary breaks most."""

    license = "Apache-2.0"

    surrogates: int = 64
    victims: str = "mlp,cnn"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names, eligible = self.victims.split(","), problem.eligible
        tried = max(1, self.surrogates // len(names))
        size = min(problem.budget, len(eligible))
        sets = np.stack([problem.rng.choice(eligible, size, replace=False) for _ in range(tried)])
        harm = trained.ensemble_harm(problem, sets, names)
        return problem.flipped(sets[0 if np.isnan(harm).all() else int(np.nanargmax(harm))])
