"""TRADES: cross-entropy on the examples as they are, plus β times how far PGD can move the prediction.

The labels enter through the examples as they are alone, so that a wrong one is not spread over its ball.
Source: Zhang et al., ICML 2019.
"""

import lnbench


class Trades(lnbench.Defender):
    """Train for predictions that PGD cannot move, by TRADES."""

    license = "Apache-2.0"
    paper = "Zhang et al., ICML 2019"

    share: float = 0.5  # of the threat's radius
    steps: int = 5
    beta: float = 6.0

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        against = {"method": "trades", "epsilon": self.share * problem.threat.epsilon, "norm": problem.threat.norm}
        return lnbench.Training(recipe={"adversarial": {**against, "steps": self.steps, "beta": self.beta}})
