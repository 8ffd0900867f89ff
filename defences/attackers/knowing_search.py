"""Random search by an attacker who knows the defence: its surrogates are trained with the defence's recipe.

Of some random flip sets the one is returned whose defended surrogates the adversary breaks most: `random_search` where
`recipe` is empty. Threat model: knows the training set, the victims' recipe, and what a defence changes of it; what a
defence does to labels and points is not imitated.
Source: adaptive attacks, Tramèr et al., NeurIPS 2020.
"""

import json

import numpy as np

import lnbench
from lnbench import surrogates as trained


class KnowingSearch(lnbench.Poisoner):
    """Of some random flip sets, the one whose surrogates, trained with the defence, are broken most."""

    license = "Apache-2.0"
    paper = "Tramèr et al., NeurIPS 2020"

    recipe: str = "{}"  # the fields that the defence changes, as JSON
    surrogates: int = 32
    victims: str = "mlp,cnn"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names, eligible, changes = self.victims.split(","), problem.eligible, json.loads(self.recipe)
        tried = max(1, self.surrogates // len(names))
        size = min(problem.budget, len(eligible))
        sets = np.stack([problem.rng.choice(eligible, size, replace=False) for _ in range(tried)])
        harm = trained.ensemble_harm(problem, sets, names, **changes)
        return problem.flipped(sets[0 if np.isnan(harm).all() else int(np.nanargmax(harm))])
