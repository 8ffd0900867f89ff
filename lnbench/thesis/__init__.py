"""The thesis that lnbench grew out of, measured again.

`experiments/` holds one experiment a file; `experiment` says what such a file must provide; `run` measures one and
writes its files. What experiments share:

- `images`: training sets of MNIST and CIFAR-10, and the settings that experiments on them share;
- `toy_data`: the thesis's Gaussians; `separate_sets` trains victims that each have a training set of their own;
- `networks`: train victims on one training set and measure them; `toy_networks`: the same on poisoned toy sets;
- `shared_networks`: clean networks that several experiments use, trained once; `epsilon`: the rule that decides ε;
- `flip_sets`: choose sets of flips along a score and measure each; `flip_set_results` reads and plots what came of it;
- `theorems`: the two theorems as calculators; `nearest_neighbour`: a classifier on which they can be checked exactly;
- `plan`: how many replicates a claim needs; `verdicts`: from replicates to what they say about it;
- `drawing`: figures; `page`: the page of a folder.
"""
