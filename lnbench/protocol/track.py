"""A `Track`: everything that can move a score, in one frozen, hashed value read from a TOML file.

The hash is taken over the keys written in the file, so a field that a later lnbench adds (with a default) leaves the
hashes of older tracks, and the records made on them, alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lnbench.errors import ProtocolError
from lnbench.protocol.hashes import sha256_json

FOLDER = Path(__file__).parent / "tracks"
DEFAULT = "digits-9to0"


def _number(low: float | None = None, high: float | None = None, open_low: bool = False, **kwargs: Any) -> Any:
    """A dataclass field with a range; `open_low` excludes `low` itself."""
    return field(metadata={"low": low, "high": high, "open": open_low}, **kwargs)


def _one_of(*choices: str, **kwargs: Any) -> Any:
    return field(metadata={"choices": choices}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which data, and how large one split's training set is.

    Attributes:
        source: a module of `lnbench.data`.
        train: training points of one split.
        classes: number of classes.
    """

    source: str
    train: int = _number(1)
    classes: int = _number(2)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What the poisoner may do.

    Attributes:
        budget: k, the most labels that may change in one split.
        eta: k / train as printed; the budget is what binds.
        pairs: ((source, target), …), the moves a label may make.
    """

    budget: int = _number(1)
    eta: float = _number(0, 1)
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Replication:
    """Splits × seeds of a full evaluation, and of the unranked `--quick` one."""

    splits: int = _number(2)
    seeds: int = _number(1)
    quick_splits: int = _number(2)
    quick_seeds: int = _number(1)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one victim is trained: always this many steps, in every arm.

    Attributes:
        steps: optimiser steps.
        batch: examples a step; batches are cut from end-to-end permutations of the training set.
        learning_rate: the schedule's peak.
        optimiser: `adam` (β = .9, .999, ε = 1e-8) or `sgd` (Nesterov momentum .9).
        schedule: `one-cycle` (linear rise over the first 30 % of the steps, cosine fall to zero) or `constant`.
        weight_decay: decoupled (AdamW) for Adam, ℓ2 for SGD.
    """

    steps: int = _number(1)
    batch: int = _number(1)
    learning_rate: float = _number(0, open_low=True)
    optimiser: str = _one_of("adam", "sgd", default="adam")
    schedule: str = _one_of("one-cycle", "constant", default="one-cycle")
    weight_decay: float = _number(0, default=0.0)


@dataclass(frozen=True, kw_only=True)
class Victim:
    """One architecture of a track.

    Attributes:
        name: its name in records and on the board.
        architecture: a module of `lnbench.victims.architectures`.
        options: that architecture's own fields.
        recipe: how it is trained.
        memorised_min: the smallest memorised share of flips, averaged over an arm, that lets a row rank.
        epsilon: this architecture's own attack radius, if not the track's.
        epsilons: its own ε curve, if not the track's.
        stack: victims trained at once on a CPU; a victim's last bits depend on it.
    """

    name: str
    architecture: str
    recipe: Recipe
    options: Mapping[str, Any] = field(default_factory=dict)
    memorised_min: float | None = _number(0, 1, default=None)
    epsilon: float | None = _number(0, open_low=True, default=None)
    epsilons: tuple[float, ...] | None = None
    stack: int = _number(1, 256, default=16)


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """The attack on the victims: targeted and untargeted PGD (thesis, Algorithm 1).

    Attributes:
        epsilon: radius at which the score is taken.
        epsilons: the ε curve, ascending; it contains `epsilon`.
        steps: m sign steps of step_factor · ε / m, each projected on the ball and the box.
        norm: the ball's norm.
        rule: `any`: broken if any iterate, the clean input included, is misclassified as asked; `last`: the last one.
        random_start: start at a uniform point of the ball instead of at x.
    """

    epsilon: float = _number(0, open_low=True)
    epsilons: tuple[float, ...]
    steps: int = _number(1)
    step_factor: float = _number(0, open_low=True, default=2.5)
    norm: str = _one_of("linf", "l2", "l1", default="linf")
    rule: str = _one_of("any", "last", default="any")
    random_start: bool = False


@dataclass(frozen=True, kw_only=True)
class Stealth:
    """How far below the random arm's clean accuracy the poisoned arm's may lie before a row is flagged, in points."""

    clean_pp: float = _number(0, default=1.0)
    source_clean_pp: float = _number(0, default=3.0)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one poisoning process may use.

    Attributes:
        seconds: wall clock of one split.
        memory_gib: address space of one process.
        scratch_mib: size of its /tmp.
    """

    seconds: float = _number(0, open_low=True)
    memory_gib: float = _number(0, open_low=True, default=8.0)
    scratch_mib: int = _number(1, default=256)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One fixed protocol. See the parts for their fields."""

    name: str
    version: int = _number(0)
    title: str
    calibrated: bool
    data: DataSpec
    noise: Noise
    replication: Replication
    victims: tuple[Victim, ...]
    adversary: Adversary
    limits: Limits
    stealth: Stealth = field(default_factory=Stealth)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Hash of the keys written in the track's file."""
        return sha256_json(self.document)

    def victim(self, name: str) -> Victim:
        """The architecture of this name in the track."""
        return next(v for v in self.victims if v.name == name)

    def epsilon(self, victim: Victim) -> float:
        """The attack radius at which this architecture is scored."""
        return self.adversary.epsilon if victim.epsilon is None else victim.epsilon

    def epsilons(self, victim: Victim) -> tuple[float, ...]:
        """The ε curve of this architecture, ascending."""
        return self.adversary.epsilons if victim.epsilons is None else victim.epsilons

    @classmethod
    def from_document(cls, document: Mapping[str, Any], where: str = "track") -> Track:
        """Build and validate a track from the parsed keys of its file.

        Raises:
            ProtocolError: naming the key, what was expected and what came.
        """
        track: Track = _read(cls, document, where)
        track = dataclasses.replace(track, document=document)
        _validate(track, where)
        return track


def load(name_or_path: str) -> Track:
    """The track of this name, or in this TOML file.

    Raises:
        ProtocolError: if there is none, or it breaks the rules.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if name_or_path not in names():
            near = difflib.get_close_matches(name_or_path, names(), n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names())}."
            raise ProtocolError(f"no track is called {name_or_path!r}; {hint} `lnbench tracks list` shows them.")
        path = FOLDER / f"{name_or_path}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolError(f"there is no track file {name_or_path}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProtocolError(f"the track file {name_or_path} cannot be read as TOML: {error}") from None
    return Track.from_document(document, path.name)


def names() -> list[str]:
    """Names of the tracks that ship with lnbench."""
    return sorted(p.stem for p in FOLDER.glob("*.toml"))


def _read(cls: Any, table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise ProtocolError(f"{where}: expected a table, got {_show(table)}.")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name != "document"}
    types_of = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(str(key), list(fields), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may hold: {', '.join(fields)}."
            raise ProtocolError(f"{where}: unknown key {key!r}; {hint}")
    values = {}
    for name, f in fields.items():
        if name in table:
            value = _convert(types_of[name], table[name], f"{where}: {name}")
            _check_range(f.metadata, value, f"{where}: {name}")
            values[name] = value
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{where}: the key {name!r} is missing.")
    return cls(**values)


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return _read(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProtocolError(f"{where}: expected a list, got {_show(value)}.")
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ProtocolError(f"{where}: expected {len(kinds)} values, got {_show(value)}.")
        return tuple(_convert(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ProtocolError(f"{where}: expected a number of at most 63 bits, got one of {value.bit_length()}.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = Mapping if origin is not None else kind
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise ProtocolError(f"{where}: expected {getattr(expected, '__name__', expected)}, got {_show(value)}.")
    return value


def _check_range(meta: Mapping[str, Any], value: Any, where: str) -> None:
    if "choices" in meta and value not in meta["choices"]:
        raise ProtocolError(f"{where}: expected one of {', '.join(meta['choices'])}, got {_show(value)}.")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "low" in meta:
        low, high = meta["low"], meta["high"]
        if low is not None and not (value > low if meta["open"] else value >= low):
            raise ProtocolError(f"{where}: expected {'more than' if meta['open'] else 'at least'} {low}, got {value}.")
        if high is not None and not value <= high:
            raise ProtocolError(f"{where}: expected at most {high}, got {value}.")
        if value != value or value in (float("inf"), float("-inf")):
            raise ProtocolError(f"{where}: expected a finite number, got {value}.")


def _validate(track: Track, where: str) -> None:
    """The rules that tie several keys together."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", track.name):
        raise ProtocolError(f"{where}: name: expected up to 40 of a–z, 0–9 and '-', got {track.name!r}.")
    noise, data = track.noise, track.data
    if not noise.pairs:
        raise ProtocolError(f"{where}: noise: pairs: expected at least one [source, target].")
    for source, target in noise.pairs:
        if not (0 <= source < data.classes and 0 <= target < data.classes and source != target):
            raise ProtocolError(
                f"{where}: noise: pairs: expected two different classes in 0 … {data.classes - 1}, "
                f"got [{source}, {target}]."
            )
    if noise.budget >= data.train:
        raise ProtocolError(f"{where}: noise: budget: {noise.budget} flips of {data.train} training points.")
    if int(noise.eta * data.train + 1e-9) != noise.budget:
        raise ProtocolError(
            f"{where}: noise: eta: ⌊{noise.eta} · {data.train}⌋ is {int(noise.eta * data.train + 1e-9)}, "
            f"not the budget {noise.budget}."
        )
    replication = track.replication
    if replication.quick_splits > replication.splits or replication.quick_seeds > replication.seeds:
        raise ProtocolError(f"{where}: replication: the quick run is larger than the full one.")
    victims = [v.name for v in track.victims]
    if not victims or len(set(victims)) != len(victims):
        raise ProtocolError(f"{where}: victims: expected one or more with different names, got {victims}.")
    for victim in track.victims:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", victim.name):
            raise ProtocolError(f"{where}: victims: name: expected a short lower-case name, got {victim.name!r}.")
        curve, epsilon = track.epsilons(victim), track.epsilon(victim)
        if list(curve) != sorted(set(curve)) or epsilon not in curve or not all(0 < e < float("inf") for e in curve):
            raise ProtocolError(
                f"{where}: adversary: epsilons: expected ascending positive numbers that contain {epsilon}, "
                f"got {list(curve)}."
            )


def _show(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"
