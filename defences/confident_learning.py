"""Confident learning: find the labels that a classifier doubts, leave them out, train on the rest.

The classifier's probabilities are out of sample, by cross-validation. cleanlab's `find_label_issues` chooses by them
("prune by noise rate"); where cleanlab is not installed, the sandbox says so.
Source: Northcutt, Jiang & Chuang, JAIR 2021.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

import lnbench


class ConfidentLearning(lnbench.Defender):
    """Leave out the labels that cleanlab finds doubtful, by a classifier's out-of-sample probabilities."""

    license = "Apache-2.0"
    paper = "Northcutt, Jiang & Chuang, JAIR 2021"

    classifier: str = "logistic"  # or "knn"
    folds: int = 5

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        from cleanlab.filter import find_label_issues

        points = problem.inputs.reshape(len(problem.inputs), -1).astype(np.float64)
        made = KNeighborsClassifier(10) if self.classifier == "knn" else LogisticRegression(max_iter=1000)
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=int(problem.rng.integers(2**31)))
        shares = cross_val_predict(made, points, problem.labels, cv=folds, method="predict_proba")
        doubtful = find_label_issues(problem.labels, shares, filter_by="prune_by_noise_rate", n_jobs=1)
        keep = ~np.asarray(doubtful, dtype=bool)
        for lost in np.setdiff1d(problem.labels, problem.labels[keep]):
            keep |= problem.labels == lost
        return lnbench.Training(subset=keep)
