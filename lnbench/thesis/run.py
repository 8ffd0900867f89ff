"""Measure an experiment, write its JSON, its figure and the page, and check that they still agree."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lnbench import __version__
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.evaluation import nodes
from lnbench.evaluation.code_hash import module_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import Progress
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.store import Store
from lnbench.files import write_atomically
from lnbench.protocol import sha256
from lnbench.thesis import drawing, epsilon, experiments, extension, images, networks, page
from lnbench.thesis.experiment import ABSENT, Experiment, Settings, settings_of
from lnbench.thesis.verdicts import void_unless_memorised

_KIND = "experiments"
_NOT_MEASURED = ("verdicts", "draw", "TITLE", "THESIS", "QUICK", "FULL", "CHOICES", "PLAN")
"""Names in an experiment's module on which the results of its cells do not depend."""


def measure(
    name: str,
    level: str,
    workers: int | None,
    notify: Callable[[Progress], None],
    store: Store | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Measure the cells of an experiment that are not in the store, and return its JSON document.

    Args:
        name: of the experiment.
        level: a key of `LEVELS`.
        workers: processes that measure at once; None for one per core or GPU.
        notify: told how far the work is, after every report of a cell.
        store: where results are looked up and kept; the default store if None.
        folder: if given, the results in its JSON file of the experiment are kept, wherever they were measured.

    Raises:
        ProtocolError: if there is no such experiment, or the folder's file is not there or not of this level.
        DataError: if its data is not on this machine, or the folder's file is not an experiment's document.
        UnavailableError: if its device is not here.
    """
    experiment, store = experiments.load(name), store or Store()
    settings = dict(settings_of(experiment, level))
    cells = experiment.cells(settings)
    device = networks.device_of(cells[0])
    run = {
        "code": module_sha256(experiments.module_name(name), _NOT_MEASURED),
        "environment": environment(device)["id"],
    }
    before = None if folder is None else read(name, folder)
    kept = extension.kept(before, level, cells) if before else {}
    keys = [{"experiment": name, "cell": extension.alone(cell), **run} for cell in cells]
    requests = [{"experiment": name, "cell": cell} for cell in cells]
    pool = nodes.engine("local", workers, device)

    def keep(i: int, result: Result) -> None:
        if not result.get(ABSENT):  # the data may be here next time
            store.put(_KIND, keys[i], result)

    def compute(missing: list[int]) -> Iterator[tuple[int, float, Result | None]]:
        for at, share, result in pool.map("lnbench.thesis.experiments:run_cell", [requests[i] for i in missing]):
            yield at, share, None if result is None else _rounded(result)

    def load(i: int) -> Result | None:
        return kept.get(i) or store.get(_KIND, keys[i])

    results = gather(name, [1] * len(cells), load=load, compute=compute, keep=keep, notify=notify)
    document = {
        "experiment": name,
        "level": level,
        "settings": settings,
        "found": [{"cell": cell, "result": results[i]} for i, cell in enumerate(cells)],
        "run": {**run, "lnbench": __version__, "torch": importlib.metadata.version("torch")},
    }
    if before:
        document |= extension.origin(before, kept=len(kept), new=len(cells) - len(kept))
    return with_verdicts(document)


def with_verdicts(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with its sentences and verdicts made anew from its settings and results.

    If the experiment says that too few flips were memorised, its other verdicts are void.
    """
    experiment, settings = experiments.load(document["experiment"]), document["settings"]
    verdicts = void_unless_memorised(experiment.verdicts(settings, document["found"]))
    sentences = {
        "title": experiment.TITLE,
        "thesis": experiment.THESIS,
        "choices": choices(experiment, settings),
        "verdicts": [verdict.document() for verdict in verdicts],
    }
    return {**document, **_rounded(sentences)}


def choices(experiment: Experiment, settings: Settings) -> list[str]:
    """An experiment's `CHOICES` at some settings.

    `{architecture}` stands for their network in words, `{arithmetic}` for ", in bfloat16" where it is trained so, and
    `{sampling}` for what their replicates differ in (`{sampling_untested}` without a word on test points), `{rule}`
    for how ε is set.
    """
    words = {"architecture": networks.in_words(settings)} if {"network", "width"} & settings.keys() else {}
    words["arithmetic"] = ", in bfloat16" * (settings.get("recipe", {}).get("precision") == "bf16")
    for name, tested in (("sampling", True), ("sampling_untested", False)):
        words[name] = images.sampling(settings, tested=tested) if {"train", "test", "splits"} <= settings.keys() else ""
    words["rule"] = epsilon.rule(settings["epsilon"]) if "epsilon" in settings else ""
    return [choice.format(**settings, **words) for choice in experiment.CHOICES]


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write an experiment's JSON and figure, and the page of all experiments in the folder; return the first two.

    The verdicts of a level `quick` that is replaced stay in the document of level `full`, as `small`: claim -> verdict.

    Raises:
        UnavailableError: if the folder cannot be written, or matplotlib is missing.
    """
    name, experiment = document["experiment"], experiments.load(document["experiment"])
    document = _beside_small(document, folder / f"{name}.json")
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


def _beside_small(document: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """A document of level `full` with what was found at level `quick` before, if the file that it replaces says so."""
    if document["level"] == "quick" or not path.exists():
        return document
    try:
        before = _read(path)
    except DataError:
        return document
    small = {verdict["claim"]: verdict["verdict"] for verdict in before["verdicts"]}
    kept = small if before["level"] == "quick" else before.get("small")
    return {**document, "small": kept} if kept else document


def redraw(folder: Path) -> list[Path]:
    """Make the verdicts, figures and page of a folder anew from the results in its JSON files; return what was written.

    Raises:
        ProtocolError, DataError: as `read_all`.
    """
    return [path for document in read_all(folder) for path in write(with_verdicts(document), folder)]


def drifted(folder: Path) -> list[Path]:
    """Files of a folder that do not follow from the results in its JSON files.

    A figure names the SHA-256 of the JSON file that it was drawn from, and only that is compared: its bytes change
    with the version of matplotlib.

    Raises:
        ProtocolError, DataError: as `read_all`.
    """
    wrong = []
    documents = read_all(folder)
    for document in documents:
        path = folder / f"{document['experiment']}.json"
        if path.read_bytes() != _text(with_verdicts(document)):
            wrong.append(path)
        figure = path.with_suffix(".svg")
        if not figure.exists() or _source(path.stem, path.read_bytes()) not in figure.read_text(encoding="utf-8"):
            wrong.append(figure)
    overview = folder / page.NAME
    if not overview.exists() or overview.read_bytes() != page.render(documents):
        wrong.append(overview)
    return wrong


def read(name: str, folder: Path) -> dict[str, Any]:
    """The document of an experiment in a folder.

    Raises:
        ProtocolError: if the folder has none.
        DataError: if its file is not the document of the experiment.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        raise ProtocolError(f"{path} is not there, so that there is nothing to extend; run without --extend.")
    return _read(path)


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The documents in a folder, in the order of the thesis.

    Raises:
        ProtocolError: if the folder holds none.
        DataError: if a JSON file is not the document of the experiment that it is named after.
    """
    documents = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    if not documents:
        raise ProtocolError(f"there are no experiments' JSON files in {folder}; `lnbench reproduce NAME` makes one.")
    return [documents[name] for name in experiments.names() if name in documents]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        if document["experiment"] == path.stem and document["experiment"] in experiments.names():
            return dict(document)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: expected the document of an experiment; delete it or run `lnbench reproduce` again.")


def _source(name: str, data: bytes) -> str:
    """The note in a figure about the JSON file that it was drawn from."""
    return f"drawn from {name}.json, sha256 {sha256(data)}"


def _text(document: Mapping[str, Any]) -> bytes:
    """A document as JSON with one line per cell, verdict or other value, so that a diff shows what changed."""
    lines = []
    for key, value in sorted(document.items()):
        if isinstance(value, list) and value:
            inner = ",\n".join("  " + json.dumps(v, sort_keys=True, ensure_ascii=False, allow_nan=False) for v in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _rounded(value: Any) -> Any:
    """JSON values with floats cut to six significant digits; NaN and infinities become None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value
