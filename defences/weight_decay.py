"""Weight decay: decoupled for Adam, ℓ2 for SGD.

Source: Krogh & Hertz, NIPS 1991; Loshchilov & Hutter, ICLR 2019.
"""

import lnbench


class WeightDecay(lnbench.Defender):
    """Shrink the weights with every step."""

    license = "Apache-2.0"
    paper = "Loshchilov & Hutter, ICLR 2019"

    rate: float = 0.1

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"weight_decay": self.rate})
