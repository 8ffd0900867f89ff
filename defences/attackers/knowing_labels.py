"""Search by an attacker who knows a defence that changes labels or leaves points out: it runs the defence itself.

Flips that the defence undoes do nothing. So the defence is first run on random flip sets, to see which points' flips
it lets pass; then, of some sets of such points, the one is returned whose surrogates, trained on what the defence
leaves of its labels, the adversary breaks most. Where too few points pass, the rest of a set is drawn at random.
Threat model: knows the training set, the victims' recipe and the defence's file, but not its random stream.
`lnbench matrix` puts the text of that file in the place of `DEFENCE`. Voters of a defence by vote are not imitated.
Source: adaptive attacks, Tramèr et al., NeurIPS 2020.
"""

import json
from collections.abc import Callable

import numpy as np

import lnbench
from lnbench import surrogates as trained

DEFENCE = ""  # the text of the defence's file


class KnowingLabels(lnbench.Poisoner):
    """Of some sets of flips that the defence lets pass, the one whose defended surrogates are broken most."""

    license = "Apache-2.0"
    paper = "Tramèr et al., NeurIPS 2020"

    parameters_of: str = "{}"  # the defence's parameters, as JSON
    tried: int = 64
    surrogates: int = 32
    victims: str = "mlp,cnn"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names, eligible = self.victims.split(","), problem.eligible
        size = min(problem.budget, len(eligible))
        defend = self._defence(problem, names)
        passed, seen = np.zeros(len(problem.labels)), np.zeros(len(problem.labels))
        for _ in range(self.tried):
            chosen = problem.rng.choice(eligible, size, replace=False)
            labels = problem.flipped(chosen)
            heeded, weights, _ = defend(labels)
            seen[chosen] += 1
            passed[chosen] += (heeded[chosen] == labels[chosen]) & (weights[chosen] > 0)
        rate = passed[eligible] / np.maximum(seen[eligible], 1)
        good = np.flatnonzero(rate >= 0.5)
        sets = np.stack([self._drawn(problem, good, size) for _ in range(max(1, self.surrogates // len(names)))])
        recipe = defend(problem.labels)[2]
        harm = trained.ensemble_harm(problem, sets, names, treat=lambda labels: defend(labels)[:2], **recipe)
        return problem.flipped(sets[0 if np.isnan(harm).all() else int(np.nanargmax(harm))])

    @staticmethod
    def _drawn(problem: lnbench.Problem, good: np.ndarray, size: int) -> np.ndarray:
        """A flip set out of the eligible points that pass, filled up with others."""
        some = problem.rng.permutation(good)[:size]
        rest = np.setdiff1d(np.arange(len(problem.eligible)), some)
        filled = np.concatenate([some, problem.rng.choice(rest, size - len(some), replace=False)])
        return problem.eligible[filled.astype(np.int64)]

    def _defence(
        self, problem: lnbench.Problem, names: list[str]
    ) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, dict]]:
        """What the defence makes of labels (n,): labels, weights, fields of the recipe."""
        scope: dict = {"__name__": "defence"}
        exec(compile(DEFENCE, "defence.py", "exec"), scope)
        (kind,) = [
            made
            for made in scope.values()
            if isinstance(made, type) and issubclass(made, lnbench.Defender) and made.__module__ == "defence"
        ]
        defender, n = kind(**json.loads(self.parameters_of)), len(problem.labels)
        recipes = {name: trained.defaults(name, n)[1] for name in names}

        def defend(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict]:
            rng = np.random.default_rng(int(problem.rng.integers(2**62)))
            made = defender.defend(
                lnbench.DefenceProblem(
                    inputs=problem.inputs,
                    labels=labels,
                    num_classes=problem.num_classes,
                    budget=problem.budget,
                    threat=problem.threat,
                    rng=rng,
                    recipes=recipes,
                    threats=dict.fromkeys(names, problem.threat),
                    device=problem.device,
                    bounds=problem.bounds,
                    deadline=problem.deadline,
                )
            )
            weights = np.ones(n) if made.weights is None else np.asarray(made.weights, dtype=np.float64)
            if made.subset is not None:
                kept = np.zeros(n)
                kept[np.asarray(made.subset)] = 1
                weights = weights * kept
            return labels if made.labels is None else np.asarray(made.labels), weights, dict(made.recipe)

        return defend
