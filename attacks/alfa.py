"""ALFA: the classic label-flip attack, on a linear surrogate.

Idea: choose flips and a linear support vector machine together, so that the machine trained on the flipped labels
fits them well while the clean machine would have been badly wrong on them. Alternately, the machine is trained on the
present labels, and the k flips are chosen for which the flip raises its own hinge loss least against the clean
machine's: with equal costs the linear programme of the choice has that solution in closed form. It stops when the
choice repeats. The machine separates each source class from its target; the clean classes are its data. The attack
aims at plain errors of a linear model, not at adversarial accuracy. Threat model: knows the training set; trains no
network.
Source: Xiao, Xiao & Eckert, "Adversarial label flips attack on support vector machines" (ALFA), 2012; the problem is
Biggio, Nelson & Laskov's of 2011.
"""

import numpy as np
from sklearn.svm import LinearSVC

import lnbench
from lnbench import graphs


class Alfa(lnbench.Poisoner):
    """Flip what a linear SVM, trained on the flipped labels, can fit best and the clean one could not: ALFA."""

    license = "Apache-2.0"
    paper = "Adversarial label flips attack on support vector machines (Xiao, Xiao & Eckert, 2012)"

    cost: float = 1.0
    iterations: int = 20

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible = problem.eligible
        flat = np.asarray(problem.inputs, dtype=np.float64).reshape(len(problem.inputs), -1)
        goals, classes = problem.flipped(eligible)[eligible], problem.labels[eligible]
        gain = np.zeros(len(eligible))  # how much worse the clean machine is on the flipped label than on the true one
        machines = []
        for source in np.unique(classes):
            of = classes == source
            data = np.isin(problem.labels, [source, goals[of][0]])
            machines.append((of, data, source))
            gain[of] = self._rise(flat, problem.labels, data, source, eligible[of])
        chosen, seen = self._best(gain, problem), set()
        for _ in range(self.iterations):
            if tuple(chosen) in seen or not len(chosen):
                break
            seen.add(tuple(chosen))
            tainted, rise = problem.flipped(eligible[chosen]), np.zeros(len(eligible))
            for of, data, source in machines:
                rise[of] = self._rise(flat, tainted, data, source, eligible[of])
            chosen = self._best(gain - rise, problem)
        return problem.flipped(eligible[chosen])

    def _rise(
        self, flat: np.ndarray, labels: np.ndarray, data: np.ndarray, source: int, points: np.ndarray
    ) -> np.ndarray:
        """Hinge loss on the flipped label less that on the true one of some source points, for a machine on `labels`.

        Data of one class only has no machine and no loss.
        """
        if len(np.unique(labels[data] == source)) < 2:
            return np.zeros(len(points))
        machine = LinearSVC(C=self.cost, random_state=0, max_iter=20000).fit(flat[data], labels[data] == source)
        margin = machine.decision_function(flat[points])
        return np.maximum(0, 1 + margin) - np.maximum(0, 1 - margin)

    @staticmethod
    def _best(score: np.ndarray, problem: lnbench.Problem) -> np.ndarray:
        ties = np.random.default_rng(0)  # the same in every iteration, or the choice might never repeat
        return np.sort(graphs.by_score(score, problem.budget, ties))
