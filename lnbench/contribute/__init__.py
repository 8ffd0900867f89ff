"""On the way to the board: a submission's template, its pull request, and rows made on two machines."""
