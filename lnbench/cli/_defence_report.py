"""A defence's record as tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from lnbench.cli import _tables
from lnbench.protocol import arms_of
from lnbench.record.defence_words import verdict
from lnbench.text import interval, plain, points, replicates, share

if TYPE_CHECKING:
    from lnbench.record.defence import DefenceRecord

_SHARES = {
    "adv_acc": "targeted AA",
    "untargeted_adv_acc": "untargeted AA",
    "clean_acc": "clean acc.",
    "memorised": "memorised",
}


def print_record(record: DefenceRecord, *, err: bool) -> None:
    """Print a defence's record as tables and sentences, to stderr or stdout."""
    console, attack, made = _tables.console(err=err), record.undefended, record.outcome
    size, track = attack.replication, attack.track
    console.print()
    console.print(
        Text(plain(record.label), style="bold"),
        Text(
            f"against {plain(attack.label)} on {track.name}: {replicates(size.splits, size.seeds)}, "
            f"{track.noise.budget} flips in {track.data.train} labels"
        ),
    )
    console.print(Text("In %, without the defence → with it. AA, adversarial accuracy."))
    rows = [
        [arm, *(f"{share(pair.undefended[name])} → {share(pair.defended[name])}" for name in _SHARES)]
        for arm, pair in ((arm, made.arms[arm]) for arm in arms_of(track))
    ]
    _tables.show(console, ["labels", *_SHARES.values()], rows)
    lines = [
        ("AA below random flips, undefended", made.undefended),
        ("AA below random flips, both defended", made.defended),
        ("removed by the defence", made.removed),
        ("clean accuracy lost on clean labels", made.clean_cost),
        ("clean accuracy lost on poisoned labels", made.poisoned_cost),
        ("AA gained on poisoned labels", made.gain),
    ]
    table = [[name, points(value.mean_pp), interval(value.ci95_pp)] for name, value in lines]
    _tables.show(console, ["", "points", "95 % interval"], table)
    if made.certificate:
        shown = ", ".join(f"{100 * value:.1f} % for {r}" for r, value in enumerate(made.certificate.shares))
        holds = "is certified" if made.certificate.sound else "would be certified (but networks heed others' labels)"
        console.print(Text(f"By the vote a clean prediction {holds} against r wrong labels: {shown}."))
    console.print(Text(verdict(made), style="bold"))
    for flag in record.flags:
        console.print(Text(f"  - {flag}"))
    console.print()
