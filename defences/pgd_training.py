"""Adversarial training by PGD, at a share of the radius that the victims will be attacked with.

Source: Madry et al., ICLR 2018.
"""

import lnbench


class PGDTraining(lnbench.Defender):
    """Train on examples that PGD has moved."""

    license = "Apache-2.0"
    paper = "Madry et al., ICLR 2018"

    share: float = 0.5  # of the threat's radius
    steps: int = 5

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        against = {"method": "pgd", "epsilon": self.share * problem.threat.epsilon, "norm": problem.threat.norm}
        return lnbench.Training(recipe={"adversarial": {**against, "steps": self.steps}})
