"""kNN relabelling: a point whose neighbours agree on another label gets theirs.

Source: Paudice, Muñoz-González & Lupu, "Label sanitization against label flipping poisoning attacks", 2018.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

import lnbench


class KNNRelabel(lnbench.Defender):
    """Give a point the label of its neighbours where enough of them agree."""

    license = "Apache-2.0"
    paper = "https://arxiv.org/abs/1803.00992"

    neighbours: int = 10
    agreement: float = 0.6

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        points = problem.inputs.reshape(len(problem.inputs), -1)
        near = NearestNeighbors(n_neighbors=min(self.neighbours + 1, len(points))).fit(points)
        around = near.kneighbors(points, return_distance=False)
        own = np.arange(len(points))[:, None]
        others = np.stack([row[row != i][: self.neighbours] for i, row in zip(own[:, 0], around, strict=True)])
        votes = np.eye(problem.num_classes, dtype=np.int64)[problem.labels[others]].sum(1)
        winner, share = votes.argmax(1), votes.max(1) / others.shape[1]
        labels = np.where(share >= self.agreement, winner, problem.labels)
        for lost in np.setdiff1d(problem.labels, labels):  # of a class so small that it has no neighbourhood
            labels[problem.labels == lost] = lost
        return lnbench.Training(labels=labels)
