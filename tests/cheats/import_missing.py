"""Slip: a library that is not there.

Verdict: SubmissionError: import_missing.py: importing it needs a module that is not here in line 8 (No module named
    'a_library_of_my_own'); a submission is one file, and has NumPy, SciPy, scikit-learn, NetworkX, PyTorch,
    torchvision, timm and lnbench.
"""

import a_library_of_my_own  # noqa: F401

import lnbench


class Cheat(lnbench.Poisoner):
    pass
