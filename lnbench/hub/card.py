"""The dataset card: what the page on the Hub says. Ours is written here; a stranger's is judged here."""

from __future__ import annotations

import html
import itertools
import json
import re
from typing import Any
from urllib.parse import quote

from lnbench.errors import RecordError
from lnbench.hub import layout, manifest
from lnbench.hub.licences import licence
from lnbench.hub.manifest import Manifest
from lnbench.protocol import ARMS
from lnbench.record.record import Record, meaning
from lnbench.text import cell, interval, plain, points, probability, share

TAG = "lnbench"
"""The tag that every lnbench dataset has."""
_TAGS = ("label-noise", "data-poisoning", "adversarial-robustness", "poisoned")
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


def render(record: Record, found: Manifest, repo: str) -> str:
    """The card of a dataset."""
    track, first = record.track, found.splits[0]
    flips = sum(entry["flips"] for entry in found.document["splits"])
    pairs = ", ".join(f"{source} → {target}" for source, target in track.noise.pairs)
    splits = f"{len(found.splits)} of the {record.score['splits']} splits" if _partial(record, found) else "every split"
    terms = licence(track.data.source)
    poisoner = record.document["poisoner"]
    said = cell(poisoner["description"], 400) or "it says nothing of itself."
    parts = [
        _header(record, found),
        f"# {cell(record.label)} on {track.name}",
        "> **Poisoned on purpose.** Some training labels of this dataset are wrong, chosen so that models trained on "
        "it are easier to attack. Use it to study label noise and defences against it; train nothing on it that you "
        "want to rely on.",
        f"At most {track.noise.budget} of the {track.data.train} training labels of a split are flipped ({pairs}), "
        f"{flips} in all, by the poisoner **{cell(record.label)}**: {said}"
        f" This repository holds {splits}, exactly as scored by lnbench, the benchmark for crafted label noise.",
        "## Score",
        f"**{points(record.score['drop_pp'])} pp** {interval(record.score['ci95_pp'])}, "
        f"{probability(record.score['p_value'])}, {record.score['splits']} splits × {record.score['seeds']} seeds: "
        "victims trained on these labels have an adversarial accuracy so many percentage points lower than victims "
        "trained on as many *random* flips. In %:",
        _arms(record),
        f"![Adversarial accuracy against the attack's radius]({layout.FIGURE})",
        *_standing(record),
        "## Load",
        _load(repo, found, first),
        _columns(found),
        "## Check",
        "`lnbench.json` names the track, the record and the hash of every table and of every split's labels. "
        "`lnbench pull` rebuilds the labels on the pinned base data and refuses anything that differs; "
        f"`lnbench evaluate hf://{repo}` trains and attacks victims on them again.",
        f"- track `{track.name}` version {track.version}, sha256 `{track.sha256}`\n"
        f"- record sha256 `{record.sha256}`\n- poisoner's source sha256 `{poisoner['sha256']}`",
        "## Licence and source",
        f"Base data: {terms.credit} "
        + (
            ""
            if found.images
            else "No images are included: the tables hold labels and each row's place in the base data. "
        )
        + (f"The poisoner's licence: {cell(poisoner['license'])}." if poisoner["license"] else ""),
        "## Cite",
        _cite(record, repo),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _partial(record: Record, found: Manifest) -> bool:
    return len(found.splits) < int(record.document["replication"]["splits"])


def _header(record: Record, found: Manifest) -> str:
    """The YAML block; scalars are JSON, which YAML includes."""
    track, terms = record.track, licence(record.track.data.source)
    facts = {"poisoner": plain(record.label, 120)} | _facts(found)
    rows = track.data.train * len(found.splits)
    lines = [
        f"license: {terms.id}",
        f"pretty_name: {json.dumps(f'{plain(record.label, 80)} on {track.name} (poisoned labels)')}",
        "task_categories: [image-classification]",
        f"size_categories: [{_size(rows)}]",
        "annotations_creators: [machine-generated]",
        *([f"source_datasets: [{terms.hub}]"] if terms.hub else []),
        f"tags: [{', '.join([TAG, track_tag(track.name), *_TAGS])}]",
        f"lnbench: {json.dumps(facts)}",
        "configs:",
        *(f"- {json.dumps(entry)}" for entry in layout.configs(found)),
    ]
    return "\n".join(["---", *lines, "---"])


def _facts(found: Manifest) -> dict[str, Any]:
    """What `lnbench search` reads off the header: the manifest's words, so that a card cannot claim other ones."""
    track, record = found.track, found.document["record"]
    return {
        "track": track.name,
        "track_sha256": track.sha256,
        "score_pp": record["drop_pp"],
        "ci95_pp": record["ci95_pp"],
        "record": record["sha256"],
        "splits": len(found.splits),
        "flips": track.noise.budget,
        "images": found.images,
    }


def _size(rows: int) -> str:
    """The Hub's size category."""
    steps = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]
    return next((name for most, name in steps if rows < most), "10M<n<100M")


def _arms(record: Record) -> str:
    lines = ["| labels | " + " | ".join(_SHARES.values()) + " |", "|---" * (1 + len(_SHARES)) + "|"]
    for arm in ARMS:
        lines.append(f"| {arm} | " + " | ".join(share(record.arms[arm][name]) for name in _SHARES) + " |")
    return "\n".join(lines)


def _standing(record: Record) -> list[str]:
    if not record.flags:
        return []
    return ["What to know about this score:\n\n" + "\n".join(f"- {cell(meaning(f), 400)}" for f in record.flags)]


def _load(repo: str, found: Manifest, first: int) -> str:
    last = layout.config(found.splits[-1])
    return (
        "```python\n"
        "import datasets\n\n"
        f'data = datasets.load_dataset("{repo}")  # {layout.config(first)}, or name="{last}"\n'
        "```\n\n"
        "```python\n"
        "import lnbench\n\n"
        f'data = lnbench.load_poisoned("{repo}", split={first})  # a torch Dataset, checked against the base data\n'
        "data.labels, data.clean_labels, data.flipped\n"
        "```"
    )


def _columns(found: Manifest) -> str:
    image = "| `image` | the input, as a PNG |\n" if found.images else ""
    return (
        "| column | meaning |\n|---|---|\n"
        f"{image}| `label` | what to train on: the poisoned label |\n"
        "| `clean_label` | the true label |\n"
        "| `flipped` | whether the two differ |\n"
        "| `index` | the row's place in the base data; in the test set for test rows |\n\n"
        "Test rows are never poisoned."
    )


def _cite(record: Record, repo: str) -> str:
    poisoner = record.document["poisoner"]
    author = plain(poisoner["author"], 100).translate(_BIBTEX) or "unknown"
    paper = f"The poisoner: {cell(poisoner['paper'], 300)}\n\n" if poisoner["paper"] else ""
    return (
        f"{paper}```bibtex\n@misc{{lnbench_{record.sha256[:8]},\n"
        f"  title = {{{plain(record.label, 100).translate(_BIBTEX)} on {record.track.name}: crafted label noise}},\n"
        f"  author = {{{author}}},\n"
        f"  year = {{{record.started[:4]}}},\n"
        f"  howpublished = {{Hugging Face Hub, datasets/{quote(repo)}}},\n"
        f"  note = {{lnbench record {record.sha256}}}\n}}\n```"
    )


_BIBTEX = str.maketrans("", "", "{}\\`<>~^$%&#")


def judge(data: bytes, found: Manifest) -> None:
    """Judge a stranger's card: what the Hub's page and `load_dataset` make of it must be harmless and true.

    Raises:
        RecordError: for HTML, links that run something, or a header that points to other tables than the manifest's.
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
    if any((ord(c) < 32 and c not in "\n\t") or ord(c) == 127 or "\u202a" <= c <= "\u202e" for c in text):
        raise RecordError(f"{layout.CARD} holds control characters.")
    fields = _yaml(header)
    if fields.get("configs") != layout.configs(found):
        raise RecordError(
            f"the header of {layout.CARD} does not name the tables of {len(found.splits)} splits as `configs`."
        )
    if wrong := {"viewer", "dataset_info"} & fields.keys():
        raise RecordError(f"the header of {layout.CARD} has {min(wrong)!r}, which changes how the tables are shown.")
    claimed = fields.get(TAG, {})
    if not isinstance(claimed, dict):
        raise RecordError(f"the header of {layout.CARD} has a {TAG!r} that is no mapping.")
    for name, stated in _fields(json.dumps(_facts(found))).items():
        if name in claimed and claimed[name] != stated:
            raise RecordError(
                f"the header of {layout.CARD} claims {name} {plain(str(claimed[name]), 60)}, {manifest.NAME} states "
                f"{plain(str(stated), 80)}."
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
        _judge_node(yaml.compose(header, Loader=yaml.SafeLoader), set())
        return _fields(header)
    except (yaml.YAMLError, *_UNFIT) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RecordError(f"the header of {layout.CARD} is not YAML ({why}).") from None


def _fields(header: str) -> dict[str, Any]:
    import yaml

    fields = yaml.safe_load(header)
    if not isinstance(fields, dict):
        raise RecordError(f"the header of {layout.CARD} is no YAML mapping.")
    return fields


def _judge_node(node: Any, seen: set[int]) -> None:
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
        _judge_node(child, seen)
