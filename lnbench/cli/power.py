"""`lnbench power`: what a track can tell apart, and what it would take to tell apart more."""

from __future__ import annotations

import click

from lnbench.cli import _complete, _options, _result

_SEEDS = (1, 2, 4, 8, 16)


@click.command("power")
@click.argument("track", required=False, shell_complete=_complete.tracks)
@click.option(
    "--effect",
    type=click.FloatRange(0, 100, min_open=True),
    default=5.0,
    show_default=True,
    metavar="PP",
    help="The true drop to be detected, in percentage points.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level of the two-sided test.",
)
@_result.json_option
def command(track: str | None, effect: float, alpha: float, as_json: bool) -> None:
    """How many splits and seeds an effect takes on a track.

    Reckoned from the spread that TRACK's calibration run measured under random flips: a flip set's own effect on its
    split averages out over splits alone, the rest over seeds too. Power is 80 % throughout.

    \b
      lnbench power digits-9to0 --effect 3
    """
    from lnbench.evaluation import calibration
    from lnbench.protocol.track import DEFAULT
    from lnbench.text import replicates

    chosen = _options.load_track(track)
    made = calibration.read(track or DEFAULT)
    parts, splits, seeds = made["components_pp"], made["splits"], made["seeds"]
    sd, result = parts["total"], _result.Result(as_json)
    resolved, found = calibration.resolved(sd, splits, alpha), calibration.power(effect, sd, splits, alpha)
    result.say(f"{chosen.name}: {replicates(splits, seeds)}; a split's drop has σ = {sd:.1f} pp under random flips.")
    result.say(
        f"They find a true drop of {resolved:.1f} pp with 80 % power (two-sided, alpha {alpha:g}), and one of "
        f"{effect:g} pp with {100 * found:.0f} %."
    )
    count = _rows(track or DEFAULT)
    first = calibration.resolved(sd, splits, alpha / count) if count > 1 else None
    if first is not None:
        result.say(
            f"To be found first under Holm's correction over the board's {count} rows, a row needs {first:.1f} pp."
        )
    known = [v for v in sorted({*_SEEDS, seeds}) if calibration.sd_of_split(parts, seeds, v) is not None]
    rows, needed = [], []
    for v in known:
        spread = calibration.sd_of_split(parts, seeds, v)
        number = calibration.splits_needed(effect, spread or 0.0, alpha)
        most = f"over {calibration.MOST_SPLITS}"
        rows.append([str(v), str(number or most), str(number * v * len(chosen.victims)) if number else "–"])
        needed.append({"seeds": v, "splits": number})
    result.say(f"\nTo find {effect:g} pp with 80 % power:")
    result.table(["seeds", "splits", "victims an arm"], rows)
    result.give(
        {
            "track": chosen.name,
            "splits": splits,
            "seeds": seeds,
            "sd_of_split_pp": sd,
            "alpha": alpha,
            "resolves_pp_at_80_percent_power": resolved,
            "rows_on_the_board": count,
            "resolves_pp_as_the_first_of_them": first,
            "effect_pp": effect,
            "power": found,
            "needed": needed,
        }
    )
    if parts["between"] is None:
        result.say("\nIts calibration has one seed a split, so what other numbers of seeds would buy is not known.")


def _rows(track: str) -> int:
    """How many rows the board that comes with lnbench has on the public splits of a track."""
    from lnbench.board import rows
    from lnbench.errors import ProtocolError

    try:
        return sum(len(table.rows) for table in rows.of_track(track) if table.season is None)
    except ProtocolError:
        return 0
