"""A record as tables and sentences."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lnbench.cli import _faults
from lnbench.record import FLAGS, Record, meaning

_SHARES = {
    "adv_acc": "adversarial\naccuracy (AA)",
    "untargeted_adv_acc": "untargeted\nAA",
    "clean_acc": "clean\naccuracy",
    "source_clean_acc": "of the\nsource class",
    "memorised": "flips\nmemorised",
}


def print_record(record: Record, *, err: bool = True) -> None:
    """Print what a record found, to stderr or stdout."""
    console = Console(stderr=err, highlight=False)
    if not console.is_terminal:
        console.width = 120
    replication, track = record.document["replication"], record.track
    console.print()
    console.print(
        Text(_faults.clean(record.label, lines=1), style="bold"),
        Text(
            f"on {track.name}: {replication['splits']} splits × {replication['seeds']} seeds, "
            f"{track.noise.budget} flips in {track.data.train} labels"
        ),
    )
    console.print(_arms(record))
    console.print(_scores(record))
    console.print(Text(record.verdict, style="bold"))
    for line in standing(record):
        console.print(Text(line))
    console.print()


def standing(record: Record) -> list[str]:
    """Whether the record may stand on the board, why not, and what else a reader should know."""
    bars = [flag for flag in record.flags if FLAGS.get(flag.split(":")[0], (True, ""))[0]]
    notes = [flag for flag in record.flags if flag not in bars]
    lines = ["Ranked: it may stand on the board." if record.ranked else "Not ranked:"]
    lines += [f"  - {meaning(flag)}" for flag in bars]
    return lines + (["Note:"] if notes else []) + [f"  - {meaning(flag)}" for flag in notes]


def _arms(record: Record) -> Table:
    """What victims trained on each arm's labels get right."""
    table = _table("labels", *_SHARES.values())
    for arm, values in record.arms.items():
        table.add_row(arm, *[_share(values[name]) for name in _SHARES])
    return table


def _scores(record: Record) -> Table:
    """How much lower AA is than under random flips, by architecture and in all."""
    table = _table("architecture", "ε", "AA clean", "random", "poisoned", "score, pp", "95 % interval")
    arms, score = record.arms, record.score
    for victim in record.track.victims:
        row = score["per_architecture"][victim.name]
        shares = [_share(arm["per_architecture"][victim.name]["adv_acc"]) for arm in arms.values()]
        epsilon = f"{record.track.epsilon(victim):g}"
        table.add_row(victim.name, epsilon, *shares, _points(row["drop_pp"]), _interval(row["ci95_pp"]))
    shares = [_share(arm["adv_acc"]) for arm in arms.values()]
    table.add_row("all", "", *shares, _points(score["drop_pp"]), _interval(score["ci95_pp"]), style="bold")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", vertical="bottom")
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _interval(ends: list[float] | None) -> str:
    return "–" if ends is None else f"[{ends[0]:.1f}, {ends[1]:.1f}]"
