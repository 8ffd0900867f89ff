"""The board as one self-contained page: no request, readable without JavaScript, strict about its content."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from lnbench import templates
from lnbench.board import figures
from lnbench.board.levels import statement_is_signed
from lnbench.board.markdown import NETWORK_WORTH, about, audit, found, optimal, reading, source_link, title, worth
from lnbench.board.png import png
from lnbench.board.tables import Board, Row, Table
from lnbench.protocol import ARMS
from lnbench.record.record import meaning
from lnbench.text import interval, plain, points, probability, ranks, share

_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%#?=&+-]*)?")
_COLUMNS = (
    "rank",
    "poisoner",
    "own splits, pp",
    "targeted, pp",
    "95 % interval",
    "beats random",
    "damage, pp",
    "damage interval",
    "damage rank",
    "damages",
    "beats search",
    "of the optimum, %",
    "worth random flips",
    NETWORK_WORTH,
    "worst architecture",
    "audit, pp",
    "found, %",
    *(f"targeted AA {arm}, %" for arm in ARMS),
    "untargeted AA c / r / p, %",
    "clean accuracy c / r / p, %",
    "memorised r / p, %",
    "flags",
    "trainings",
    "trust",
    "date",
    "record",
)


@dataclass(frozen=True)
class Cell:
    """One cell of a row.

    Attributes:
        name: its column.
        text: what is shown.
        key: what the column is sorted by; empty if there is no value.
        href: where it leads; empty if nowhere.
    """

    name: str
    text: str
    key: str
    href: str


def render(board: Board, records: str, root: Path | None) -> str:
    """The page; arguments as in `markdown.render`."""
    package = resources.files(__package__)
    style = Markup(package.joinpath("page.css").read_text(encoding="utf-8")) + figures.STYLE
    script = Markup(package.joinpath("page.js").read_text(encoding="utf-8"))
    environment = templates.html(__package__)
    shown = {"plain": plain, "points": points, "interval": interval, "hash": _hash, "pictures": _pictures}
    environment.filters.update(shown)
    environment.tests["address"] = _ADDRESS.fullmatch
    return environment.get_template("index.html").render(
        board=board,
        records=records,
        root=root,
        columns=columns,
        cells=lambda table, row: _cells(table, row, records, root),
        style=style,
        script=script,
        reading=_reading(board),
        **{call.__name__: call for call in (title, about, source_link, meaning, statement_is_signed)},
        figures=figures,
    )


def _reading(board: Board) -> list[Markup]:
    """What the columns mean, in the words of the markdown page."""
    items = (str(escape(str(item))) for item in reading(board))
    return [Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", re.sub(r"\*(.+?)\*", r"<em>\1</em>", i))) for i in items]


def columns(table: Table) -> list[str]:
    """The columns that a table has values in."""
    absent = {name for name in _COLUMNS if name.startswith("damage") and table.track.damage is None}
    if not any(row.own for row in table.rows):
        absent.add("own splits, pp")
    if not any(row.audit for row in table.rows):
        absent |= {"audit, pp", "found, %"}
    if all(row.optimal is None for row in table.rows):
        absent |= {"of the optimum, %", "worth random flips"}
    if table.random is None:
        absent.add(NETWORK_WORTH)
    return [name for name in _COLUMNS if name not in absent]


def _cells(table: Table, row: Row, records: str, root: Path | None) -> list[Cell]:
    score, arms = row.record.score, row.record.arms
    own, damage = row.own.score if row.own else None, score.damage
    worst, link = score["worst_architecture"], source_link(row, root)
    links = {"poisoner": f"../{link}" if link else "", "record": f"{records}/{quote(row.path)}"}
    links["own splits, pp"] = f"{records}/{quote(row.own_path)}" if row.own else ""

    def several(name: str, of: Sequence[str] = ARMS) -> tuple[str, object]:
        return " / ".join(share(arms[arm][name]) for arm in of), arms["poisoned"][name]

    cells: list[tuple[str, object]] = [
        (ranks(row.ranks), row.ranks[0] if row.ranks else ""),
        (plain(row.record.label), plain(row.record.label).lower()),
        (f"{points(own['drop_pp'])} {interval(own['ci95_pp'])}" if own else "–", own["drop_pp"] if own else None),
        (points(row.drop), row.drop),
        (interval(score["ci95_pp"]), score["ci95_pp"][0]),
        (f"{row.beats_random or '–'} ({probability(row.p_holm)})", row.p_holm),
        (points(damage.drop_pp) if damage else "–", damage.drop_pp if damage else None),
        (interval(damage.ci95_pp) if damage else "–", damage.ci95_pp[0] if damage and damage.ci95_pp else None),
        (ranks(row.damage_ranks), row.damage_ranks[0] if row.damage_ranks else ""),
        (f"{row.damages or '–'} ({probability(row.damage_p_holm)})", row.damage_p_holm),
        (row.above_search or "–", row.above_search),
        (optimal(row), row.optimal.mean if row.optimal else None),
        (worth(row.worth), row.worth.flips if row.worth else None),
        (worth(row.network_worth), row.network_worth.flips if row.network_worth else None),
        (f"{worst['name']} {points(worst['drop_pp'])}" if worst else "–", worst["drop_pp"] if worst else None),
        (audit(row), row.audit.drop_pp if row.audit else None),
        (found(row), row.audit.found if row.audit else None),
        *((share(arms[arm]["adv_acc"]), arms[arm]["adv_acc"]) for arm in ARMS),
        several("untargeted_adv_acc"),
        several("clean_acc"),
        several("memorised", ARMS[1:]),
        (", ".join(row.record.flags) or "–", ", ".join(row.record.flags)),
        (str(row.trainings), row.trainings),
        (plain(row.trust), plain(row.trust)),
        (row.record.started[:10], row.record.started),
        (row.record.sha256[:8], row.record.sha256[:8]),
    ]
    shown = columns(table)
    return [
        Cell(name, text, "" if key is None else str(key), links.get(name, ""))
        for name, (text, key) in zip(_COLUMNS, cells, strict=True)
        if name in shown
    ]


def _pictures(thumbnails: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """The points that a record shows of those that were flipped, each with its `png`; None if it shows none."""
    if thumbnails is None:
        return None
    shown = []
    for image in thumbnails["images"]:
        try:
            file = png(base64.b64decode(image["pixels"], validate=True), *thumbnails["shape"])
        except (ValueError, IndexError):  # `leaderboard check` refuses such a record
            continue
        shown.append({**image, "png": base64.b64encode(file).decode()})
    return shown


def _hash(text: str) -> str:
    """The source expression that lets exactly this inline text through."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
