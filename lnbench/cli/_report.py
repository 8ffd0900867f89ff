"""A record as tables and sentences."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from lnbench.cli import _tables
from lnbench.protocol import ARMS, MATCHED, OWN, PUBLIC_SALT
from lnbench.record.record import FLAGS, Record, meaning
from lnbench.text import interval, marked, plain, points, replicates, share

_SHARES = {
    "adv_acc": "targeted AA",
    "untargeted_adv_acc": "untargeted AA",
    "damage_adv_acc": "AA, small ε",
    "clean_acc": "clean acc.",
    "source_clean_acc": "source class",
    "memorised": "memorised",
}


def print_record(record: Record, *, err: bool) -> None:
    """Print a record as tables and sentences, to stderr or stdout."""
    console = _tables.console(err=err)
    replication, track = record.document["replication"], record.track
    console.print()
    console.print(
        Text(plain(record.label), style="bold"),
        Text(
            f"on {track.name}: {replicates(replication['splits'], replication['seeds'])}{_drawn(record)}, "
            f"{track.noise.budget} flips in {track.data.train} labels"
        ),
    )
    console.print(
        Text("In %. AA, adversarial accuracy: the share of the source class that the adversary did not break.")
    )
    _arms(console, record)
    _scores(console, record)
    console.print(Text(record.verdict, style="bold"))
    if damage := record.score.damage:
        console.print(
            Text(
                f"Damage, the drop of untargeted AA at a small radius: {points(damage.drop_pp)} pp "
                f"{interval(damage.ci95_pp)} below random flips, {points(damage.from_clean_pp)} "
                f"{interval(damage.from_clean_ci95_pp)} below clean labels."
            )
        )
    if record.score.random_se_pp:
        console.print(
            Text(f"The random arm's own AA is known to ±{record.score.random_se_pp:.1f} pp (standard error).")
        )
    if matched := record.score.matched:
        console.print(
            Text(
                f"Below random flips allocated to the pairs as its own: {points(matched['drop_pp'])} pp "
                f"{interval(matched['ci95_pp'])}."
            )
        )
    for line in ranking(record):
        console.print(Text(line))
    console.print()


def _drawn(record: Record) -> str:
    """Whose splits a record has, where they are not the public ones."""
    if record.season is not None:
        return f", the splits of season {plain(record.season)}"
    if record.salt == OWN:
        return ", splits of its own"
    return "" if record.salt == PUBLIC_SALT else ", splits of another salt"


def print_placing(record: Record, board: Path, *, err: bool) -> None:
    """Print which row of the board a ranked record equals and where it would stand, to stderr or stdout.

    Args:
        board: the board's folder; the board that comes with lnbench stands in where there is none.
    """
    from lnbench.board.placing import placing
    from lnbench.errors import RecordError
    from lnbench.evaluation.bundled import board as shipped

    records = next((folder / "records" for folder in (board, shipped()) if (folder / "records").is_dir()), None)
    if records is None or not record.ranked:
        return
    try:
        said = placing(record, records).sentences
    except RecordError as error:
        click.echo(f"note: its rank is not known: {marked(str(error))}", err=True)
        return
    for sentence in said:
        click.echo(sentence, err=err)


def ranking(record: Record) -> list[str]:
    """Whether the record may be on the board, why not, and what else a reader should know."""
    bars = [flag for flag in record.flags if FLAGS.get(flag.split(":")[0], (True, ""))[0]]
    notes = [flag for flag in record.flags if flag not in bars]
    lines = ["Ranked: it may stand on the board." if record.ranked else "Not ranked:"]
    lines += [f"  - {meaning(flag)}" for flag in bars]
    return lines + (["Note:"] if notes else []) + [f"  - {meaning(flag)}" for flag in notes]


def _arms(console: Console, record: Record) -> None:
    """Print what victims trained on each arm's labels get right."""
    arms = [*ARMS, *({MATCHED} & record.arms.keys())]
    shares = _SHARES if record.score.damage else {k: name for k, name in _SHARES.items() if k != "damage_adv_acc"}
    rows = [[arm, *(share(record.arms[arm][name]) for name in shares)] for arm in arms]
    _tables.show(console, ["labels", *shares.values()], rows)


def _scores(console: Console, record: Record) -> None:
    """Print how much lower AA is than under random flips, by architecture and in all."""
    arms, score = record.arms, record.score
    rows = []
    for victim in record.track.victims:
        alone = score["per_architecture"][victim.name]
        shares = [share(arms[arm]["per_architecture"][victim.name]["adv_acc"]) for arm in ARMS]
        epsilon = f"{record.track.epsilon(victim):g}"
        rows.append([victim.name, epsilon, *shares, points(alone["drop_pp"]), interval(alone["ci95_pp"])])
    shares = [share(arms[arm]["adv_acc"]) for arm in ARMS]
    rows.append(["all", "", *shares, points(score["drop_pp"]), interval(score["ci95_pp"])])
    head = ["architecture", "ε", "AA clean", "random", "poisoned", "score, pp", "95 % interval"]
    _tables.show(console, head, rows, bold=len(rows) - 1)
