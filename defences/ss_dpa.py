"""SS-DPA: a vote of networks, each of which heeds the labels of its own part of the points alone.

The points are dealt into `parts` by a hash of their pixels, so that labels decide nothing. Network i is trained on all
points: on the labels as they came in part i, and elsewhere on labels spread from there along the k-nearest-neighbour
graph of the inputs. A wrong label then moves one vote at most, and a lead of more than 2 · r votes cannot be overturned
by r wrong labels: a certificate of clean predictions, not of adversarial accuracy.
Source: Levine & Feizi, "Deep partition aggregation", ICLR 2021; label spreading (Zhou et al., NIPS 2003) stands in for
their semi-supervised training. `spread=false` is their DPA: each network is trained on its own part.
"""

import hashlib

import numpy as np
from sklearn.semi_supervised import LabelSpreading

import lnbench


class SSDPA(lnbench.Defender):
    """Vote over networks that each heed the labels of their own part of the points."""

    license = "Apache-2.0"
    paper = "Levine & Feizi, ICLR 2021"

    parts: int = 9
    neighbours: int = 7
    spread: bool = True
    steps: float = 0.4  # of the track's

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        points = problem.inputs.reshape(len(problem.inputs), -1)
        part = np.array([int.from_bytes(hashlib.sha256(p.tobytes()).digest()[:4], "big") for p in points]) % self.parts
        steps = max(1, round(self.steps * min(recipe.steps for recipe in problem.recipes.values())))
        rows, weights = [], []
        for i in range(self.parts):
            own = part == i
            labels = np.where(own, problem.labels, -1)
            if self.spread:
                made = LabelSpreading(kernel="knn", n_neighbors=self.neighbours, max_iter=100).fit(points, labels)
                labels = np.where(own, problem.labels, made.transduction_)
            rows.append(np.where(labels < 0, problem.labels[own][0], labels))
            weights.append(np.ones(len(points)) if self.spread else own.astype(float))
        return lnbench.Training(
            labels=np.stack(rows), weights=np.stack(weights), partition=part, recipe={"steps": steps}
        )
