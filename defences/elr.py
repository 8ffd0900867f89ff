"""Early-learning regularisation: pull every example towards what the network said of it so far.

The paper's λ = 3 and β = .7 cost these small networks much of their training accuracy (the CNN of `digits-9to0` learns
76 % of one split's training labels), λ = 1 and β = .9 less (87 %): chosen by that, on a split of no board.
Source: Liu et al., NeurIPS 2020.
"""

import lnbench


class ELR(lnbench.Defender):
    """Pull predictions towards their own running means."""

    license = "Apache-2.0"
    paper = "Liu et al., NeurIPS 2020"

    strength: float = 1.0
    memory: float = 0.9

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"elr": self.strength, "elr_memory": self.memory})
