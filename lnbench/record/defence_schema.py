"""What a defence's record may hold, as types; see `lnbench.record.schema` for the parts it shares with a record.

A field that is None could not be measured.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from lnbench.protocol.documents import Count, Finite, Part, Sha256, Share
from lnbench.record.schema import Environment, PoisonerBlock, Run, Victim

DEFENCE_SCHEMA = 1

Ends = tuple[Finite, Finite]
_Hashes = Annotated[tuple[Sha256, ...], Meta(min_length=1, max_length=1000)]
_HashesBySeed = Annotated[tuple[_Hashes, ...], Meta(min_length=1, max_length=1000)]


class TreatmentDocument(Part, frozen=True):
    """One answer of a defender, to one set of labels.

    Attributes:
        labels: for each network of a victim, [index, label] of the labels that differ from those that came.
        weights: `bits:` and packed bits of which examples are trained on, network by network, or `float32:` and base64
            of what each counts; None if all count the same.
        partition: `int16:` and base64 of the network on whose votes each label has an influence; None if none is said.
        recipe: fields that replace the track's.
    """

    labels: Annotated[tuple[tuple[tuple[Count, Count], ...], ...], Meta(min_length=1, max_length=32)]
    weights: Annotated[str, Meta(max_length=1 << 25)] | None
    partition: Annotated[str, Meta(max_length=1 << 22)] | None
    recipe: dict[str, Any]


class Treated(Part, frozen=True):
    """Which treatment each set of labels got, by its hash: by split, and of drawn flips by split and draw."""

    clean: _Hashes
    random: _HashesBySeed
    poisoned: _Hashes
    matched: _HashesBySeed | UnsetType = UNSET


class DefendedVictim(Victim, frozen=True):
    """A victim trained as the defence says.

    Attributes:
        certified: of victims that are several networks, test points whose vote is right and is said to withstand r
            wrong labels, for r = 0, 1, …
    """

    certified: tuple[Count, ...] | UnsetType = UNSET


class Paired(Part, frozen=True):
    """A mean over splits in percentage points, with its 95 % t interval."""

    mean_pp: Finite | None
    ci95_pp: Ends | None


class Side(Part, frozen=True):
    """Mean shares of the victims of one arm, with the defence or without it."""

    adv_acc: Share | None
    untargeted_adv_acc: Share | None
    clean_acc: Share | None
    memorised: Share | None


class ArmPair(Part, frozen=True):
    """An arm without and with the defence."""

    undefended: Side
    defended: Side


class Certificate(Part, frozen=True):
    """What the vote of victims of several networks guarantees of clean predictions, on the poisoned arm.

    Attributes:
        sound: every network of a split changed with the labels of its own part alone, in all arms of this record. False
            means that the shares guarantee nothing.
        shares: test points that are right and withstand r wrong labels, for r = 0, 1, …
    """

    sound: bool
    shares: tuple[Share, ...]


class Outcome(Part, frozen=True):
    """What a defence achieved, all of it from the victims.

    Attributes:
        undefended, defended: drop of adversarial accuracy below random flips, without the defence, and with it in both
            arms.
        removed: how much of the drop the defence removed, paired by split.
        p_value: two-sided, of nothing removed.
        share_removed: 1 − defended / undefended drop, as a fraction; None if there is no drop to remove.
        share_ci95: its 95 % interval by Fieller's theorem; None where the undefended drop cannot be told from 0.
        clean_cost: by how much clean accuracy on clean labels is lower with the defence.
        poisoned_cost: the same on the poisoned labels.
        gain: by how much adversarial accuracy on the poisoned labels is higher with the defence.
        arms: by arm.
    """

    undefended: Paired
    defended: Paired
    removed: Paired
    p_value: Share | None
    share_removed: Finite | None
    share_ci95: Ends | None
    clean_cost: Paired
    poisoned_cost: Paired
    gain: Paired
    arms: dict[str, ArmPair]
    certificate: Certificate | UnsetType = UNSET


class DefenceDocument(Part, frozen=True):
    """A defence's record, as its file has it.

    Attributes:
        defence_schema: its version.
        defender: who made the treatments.
        told_budget: the most wrong labels that the defender was told of; None if it was told nothing.
        undefended: the attack's own record, whole.
        treatments: by hash.
        treated: which labels got which.
        victims: the defended ones, in the order of the attack's record.
        flags: `non-deterministic`, `no-sandbox`, `other-environment` and those of the attack's record, prefixed by
            `attack:`.
        sha256: of everything but `run` and itself.
    """

    defence_schema: Literal[1]
    defender: PoisonerBlock
    told_budget: Count | None
    undefended: dict[str, Any]
    treatments: Annotated[dict[Sha256, TreatmentDocument], Meta(min_length=1, max_length=1 << 16)]
    treated: Treated
    victims: tuple[DefendedVictim, ...]
    outcome: Outcome
    flags: tuple[Annotated[str, Meta(max_length=200)], ...]
    environment: Environment
    code_sha256: Sha256
    sandbox: Literal["bubblewrap", "none"]
    run: Run
    sha256: Sha256
