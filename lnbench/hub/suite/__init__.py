"""The canonical poisoned suite: for every calibrated track the best attack's labels, its random twin's and the clean
ones, and victims trained on each, in one repository with one pinned revision.

What somebody who builds a defence downloads first. For each track it holds the record that its labels are from, so what
is pulled is checked as a record is: labels and random flips are made again on the pinned base data, and compared.
"""

from __future__ import annotations
