"""A `Recipe`: how a victim is trained, as data."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lnbench.protocol.documents import AtLeastOne, Count, NotNegative, Part, Positive, check_fields


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

    Raises:
        ProtocolError: on a value out of its range.
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

    def __post_init__(self) -> None:
        check_fields(self, "recipe")
