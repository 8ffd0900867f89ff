"""Label smoothing: a share of every label is spread over all classes.

Source: Szegedy et al., CVPR 2016; against label noise Lukasik et al., ICML 2020.
"""

import lnbench


class LabelSmoothing(lnbench.Defender):
    """Train towards labels of which a share is spread over all classes."""

    license = "Apache-2.0"
    paper = "Lukasik et al., ICML 2020"

    share: float = 0.2

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"label_smoothing": self.share})
