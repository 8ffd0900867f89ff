"""Standardised kernels, one file an op: a PyTorch reference (the CPU path), a Triton kernel, its launcher, a dispatch.

A leaf: nothing else of lnbench is imported here, and Triton only when a kernel first runs.
"""

from lnbench.kernels.cross_entropy import cross_entropy
from lnbench.kernels.gather import gather
from lnbench.kernels.l2_step import l2_step
from lnbench.kernels.linf_step import between, fence, linf_step
from lnbench.kernels.neighbours import neighbour_counts, neighbour_edges

__all__ = ["between", "cross_entropy", "fence", "gather", "l2_step", "linf_step", "neighbour_counts", "neighbour_edges"]
