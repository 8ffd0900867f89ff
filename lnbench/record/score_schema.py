"""The block `score` of a record, as types; see `lnbench.record.schema`."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from lnbench.protocol.documents import Count, Part, Share, whole

Name = Annotated[
    str, Meta(pattern=whole("[a-z0-9][a-z0-9_-]{0,39}"), description="a name of up to 40 of a–z, 0–9, '_' and '-'")
]
Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
Points = Annotated[float, Meta(ge=-100, le=100)]
"""Percentage points."""
Ends = tuple[Number, Number]
"""An interval: its lower and its upper end."""
_SplitDrops = Annotated[tuple[Points | None, ...], Meta(min_length=1, max_length=1000)]


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


class ArchitectureDamage(Part, frozen=True):
    """The damage on one architecture."""

    drop_pp: Points | None
    ci95_pp: Ends | None


class DamageScore(Part, frozen=True, kw_only=True):
    """How much lower the victims' untargeted adversarial accuracy is at the damage radius; as `Score` has it.

    Attributes:
        drop_pp, ci95_pp, p_value: below random flips.
        from_clean_pp, from_clean_ci95_pp: below clean labels.
        per_architecture: below random flips on each architecture alone.
        split_drops_pp: the split means of `drop_pp`, (split,).
    """

    drop_pp: Points | None
    ci95_pp: Ends | None
    p_value: Share | None
    from_clean_pp: Points | None
    from_clean_ci95_pp: Ends | None
    per_architecture: dict[Name, ArchitectureDamage]
    split_drops_pp: _SplitDrops


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
        ci95_points_pp: the interval that also covers other test points, of a fixed test set; see
            `score.points_interval`. On tracks of version 1 or later null where each split has its own test set.
        fixed_test_set: whether all splits share one test set.
        untargeted_drop_pp: the same drop under the untargeted adversary.
        untargeted_ci95_pp: its interval.
        parts_pp: the drop in plain and adversarial errors.
        split_drops_pp: the split means, (split,); None for a split whose every triple diverged.
        matched: the drop below the second baseline; UNSET where all pairs of a split share one baseline.
        damage: the second score; UNSET on tracks without a damage radius.
        random_se_pp: standard error of the random arm's AA due to which flips were drawn and trained on; UNSET where
            a seed has one draw.
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
    split_drops_pp: _SplitDrops
    matched: MatchedScore | UnsetType = UNSET
    damage: DamageScore | UnsetType = UNSET
    random_se_pp: Number | UnsetType | None = UNSET
