"""An experiment from its cells to its files: the store, the JSON, the figure, the page; and the check for drift."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lnbench import __version__
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.evaluation.code_hash import module_sha256
from lnbench.evaluation.engine import engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import Progress
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.store import Store
from lnbench.files import write_atomically
from lnbench.protocol import sha256
from lnbench.thesis import drawing, page
from lnbench.thesis.experiment import ABSENT, load, names, settings_of

_KIND = "experiments"
_LATE = ("verdicts", "draw", "TITLE", "THESIS", "QUICK", "FULL", "CHOICES")
"""Names of an experiment that its cells' results do not depend on."""


def measure(
    name: str, level: str, workers: int, notify: Callable[[Progress], None], store: Store | None = None
) -> dict[str, Any]:
    """Run an experiment's cells, those that are not in the store, and judge what they found: its JSON document.

    Raises:
        ProtocolError: if there is no such experiment.
        DataError: if its data is not here.
    """
    experiment, kept = load(name), store or Store()
    settings = dict(settings_of(experiment, level))
    cells = experiment.cells(settings)
    run = {
        "code": module_sha256(f"lnbench.thesis.experiments.{name.replace('-', '_')}", _LATE),
        "environment": environment()["id"],
    }
    keys = [{"experiment": name, "cell": cell, **run} for cell in cells]
    requests = [{"experiment": name, "cell": cell} for cell in cells]
    pool = engine("local", workers)

    def keep(i: int, result: Result) -> None:
        if not result.get(ABSENT):  # the data may be here next time
            kept.put(_KIND, keys[i], result)

    def compute(missing: list[int]) -> Iterator[tuple[int, float, Result | None]]:
        for at, share, result in pool.map("lnbench.thesis.experiment:run_cell", [requests[i] for i in missing]):
            yield at, share, None if result is None else _rounded(result)

    results = gather(
        name, [1] * len(cells), load=lambda i: kept.get(_KIND, keys[i]), compute=compute, keep=keep, notify=notify
    )
    document = {
        "experiment": name,
        "level": level,
        "settings": settings,
        "found": [{"cell": cell, "result": results[i]} for i, cell in enumerate(cells)],
        "run": {**run, "lnbench": __version__, "torch": importlib.metadata.version("torch")},
    }
    return judged(document)


def judged(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with its words and verdicts made again from its numbers."""
    experiment, settings = load(document["experiment"]), document["settings"]
    verdicts = experiment.verdicts(settings, document["found"])
    words = {
        "title": experiment.TITLE,
        "thesis": experiment.THESIS,
        "choices": [choice.format(**settings) for choice in experiment.CHOICES],
        "verdicts": [verdict.document() for verdict in verdicts],
    }
    return {**document, **_rounded(words)}


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write an experiment's JSON and its figure, and the page of all experiments in the folder.

    Raises:
        UnavailableError: if the folder cannot be written, or matplotlib is missing.
    """
    experiment, name = load(document["experiment"]), document["experiment"]
    data = _text(document)
    svg = drawing.svg(lambda: experiment.draw(document["settings"], document["found"]), _source(name, data))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.json", data)
        write_atomically(folder / f"{name}.svg", svg)
        write_atomically(folder / page.NAME, page.render(read_all(folder)))
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}.") from None
    return [folder / f"{name}.json", folder / f"{name}.svg"]


def redraw(folder: Path) -> list[Path]:
    """Judge and draw everything in a folder again from its JSON files."""
    return [path for document in read_all(folder) for path in write(judged(document), folder)]


def drifted(folder: Path) -> list[Path]:
    """Files of a folder that are not what its JSON files' numbers say.

    A figure is compared by the checksum of the JSON it was drawn from, which it carries: its bytes change with the
    plotting library's version.
    """
    wrong = []
    documents = read_all(folder)
    for document in documents:
        path = folder / f"{document['experiment']}.json"
        if path.read_bytes() != _text(judged(document)):
            wrong.append(path)
        figure = path.with_suffix(".svg")
        if not figure.exists() or _source(path.stem, path.read_bytes()) not in figure.read_text(encoding="utf-8"):
            wrong.append(figure)
    beside = folder / page.NAME
    if not beside.exists() or beside.read_bytes() != page.render(documents):
        wrong.append(beside)
    return wrong


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The documents in a folder, in the order of the thesis.

    Raises:
        ProtocolError: if there are none.
        DataError: naming a file that is no experiment's document.
    """
    found = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise ProtocolError(f"there are no experiments' JSON files in {folder}; `lnbench reproduce NAME` makes one.")
    return [found[name] for name in names() if name in found]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        if document["experiment"] == path.stem and document["experiment"] in names():
            return dict(document)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: expected the document of an experiment; delete it or run `lnbench reproduce` again.")


def _source(name: str, data: bytes) -> str:
    """What a figure says it was drawn from."""
    return f"drawn from {name}.json, sha256 {sha256(data)}"


def _text(document: Mapping[str, Any]) -> bytes:
    """A document as JSON, one line per cell, verdict or other value, so that a change shows as a change."""
    lines = []
    for key, value in sorted(document.items()):
        if isinstance(value, list) and value:
            inner = ",\n".join("  " + json.dumps(v, sort_keys=True, ensure_ascii=False, allow_nan=False) for v in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _rounded(value: Any) -> Any:
    """JSON values with floats of six significant digits; NaN and infinities are None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value
