"""The input adversary: it sees victims only as a callable from inputs to logits."""

from lnbench.adversary.losses import LOSSES
from lnbench.adversary.masking import SIGNS, Sign, signs_of_masking
from lnbench.adversary.norms import NORMS, project, steepest
from lnbench.adversary.paths import Paths, adversarial_paths, path_lengths
from lnbench.adversary.pgd import PRESETS, Attacked, fgsm, pgd
from lnbench.adversary.stack import Model
from lnbench.adversary.strong import COMPONENTS, Strong, strong

__all__ = [
    "COMPONENTS",
    "LOSSES",
    "NORMS",
    "PRESETS",
    "SIGNS",
    "Attacked",
    "Model",
    "Paths",
    "Sign",
    "Strong",
    "adversarial_paths",
    "fgsm",
    "path_lengths",
    "pgd",
    "project",
    "signs_of_masking",
    "steepest",
    "strong",
]
