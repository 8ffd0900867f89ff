"""Slip: the only Poisoner in the file is imported.

Verdict: SubmissionError: class_none.py: expected exactly one class that extends lnbench.Poisoner at the top of the
    file, found none; write `class Name(lnbench.Poisoner):` there.
"""

from lnbench import Poisoner

Cheat = Poisoner
