"""Where the project is."""

PROJECT = "https://github.com/lnbench/lnbench"
"""The repository, as in `pyproject.toml` and `CITATION.cff`."""
