"""The colouring trick (thesis §4.8): one network stands in for one network per flipped point.

Idea: colour the class graph so that neighbours and neighbours' neighbours differ, and let a network memorise the
colours of the class's points. Around each point it should learn the region that a flip there would make. A point's
score is the number of its neighbours from which the adversary reaches its colour, and the highest scores are flipped.
The thesis found random flips still better: what hurts is not pockets around the flips but the stretched boundary.
Threat model: knows the training set, trains its own networks. The score is summed over `surrogates` networks.
Source: "Crafting Label Noise", 2021, §4.8, with γ a quantile of the pair distances in ℓ2 (the thesis: ℓ∞). Our
choice: the network is trained on the points of the source classes alone, one output per colour of each class.
"""

import dataclasses

import numpy as np
import torch

import lnbench
from lnbench import adversary, graphs
from lnbench import surrogates as trained


class MinColouring(lnbench.Poisoner):
    """Flip points whose colour, memorised by a network, the adversary reaches from most neighbours."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.8"

    gamma: float = 0.02
    norm: str = "l2"
    surrogates: int = 4

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible, rng = problem.eligible, problem.rng
        points, classes = np.array(problem.inputs[eligible]), problem.labels[eligible]
        gamma = graphs.radius(points, self.gamma, self.norm, classes)
        graph = graphs.class_graph(points, gamma, self.norm, classes)
        colours = np.zeros(len(eligible), dtype=np.int64)
        for c in np.unique(classes):
            members = np.flatnonzero(classes == c)
            used = len(np.unique(colours[classes < c]))
            colours[members] = used + graphs.distance_two_colours(graphs.relabelled(graph, members), rng)
        edges = np.array([(a, b) for i, j in graph.edges for a, b in ((i, j), (j, i))], dtype=np.int64).reshape(-1, 2)
        scores = np.zeros(len(eligible))
        if len(edges):
            coloured = dataclasses.replace(
                problem, inputs=points, labels=colours, num_classes=int(colours.max()) + 1, pairs=()
            )
            networks = trained.train(coloured, np.tile(colours, (self.surrogates, 1)))
            broken = adversary.pgd(
                networks,
                torch.from_numpy(points[edges[:, 0]]).to(problem.device),
                torch.from_numpy(colours[edges[:, 1]]).to(problem.device),
                targeted=True,
                epsilons=(problem.threat.epsilon,),
                steps=problem.threat.steps,
                bounds=problem.bounds,
                norm=problem.threat.norm,
            ).broken
            np.add.at(scores, edges[:, 1], broken[:, 0].sum(0).cpu().numpy())
        return problem.flipped(eligible[graphs.by_score(scores, problem.budget, rng)])
