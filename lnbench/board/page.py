"""The board as one self-contained page: no request, readable without JavaScript, strict about its content."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from lnbench.board import figures
from lnbench.board.markdown import READING, about, source_link, title
from lnbench.board.png import png
from lnbench.board.tables import Board, Row, Table
from lnbench.protocol import ARMS
from lnbench.record.record import meaning
from lnbench.text import interval, plain, points, probability, ranks, share

_LINK = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%#?=&+-]*)?")
_INTRO = (
    "A poisoner flips at most k training labels. Its score is how many percentage points lower the victims' "
    "adversarial accuracy (AA) is than under random flips of the same number, with a 95 % interval: positive beats "
    "random. Ranks are intervals too: what the data cannot tell apart shares them. The end of this page says how "
    "every column is made, and what a record does not show."
)


def render(board: Board, records: str, root: Path | None) -> str:
    """The page; arguments as in `markdown.render`."""
    package = resources.files(__package__)
    style = package.joinpath("page.css").read_text(encoding="utf-8") + figures.STYLE
    script = package.joinpath("page.js").read_text(encoding="utf-8")
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; img-src data:; {allowed}; base-uri 'none'; form-action 'none'"
    links = [f'<li><a href="#{escape(t.id)}">{escape(title(t))}</a></li>' for t in board.tables]
    sections = [_section(table, records, root) for table in board.tables]
    if board.history:
        links.append('<li><a href="#history">history</a></li>')
        sections.append(_history(board.history, records, root))
    if not sections:
        sections.append('<p class="none">There is no ranked record yet.</p>')
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lnbench leaderboard</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>lnbench leaderboard</h1>
<p>{escape(_INTRO)}</p>
<nav aria-label="Tracks"><ul>
{chr(10).join(links)}
</ul></nav>
</header>
<main>
{chr(10).join(sections)}
{_reading()}
</main>
<script>{script}</script>
</body>
</html>
"""


def _reading() -> str:
    """What the columns mean, in the words of the markdown page."""
    title, *items = re.split(r"\n+- ", READING)
    listed = (" ".join(item.split()) for item in items)
    marked = (re.sub(r"`(.+?)`", r"<code>\1</code>", re.sub(r"\*(.+?)\*", r"<em>\1</em>", escape(i))) for i in listed)
    return f"""<section aria-labelledby="reading">
<h2 id="reading">{escape(title.removeprefix("## "))}</h2>
<ul>
{chr(10).join(f"<li>{item}</li>" for item in marked)}
</ul>
</section>"""


def _section(table: Table, records: str, root: Path | None) -> str:
    name = escape(table.id)
    drawn = [figures.scores(table), figures.curves(table), figures.architectures(table)]
    return f"""<section class="track" id="{name}" aria-labelledby="{name}-title">
<h2 id="{name}-title">{escape(title(table))}</h2>
<p class="about">{escape(about(table))}</p>
<p class="filter" hidden><label>Filter rows <input type="search"></label> <span role="status"></span></p>
{_board(table, records, root)}
<p>Best score by date: {_best(table)}.</p>
{chr(10).join(drawn)}
</section>"""


def _best(table: Table) -> str:
    """Who had the best score when."""
    return escape(
        "; ".join(f"{row.record.started[:10]} {plain(row.record.label)} {points(row.drop)}" for row in table.records)
    )


def _history(tables: Sequence[Table], records: str, root: Path | None) -> str:
    parts = [
        f"<h3>{escape(title(t))}, version {t.track.version}, {t.track.sha256[:8]}</h3>\n{_board(t, records, root)}"
        for t in tables
    ]
    return f"""<section class="track" id="history" aria-labelledby="history-title">
<h2 id="history-title">History</h2>
<p class="about">Versions of tracks that are no longer current; their scores do not compare with the others.</p>
{chr(10).join(parts)}
</section>"""


_COLUMNS = (
    "rank",
    "poisoner",
    "score, pp",
    "95 % interval",
    "beats random",
    "worst architecture",
    *(f"AA {arm}, %" for arm in ARMS),
    "untargeted AA c / r / p, %",
    "clean accuracy c / r / p, %",
    "memorised r / p, %",
    "flags",
    "trainings",
    "trust",
    "date",
    "record",
)


def _board(table: Table, records: str, root: Path | None) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in _COLUMNS)
    bodies = "\n".join(_row(table, row, records, root) for row in table.rows)
    label = f"{title(table)}, version {table.track.version}, {table.track.sha256[:8]}"
    return f"""<div class="scroll" role="region" aria-label="{escape(f"Rows of {label}")}" tabindex="0">
<table class="board"><thead><tr>{heads}</tr></thead>
{bodies}
</table></div>"""


def _row(table: Table, row: Row, records: str, root: Path | None) -> str:
    score, arms = row.record.score, row.record.arms
    worst, link = score["worst_architecture"], source_link(row, root)
    links = {"poisoner": f"../{link}" if link else "", "record": f"{records}/{quote(row.path)}"}

    def several(name: str, of: Sequence[str] = ARMS) -> tuple[str, object]:
        return " / ".join(share(arms[arm][name]) for arm in of), arms["poisoned"][name]

    cells: list[tuple[str, object]] = [
        (ranks(row.ranks), row.ranks[0] if row.ranks else ""),
        (plain(row.record.label), plain(row.record.label).lower()),
        (points(row.drop), row.drop),
        (interval(score["ci95_pp"]), score["ci95_pp"][0]),
        (f"{row.beats_random or '–'} ({probability(row.p_holm)})", row.p_holm),
        (f"{worst['name']} {points(worst['drop_pp'])}" if worst else "–", worst["drop_pp"] if worst else None),
        *((share(arms[arm]["adv_acc"]), arms[arm]["adv_acc"]) for arm in ARMS),
        several("untargeted_adv_acc"),
        several("clean_acc"),
        several("memorised", ARMS[1:]),
        (", ".join(row.record.flags) or "–", ", ".join(row.record.flags)),
        (str(row.trainings), row.trainings),
        (row.trust, row.trust),
        (row.record.started[:10], row.record.started),
        (row.record.sha256[:8], row.record.sha256[:8]),
    ]
    shown = []
    for name, (text, value) in zip(_COLUMNS, cells, strict=True):
        key = "" if value is None else escape(str(value))
        head = name == "poisoner"
        tag = 'th scope="row"' if head else "td"
        inner = f'<a href="{escape(links[name])}">{escape(text)}</a>' if links.get(name) else escape(text)
        shown.append(f'<{tag} data-v="{key}">{inner}</{tag[:2]}>')
    summary = f"details<span> of {escape(plain(row.record.label))}</span>"
    return f"""<tbody><tr>{"".join(shown)}</tr>
<tr class="more"><td colspan="{len(_COLUMNS)}"><details><summary>{summary}</summary>
{_details(table, row, records, root)}
</details></td></tr></tbody>"""


def _details(table: Table, row: Row, records: str, root: Path | None) -> str:
    document, score = row.record.document, row.record.score
    poisoner, run = document["poisoner"], document["run"]
    link = source_link(row, root)
    parts, matched = score["parts_pp"], score.get("matched")
    alone = "; ".join(
        f"{name} {points(a['drop_pp'])} {interval(a['ci95_pp'])}, over the curve {points(a['area_pp'])}"
        for name, a in score["per_architecture"].items()
    )
    facts = {
        "what it does": escape(plain(poisoner["description"], 500)),
        "author": escape(plain(poisoner["author"])),
        "paper": _linked(plain(poisoner["paper"])),
        "licence": escape(plain(poisoner["license"])),
        "source": f'<a href="../{escape(link)}">{escape(link)}</a>' if link else "",
        "score by architecture, pp": escape(alone),
        "of the score, pp": escape(
            f"plain errors {points(parts['clean'])}, adversarial {points(parts['adversarial'])}; untargeted "
            f"{points(score['untargeted_drop_pp'])} {interval(score['untargeted_ci95_pp'])}; other test points "
            f"{interval(score['ci95_points_pp'])}; over the curve {points(score['area_pp'])}"
        ),
        "below random flips of the same allocation to the pairs, pp": escape(
            f"{points(matched['drop_pp'])} {interval(matched['ci95_pp'])}" if matched else ""
        ),
        "flags": "<br>".join(f"{escape(flag)}: {escape(meaning(flag))}" for flag in row.record.flags),
        "verified by": escape(
            "; ".join(f"{plain(v.by)}, {v.date}, {v.cells} cells trained" for v in row.verifications)
        ),
        "command": f"<code>{escape(plain(run['command'] or '', 400))}</code>" if run["command"] else "",
        "machine": escape(
            plain(f"{run['device'] or ''} {run['cpu'] or ''}, sandbox {document['sandbox']}, {run['seconds']} s")
        ),
        "record": f'<a href="{escape(records)}/{escape(quote(row.path))}">{row.record.sha256}</a>',
    }
    listed = "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value)
    return f"<dl>\n{listed}\n</dl>\n{figures.row_curves(table, row)}{_pictures(row)}"


def _pictures(row: Row) -> str:
    """Points that the poisoner flipped, if the record carries any."""
    found = row.record.document.get("thumbnails")
    if found is None:
        return ""
    shown = []
    for image in found["images"]:
        try:
            file = png(base64.b64decode(image["pixels"], validate=True), *found["shape"])
        except (ValueError, IndexError):  # `leaderboard check` refuses such a record
            continue
        what = f"{image['old']}→{image['new']}, split {image['split']}"
        name = f"Flipped point {image['index']} of split {image['split']}"
        data = base64.b64encode(file).decode()
        shown.append(
            f'<figure><img src="data:image/png;base64,{data}" width="56" height="56" alt="{name}">'
            f"<figcaption>{what}</figcaption></figure>"
        )
    return f'\n<p>Flipped points, the first {len(shown)}:</p>\n<div class="pictures">{"".join(shown)}</div>'


def _linked(text: str) -> str:
    """A link if the whole text is a plain https address."""
    if _LINK.fullmatch(text):
        return f'<a href="{escape(text)}" rel="nofollow noopener">{escape(text)}</a>'
    return escape(text)


def _hash(text: str) -> str:
    """The source expression that lets exactly this inline text through."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
