"""What a record may hold, as types: kinds and ranges, nothing that ties two fields together.

`leaderboard/record.schema.json` is made from them. Fractions are in [0, 1], names ending in `_pp` percentage points;
counts are of examples unless said otherwise. A field that is `UNSET`, which is false, is not in the record.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from lnbench.protocol.documents import LARGEST, AtLeastOne, Count, Part, Sha256, Share, whole
from lnbench.record.score_schema import Name, Score

SCHEMA = 1

PoisonerName = Annotated[
    str, Meta(pattern=whole("[a-z0-9_-]{1,40}"), description="a poisoner's name of up to 40 of a–z, 0–9, '_' and '-'")
]
Words = Annotated[str, Meta(max_length=1 << 14)]
Source = Annotated[str, Meta(max_length=1 << 20)]
Label = Annotated[
    str,
    Meta(pattern=whole(r"[^\x00-\x1f\x7f]{1,200}"), description="a line of 1 … 200 characters, no control characters"),
]
UpTo1000 = Annotated[int, Meta(ge=1, le=1000)]

_Base64 = whole("[A-Za-z0-9+/]*={0,2}")
_PackedBits = Annotated[str, Meta(pattern=_Base64, max_length=1 << 20, description="base64 of packed bits")]
_Seconds = Annotated[
    Annotated[int, Meta(ge=0, le=LARGEST)] | Annotated[float, Meta(ge=0, le=1e12)],
    Meta(description="a number of seconds"),
]
_Degrees = Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1 << 16)]
_FlipList = Annotated[tuple[tuple[Count, Count, Count], ...], Meta(max_length=1 << 20)]
_FlipsBySeed = Annotated[
    tuple[Annotated[tuple[_FlipList, ...], Meta(min_length=1, max_length=1000)], ...],
    Meta(min_length=1, max_length=1000),
]
_Value = Annotated[
    Source | Annotated[int, Meta(ge=-LARGEST, le=LARGEST)] | Annotated[float, Meta(ge=-1e300, le=1e300)] | bool,
    Meta(description="a text, a number, true or false"),
]


class TrackBlock(Part, frozen=True):
    """The track, whole: `document` is what its file says, `sha256` the hash of that."""

    name: Name
    version: Count
    sha256: Sha256
    document: dict[str, Any]


class SplitsAndSeeds(Part, frozen=True):
    """How often the evaluation was repeated."""

    splits: UpTo1000
    seeds: UpTo1000
    quick: bool


class PoisonerBlock(Part, frozen=True):
    """Who made the labels.

    Attributes:
        name: its file's stem.
        parameters: those off their defaults; with the source they are a row's identity.
        source: the file's text; of published labels, their place on the Hub.
        sha256: of the source's bytes.
    """

    name: PoisonerName
    parameters: Annotated[dict[Label, _Value], Meta(max_length=100)]
    description: Words
    author: Words
    paper: Words
    license: Words
    source: Source
    sha256: Sha256


class Flips(Part, frozen=True):
    """Label changes, [index, old, new] each: the poisoner's by split, the others by split and seed.

    Where the track asks for several draws of random flips a seed, `random` has all of the first seed's, then the next
    one's, and so on.
    """

    poisoned: Annotated[tuple[_FlipList, ...], Meta(min_length=1, max_length=1000)]
    random: _FlipsBySeed
    matched: _FlipsBySeed | UnsetType = UNSET


class Picture(Part, frozen=True):
    """A flipped point; `pixels` are base64 of uint8 in the pictures' shape."""

    split: Count
    index: Count
    old: Count
    new: Count
    pixels: Annotated[str, Meta(pattern=_Base64, max_length=4 * 64 * 64 + 4, description="base64 of a small picture")]


class Thumbnails(Part, frozen=True):
    """Pictures of flipped points; `shape` is (channels, height, width)."""

    shape: tuple[Literal[1, 3], Annotated[int, Meta(ge=1, le=64)], Annotated[int, Meta(ge=1, le=64)]]
    images: Annotated[tuple[Picture, ...], Meta(min_length=1, max_length=16)]


class CleanCounts(Part, frozen=True):
    """Of the split's unattacked test points: all, right ones, and of the source classes all, right and target ones."""

    points: AtLeastOne
    correct: Count
    source_points: AtLeastOne
    source_correct: Count
    source_to_target: Count


class Broken(Part, frozen=True):
    """Source-class test points broken.

    Attributes:
        targeted, untargeted: at each radius of the curve.
        damage: by the track's damage attack, where it has one.
    """

    targeted: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]
    untargeted: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]
    damage: Count | UnsetType = UNSET


class ZeroGradient(Part, frozen=True):
    """Source-class test points whose loss has no input gradient at the clean input."""

    targeted: Count
    untargeted: Count


class Bits(Part, frozen=True):
    """Which source-class test points are broken; see `lnbench.protocol.bits`.

    Attributes:
        targeted, untargeted: at the score's radius.
        damage: by the track's damage attack, where it has one.
    """

    targeted: _PackedBits
    untargeted: _PackedBits
    damage: _PackedBits | UnsetType = UNSET


class Reached(Part, frozen=True):
    """What single flips do to a nearest neighbour, from which the mean over all sets of random flips follows.

    Attributes:
        eligible: points that may be flipped.
        clean: of each source-class test point, how many single flips make it the target without an attack; all of them
            if it is the target without a flip.
        targeted, untargeted: of each such point, how many single flips break it, at each radius of the curve; all of
            them if it is broken without a flip.
        bits: which flips break which point by the targeted adversary at the score's radius, none for those that are
            broken without one: point by point, a bit for each eligible point.
    """

    eligible: AtLeastOne
    clean: _Degrees
    targeted: Annotated[tuple[_Degrees, ...], Meta(min_length=1, max_length=1000)]
    untargeted: Annotated[tuple[_Degrees, ...], Meta(min_length=1, max_length=1000)]
    bits: _PackedBits


class Victim(Part, frozen=True):
    """What was counted on one trained network.

    Attributes:
        draw: that of its random flips, where a seed has several.
        reached: what single flips do, for the random arm of nearest neighbours alone.
    """

    architecture: Name
    split: Count
    seed: Count
    arm: Literal["clean", "random", "poisoned", "matched"]
    steps: Count
    train_points: AtLeastOne
    train_correct: Count
    flipped: Count
    memorised_count: Count
    diverged: bool
    clean: CleanCounts
    broken: Broken
    zero_gradient: ZeroGradient
    bits: Bits
    draw: Count | UnsetType = UNSET
    reached: Reached | UnsetType = UNSET

    @property
    def key(self) -> tuple[str, int, int, str, int | None]:
        """(architecture, split, seed, arm, draw)."""
        return self.architecture, self.split, self.seed, self.arm, None if self.draw is UNSET else self.draw


class Accuracies(Part, frozen=True, kw_only=True):
    """Mean shares of an arm's victims; None where nothing remains, `memorised` also where nothing was flipped.

    Attributes:
        adv_acc: source-class test points not broken by the targeted adversary at the score's radius.
        untargeted_adv_acc: the same of the untargeted one.
        clean_acc, source_clean_acc: test points, and source-class ones, that are right without an attack.
        memorised: flips that are predicted as flipped.
        damage_adv_acc: source-class test points not broken by the damage attack; UNSET on tracks without one.
    """

    adv_acc: Share | None
    untargeted_adv_acc: Share | None
    clean_acc: Share | None
    source_clean_acc: Share | None
    memorised: Share | None
    damage_adv_acc: Share | UnsetType | None = UNSET


class ZeroGradientShares(Part, frozen=True):
    """Shares of source-class test points without an input gradient."""

    targeted: Share | None
    untargeted: Share | None


class Curve(Part, frozen=True):
    """An arm's AA at each ε of an architecture's curve."""

    epsilons: Annotated[tuple[Annotated[float, Meta(ge=0, le=1e12)], ...], Meta(min_length=1, max_length=1000)]
    targeted: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=1000)] | None
    untargeted: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=1000)] | None


class Arm(Accuracies, frozen=True, kw_only=True):
    """An arm: `train_acc` is the share of training labels, flips included, that are predicted."""

    train_acc: Share | None
    zero_gradient: ZeroGradientShares
    curve: dict[Name, Curve]
    per_architecture: dict[Name, Accuracies]


class Arms(Part, frozen=True):
    """The arms by name."""

    clean: Arm
    random: Arm
    poisoned: Arm
    matched: Arm | UnsetType = UNSET


class Environment(Part, frozen=True):
    """What the victims' bits depend on besides the protocol; `id` is the hash of `parts`."""

    id: Label
    parts: dict[str, Any]


class Run(Part, frozen=True):
    """When, where and how long: outside the record's hash, so a claim, and nothing may be ordered by it alone.

    Attributes:
        started: ISO 8601; see `Record.started`.
        seconds: wall clock of the evaluation.
        poison_seconds: of the poisoner on each split.
    """

    started: Annotated[
        str,
        Meta(
            pattern=whole(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?"),
            max_length=40,
            description="a time like 2026-01-31T12:00:00Z",
        ),
    ]
    seconds: _Seconds
    poison_seconds: Annotated[tuple[_Seconds, ...], Meta(min_length=1, max_length=1000)]
    device: Words | None
    cpu: Words | None
    version: Words | None
    commit: Words | None
    command: Words | None
    engine: Words | None
    workers: Count | None


class RecordDocument(Part, frozen=True, kw_only=True):
    """The whole record.

    Attributes:
        salt: `public`; `own` for the one that track, source and parameters give (`lnbench.protocol.own_salt`); or null
            for a secret one.
        salt_commitment: see `Streams.commitment`.
        labels_sha256: per split, of the poisoned labels as little-endian int64.
        trainings: per split, victims that the poisoner says it trained.
        victims: each that the track asks for once, in the order of `derived.expected_victims`.
        sha256: of the canonical JSON of all but `run` and itself.
    """

    schema: Literal[1]
    track: TrackBlock
    season: Name | None
    salt: Literal["public", "own"] | None
    salt_commitment: Sha256
    replication: SplitsAndSeeds
    poisoner: PoisonerBlock
    labels_sha256: Annotated[tuple[Sha256, ...], Meta(min_length=1, max_length=1000)]
    flips: Flips
    trainings: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]
    thumbnails: Thumbnails | UnsetType = UNSET
    victims: Annotated[tuple[Victim, ...], Meta(min_length=1, max_length=1 << 20)]
    score: Score
    arms: Arms
    flags: Annotated[
        tuple[Annotated[str, Meta(pattern=whole("[a-z0-9][a-z0-9:_-]{0,119}"), description="the name of a flag")], ...],
        Meta(max_length=200),
    ]
    ranked: bool
    environment: Environment
    code_sha256: Sha256
    sandbox: Literal["bubblewrap", "landlock", "none"]
    run: Run
    sha256: Sha256
