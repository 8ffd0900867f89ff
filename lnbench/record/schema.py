"""What a record may hold, as types: kinds and ranges, nothing that ties two fields together.

`leaderboard/record.schema.json` is made from them. Fractions are in [0, 1], names ending in `_pp` percentage points;
counts are of examples unless said otherwise. A field that is `UNSET`, which is false, is not in the record.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from lnbench.protocol.documents import LARGEST, AtLeastOne, Count, Part, Sha256, Share, whole

SCHEMA = 1

Name = Annotated[
    str, Meta(pattern=whole("[a-z0-9][a-z0-9_-]{0,39}"), description="a name of up to 40 of a–z, 0–9, '_' and '-'")
]
PoisonerName = Annotated[
    str, Meta(pattern=whole("[a-z0-9_-]{1,40}"), description="a poisoner's name of up to 40 of a–z, 0–9, '_' and '-'")
]
Words = Annotated[str, Meta(max_length=1 << 14)]
Source = Annotated[str, Meta(max_length=1 << 20)]
Label = Annotated[
    str,
    Meta(pattern=whole(r"[^\x00-\x1f\x7f]{1,200}"), description="a line of 1 … 200 characters, no control characters"),
]
Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
Points = Annotated[float, Meta(ge=-100, le=100)]
"""Percentage points."""
Ends = tuple[Number, Number]
"""An interval: its lower and its upper end."""
UpTo1000 = Annotated[int, Meta(ge=1, le=1000)]

_Base64 = whole("[A-Za-z0-9+/]*={0,2}")
_Seconds = Annotated[
    Annotated[int, Meta(ge=0, le=LARGEST)] | Annotated[float, Meta(ge=0, le=1e12)],
    Meta(description="a number of seconds"),
]
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
    """Label changes, [index, old, new] each: the poisoner's by split, the others by split and seed."""

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
    """Source-class test points broken at each radius of the curve, by the targeted and the untargeted adversary."""

    targeted: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]
    untargeted: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]


class ZeroGradient(Part, frozen=True):
    """Source-class test points whose loss has no input gradient at the clean input."""

    targeted: Count
    untargeted: Count


class Bits(Part, frozen=True):
    """Which source-class test points are broken at the score's radius; see `lnbench.protocol.bits`."""

    targeted: Annotated[str, Meta(pattern=_Base64, max_length=1 << 20, description="base64 of packed bits")]
    untargeted: Annotated[str, Meta(pattern=_Base64, max_length=1 << 20, description="base64 of packed bits")]


class Victim(Part, frozen=True):
    """What was counted on one trained network."""

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

    @property
    def key(self) -> tuple[str, int, int, str]:
        """(architecture, split, seed, arm)."""
        return self.architecture, self.split, self.seed, self.arm


class ArchitectureScore(Part, frozen=True):
    """The score on one architecture."""

    drop_pp: Points | None
    ci95_pp: Ends | None
    area_pp: Points | None


class WorstArchitecture(Part, frozen=True):
    """The architecture with the smallest drop."""

    name: Name
    drop_pp: Points
    ci95_pp: Ends | None


class MatchedScore(Part, frozen=True):
    """The drop below random flips with the poisoner's own allocation to the pairs."""

    drop_pp: Points | None
    ci95_pp: Ends | None
    p_value: Share | None


class Parts(Part, frozen=True):
    """The drop in two: `clean`, plain errors, ΔP(clean → target); `adversarial`, ΔP(clean not target, adversarial →
    target)."""

    clean: Points | None
    adversarial: Annotated[float, Meta(ge=-200, le=200)] | None


class Score(Part, frozen=True, kw_only=True):
    """How much lower the victims' adversarial accuracy (AA) is than under random flips; None where nothing remains.

    Attributes:
        drop_pp: 100 · mean over splits of [mean over architectures and seeds of AA(random) − AA(poisoned)].
        ci95_pp: t interval over the split means.
        p_value: two-sided, of a drop of 0.
        splits: splits that entered.
        seeds: seeds of a split.
        per_architecture: the same for each architecture alone.
        worst_architecture: the one with the smallest drop.
        area_pp: mean drop over the ε curve, 100 · ∫ΔAA dε / (ε_max − ε_min): it has no floor to hit.
        ci95_points_pp: the interval that also covers other test points; see `score.points_interval`.
        fixed_test_set: whether all splits share one test set.
        untargeted_drop_pp: the same drop under the untargeted adversary.
        untargeted_ci95_pp: its interval.
        parts_pp: the drop in plain and adversarial errors.
        split_drops_pp: the split means, (split,); None for a split whose every triple diverged.
        matched: the drop below the second baseline; UNSET on tracks with one pair.
    """

    drop_pp: Points | None
    ci95_pp: Ends | None
    p_value: Share | None
    splits: Count
    seeds: Count
    per_architecture: dict[Name, ArchitectureScore]
    worst_architecture: WorstArchitecture | None
    area_pp: Points | None
    ci95_points_pp: Ends | None
    fixed_test_set: bool
    untargeted_drop_pp: Points | None
    untargeted_ci95_pp: Ends | None
    parts_pp: Parts
    split_drops_pp: Annotated[tuple[Points | None, ...], Meta(min_length=1, max_length=1000)]
    matched: MatchedScore | UnsetType = UNSET


class Accuracies(Part, frozen=True):
    """Mean shares of an arm's victims; None where nothing remains, `memorised` also where nothing was flipped.

    Attributes:
        adv_acc: source-class test points not broken by the targeted adversary at the score's radius.
        untargeted_adv_acc: the same of the untargeted one.
        clean_acc, source_clean_acc: test points, and source-class ones, that are right without an attack.
        memorised: flips that are predicted as flipped.
    """

    adv_acc: Share | None
    untargeted_adv_acc: Share | None
    clean_acc: Share | None
    source_clean_acc: Share | None
    memorised: Share | None


class ZeroGradientShares(Part, frozen=True):
    """Shares of source-class test points without an input gradient."""

    targeted: Share | None
    untargeted: Share | None


class Curve(Part, frozen=True):
    """An arm's AA at each ε of an architecture's curve."""

    epsilons: Annotated[tuple[Annotated[float, Meta(ge=0, le=1e12)], ...], Meta(min_length=1, max_length=1000)]
    targeted: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=1000)] | None
    untargeted: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=1000)] | None


class Arm(Accuracies, frozen=True):
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
        salt: `public`, or null for a salt that is not.
        salt_commitment: see `Streams.commitment`.
        labels_sha256: per split, of the poisoned labels as little-endian int64.
        trainings: per split, victims that the poisoner says it trained.
        victims: each that the track asks for once, in the order of `derived.expected_victims`.
        sha256: of the canonical JSON of all but `run` and itself.
    """

    schema: Literal[1]
    track: TrackBlock
    season: Name | None
    salt: Literal["public"] | None
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
