"""A `Track`: everything that can move a score, in one frozen, hashed value read from a TOML file.

The hash is taken over the keys written in the file, so a field that a later lnbench adds (with a default) leaves the
hashes of older tracks, and the records made on them, alone.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lnbench.errors import ProtocolError, nearest
from lnbench.protocol.data_spec import DataSpec, check_data
from lnbench.protocol.documents import (
    AtLeastOne,
    AtLeastTwo,
    Count,
    NotNegative,
    Part,
    Positive,
    Sha256,
    Share,
    Whole,
    WrongError,
    read,
    whole,
)
from lnbench.protocol.hashes import canonical_json, sha256_json
from lnbench.protocol.recipe import Recipe

FOLDER = Path(__file__).parent / "tracks"
DEFAULT = "digits-9to0"
_ETA_DIGITS = 8
"""Decimals of η that always single out one budget, up to a training set of 10⁸ points."""


class Noise(Part, frozen=True, kw_only=True):
    """What the poisoner may do.

    Attributes:
        budget: k, the most labels that may change in one split.
        eta: k / train as printed; the budget is what binds.
        pairs: ((source, target), …), the moves a label may make.
        rotate: split s has the pair s mod len(pairs) alone, so that a score is a mean over pairs.
        varies: hash of the track whose budget alone this one changes; splits, seeds and all random streams are that
            track's. Such a track is never calibrated.
    """

    budget: AtLeastOne
    eta: Share
    pairs: tuple[tuple[Whole, Whole], ...]
    rotate: bool = False
    varies: Sha256 | None = None


class Replication(Part, frozen=True, kw_only=True):
    """How often an evaluation is repeated.

    Attributes:
        splits, seeds: of a full evaluation.
        quick_splits, quick_seeds: of the unranked `--quick` one.
        random_draws: sets of random flips that each split and seed has, one victim each: the baseline is their mean.
    """

    splits: AtLeastTwo
    seeds: AtLeastOne
    quick_splits: AtLeastTwo
    quick_seeds: AtLeastOne
    random_draws: Annotated[int, Meta(ge=1, le=64)] = 1


class VictimSpec(Part, frozen=True, kw_only=True):
    """One architecture of a track.

    Attributes:
        name: its name in records and on the board.
        architecture: a module of `lnbench.victims.architectures`.
        recipe: how it is trained.
        options: that architecture's own fields.
        memorised_min: the smallest memorised share of flips, averaged over an arm, that lets a row rank.
        epsilon: this architecture's own attack radius, if not the track's.
        epsilons: its own ε curve, if not the track's.
        damage_epsilon: its own radius of the damage attack, if not the track's.
        stack: victims trained at once on a CPU; a victim's last bits depend on it.
    """

    name: Annotated[
        str, Meta(pattern=whole("[a-z0-9][a-z0-9_-]{0,39}"), description="up to 40 of a–z, 0–9, '_' and '-'")
    ]
    architecture: str
    recipe: Recipe
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    memorised_min: Share | None = None
    epsilon: Positive | None = None
    epsilons: tuple[Positive, ...] | None = None
    damage_epsilon: Positive | None = None
    stack: Annotated[int, Meta(ge=1, le=256)] = 16


class Adversary(Part, frozen=True, kw_only=True):
    """The attack on the victims: targeted and untargeted PGD (thesis, Algorithm 1).

    Attributes:
        epsilon: radius at which the score is taken.
        epsilons: the ε curve, ascending; it contains `epsilon`.
        steps: m sign steps of step_factor · ε / m, each projected on the ball and the box.
        norm: the ball's norm.
        rule: `any`: broken if any iterate, the clean input included, is misclassified as asked; `last`: the last one.
        random_start: start at a uniform point of the ball instead of at x.
        pair_factors: one factor a pair, in the order of `noise.pairs`: the examples of that pair's source class are
            attacked at the curve's radii times it. 1 for all if None.
    """

    epsilon: Positive
    epsilons: tuple[Positive, ...]
    steps: AtLeastOne
    step_factor: Positive = 2.5
    norm: Literal["linf", "l2", "l1"] = "linf"
    rule: Literal["any", "last"] = "any"
    random_start: bool = False
    pair_factors: tuple[Positive, ...] | None = None


class Damage(Part, frozen=True, kw_only=True):
    """The untargeted attack of the damage score, in the same norm.

    Its radius is small: at the targeted score's most examples of clean networks are broken without a target, and only
    the targeted accuracy has room to fall. There 20 steps come within a point of the strong adversary's AA (.4 to .8 in
    the audits of digits-9to0), where at the larger radius they miss 4 to 7 (`tests/bench/damage_radius.py`).

    Attributes:
        epsilon: radius. Pair factors do not apply: what breaks an example without a target knows no pair.
        loss: what is climbed; see `lnbench.adversary.losses`.
        steps: m steps of 2.5 · ε / m; an example is broken if any iterate is.
        restarts: attacks, the first from x, further ones from uniform points of the ball.
    """

    epsilon: Positive
    loss: Literal["cross-entropy", "margin", "dlr"] = "cross-entropy"
    steps: AtLeastOne = 20
    restarts: Annotated[int, Meta(ge=1, le=100)] = 1


class Stealth(Part, frozen=True, kw_only=True):
    """How far below the random arm's clean accuracy the poisoned arm's may lie before a row is flagged, in points."""

    clean_pp: NotNegative = 1.0
    source_clean_pp: NotNegative = 3.0


class Limits(Part, frozen=True, kw_only=True):
    """What one poisoning process may use.

    Attributes:
        seconds: wall clock of one split.
        memory_gib: address space of one process.
        scratch_mib: size of its /tmp.
    """

    seconds: Positive
    memory_gib: Positive = 8.0
    scratch_mib: AtLeastOne = 256


class _Keys(Part, frozen=True, kw_only=True):
    """What a track's file may hold."""

    name: Annotated[str, Meta(pattern=whole("[a-z0-9][a-z0-9-]{0,39}"), description="up to 40 of a–z, 0–9 and '-'")]
    version: Count
    title: str
    calibrated: bool
    data: DataSpec
    noise: Noise
    replication: Replication
    victims: tuple[VictimSpec, ...]
    adversary: Adversary
    limits: Limits
    damage: Damage | None = None
    stealth: Stealth = Stealth()


class Track(_Keys, frozen=True, kw_only=True, eq=False):
    """One fixed protocol. See the parts for their fields.

    Attributes:
        document: the keys as they are written in the track's file, which its hash is taken of. Tracks that say the
            same, one of them by a default, are equal and have different hashes.
    """

    document: dict[str, Any] = msgspec.field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Track) and all(self[name] == other[name] for name in _Keys.__struct_fields__)

    def __repr__(self) -> str:
        return f"<Track {self.name} version {self.version}, sha256 {self.sha256[:8]}…>"

    @property
    def sha256(self) -> str:
        """Hash of the keys written in the track's file."""
        return sha256_json(self.document)

    @property
    def root(self) -> str:
        """The hash that its random streams are drawn by: its own, or that of the track whose budget it varies."""
        return self.noise.varies or self.sha256

    def with_budget(self, budget: int) -> Track:
        """The same track with another budget, not calibrated; its splits and random streams stay.

        Raises:
            ProtocolError: if that leaves no valid track.
        """
        eta = math.ceil(budget / self.data.train * 10**_ETA_DIGITS) / 10**_ETA_DIGITS
        noise = {**self.document["noise"], "budget": budget, "eta": eta, "varies": self.root}
        return Track.from_document({**self.document, "calibrated": False, "noise": noise})

    def at_budget_of(self, other: Track) -> Track:
        """This track, with the other's budget if the other says that it varies this one's."""
        return self.with_budget(other.noise.budget) if other.noise.varies == self.root else self

    def spec(self, name: str) -> VictimSpec:
        """The architecture of this name in the track."""
        return next(v for v in self.victims if v.name == name)

    def epsilon(self, victim: VictimSpec) -> float:
        """The attack radius at which this architecture is scored."""
        return self.adversary.epsilon if victim.epsilon is None else victim.epsilon

    def epsilons(self, victim: VictimSpec) -> tuple[float, ...]:
        """The ε curve of this architecture, ascending."""
        return self.adversary.epsilons if victim.epsilons is None else victim.epsilons

    def scored_index(self, name: str) -> int:
        """Place on its ε curve of the radius at which the architecture of this name is scored."""
        victim = self.spec(name)
        return self.epsilons(victim).index(self.epsilon(victim))

    def damage_epsilon(self, victim: VictimSpec) -> float | None:
        """The radius of this architecture's damage attack; None on tracks without one."""
        if self.damage is None:
            return None
        return self.damage.epsilon if victim.damage_epsilon is None else victim.damage_epsilon

    def pairs(self, split: int) -> tuple[tuple[int, int], ...]:
        """The moves that a label of this split may make."""
        pairs = self.noise.pairs
        return (pairs[split % len(pairs)],) if self.noise.rotate else pairs

    def factors(self, split: int) -> dict[int, float]:
        """Source class of this split -> what the radii of its examples are multiplied by; its first pair's."""
        pairs = self.noise.pairs
        of_pair = dict(zip(pairs, self.adversary.pair_factors or [1.0] * len(pairs), strict=True))
        return {pair[0]: of_pair[pair] for pair in reversed(self.pairs(split))}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], where: str = "track") -> Track:
        """Build and validate a track from the parsed keys of its file.

        Raises:
            ProtocolError: naming the key, what was expected and what came.
        """
        try:
            keys = read(document, _Keys)
        except WrongError as wrong:
            raise ProtocolError(f"{where}: {wrong}") from None
        try:
            canonical_json(document)
        except (RecursionError, TypeError, ValueError) as error:
            raise ProtocolError(
                f"{where}: every value must be one that JSON can hold, none infinite or NaN ({error})."
            ) from None
        track = cls(**msgspec.structs.asdict(keys), document=dict(document))
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
            hint = f"{nearest(name_or_path, names())} `lnbench tracks list` shows them."
            raise ProtocolError(f"no track is called {name_or_path!r}; {hint}")
        path = FOLDER / f"{name_or_path}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolError(f"there is no track file {name_or_path}.") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also an integer of thousands of digits
        raise ProtocolError(f"the track file {name_or_path} cannot be read as TOML: {error}") from None
    return Track.from_document(document, path.name)


def names() -> list[str]:
    """Names of the tracks that ship with lnbench."""
    return sorted(p.stem for p in FOLDER.glob("*.toml"))


def _validate(track: Track, where: str) -> None:
    """The rules that tie several keys together."""
    noise, data = track.noise, track.data
    check_data(data, where)
    if not noise.pairs:
        raise ProtocolError(f"{where}: noise.pairs: expected at least one [source, target].")
    for source, target in noise.pairs:
        if not (0 <= source < data.classes and 0 <= target < data.classes and source != target):
            raise ProtocolError(
                f"{where}: noise.pairs: expected two different classes in 0 … {data.classes - 1}, "
                f"got [{source}, {target}]."
            )
    if noise.budget >= data.train:
        raise ProtocolError(f"{where}: noise.budget: {noise.budget} flips of {data.train} training points.")
    if noise.varies is not None and track.calibrated:
        raise ProtocolError(f"{where}: calibrated: expected false of a track that varies another's budget, got true.")
    if int(noise.eta * data.train + 1e-9) != noise.budget:
        raise ProtocolError(
            f"{where}: noise.eta: ⌊{noise.eta} · {data.train}⌋ is {int(noise.eta * data.train + 1e-9)}, "
            f"not the budget {noise.budget}."
        )
    factors = track.adversary.pair_factors
    if factors is not None and len(factors) != len(noise.pairs):
        raise ProtocolError(
            f"{where}: adversary.pair_factors: expected one positive number for each of the {len(noise.pairs)} pairs, "
            f"got {list(factors)}."
        )
    if noise.rotate and len(set(noise.pairs)) != len(noise.pairs):
        raise ProtocolError(f"{where}: noise.pairs: pairs that splits take in turn must differ.")
    replication = track.replication
    if replication.quick_splits > replication.splits or replication.quick_seeds > replication.seeds:
        raise ProtocolError(f"{where}: replication: the quick run is larger than the full one.")
    victims = [v.name for v in track.victims]
    if not victims or len(set(victims)) != len(victims):
        raise ProtocolError(f"{where}: victims: expected one or more with different names, got {victims}.")
    for victim in track.victims:
        if victim.recipe.stop_when_memorised:
            raise ProtocolError(
                f"{where}: victims: {victim.name}: recipe.stop_when_memorised is for surrogates and experiments; "
                "a track trains the same number of steps in every arm."
            )
        curve, epsilon = track.epsilons(victim), track.epsilon(victim)
        if list(curve) != sorted(set(curve)) or epsilon not in curve:
            raise ProtocolError(
                f"{where}: adversary.epsilons: expected ascending positive numbers that contain {epsilon}, "
                f"got {list(curve)}."
            )
