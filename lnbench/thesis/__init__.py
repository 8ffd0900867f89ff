"""The thesis that lnbench began as: its experiments, its theorems as calculators, its toy distributions.

`experiment` says what an experiment provides and finds it by its file name in `experiments/`; `run` measures one and
writes its files; `verdicts` judge claims, `drawing` and its siblings draw.
"""
