"""The input adversary: it sees victims only as a callable from inputs to logits."""

from lnbench.adversary.doubt import DOUBTS, Cause, Doubt, doubts, examine
from lnbench.adversary.losses import LOSSES
from lnbench.adversary.norms import NORMS, project, steepest
from lnbench.adversary.paths import Paths, adversarial_paths, path_lengths
from lnbench.adversary.pgd import PRESETS, Attacked, fgsm, pgd
from lnbench.adversary.stack import Model
from lnbench.adversary.strong import COMPONENTS, Strong, strong

__all__ = [
    "COMPONENTS",
    "DOUBTS",
    "LOSSES",
    "NORMS",
    "PRESETS",
    "Attacked",
    "Cause",
    "Doubt",
    "Model",
    "Paths",
    "Strong",
    "adversarial_paths",
    "doubts",
    "examine",
    "fgsm",
    "path_lengths",
    "pgd",
    "project",
    "steepest",
    "strong",
]
