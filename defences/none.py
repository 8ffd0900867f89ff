"""No defence: the victims are trained as the track says. What every other row is to be read beside.

Source: the track.
"""

import lnbench


class NoDefence(lnbench.Defender):
    """Train as the track says, on the labels as they came."""

    license = "Apache-2.0"

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        return lnbench.Training()
