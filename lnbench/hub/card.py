"""The dataset card, the page that the Hub shows: ours is written here, and a stranger's is checked."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

from lnbench import templates
from lnbench.board.project import PROJECT
from lnbench.errors import RecordError
from lnbench.hub import croissant as croissants
from lnbench.hub import dataset_info, flips, layout, manifest
from lnbench.hub.address import Address
from lnbench.hub.eval_results import paper_tags
from lnbench.hub.licences import licence
from lnbench.hub.manifest import Manifest
from lnbench.protocol import ARMS
from lnbench.record.record import Record, meaning
from lnbench.text import Markdown, interval, plain, points, steers

TAG = "lnbench"
"""The tag that every lnbench dataset has."""
TAGS = ("label-noise", "data-poisoning", "adversarial-robustness", "poisoned")
_HTML = re.compile(r"<[A-Za-z/!?]")
_DEEPEST = 16
"""Levels of a card's header; PyYAML takes minutes for a few kilobytes of nested brackets."""
_UNFIT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What PyYAML raises for a scalar that is not of the type its tag states."""
_SCHEME = re.compile(r"(?i)\](?:\(|:)(javascript|vbscript|data):")
_INVISIBLE = re.compile(r"\n>+|[\s\\\u200b-\u200f\u2060\ufeff]")
"""What a browser or a markdown reader may leave out of a link's scheme."""
_SHARES = {
    "adv_acc": "adversarial accuracy",
    "untargeted_adv_acc": "… untargeted",
    "clean_acc": "clean accuracy",
    "source_clean_acc": "… of the source class",
    "memorised": "memorised flips",
}


def track_tag(name: str) -> str:
    """The tag of all datasets of a track."""
    return f"lnbench-track-{name}"


def environment() -> Environment:
    """The templates of cards, with the filters that they use."""
    made = templates.markdown("lnbench.hub")
    made.filters.update(yaml=_yaml_of, literal=_literal, bibtex=_bibtex)
    return made


def render(record: Record, stated: Manifest, repo: str) -> str:
    """The card of a dataset.

    Args:
        stated: the dataset's manifest.
        repo: `user/name`.
    """
    track, terms = record.track, licence(record.track.data.source)
    return (
        environment()
        .get_template("card.md.jinja")
        .render(
            record=record,
            track=track,
            poisoner=record.document["poisoner"],
            terms=terms,
            credit=Markdown(terms.credit),
            repo=repo,
            splits=stated.splits,
            first=layout.config(stated.splits[0]),
            last=layout.config(stated.splits[-1]),
            images=stated.images,
            flips=sum(entry["flips"] for entry in stated.document["splits"]),
            title=f"{plain(record.label, 80)} on {track.name} (poisoned labels)",
            size=size_category(track.data.train * len(stated.splits)),
            tags=[TAG, track_tag(track.name), *TAGS, *paper_tags(record.poisoner.paper)],
            facts={"poisoner": plain(record.label, 120)} | _facts(stated),
            configs=layout.configs(stated),
            shares=_SHARES,
            arms=ARMS,
            figure=Markdown(layout.FIGURE),
            picture=Markdown(flips.PICTURE) if flips.PICTURE in stated.document["files"] else None,
            listed=flips.CONFIG if flips.PATH in stated.document["files"] else None,
            project=Markdown(PROJECT),
            meaning=meaning,
        )
    )


def croissant(record: Record, repo: str, files: Mapping[str, Mapping[str, Any]], images: bool) -> bytes:
    """The Croissant file of a dataset.

    Args:
        files: path -> `bytes` and `sha256`, at least of the tables.
    """
    terms = [licence(record.track.data.source)]
    return croissants.render(
        address=Address(repo),
        name=repo.replace("/", "-"),
        description=f"Labels of {record.track.name}, poisoned on purpose by {plain(record.label, 120)} and scored by "
        f"lnbench: {points(record.score.drop_pp)} percentage points {interval(record.score.ci95_pp)}.",
        terms=terms,
        date=record.started[:10],
        creator=plain(record.poisoner.author, 100) or "anonymous",
        cite=plain(record.poisoner.paper, 300) or f"lnbench record {record.sha256}",
        files=files,
        tables=layout.croissant_tables(files, images),
        responsible=croissants.Responsible(
            labels=f"At most {record.track.noise.budget} training labels of every split were changed on purpose by a "
            "program, so that models trained on them are easier to attack; `flipped` marks them. Test labels are true.",
            use="Research on label noise and on defences against it. Train nothing on it that you want to rely on.",
            limits="The score is that of one track's victims, adversary and radius; it says nothing about others.",
            synthetic=True,
        ),
    )


def _yaml_of(value: Any) -> Markdown:
    """A value in the header: JSON, which YAML includes."""
    return Markdown(json.dumps(value))


def _literal(text: str) -> Markdown:
    """A name inside a literal of a code block."""
    return Markdown(re.sub(r"[^A-Za-z0-9_./@-]", "", text))


def _bibtex(text: str) -> Markdown:
    """Text in a field of a BibTeX entry."""
    return Markdown(plain(text, 100).translate(_BIBTEX))


def _facts(stated: Manifest) -> dict[str, Any]:
    """What `lnbench search` reads in the header: the manifest's words, so that a card cannot claim other ones."""
    track, record = stated.track, stated.document["record"]
    return {
        "track": track.name,
        "track_sha256": track.sha256,
        "score_pp": record["drop_pp"],
        "ci95_pp": record["ci95_pp"],
        "record": record["sha256"],
        "splits": len(stated.splits),
        "flips": track.noise.budget,
        "images": stated.images,
    }


def size_category(rows: int) -> str:
    """The Hub's size category."""
    steps = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]
    return next((name for most, name in steps if rows < most), "10M<n<100M")


_BIBTEX = str.maketrans("", "", "{}\\`<>~^$%&#")


def check(data: bytes, stated: Manifest) -> None:
    """Check a stranger's card: what the Hub's page and `load_dataset` make of it must be harmless and true.

    Args:
        stated: the manifest that came with it.

    Raises:
        RecordError: for HTML, links that run something, characters that act unseen, or a header that points to other
            tables than the manifest's.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordError(f"{layout.CARD} is not UTF-8.") from None
    opening, header, body = _divided(text)
    if opening or not header:
        raise RecordError(f"{layout.CARD} does not begin with a YAML header between two lines of three dashes.")
    if (tag := _HTML.search(body)) is not None:
        line = body[: tag.start()].count("\n") + 1
        raise RecordError(f"{layout.CARD} holds HTML in line {line} of its text; a card is markdown only.")
    if (scheme := _SCHEME.search(_INVISIBLE.sub("", html.unescape(body)))) is not None:
        raise RecordError(f"{layout.CARD} holds a {scheme[1].lower()}: link.")
    if steers(text):
        raise RecordError(f"{layout.CARD} holds control characters, or others that act on the text unseen.")
    fields = _yaml(header)
    if fields.get("configs") != layout.configs(stated):
        raise RecordError(
            f"the header of {layout.CARD} does not name the tables of {len(stated.splits)} splits as `configs`."
        )
    if not isinstance(fields.get("viewer", True), bool):
        raise RecordError(f"the header of {layout.CARD} has a 'viewer' that is neither true nor false.")
    if dataset_info.NAME in fields:
        dataset_info.check(stated, fields[dataset_info.NAME])
    claimed = fields.get(TAG, {})
    if not isinstance(claimed, dict):
        raise RecordError(f"the header of {layout.CARD} has a {TAG!r} that is not a mapping.")
    for name, value in _fields(json.dumps(_facts(stated))).items():
        if name in claimed and claimed[name] != value:
            raise RecordError(
                f"the header of {layout.CARD} claims {name} {plain(str(claimed[name]), 60)}, {manifest.NAME} states "
                f"{plain(str(value), 80)}."
            )


def _divided(text: str) -> tuple[str, str, str]:
    """What stands before the header, the header, and the body."""
    before, first, rest = text.partition("---\n")
    header, second, body = rest.partition("\n---\n")
    return (before, header, body) if first and second else (text, "", "")


def _yaml(header: str) -> dict[str, Any]:
    """The header's fields; refused are aliases, which make a short text huge, deep nesting, which is slow to read, and
    keys that stand there twice."""
    import yaml

    depth = 0
    try:
        for event in yaml.parse(header, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise RecordError(f"the header of {layout.CARD} nests its fields more than {_DEEPEST} deep.")
        _check_node(yaml.compose(header, Loader=yaml.SafeLoader), set())
        return _fields(header)
    except (yaml.YAMLError, *_UNFIT) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RecordError(f"the header of {layout.CARD} is not YAML ({why}).") from None


def _fields(header: str) -> dict[str, Any]:
    import yaml

    fields = yaml.safe_load(header)
    if not isinstance(fields, dict):
        raise RecordError(f"the header of {layout.CARD} is not a YAML mapping.")
    return fields


def _check_node(node: Any, seen: set[int]) -> None:
    """Raise RecordError if a node of a YAML document is met again, or a mapping in it has a key twice."""
    if id(node) in seen:
        raise RecordError(f"the header of {layout.CARD} uses YAML aliases.")
    seen.add(id(node))
    children = node.value if node is not None and isinstance(node.value, list) else []
    pairs = [child for child in children if isinstance(child, tuple)]
    keys = sorted(key.value for key, _ in pairs if isinstance(key.value, str))
    if twice := [one for one, other in itertools.pairwise(keys) if one == other]:
        raise RecordError(f"the header of {layout.CARD} has the key {twice[0][:60]!r} twice.")
    for child in itertools.chain.from_iterable(pairs) if pairs else children:
        _check_node(child, seen)
