"""Loss trimming: the examples of largest loss in every batch are left out of its step.

The share is as in `co_teaching`: `share`, or four times the budget, and one example of a batch at least.
Source: Shen & Sanghavi, ICML 2019 (iterative trimmed loss), batch by batch.
"""

import lnbench


class LossTrimming(lnbench.Defender):
    """Leave the examples of largest loss out of every step."""

    license = "Apache-2.0"
    paper = "Shen & Sanghavi, ICML 2019"

    share: float = 0.0
    ramp: float = 0.2

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        smallest = min(recipe.batch for recipe in problem.recipes.values())
        known = 0.02 if problem.budget is None else 4 * problem.budget / len(problem.labels)
        share = self.share or max(known, 1 / smallest)
        return lnbench.Training(recipe={"trim": min(share, 0.9), "trim_ramp": self.ramp})
