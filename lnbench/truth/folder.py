"""A table on disk in the layout of a dataset on the Hub: its parquet file, and a card that names the configurations."""

from __future__ import annotations

from pathlib import Path

from lnbench.protocol import Track
from lnbench.truth.sets import TABLES

WHAT = {
    "a": "every single flip",
    "b": "every flip and every pair",
    "c": "every set of one to four flips among 18 points",
    "n": "random sets of 1 to 40 flips",
}
"""Table -> what it holds."""


def place(folder: Path, table: str) -> Path:
    """The file of a table."""
    return folder / "data" / table / "train-00000-of-00001.parquet"


def card(folder: Path, track: Track) -> bytes:
    """The card for the tables that are there."""
    here = [table for table in TABLES if place(folder, table).is_file()]
    head = ["---", "license: cc-by-4.0", "configs:"]
    for table in here:
        head += [f"- config_name: {table}", f"  data_files: data/{table}/train-*.parquet"]
    text = [
        *head,
        "---",
        "",
        f"# What flips do to networks: {track.name}, version {track.version}",
        "",
        f"Networks of the track {track.name} (sha256 `{track.sha256}`) after sets of flipped labels,",
        "one row a network.",
        "",
        *(f"- `{table}`: {WHAT[table]}." for table in here),
        "",
        "`architecture`, `split` and `seed` name the network; `flips` are the indices of the flipped training points,",
        "none for clean labels; of `points` test points of the source class the targeted adversary broke `broken`, as",
        "the packed `bits` tell one by one; `memorised` of the flips were learned.",
        "",
        "`lnbench.ground_truth(FILE)` reads a table and answers in microseconds.",
    ]
    return ("\n".join(text) + "\n").encode()
