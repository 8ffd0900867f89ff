"""Datamodel: a linear model of what each flip does to the victims, fitted to surrogates of random flip sets.

Idea: train surrogates on random sets of k flips, drawn so that every point is flipped equally often, and regress how
much of the class their adversary breaks on which points were flipped (ridge, its strength chosen by leave-one-out
error). The k flips with the largest coefficients are returned. With two architectures each set is measured on both,
standardised and averaged. `surrogates` counts the trainings. When time runs out the model is fitted to what there is.
Threat model: knows the training set and the victims' recipe, or with `victims=mlp` one architecture of them.
Source: Ilyas, Park, Engstrom, Leclerc & Madry, "Datamodels", 2022, with labels in place of points and adversarial
accuracy in place of a margin.
"""

import numpy as np
from sklearn.linear_model import RidgeCV

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained


class Datamodel(lnbench.Poisoner):
    """Flip the points with the most harmful coefficients in a linear model of surrogates' adversarial accuracy."""

    license = "Apache-2.0"
    paper = "Datamodels (Ilyas et al., 2022), with flipped labels"

    surrogates: int = 64
    victims: str = "mlp,cnn"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names, eligible, rng = self.victims.split(","), problem.eligible, problem.rng
        size = min(problem.budget, len(eligible))
        sets = balanced(len(eligible), size, max(1, self.surrogates // len(names)), rng)
        harm = np.stack([trained.harm(problem, eligible[sets], victim=name) for name in names])
        measured = ~np.isnan(harm).any(0)
        effect = np.zeros(len(eligible))
        if measured.sum() >= 2:
            known = harm[:, measured]
            spread = np.maximum(known.std(1, keepdims=True), 1e-9)
            effect = effects(sets[measured], ((known - known.mean(1, keepdims=True)) / spread).mean(0), len(eligible))
        return problem.flipped(eligible[graphs.by_score(effect, problem.budget, rng)])


def balanced(points: int, size: int, sets: int, rng: np.random.Generator) -> np.ndarray:
    """Random sets without repetition inside a set, every point in equally many of them or one more, (sets, size)."""
    drawn: list[np.ndarray] = []
    pool = np.zeros(0, dtype=np.int64)
    for _ in range(sets):
        first, pool = pool[:size], pool[size:]
        if len(first) < size:
            fresh = rng.permutation(points)
            late = np.isin(fresh, first)  # a point that this set has already waits for the next one
            fresh = np.concatenate([fresh[~late], fresh[late]])
            first, pool = np.concatenate([first, fresh[: size - len(first)]]), fresh[size - len(first) :]
        drawn.append(first)
    return np.array(drawn, dtype=np.int64).reshape(sets, size)


def effects(sets: np.ndarray, responses: np.ndarray, points: int) -> np.ndarray:
    """Coefficient of each point in a ridge regression of responses (set,) on membership in the sets, (points,)."""
    flipped = np.zeros((len(sets), points))
    np.put_along_axis(flipped, sets, 1.0, axis=1)
    with np.errstate(invalid="ignore"):  # 0/0 in scikit-learn before 1.9, for two sets' leave-one-out error
        return RidgeCV(alphas=np.logspace(-1, 3, 13)).fit(flipped, responses).coef_
