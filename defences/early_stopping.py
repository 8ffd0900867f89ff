"""Early stopping: the network at its smallest loss on held-out points, whose labels may be wrong themselves.

Idea: a network fits the many right labels before the few wrong ones, and its loss on labels that it never saw is
smallest in between. The thesis claims that this already defends against label noise (§4.2).
Source: Li, Soltanolkotabi & Oymak, AISTATS 2020; Bai et al., NeurIPS 2021; the rule is the recipe's `early_stopping`.
"""

import lnbench


class EarlyStopping(lnbench.Defender):
    """Keep the network that predicts a held-out part of the noisy labels best."""

    license = "Apache-2.0"
    paper = "Li, Soltanolkotabi & Oymak, AISTATS 2020"

    share: float = 0.1

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"early_stopping": self.share})
