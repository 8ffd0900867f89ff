"""Victims: the networks trained on a labelling, many at once."""

from lnbench.victims.architecture import Architecture, Parameters, architecture
from lnbench.victims.training import Victims, train

__all__ = ["Architecture", "Parameters", "Victims", "architecture", "train"]
