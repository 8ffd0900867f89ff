"""The board as one self-contained page: no request, readable without JavaScript, strict about its content."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from lnbench import templates
from lnbench.board import figures, forest
from lnbench.board.levels import statement_is_signed
from lnbench.board.markdown import (
    CLASSES,
    NETWORK_WORTH,
    STRONG_DAMAGE,
    STRONG_DAMAGE_RANK,
    about,
    audit,
    found,
    optimal,
    reading,
    source_link,
    strong_damage,
    title,
    worth,
)
from lnbench.board.png import png
from lnbench.board.project import PROJECT
from lnbench.board.row import Row
from lnbench.board.tables import Board, Table
from lnbench.protocol import ARMS
from lnbench.record.record import meaning
from lnbench.text import interval, plain, points, probability, ranks, share

_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%#?=&+-]*)?")
_SHARES = {
    "targeted AA": "adv_acc",
    "untargeted AA": "untargeted_adv_acc",
    "clean accuracy": "clean_acc",
    "memorised": "memorised",
}
"""Column -> the share of an arm that it shows."""
_FIRST = 7
"""Columns that are shown before the reader asks for the rest."""
_PLOT, _SCORE = "against random flips, pp", "targeted, pp"
_KINDS_OF = {
    "poisoner": "name",
    _PLOT: "plot wide",
    _SCORE: "number score",
    "own splits, pp": "wide",
    "95 % interval": "number",
    "beats random": "verdict wide",
    "damages": "verdict",
    "damage, pp": "wide",
    "worst architecture": "wide least",
}
"""Column -> the classes of its cells: how they are shown, and which of the first ones narrow screens leave out."""
_ASCENDING = ("rank", "poisoner", "damage rank", STRONG_DAMAGE_RANK, "flags", "trainings", "trust", "record")
"""Columns whose best value is the least."""
LINKS = {
    "Repository": PROJECT,
    "Rules": f"{PROJECT}/blob/main/leaderboard/PROTOCOL.md",
    "Submit a poisoner": f"{PROJECT}/blob/main/CONTRIBUTING.md",
    "The thesis, reproduced": f"{PROJECT}/blob/main/leaderboard/thesis/README.md",
    "CSV": "board.csv",
    "JSON": "board.json",
    "BibTeX": "board.bib",
}
"""What the head of the page leads to."""


@dataclass(frozen=True)
class Cell:
    """One cell of a row.

    Attributes:
        name: its column.
        text: what is shown.
        key: what the column is sorted by; empty if there is no value.
        href: where it leads; empty if nowhere.
        kind: `beats`, `unclear` or `worse` if it is coloured and marked by that; else empty.
    """

    name: str
    text: str | Markup
    key: str
    href: str = ""
    kind: str = ""

    @property
    def mark(self) -> str:
        """What says its kind without colour."""
        return forest.MARKS.get(self.kind, "")


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
        first=_FIRST,
        ascending=_ASCENDING,
        sorted_by=_sorted_by,
        kind_of=lambda name: _KINDS_OF.get(name, ""),
        scale=lambda table: forest.scale(forest.strips(table)),
        plot=_PLOT,
        same_arms=_same_arms,
        links=LINKS,
        legend=[(kind, forest.MARKS[kind], words) for kind, words in forest.WORDS.items()],
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
    """The columns that a table has values in; the first `_FIRST` say who wins and by how much."""
    own = ["own splits, pp"] if any(row.own for row in table.rows) else []
    names = ["rank", "poisoner", *own, _PLOT, _SCORE, "95 % interval", "beats random"]
    if table.track.damage is not None:
        names += ["damage, pp", "damage interval", "damage rank", "damages"]
    names.insert(6 + len(own), "worst architecture")
    names += [CLASSES] if any(row.classes for row in table.rows) else []
    names += ["beats search"]
    names += ["of the optimum, %", "worth random flips"] if any(row.optimal for row in table.rows) else []
    names += [NETWORK_WORTH] if table.random is not None else []
    strong = [STRONG_DAMAGE, STRONG_DAMAGE_RANK] if any(row.strong_damages for row in table.rows) else []
    names += ["audit, pp", *strong, "found, %"] if any(row.audit for row in table.rows) else []
    names += [_share_column(table, name) for name in _SHARES]
    return [*names, "flags", "trainings", "trust", "date", "record"]


def _same(table: Table, name: str) -> bool:
    """Whether a share is the same in every row's clean and random arms."""
    of = _SHARES[name]
    return len({tuple(row.record.arms[arm][of] for arm in ARMS[:2]) for row in table.rows}) == 1


def _share_column(table: Table, name: str) -> str:
    """The column of a share: of the poisoned arm alone where the other arms are the same for all rows."""
    arms = "" if _same(table, name) else " r / p" if name == "memorised" else " c / r / p"
    return f"{name}{arms}, %"


def _same_arms(table: Table) -> str:
    """What the clean and random arms do, where that is the same for all rows; empty if nothing is."""
    arms, parts = table.rows[0].record.arms, []
    for name, of in _SHARES.items():
        if _same(table, name):
            clean = "" if name == "memorised" else f"{share(arms['clean'][of])} clean, "
            parts.append(f"{name} {clean}{share(arms['random'][of])} random")
    return "; ".join(parts)


def _sorted_by(table: Table) -> str:
    """The column by which the rows stand in order, best first: the score's, unless a proven row stands above it."""
    drops = [row.drop for row in table.rows]
    return _SCORE if drops == sorted(drops, reverse=True) else ""


def _cells(table: Table, row: Row, records: str, root: Path | None) -> list[Cell]:
    score, arms, damage = row.record.score, row.record.arms, row.record.score.damage
    own, worst, link = row.own.score if row.own else None, score["worst_architecture"], source_link(row, root)
    label = plain(row.record.label)
    kind = forest.kind(row) if row.beats_random else ""
    damages = forest.KINDS[row.damages] if row.damages else ""
    strip, ends = forest.strip(forest.strips(table), row), damage.ci95_pp if damage else None

    def of_share(name: str) -> Cell:
        of, column = _SHARES[name], _share_column(table, name)
        shown = ARMS[2:] if _same(table, name) else ARMS[1:] if name == "memorised" else ARMS
        return _cell(column, " / ".join(share(arms[arm][of]) for arm in shown), arms["poisoned"][of])

    cells = [
        _cell("rank", ranks(row.ranks), row.ranks[0] if row.ranks else None),
        _cell("poisoner", _breakable(label), label.lower(), f"../{link}" if link else ""),
        _cell(_PLOT, strip, row.drop),
        _cell(_SCORE, points(row.drop), row.drop, kind=kind),
        _cell("95 % interval", interval(score["ci95_pp"]), score["ci95_pp"][0]),
        _cell("beats random", _verdict(row.beats_random, row.p_holm), _sureness(row.p_holm, row.drop), kind=kind),
        _cell(
            "own splits, pp",
            f"{points(own['drop_pp'])} {interval(own['ci95_pp'])}" if own else "–",
            own["drop_pp"] if own else None,
            f"{records}/{quote(row.own_path)}" if row.own else "",
        ),
        _cell("damage, pp", points(damage.drop_pp) if damage else "–", damage.drop_pp if damage else None, "", damages),
        _cell("damage interval", interval(ends), ends[0] if ends else None),
        _cell("damage rank", ranks(row.damage_ranks), row.damage_ranks[0] if row.damage_ranks else None),
        _cell(
            "damages",
            _verdict(row.damages, row.damage_p_holm),
            _sureness(row.damage_p_holm, damage.drop_pp if damage else None),
            kind=damages,
        ),
        _cell(
            CLASSES,
            interval(row.classes.ends if row.classes else None),
            row.classes.low if row.classes else None,
        ),
        _cell("beats search", row.above_search or "–", row.above_search),
        _cell("of the optimum, %", optimal(row), row.optimal.mean if row.optimal else None),
        _cell("worth random flips", worth(row.worth), row.worth.flips if row.worth else None),
        _cell(NETWORK_WORTH, worth(row.network_worth), row.network_worth.flips if row.network_worth else None),
        _cell(
            "worst architecture",
            f"{worst['name']} {points(worst['drop_pp'])}" if worst else "–",
            worst["drop_pp"] if worst else None,
        ),
        _cell("audit, pp", audit(row), row.audit.drop_pp if row.audit else None),
        _cell(
            STRONG_DAMAGE,
            strong_damage(row),
            row.audit.damage.drop_pp if row.audit and row.audit.damage else None,
            kind=forest.KINDS[row.strong_damages] if row.strong_damages else "",
        ),
        _cell(
            STRONG_DAMAGE_RANK,
            ranks(row.strong_damage_ranks),
            row.strong_damage_ranks[0] if row.strong_damage_ranks else None,
        ),
        _cell("found, %", found(row), row.audit.found if row.audit else None),
        *map(of_share, _SHARES),
        _cell("flags", ", ".join(row.flags) or "–", ", ".join(row.flags)),
        _cell("trainings", str(row.trainings), row.trainings),
        _cell("trust", plain(row.trust), plain(row.trust)),
        _cell("date", row.record.started[:10], row.record.started),
        _cell("record", row.record.sha256[:8], row.record.sha256[:8], f"{records}/{quote(row.path)}"),
    ]
    by_name = {cell.name: cell for cell in cells}
    return [by_name[name] for name in columns(table)]


def _breakable(label: str) -> Markup:
    """A name that a narrow column breaks between its words first."""
    return Markup(re.sub(r"([_=(])", r"\1<wbr>", str(escape(label))))


def _cell(name: str, text: str | Markup, key: object, href: str = "", kind: str = "") -> Cell:
    return Cell(name, text, "" if key is None else str(key), href, kind)


def _verdict(shown: str | None, p: float | None) -> str | Markup:
    return "–" if shown is None else Markup('{} <span class="p">({})</span>').format(shown, probability(p))


def _sureness(p: float | None, drop: float | None) -> float | None:
    """What a verdict is sorted by: surely better first, surely worse last."""
    return None if p is None or drop is None else (1 - p) * (1 if drop > 0 else -1)


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
