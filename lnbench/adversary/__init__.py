"""The input adversary: it sees victims only as a callable from inputs to logits."""

from lnbench.adversary.paths import Paths, adversarial_paths, path_lengths
from lnbench.adversary.pgd import PRESETS, Attacked, fgsm, pgd
from lnbench.adversary.stack import Model

__all__ = ["Attacked", "Model", "Paths", "adversarial_paths", "path_lengths", "pgd"]
