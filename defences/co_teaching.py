"""Co-teaching: two networks, each of which is trained on the examples that the other finds easy.

The paper's forget rate is the share of wrong labels. Here it is `share`, or, with 0, four times the budget that the
problem tells of (2 % of the points if it tells nothing): a batch rarely holds exactly its part of the wrong labels.
Source: Han et al., NeurIPS 2018.
"""

import lnbench


class CoTeaching(lnbench.Defender):
    """Train two networks, each on what the other finds easy."""

    license = "Apache-2.0"
    paper = "Han et al., NeurIPS 2018"

    share: float = 0.0
    ramp: float = 0.2

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        smallest = min(recipe.batch for recipe in problem.recipes.values())
        known = 0.02 if problem.budget is None else 4 * problem.budget / len(problem.labels)
        share = self.share or max(known, 1 / smallest)  # one example of a batch at least
        return lnbench.Training(recipe={"co_teaching": True, "trim": min(share, 0.9), "trim_ramp": self.ramp})
