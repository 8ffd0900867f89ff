"""The board as the markdown page that people read on the repository's site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from lnbench import templates
from lnbench.board.grid import grid
from lnbench.board.row import Row
from lnbench.board.tables import Board, Table
from lnbench.protocol import ARMS, Track, VictimSpec, sha256
from lnbench.record.exchange import Exchange
from lnbench.record.record import meaning
from lnbench.text import Markdown, cell, code, interval, markdown, plain, points, probability, ranks, replicates, share

_LINK = Markdown("[{}]({})")
NETWORK_WORTH = "worth random flips, networks"
"""Name of the column of `Row.network_worth`."""
CLASSES = "for other classes, pp"
"""Name of the column of `Row.classes`."""
STRONG_DAMAGE, STRONG_DAMAGE_RANK = "audit, damage, pp", "audit, damage rank"
"""Names of the columns of the damage under the strong adversary."""


def render(board: Board, records: str, root: Path | None) -> str:
    """The page, ending in a newline.

    Args:
        records: the folder of records, relative to the page, with `/`.
        root: the repository, if rows are to be linked to `attacks/` and `submissions/` in it.
    """
    environment = templates.markdown(__package__)
    environment.filters["path"] = _path
    return environment.get_template("README.md.jinja").render(
        board=board,
        first=lambda table: _first(table, records, root),
        second=_second,
        flags=lambda table: sorted({flag for row in table.rows for flag in row.flags}),
        **{call.__name__: call for call in (title, about, meaning)},
    )


def reading(board: Board) -> list[Markdown]:
    """What the columns mean: the items of the list at the page's end."""
    _, *items = templates.markdown(__package__).get_template("reading.md.jinja").render(board=board).split("\n- ")
    return [Markdown(" ".join(item.split())) for item in items]


def source_link(row: Row, root: Path | None) -> str | None:
    """Path from the repository's root to the file a row was made from; None if the file of its name is another one."""
    if root is None:
        return None
    for folder in ("attacks", "submissions"):
        path = root / folder / f"{row.record.name}.py"
        if path.parent == root / folder and path.is_file():
            same = sha256(path.read_bytes()) == row.record.document["poisoner"]["sha256"]
            return f"{folder}/{quote(row.record.name)}.py" if same else None
    return None


def title(table: Table) -> str:
    """Track and season."""
    season = f", season {table.season}" if table.season else ""
    return f"{table.track.name}{season}"


def about(table: Table) -> str:
    """What the track asks, in one line of plain text."""
    track = table.track
    pairs = track.noise.pairs
    moves = ", ".join(f"{source}→{target}" for source, target in pairs[:4]) + (" …" if len(pairs) > 4 else "")
    if track.noise.rotate:
        moves = f"{len(pairs)} pairs in turn, one a split"
    r = track.replication
    draws = f", {r.random_draws} draws of random flips each" if r.random_draws > 1 else ""
    error = max((row.record.score.random_se_pp or 0.0 for row in table.rows), default=0.0)
    known = f" The random arm's AA, the same for all rows, has a standard error of {error:.1f} points." if error else ""
    if table.null is not None:
        known += f" {of_null(table)}"
    return (
        f"{plain(track.title)}: at most {track.noise.budget} of {track.data.train} labels, {moves}; "
        f"victims {', '.join(_radii(track, v) for v in track.victims)}; {replicates(r.splits, r.seeds)}{draws}. "
        f"Version {track.version}, {track.sha256[:8]}.{known}"
    )


def of_null(table: Table) -> str:
    """The warning that another draw of random flips is told from the random arm; empty if there is none."""
    if table.null is None:
        return ""
    return (
        f"Another draw of random flips ({plain(table.null.record.label)}) is told from the random arm, by "
        f"{points(table.null.drop)}: what cannot be told from that draw has shown no more than it has."
    )


def _radii(track: Track, victim: VictimSpec) -> str:
    """An architecture with the radii of its attacks."""
    damage = track.damage_epsilon(victim)
    times = " times the pair's factor" if track.adversary.pair_factors else ""
    small = "" if damage is None else f", damage {damage:g}"
    return f"{victim.name} (ε = {track.epsilon(victim):g}{times}{small})"


def _first(table: Table, records: str, root: Path | None) -> Markdown:
    """The table of what a row is ranked and trusted by."""
    columns: dict[str, Callable[[Row], str]] = {
        "rank": lambda row: ranks(row.ranks),
        "poisoner": lambda row: _poisoner(row, root),
        "own splits, pp": lambda row: _own(row, records),
        "targeted, pp": lambda row: Markdown("**{}** {}").format(
            points(row.drop), interval(row.record.score["ci95_pp"])
        ),
        CLASSES: lambda row: interval(row.classes.ends) if row.classes else "–",
        "of the optimum, %": lambda row: optimal(row),
        "worth random flips": lambda row: worth(row.worth),
        NETWORK_WORTH: lambda row: worth(row.network_worth),
        "beats random": lambda row: _verdict(row.beats_random, row.p_holm),
        "damage, pp": _damage,
        "damages": lambda row: _verdict(row.damages, row.damage_p_holm),
        "audit": audited,
        "flags": lambda row: Markdown(", ").join(code(flag) for flag in row.flags) or "–",
        "trust": lambda row: row.trust,
        "record": lambda row: _LINK.format(row.record.sha256[:8], _path(f"{records}/{row.path}")),
    }
    return _table(table, columns)


def _second(table: Table) -> Markdown:
    """The table of everything else that is known of a row."""
    columns: dict[str, Callable[[Row], str]] = {
        "rank": lambda row: ranks(row.ranks),
        "poisoner": lambda row: cell(row.record.label),
        "worst architecture": _worst,
        "beats search": lambda row: row.above_search or "–",
        "damage rank": lambda row: ranks(row.damage_ranks),
        "damage below clean, pp": _below_clean,
        "audit, pp": audit,
        STRONG_DAMAGE: strong_damage,
        STRONG_DAMAGE_RANK: lambda row: ranks(row.strong_damage_ranks),
        "found, %": found,
        "targeted AA c / r / p": lambda row: _arms(row, "adv_acc"),
        "untargeted AA c / r / p": lambda row: _arms(row, "untargeted_adv_acc"),
        "clean accuracy c / r / p": lambda row: _arms(row, "clean_acc"),
        "memorised r / p": lambda row: _arms(row, "memorised", ARMS[1:]),
        "trainings": lambda row: str(row.trainings),
        "date": lambda row: row.record.started[:10],
    }
    return _table(table, columns)


def _table(table: Table, columns: dict[str, Callable[[Row], str]]) -> Markdown:
    """A table's rows, without the columns in which none of them says anything."""
    known = {
        "own splits, pp": any(row.own for row in table.rows),
        CLASSES: any(row.classes for row in table.rows),
        "of the optimum, %": any(row.optimal is not None for row in table.rows),
        "worth random flips": any(row.worth is not None for row in table.rows),
        NETWORK_WORTH: any(row.network_worth is not None for row in table.rows),
        "beats search": any(row.above_search for row in table.rows),
        **dict.fromkeys(("audit", "audit, pp", "found, %"), any(row.audit for row in table.rows)),
        **dict.fromkeys((STRONG_DAMAGE, STRONG_DAMAGE_RANK), any(row.strong_damages for row in table.rows)),
        **dict.fromkeys(
            ("damage, pp", "damages", "damage rank", "damage below clean, pp"), table.track.damage is not None
        ),
    }
    shown = {name: show for name, show in columns.items() if known.get(name, True)}
    return grid(list(shown), [[show(row) for show in shown.values()] for row in table.rows])


def _verdict(shown: str | None, p: float | None) -> Markdown:
    return Markdown("–") if shown is None else Markdown("{} ({})").format(shown, probability(p))


def _own(row: Row, records: str) -> Markdown:
    """The score on the splits that the row's own source draws, linked to its record."""
    if row.own is None:
        return Markdown("–")
    score = row.own.score
    shown = Markdown("**{}** {}").format(points(score["drop_pp"]), interval(score["ci95_pp"]))
    return Markdown("{} ({})").format(shown, _LINK.format(row.own.sha256[:8], _path(f"{records}/{row.own_path}")))


def audit(row: Row) -> Markdown:
    """The score under the strong adversary, and whether the record's conclusion holds there."""
    if row.audit is None:
        return Markdown("–")
    shown = Markdown("{} {}").format(points(row.audit.drop_pp), interval(row.audit.ci95_pp))
    shown = shown if row.audit.survives else Markdown("{}, does not hold").format(shown)
    return shown if row.audit.reproduced else Markdown("{}, of victims that came out otherwise").format(shown)


def strong_damage(row: Row) -> Markdown:
    """The damage score under the strong adversary, and whether it is told from random flips there."""
    damage = row.audit.damage if row.audit else None
    if damage is None:
        return Markdown("–")
    verdict = _verdict(row.strong_damages, row.strong_damage_p_holm)
    return Markdown("{} {}, {}").format(points(damage.drop_pp), interval(damage.ci95_pp), verdict)


def found(row: Row) -> Markdown:
    """The share of the flips that confident learning finds, and of random ones."""
    if row.audit is None or row.audit.found is None or row.audit.found_random is None:
        return Markdown("–")
    return Markdown("{} (random {})").format(share(row.audit.found), share(row.audit.found_random))


def audited(row: Row) -> Markdown:
    """Whether the record's conclusion holds under the strong adversary."""
    if row.audit is None:
        return Markdown("–")
    shown = Markdown("holds" if row.audit.survives else "does not hold")
    return shown if row.audit.reproduced else Markdown("{}, of victims that came out otherwise").format(shown)


def optimal(row: Row) -> Markdown:
    """The share of the largest drop that any flips have on a nearest neighbour, in percent, with its interval."""
    if row.optimal is None or row.optimal.mean is None or row.optimal.ends is None:
        return Markdown("–")
    low, high = (f"{100 * end:.0f}".replace("-", "−") for end in row.optimal.ends)
    return Markdown("{} [{}, {}]").format(f"{100 * row.optimal.mean:.0f}".replace("-", "−"), low, high)


def worth(rate: Exchange | None) -> Markdown:
    """How many random flips do what a row's flips do, with its interval; ≥ where more were not measured."""
    if rate is None:
        return Markdown("–")
    flips, low, high = (f"{'≥ ' if n >= rate.most else ''}{n:.1f}" for n in (rate.flips, rate.low, rate.high))
    return Markdown("{} [{}, {}]").format(flips, low, high)


def _damage(row: Row) -> Markdown:
    """The damage below random flips."""
    damage = row.record.score.damage
    return Markdown("{} {}").format(points(damage.drop_pp), interval(damage.ci95_pp)) if damage else Markdown("–")


def _below_clean(row: Row) -> str:
    """The damage below clean labels."""
    damage = row.record.score.damage
    return points(damage.from_clean_pp) if damage else "–"


def _path(path: str) -> Markdown:
    """A relative address for a link."""
    return Markdown(quote(path))


def _poisoner(row: Row, root: Path | None) -> Markdown:
    name, link = cell(row.record.label), source_link(row, root)
    return name if link is None else _LINK.format(name, _path(f"../{link}"))


def _worst(row: Row) -> Markdown:
    worst = row.record.score["worst_architecture"]
    if worst is None:
        return markdown("–")
    return Markdown("{} {} {}").format(worst["name"], points(worst["drop_pp"]), interval(worst["ci95_pp"]))


def _arms(row: Row, share_name: str, arms: Sequence[str] = ARMS) -> Markdown:
    return Markdown(" / ").join(share(row.record.arms[arm][share_name]) for arm in arms)
