"""Victims: the networks trained on a labelling, many at once."""

from lnbench.victims.architecture import Architecture, Parameters, Stateful, architecture
from lnbench.victims.memory import predicted_bytes
from lnbench.victims.training import Victims, train

__all__ = ["Architecture", "Parameters", "Stateful", "Victims", "architecture", "predicted_bytes", "train"]
