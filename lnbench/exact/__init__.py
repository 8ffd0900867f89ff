"""Victims whose best adversary is known exactly: one-nearest-neighbour and linear classifiers.

Whether a perturbation of at most ε changes such a victim's answer is a few linear or quadratic programmes, so nothing
here depends on how good an attack is. For the nearest neighbour the best flips are known too: see
`lnbench.exact.coverage`.
"""
