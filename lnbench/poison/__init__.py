"""Poisoning in another process: the submission runs as a guest, and n integers are all that comes back."""
