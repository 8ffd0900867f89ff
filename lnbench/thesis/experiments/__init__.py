"""One file an experiment of the thesis; `lnbench.thesis.experiment` says what a file must provide."""
