"""Sharpness-aware minimisation: the gradient is taken at the worst point close by.

Source: Foret et al., ICLR 2021, who report that it withstands label noise.
"""

import lnbench


class SAM(lnbench.Defender):
    """Look for flat minima by sharpness-aware minimisation."""

    license = "Apache-2.0"
    paper = "Foret et al., ICLR 2021"

    rho: float = 0.1

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"sam": self.rho})
