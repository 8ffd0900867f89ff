"""Spectral normalisation: every layer of the network has a fixed spectral norm, which bounds how steep it can be.

Source: Miyato et al., ICLR 2018; the thesis, §4.5.
"""

import lnbench


class SpectralNorm(lnbench.Defender):
    """Give every layer a fixed spectral norm."""

    license = "Apache-2.0"
    paper = "Miyato et al., ICLR 2018"

    norm: float = 2.0

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training(recipe={"spectral_norm": self.norm})
