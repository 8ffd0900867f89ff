"""Search by an attacker who knows a defence that changes labels or leaves points out: it runs the defence itself.

Flips that the defence undoes do nothing. So the defence is first run on random flip sets, to see which points' flips
it lets pass; then, of some sets of such points, the one is returned whose surrogates, trained on what the defence
leaves of its labels, the adversary breaks most. Where too few points pass, the rest of a set is drawn at random.
Threat model: knows the training set, the victims' recipe and the defence's file, but not its random stream.
`lnbench matrix` puts that file and its parameters in the places of `DEFENCE` and `PARAMETERS`. A vote is not imitated.
Source: adaptive attacks, Tramèr et al., NeurIPS 2020.
"""

import json
import sys
import types
from collections.abc import Callable

import numpy as np

import lnbench
from lnbench import surrogates as trained

DEFENCE = ""  # the text of the defence's file
PARAMETERS = "{}"  # the values of its parameters that are not their defaults, as JSON


class KnowingLabels(lnbench.Poisoner):
    """Of some sets of flips that the defence lets pass, the one whose defended surrogates are broken most."""

    license = "Apache-2.0"
    paper = "Tramèr et al., NeurIPS 2020"

    tried: int = 64
    surrogates: int = 32
    victims: str = "mlp,cnn"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        names, eligible = self.victims.split(","), problem.eligible
        size = min(problem.budget, len(eligible))
        defend = self._defence(problem, names)
        passed, seen = np.zeros(len(problem.labels)), np.zeros(len(problem.labels))
        half = problem.seconds_left() / 2
        for _ in range(self.tried):
            if problem.seconds_left() < half:
                break
            chosen = problem.rng.choice(eligible, size, replace=False)
            labels = problem.flipped(chosen)
            heeded, weights, _ = defend(labels)
            seen[chosen] += 1
            usual = weights[weights > 0].mean()
            passed[chosen] += (heeded[chosen] == labels[chosen]) & (weights[chosen] >= usual / 2)
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
        if not DEFENCE:
            raise ValueError("DEFENCE: expected the text of a defence, got none; `lnbench matrix` puts it in")
        module = sys.modules["defence"] = types.ModuleType("defence")
        exec(compile(DEFENCE.removeprefix("\ufeff"), "defence.py", "exec"), module.__dict__)
        kinds = {v for v in vars(module).values() if isinstance(v, type) and v.__module__ == "defence"}
        (kind,) = [made for made in kinds if issubclass(made, lnbench.Defender)]
        defender, n = kind(**json.loads(PARAMETERS)), len(problem.labels)
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
                    threats=problem.threats,
                    device=problem.device,
                    bounds=problem.bounds,
                    deadline=problem.deadline,
                )
            )
            weights = np.ones(n) if made.weights is None else np.asarray(made.weights, float).reshape(-1, n)[0]
            if made.subset is not None:
                kept = np.zeros(n)
                kept[np.asarray(made.subset)] = 1
                weights = weights * kept
            heeded = labels if made.labels is None else np.asarray(made.labels).reshape(-1, n)[0]
            recipe = {k: v.item() if isinstance(v, np.generic) else v for k, v in made.recipe.items()}
            return heeded, weights, recipe

        return defend
