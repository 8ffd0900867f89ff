"""Standardised kernels, one file an op: a PyTorch reference (the CPU path), a Triton kernel, its launcher, the dispatch.

A leaf: nothing else of lnbench is imported here, and Triton only when a kernel first runs.
"""

from lnbench.kernels.l2_step import l2_step
from lnbench.kernels.linf_step import linf_step

__all__ = ["l2_step", "linf_step"]
