"""A `Recipe`: how a victim is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass

from lnbench.protocol.fields import check_fields, number, one_of


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining:
    """Victims trained against perturbed inputs.

    Attributes:
        method: `pgd` (Madry et al. 2018): the loss is that of the perturbed examples; or `trades` (Zhang et al. 2019):
            that of the clean ones plus β times the divergence of the perturbed ones' predictions from theirs.
        epsilon: radius of the perturbations.
        norm: the ball's norm.
        steps: m steps of step_factor · ε / m.
        random_start: `pgd` starts at a uniform point of the ball instead of at x. `trades` always starts beside x.
        beta: β of `trades`.
    """

    method: str = one_of("pgd", "trades", default="pgd")
    epsilon: float = number(0, open_low=True)
    norm: str = one_of("linf", "l2", default="linf")
    steps: int = number(1, default=10)
    step_factor: float = number(0, open_low=True, default=2.5)
    random_start: bool = True
    beta: float = number(0, default=6.0)

    def __post_init__(self) -> None:
        check_fields(self, "adversarial training")


@dataclass(frozen=True, kw_only=True)
class Recipe:
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

    steps: int = number(1)
    batch: int = number(1)
    learning_rate: float = number(0, open_low=True)
    optimiser: str = one_of("adam", "sgd", default="adam")
    schedule: str = one_of("one-cycle", "cosine", "linear", "constant", default="one-cycle")
    weight_decay: float = number(0, default=0.0)
    label_smoothing: float = number(0, 0.999, default=0.0)
    crop: int = number(0, default=0)
    mirror: bool = False
    precision: str = one_of("fp32", "tf32", "bf16", default="fp32")
    adversarial: AdversarialTraining | None = None
    stop_when_memorised: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "recipe")
