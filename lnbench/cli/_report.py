"""A record as tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lnbench.protocol import ARMS, MATCHED
from lnbench.record.record import FLAGS, Record, meaning
from lnbench.text import interval, plain, points, share

_SHARES = {
    "adv_acc": "AA",
    "untargeted_adv_acc": "untargeted AA",
    "clean_acc": "clean acc.",
    "source_clean_acc": "source class",
    "memorised": "memorised",
}


def print_record(record: Record, *, err: bool = True) -> None:
    """Print what a record found, to stderr or stdout."""
    console = Console(stderr=err, highlight=False)
    if not console.is_terminal:
        console.width = 120
    replication, track = record.document["replication"], record.track
    console.print()
    console.print(
        Text(plain(record.label), style="bold"),
        Text(
            f"on {track.name}: {replication['splits']} splits × {replication['seeds']} seeds, "
            f"{track.noise.budget} flips in {track.data.train} labels"
        ),
    )
    console.print(
        Text("In %. AA, adversarial accuracy: the share of the source class that the adversary did not break.")
    )
    console.print(_arms(record))
    console.print(_scores(record))
    console.print(Text(record.verdict, style="bold"))
    if matched := record.score.get("matched"):
        console.print(
            Text(
                f"Below random flips allocated to the pairs as its own: {points(matched['drop_pp'])} pp "
                f"{interval(matched['ci95_pp'])}."
            )
        )
    for line in standing(record):
        console.print(Text(line))
    console.print()


def print_budgets(records: Sequence[Record]) -> None:
    """Print AA and score at each budget, to stderr."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = 120
    table = _table("k", "η", "AA clean", "random", "poisoned", "score, pp", "95 % interval")
    for record in records:
        noise, score = record.track.noise, record.score
        shares = [share(record.arms[arm]["adv_acc"]) for arm in ARMS]
        eta = f"{noise.budget / record.track.data.train:.2g}"
        table.add_row(str(noise.budget), eta, *shares, points(score["drop_pp"]), interval(score["ci95_pp"]))
    console.print()
    console.print(
        Text(f"{plain(records[0].label)} on {records[0].track.name}, by budget; none of these records ranks.")
    )
    console.print(table)


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
    for arm in (*ARMS, *({MATCHED} & record.arms.keys())):
        table.add_row(arm, *[share(record.arms[arm][name]) for name in _SHARES])
    return table


def _scores(record: Record) -> Table:
    """How much lower AA is than under random flips, by architecture and in all."""
    table = _table("architecture", "ε", "AA clean", "random", "poisoned", "score, pp", "95 % interval")
    arms, score = record.arms, record.score
    for victim in record.track.victims:
        row = score["per_architecture"][victim.name]
        shares = [share(arms[arm]["per_architecture"][victim.name]["adv_acc"]) for arm in ARMS]
        epsilon = f"{record.track.epsilon(victim):g}"
        table.add_row(victim.name, epsilon, *shares, points(row["drop_pp"]), interval(row["ci95_pp"]))
    shares = [share(arms[arm]["adv_acc"]) for arm in ARMS]
    table.add_row("all", "", *shares, points(score["drop_pp"]), interval(score["ci95_pp"]), style="bold")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
