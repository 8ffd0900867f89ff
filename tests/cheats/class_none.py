"""Slip: the only Poisoner in the file is imported.

Verdict: SubmissionError: class_none.py: expected exactly one class that extends lnbench.Poisoner, found none; keep
    one to a file.
"""

from lnbench import Poisoner

Cheat = Poisoner
