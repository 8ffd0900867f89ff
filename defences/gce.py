"""Generalised cross-entropy: between cross-entropy and the mean absolute error, which wrong labels move least.

Source: Zhang & Sabuncu, NeurIPS 2018.
"""

import lnbench


class GCE(lnbench.Defender):
    """Train by (1 − p^q) / q in place of cross-entropy, on labels as they are."""

    license = "Apache-2.0"
    paper = "Zhang & Sabuncu, NeurIPS 2018"

    q: float = 0.7

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"loss": "gce", "gce_q": self.q, "label_smoothing": 0.0})
