"""Augmentation: random crops, and mirror images where left and right mean the same.

Digits are not mirrored: `mirror` says for which data it makes sense, and its default, `colour`, is images of three
channels.
Source: the usual augmentation of CIFAR (He et al., CVPR 2016).
"""

import lnbench


class CropAndFlip(lnbench.Defender):
    """Move every example by some pixels, and mirror photographs half of the times."""

    license = "Apache-2.0"
    paper = "He et al., CVPR 2016"

    share: float = 0.125  # of the image's side
    mirror: str = "colour"  # or "always", "never"

    def defend(self, problem: lnbench.DefenceProblem) -> lnbench.Training:
        channels, _, side = problem.inputs.shape[1:]
        mirror = self.mirror == "always" or (self.mirror == "colour" and channels == 3)
        return lnbench.Training(recipe={"crop": max(1, round(self.share * side)), "mirror": mirror})
