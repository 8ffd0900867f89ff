"""A `Recipe`: how a victim is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lnbench.errors import ProtocolError
from lnbench.protocol.documents import (
    AtLeastOne,
    Count,
    NotNegative,
    Part,
    Positive,
    Share,
    WrongError,
    check_fields,
    read,
)


class AdversarialTraining(Part, frozen=True, kw_only=True):
    """Victims trained against perturbed inputs.

    Attributes:
        method: `pgd` (Madry et al. 2018): the loss is that of the perturbed examples; or `trades` (Zhang et al. 2019):
            that of the clean ones plus β times the divergence of the perturbed ones' predictions from theirs.
        epsilon: radius of the perturbations.
        norm: the ball's norm.
        steps: m steps of step_factor · ε / m.
        random_start: `pgd` starts at a uniform point of the ball instead of at x. `trades` always starts beside x.
        beta: β of `trades`.

    Raises:
        ProtocolError: on a value out of its range.
    """

    method: Literal["pgd", "trades"] = "pgd"
    epsilon: Positive
    norm: Literal["linf", "l2"] = "linf"
    steps: AtLeastOne = 10
    step_factor: Positive = 2.5
    random_start: bool = True
    beta: NotNegative = 6.0

    def __post_init__(self) -> None:
        check_fields(self, "adversarial training")


class Recipe(Part, frozen=True, kw_only=True):
    """How one victim is trained: on tracks always this many steps, in every arm.

    Attributes:
        steps: optimiser steps.
        batch: examples a step; batches are cut from end-to-end permutations of the training set.
        learning_rate: the schedule's peak.
        optimiser: `adam` (β = .9, .999, ε = 1e-8) or `sgd` (Nesterov momentum .9).
        schedule: `one-cycle` (linear rise over the first 30 % of the steps, cosine fall to zero), `cosine` or `linear`
            (fall to zero from the first step), or `constant`.
        weight_decay: decoupled (AdamW) for Adam, ℓ2 for SGD.
        label_smoothing: s: the wanted distribution is (1 − s) of the label and s / classes of every class.
        crop: every example is moved by up to this many pixels down or up, and right or left; zeros come in.
        mirror: every example is mirrored left and right half of the times.
        precision: of training alone, victims being tested and attacked in float32: `fp32`; `tf32` matrix products, on
            CUDA devices; `bf16`, autocast to bfloat16.
        adversarial: train against perturbed inputs; or None.
        stop_when_memorised: a victim stops at the end of the first pass after which it predicts every training label.
            For surrogates and experiments: tracks train the same number of steps in every arm.
        loss: `cross-entropy`; or `gce`, generalised cross-entropy (Zhang & Sabuncu 2018): (1 − p_y^q) / q, with p_y the
            predicted probability of the label. It is cross-entropy as q → 0 and the mean absolute error at q = 1.
        gce_q: q of `gce`.
        elr: λ of early-learning regularisation (Liu et al. 2020): λ · log(1 − ⟨t, p⟩) is added to the loss, with t the
            running mean of the example's own predictions; 0 leaves it out.
        elr_memory: β of that running mean, t ← β · t + (1 − β) · p.
        trim: this share of every batch, the examples of largest cross-entropy, is left out of the step (rounded down).
        trim_ramp: share of the steps over which `trim` rises from 0, in proportion.
        co_teaching: train a second network of the same batches, each network's `trim` being chosen by the other one's
            losses (Han et al. 2018). The victim is the first.
        sam: ρ of sharpness-aware minimisation (Foret et al. 2021): the gradient is taken at w + ρ · g / ‖g‖; 0 leaves
            it out.
        early_stopping: share of the training points, drawn for each victim, that it is not trained on. After every pass
            the cross-entropy on them is measured, with the labels that they have; the victim is the network at its
            smallest. 0 leaves it out.
        spectral_norm: every weight matrix of an `mlp` or `cnn` has this spectral norm, as in the architecture
            `spectral`; or None.

    Raises:
        ProtocolError: on a value out of its range, or fields that exclude each other.
    """

    steps: AtLeastOne
    batch: AtLeastOne
    learning_rate: Positive
    optimiser: Literal["adam", "sgd"] = "adam"
    schedule: Literal["one-cycle", "cosine", "linear", "constant"] = "one-cycle"
    weight_decay: NotNegative = 0.0
    label_smoothing: Annotated[float, Meta(ge=0, le=0.999)] = 0.0
    crop: Count = 0
    mirror: bool = False
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    adversarial: AdversarialTraining | None = None
    stop_when_memorised: bool = False
    loss: Literal["cross-entropy", "gce"] = "cross-entropy"
    gce_q: Annotated[float, Meta(gt=0, le=1)] = 0.7
    elr: NotNegative = 0.0
    elr_memory: Annotated[float, Meta(ge=0, le=0.999)] = 0.7
    trim: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    trim_ramp: Share = 0.0
    co_teaching: bool = False
    sam: NotNegative = 0.0
    early_stopping: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    spectral_norm: Positive | None = None

    def __post_init__(self) -> None:
        check_fields(self, "recipe")
        if self.loss == "gce" and self.label_smoothing:
            raise ProtocolError("recipe: loss: gce takes labels as they are; set label_smoothing to 0.")
        if self.stop_when_memorised and (self.elr or self.co_teaching or self.early_stopping):
            raise ProtocolError(
                "recipe: stop_when_memorised: it goes with none of elr, co_teaching and early_stopping; leave one out."
            )

    def changed(self, fields: Mapping[str, Any]) -> Recipe:
        """A copy with some fields, given as JSON has them, in place of its own.

        Raises:
            ProtocolError: naming the field that is unknown or out of range.
        """
        try:
            return read({**msgspec.to_builtins(self), **msgspec.to_builtins(dict(fields))}, Recipe)
        except WrongError as wrong:
            raise ProtocolError(f"recipe: {wrong}") from None
