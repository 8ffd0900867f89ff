"""Victims on disk: one safetensors file each, with what it is in its header, and a card beside them.

A network that timm makes by itself gets a folder that timm's own loader takes (`lnbench.evaluation.timm_folder`).

A cell's result holds counts, not networks, so victims that are to be saved are trained again: in the same environment
they are the same, bit for bit, and their counts are compared to make sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnbench import templates
from lnbench.errors import RecordError, UnavailableError
from lnbench.evaluation import timm_folder
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.timm_folder import CONFIG, WEIGHTS
from lnbench.evaluation.victim_header import KEY, facts
from lnbench.files import write_atomically
from lnbench.protocol import Track, arms_of, canonical_json
from lnbench.record.record import Record
from lnbench.text import Markdown

if TYPE_CHECKING:
    from lnbench.victims import Victims

_SAVE = "lnbench.evaluation.saved_victims:save_cell"
SUFFIX = ".safetensors"
CARD = "README.md"
RESULTS = ".eval_results/lnbench.yaml"
"""Where the Hub reads the results of a model repository, which a folder of saved victims may become."""


@dataclass(frozen=True, eq=False)
class SavedVictim:
    """The victim of one file.

    Attributes:
        victims: a stack of one.
        facts: what the file says of it, with the keys of `lnbench.evaluation.victim_header.VictimHeader`.
    """

    victims: Victims
    facts: Mapping[str, Any]


def place(architecture: str, split: int, arm: str, seed: int, *, timm: bool = False) -> str:
    """The file of a victim, relative to the folder; in a folder of its own if timm loads it."""
    stem = f"{architecture}/split-{split:02d}/{arm}-seed-{seed}"
    return f"{stem}/{WEIGHTS}" if timm else f"{stem}{SUFFIX}"


def by_timm(track: Track, victim: str) -> bool:
    """Whether the victims of this name in a track lie in folders that timm loads."""
    spec = track.spec(victim)
    return timm_folder.loadable(spec.architecture, spec.options)


def save(
    cells: Sequence[dict[str, Any]],
    names: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]] | None,
    folder: Path,
    engine: Engine,
    notify: OnProgress,
) -> None:
    """Train the victims of these cells again and save them; files that are there and right are left as they are.

    Args:
        names: what each cell's result depends on.
        results: what each cell measured: the saved victims must count the same. None where nothing was measured in this
            environment, so that there is nothing to compare with.
        folder: made if it is not there.

    Raises:
        RecordError: if a victim counts otherwise than the cell did.
        UnavailableError: if the folder cannot be written.
    """
    counts = None if results is None else [[_counts(victim) for victim in result["victims"]] for result in results]
    timm = [by_timm(Track.from_document(cell["track"]), cell["victim"]) for cell in cells]
    jobs = [{"cell": cells[i], "name": dict(names[i]), "folder": str(folder.resolve())} for i in range(len(cells))]

    def check(i: int, result: Result) -> None:
        if counts is not None and result["counts"] != counts[i]:
            for path in _files(names[i], timm[i]):
                (folder / path).unlink(missing_ok=True)
            raise RecordError(
                f"the {names[i]['victim']} victims of arm {names[i]['arm']}, (split, seed) {names[i]['places']}, "
                f"trained again, count {result['counts']} where they counted {counts[i]}; they were not saved."
            )

    gather(
        "keeping",
        [len(cell["places"]) for cell in cells],
        load=lambda i: {} if _there(folder, names[i], timm[i], None if counts is None else counts[i]) else None,
        compute=lambda missing: engine.map(_SAVE, [jobs[i] for i in missing]),
        keep=check,
        notify=notify,
    )


def write_card(record: Record, folder: Path) -> None:
    """Write the card of the saved victims of a record.

    Raises:
        UnavailableError: if the folder cannot be written.
    """
    track = record.track
    theirs = [v.name for v in track.victims if by_timm(track, v.name)]
    environment = templates.markdown("lnbench.evaluation")
    environment.filters["path"] = _path
    text = environment.get_template("victims.md.jinja").render(
        record=record,
        track=track,
        arms=arms_of(track),
        first=place(track.victims[0].name, 0, "poisoned", 0, timm=by_timm(track, track.victims[0].name)),
        theirs=theirs,
        ours=[v.name for v in track.victims if v.architecture == "timm" and v.name not in theirs],
        where=Path(place(theirs[0], 0, "poisoned", 0, timm=True)).parent.as_posix() if theirs else "",
    )
    try:
        write_atomically(folder / CARD, text.encode(), parents=True)
    except OSError as error:
        raise UnavailableError(f"the victims' card cannot be written to {folder}: {error.strerror}.") from None


def _path(path: str) -> Markdown:
    """A victim's place inside a literal of a code block."""
    return Markdown(re.sub(r"[^A-Za-z0-9_./-]", "", path))


def save_cell(job: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train one cell's victims and write their files, each whole or not at all. Runs in a worker.

    Args:
        job: `cell` as for `lnbench.evaluation.cells.trained`, `name` (what its result depends on) and `folder`.

    Returns:
        `counts`: per victim, how many training and test points it gets right.
    """
    from safetensors.torch import save as encoded

    from lnbench.evaluation import cells
    from lnbench.victims.architecture import BUFFER

    made = cells.trained(job["cell"], report)
    seen = (made.victims.predict(made.base, made.subset).cpu().numpy() == made.labels).sum(1)
    tested = [(got == p.test_labels).sum() for got, p in zip(cells.tested(made), made.points, strict=True)]
    counts = [[int(a), int(b)] for a, b in zip(seen, tested, strict=True)]
    timm = by_timm(made.track, made.spec.name)
    for row, ((split, seed), where) in enumerate(zip(job["name"]["places"], _files(job["name"], timm), strict=True)):
        header: dict[str, Any] = {
            "name": job["name"],
            "split": split,
            "seed": seed,
            "architecture": made.spec.architecture,
            "options": dict(made.spec.options),
            "counts": counts[row],
        }
        tensors = {key: value[row].cpu().contiguous().clone() for key, value in made.victims.parameters.items()}
        path = Path(job["folder"]) / where
        try:
            if timm:
                buffers = [key.removeprefix(BUFFER) for key in tensors if key.startswith(BUFFER)]
                tensors = {key.removeprefix(BUFFER): value for key, value in tensors.items()}
                config = timm_folder.config(made.spec.options, tuple(made.base.shape[1:]), made.track.data.classes)
                header["timm"] = {"config": config, "buffers": buffers}
                write_atomically(path.with_name(CONFIG), _config(header), parents=True)
            write_atomically(path, encoded(tensors, {KEY: canonical_json(header).decode().strip()}), parents=True)
        except OSError as error:
            raise UnavailableError(f"the victims cannot be written to {path}: {error.strerror}.") from None
    return {"counts": counts}


def load(path: str | Path) -> SavedVictim:
    """The victim in a file, on the CPU; no code of the file is run, there is none.

    Raises:
        RecordError: if it is not a file of saved victims.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lnbench.errors import ProtocolError
    from lnbench.victims import Victims, architecture
    from lnbench.victims.architecture import BUFFER

    about = facts(Path(path))
    try:
        made, tensors = architecture(about["architecture"], about["options"]), load_file(path)
        buffers = set(about.get("timm", {}).get("buffers", ()))
    except (SafetensorError, ProtocolError, AttributeError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: it holds no victim ({str(error)[:160]}).") from None
    if not tensors or not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise RecordError(f"{path}: it holds no parameters of a victim.")
    named = {BUFFER + key if key in buffers else key: tensor.unsqueeze(0) for key, tensor in tensors.items()}
    return SavedVictim(Victims(made, named), about)


def check_folder(folder: Path, record: Record) -> None:
    """Raise RecordError unless a folder holds the card and victims of this record, and nothing else but results."""
    if not (folder / CARD).is_file():
        raise RecordError(f"{folder} holds no saved victims: there is no {CARD}.")
    document, count = record.document, 0
    wanted = record.track.sha256, document["salt_commitment"], document["environment"]["id"], document["code_sha256"]
    of_record = {(v["architecture"], v["split"], v["seed"], _folder(v)): v for v in document["victims"]}
    for path in sorted(p for p in folder.rglob("*") if not p.is_dir()):
        where = path.relative_to(folder).as_posix()
        if where in (CARD, RESULTS) or (path.name == CONFIG and path.with_name(WEIGHTS).is_file()):
            continue  # a configuration is checked with its weights
        said = facts(path)
        name, split, seed = said["name"], said["split"], said["seed"]
        stated = name["track"], name["salt"], name["environment"], name["code"]
        victim = of_record.get((name["victim"], split, seed, _folder(name)))
        timm = victim is not None and by_timm(record.track, name["victim"])
        if victim is None or stated != wanted or where != place(name["victim"], split, _folder(name), seed, timm=timm):
            raise RecordError(f"{path}: this is not a victim of the record.")
        if timm and not _configured(path, said):
            raise RecordError(f"{path.with_name(CONFIG)}: this is not the configuration of the victim beside it.")
        if said["counts"] != _counts(victim):
            raise RecordError(f"{path}: this victim counts otherwise than the record's.")
        count += 1
    if count == 0:
        raise RecordError(f"{folder} holds no victims.")


def _folder(of: Mapping[str, Any]) -> str:
    """The folder of a victim's arm, and of its draw of random flips after the first."""
    return f"{of['arm']}-{of['draw']}" if of.get("draw") else str(of["arm"])


def _files(name: Mapping[str, Any], timm: bool) -> list[str]:
    """The files of a cell's victims."""
    return [place(name["victim"], split, _folder(name), seed, timm=timm) for split, seed in name["places"]]


def _config(said: Mapping[str, Any]) -> bytes:
    """The configuration that goes with a victim in a folder of timm's."""
    return canonical_json(said["timm"]["config"])


def _configured(path: Path, said: Mapping[str, Any]) -> bool:
    """Whether the configuration beside a victim's weights is its own."""
    try:
        return path.with_name(CONFIG).read_bytes() == _config(said)
    except (OSError, KeyError, TypeError):
        return False


def _counts(victim: Mapping[str, Any]) -> list[int]:
    """Training and test points that a victim of a record gets right."""
    return [victim["train_correct"], victim["clean"]["correct"]]


def _there(folder: Path, name: Mapping[str, Any], timm: bool, counts: list[list[int]] | None) -> bool:
    """Whether the files of a cell are there already, with these counts if there are any to compare with."""
    paths = [folder / path for path in _files(name, timm)]
    try:
        stated = [facts(path) for path in paths]
    except RecordError:
        return False
    if timm and not all(_configured(path, said) for path, said in zip(paths, stated, strict=True)):
        return False
    counted = [one["counts"] for one in stated]
    return all(one["name"] == dict(name) for one in stated) and counts in (None, counted)
