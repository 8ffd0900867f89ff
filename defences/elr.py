"""Early-learning regularisation: pull every example towards what the network said of it so far.

Source: Liu et al., NeurIPS 2020.
"""

import lnbench


class ELR(lnbench.Defender):
    """Pull predictions towards their own running means."""

    license = "Apache-2.0"
    paper = "Liu et al., NeurIPS 2020"

    strength: float = 3.0
    memory: float = 0.7

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"elr": self.strength, "elr_memory": self.memory})
