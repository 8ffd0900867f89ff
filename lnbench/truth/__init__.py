"""Ground truth of label poisoning: what every flip, or set of flips, of a small class does to trained networks."""
