"""The input adversary: it sees victims only as a callable from inputs to logits."""

from lnbench.adversary.pgd import Attacked, Model, pgd

__all__ = ["Attacked", "Model", "pgd"]
