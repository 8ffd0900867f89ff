"""Victims on disk: one safetensors file per architecture, split and arm, its header saying what they are, and a card.

A cell keeps counts, not networks, so what is to be kept is trained again: the same victims, bit for bit, in the same
environment, which their counts are compared for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnbench._stages import OnProgress, Progress
from lnbench.engine import Engine
from lnbench.errors import RecordError, UnavailableError
from lnbench.protocol import ARMS, canonical_json
from lnbench.record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from lnbench.victims import Victims

_SAVE = "lnbench.kept:save_cell"
_KEY = "lnbench"
SUFFIX = ".safetensors"
CARD = "README.md"


@dataclass(frozen=True, eq=False)
class Kept:
    """The victims of one file.

    Attributes:
        victims: the stack, one victim a seed.
        facts: what the file says of them: `name` (track, salt, labels, victim, split, seeds, arm, code, environment),
            `architecture`, `options` and `counts`.
    """

    victims: Victims
    facts: Mapping[str, Any]


def place(name: Mapping[str, Any]) -> str:
    """The file of a split's victims, relative to the folder: architecture, split, arm.

    Where a split's seeds were trained in several cells, the files after the first have their first seed in the name.
    """
    first = name.get("seeds", [0])[0]
    return f"{name['victim']}/split-{name['split']:02d}/{name['arm']}{f'-{first}' if first else ''}{SUFFIX}"


def _by_split(name: Mapping[str, Any]) -> list[tuple[dict[str, Any], slice]]:
    """A cell's victims cut into files: what each file's victims depend on, and their rows in the cell."""
    shared, found = {key: value for key, value in name.items() if key != "places"}, []
    splits = [split for split, _ in name["places"]]
    for split in dict.fromkeys(splits):
        start = splits.index(split)
        seeds = [seed for of, seed in name["places"] if of == split]
        found.append(({**shared, "split": split, "seeds": seeds}, slice(start, start + len(seeds))))
    return found


def keep(
    cells: Sequence[dict[str, Any]],
    names: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    folder: Path,
    engine: Engine,
    notify: OnProgress,
) -> None:
    """Train the victims of these cells again and keep them; files that are there and right are left as they are.

    Args:
        names: what each cell's result depends on.
        results: what each cell measured: the kept victims must count the same.
        folder: made if it is not there.

    Raises:
        RecordError: if a victim counts otherwise than the cell did.
        UnavailableError: if the folder cannot be written.
    """
    counts = [_counts(result["victims"]) for result in results]
    files = [_by_split(name) for name in names]
    todo = [
        i
        for i, of_cell in enumerate(files)
        if not all(_there(folder / place(name), name, counts[i][rows]) for name, rows in of_cell)
    ]
    total = sum(len(cell["places"]) for cell in cells)
    reused = done = total - sum(len(cells[i]["places"]) for i in todo)
    notify(Progress("keeping", done, total, reused, None))
    jobs = [{"cell": cells[i], "name": dict(names[i]), "folder": str(folder.resolve())} for i in todo]
    for at, _, result in engine.map(_SAVE, jobs):
        if result is None:
            continue
        i = todo[at]
        if result["counts"] != counts[i]:
            for name, _ in files[i]:
                (folder / place(name)).unlink(missing_ok=True)
            splits = ", ".join(str(name["split"]) for name, _ in files[i])
            raise RecordError(
                f"the {names[i]['victim']} victims of arm {names[i]['arm']}, split {splits}, trained again, "
                f"count {result['counts']} where they counted {counts[i]}; they were not kept."
            )
        done += len(cells[i]["places"])
        notify(Progress("keeping", done, total, reused, None))


def write_card(record: Record, folder: Path) -> None:
    """Write the card of the kept victims of a record."""
    track = record.track
    shape = f"{len(track.victims)} architectures × {len(ARMS)} arms × {record.score['splits']} splits"
    names = "\n".join(
        f"- `{v.name}`: architecture `{v.architecture}`, options `{dict(v.options)}`" for v in track.victims
    )
    text = f"""---
library_name: lnbench
tags: [lnbench, label-noise, data-poisoning, adversarial-robustness]
---

# Victims of {record.name} on {track.name}

**Trained on poisoned labels on purpose** (arm `poisoned`; also `random` and `clean`): for research on label noise, not
for use. {shape}; a file holds the victims of one of each, stacked along the first axis of every tensor, one a seed,
in the order of the header's `seeds`.

{names}

```python
from lnbench import kept

stack = kept.load("{track.victims[0].name}/split-00/poisoned{SUFFIX}").victims
logits = stack(inputs.unsqueeze(0))  # (victim, batch, class)
```

- track `{track.name}` version {track.version}, sha256 `{track.sha256}`
- record sha256 `{record.sha256}`
"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{CARD}.{os.getpid()}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / CARD)
    except OSError as error:
        raise UnavailableError(f"the victims' card cannot be written to {folder}: {error.strerror}.") from None


def save_cell(job: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train one cell's victims and write their files, each whole or not at all. Runs in a worker.

    Args:
        job: `cell` as for `lnbench.cells.trained`, `name` (what its result depends on) and `folder`.

    Returns:
        `counts`: per victim, how many training and test points it gets right.
    """
    from lnbench import cells

    made = cells.trained(job["cell"], report)
    seen = made.victims.predict(made.base, made.subset).cpu().numpy()
    counts = [
        [int((row == labels).sum()), int((found == points.test_labels).sum())]
        for row, labels, found, points in zip(seen, made.labels, cells.tested(made), made.points, strict=True)
    ]
    for name, rows in _by_split(job["name"]):
        header = {
            "name": name,
            "architecture": made.spec.architecture,
            "options": dict(made.spec.options),
            "counts": counts[rows],
        }
        tensors = {key: value[rows].cpu().contiguous() for key, value in made.victims.parameters.items()}
        _save(tensors, header, Path(job["folder"]) / place(name))
    return {"counts": counts}


def _save(tensors: Mapping[str, Tensor], header: Mapping[str, Any], path: Path) -> None:
    """Write one file, whole or not at all."""
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(dict(tensors), temporary, {_KEY: canonical_json(header).decode().strip()})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"the victims cannot be written to {path}: {error.strerror}.") from None


def load(path: str | Path) -> Kept:
    """The victims in a file, on the CPU; no code of the file is run, there is none.

    Raises:
        RecordError: if it is no file of kept victims.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lnbench.errors import ProtocolError
    from lnbench.victims import Victims, architecture

    found = facts(Path(path))
    try:
        made, tensors = architecture(found["architecture"], found["options"]), load_file(path)
    except (SafetensorError, ProtocolError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: it holds no victims ({str(error)[:160]}).") from None
    seeds = len(found["counts"])
    if not tensors or any(t.ndim < 1 or len(t) != seeds or not t.is_floating_point() for t in tensors.values()):
        raise RecordError(f"{path}: it holds no stack of {seeds} victims.")
    return Kept(Victims(made, tensors), found)


def facts(path: Path) -> Mapping[str, Any]:
    """What a file says of its victims.

    Raises:
        RecordError: if it is no file of kept victims.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            found = json.loads((file.metadata() or {}).get(_KEY, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: it is no safetensors file of lnbench ({str(error)[:160]}).") from None
    if not isinstance(found, dict) or not {"name", "architecture", "options", "counts"} <= found.keys():
        raise RecordError(f"{path}: its header does not say whose victims it holds.")
    return found


def judge(folder: Path, record: Record) -> None:
    """Raise RecordError unless a folder holds the card and victims of this record, and nothing else."""
    if not (folder / CARD).is_file():
        raise RecordError(f"{folder} holds no kept victims: there is no {CARD}.")
    document, found = record.document, 0
    for path in sorted(p for p in folder.rglob("*") if not p.is_dir()):
        where = path.relative_to(folder).as_posix()
        if where == CARD:
            continue
        name = facts(path)["name"]
        stated = name["track"], name["salt"], name["environment"], name["code"]
        wanted = (
            record.track.sha256,
            document["salt_commitment"],
            document["environment"]["id"],
            document["code_sha256"],
        )
        if where != place(name) or stated != wanted:
            raise RecordError(f"{path}: these are not victims of the record.")
        victims = _of(record, name)
        if facts(path)["counts"] != _counts(victims):
            raise RecordError(f"{path}: its victims count otherwise than the record's.")
        found += len(victims)
    if found == 0:
        raise RecordError(f"{folder} holds no victims.")


def _of(record: Record, name: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The record's victims of a cell."""
    wanted = name["victim"], name["split"], name["arm"]
    return [
        v
        for v in record.document["victims"]
        if (v["architecture"], v["split"], v["arm"]) == wanted and v["seed"] in name["seeds"]
    ]


def _counts(victims: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    return [[victim["train_correct"], victim["clean"]["correct"]] for victim in victims]


def _there(path: Path, name: Mapping[str, Any], counts: list[list[int]]) -> bool:
    """Whether the file of a cell is there already."""
    try:
        found = facts(path)
    except RecordError:
        return False
    return bool(found["name"] == dict(name) and found["counts"] == counts)
