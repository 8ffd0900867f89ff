"""The losses attacks climb, and their gradients in logit space in closed form.

Every attack back-propagates `ascent(logits, …)` through the victims: the gradient with respect to the logits is an
expression of the logits alone, so no loss is ever part of the autograd graph. With z the logits, y the true class and t
the target, the objectives, all to be made large, are

| loss            | away from y                           | towards t                                |
|-----------------|---------------------------------------|------------------------------------------|
| `cross-entropy` | −log softmax(z)_y                     | log softmax(z)_t                         |
| `margin`        | max_{i≠y} z_i − z_y                   | z_t − max_{i≠t} z_i                      |
| `dlr`           | (max_{i≠y} z_i − z_y) / (z_π1 − z_π3) | (z_t − z_r) / (z_π1 − (z_π3 + z_π4) / 2) |

where π sorts the logits in descending order, and r is `rivals` if given (Croce & Hein's APGD-T: the true class) and
the largest other logit if not. Sources: margin, Carlini & Wagner 2017 (f₆ without its cut-off); DLR, Croce & Hein 2020,
eqs. 6 and 7, of which only the sign is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.kernels import cross_entropy

LOSSES = ("cross-entropy", "margin", "dlr")
_TINY = 1e-12
"""Keeps the DLR loss finite where the ranked logits are all equal (as in the authors' code)."""


def ascent(
    logits: Tensor, classes: Tensor, *, targeted: bool, loss: str = "cross-entropy", rivals: Tensor | None = None
) -> Tensor:
    """The gradient of the objective with respect to the logits, (…, class).

    Args:
        logits: (…, class).
        classes: (…) int64: targets when `targeted`, true labels when not.
        loss: one of `LOSSES`.
        rivals: (…) int64: the class that the targeted DLR loss pushes down; by default the largest other logit.

    Raises:
        ProtocolError: if there is no such loss, or it needs more classes than there are.
    """
    if loss == "cross-entropy":
        if logits.is_cuda:
            gradient = cross_entropy(logits, classes)[1]
        else:
            gradient = torch.softmax(logits, -1)
            gradient.scatter_add_(-1, classes.unsqueeze(-1), gradient.new_full((*classes.shape, 1), -1.0))
        return gradient.neg_() if targeted else gradient
    check_loss(loss, targeted, logits.shape[-1])
    up, down = _edge(logits, classes, targeted, rivals if loss == "dlr" else None)
    gradient = torch.zeros_like(logits)
    one = torch.ones_like(up, dtype=logits.dtype)
    if loss == "margin":
        return gradient.scatter_add_(-1, up, one).scatter_add_(-1, down, -one)
    ranked, weights, spread = _spread(logits, targeted)
    gain = logits.gather(-1, up) - logits.gather(-1, down)
    gradient.scatter_add_(-1, up, one / spread).scatter_add_(-1, down, -one / spread)
    return gradient.scatter_add_(-1, ranked, -(gain / spread.square()) * weights)


def objective(
    logits: Tensor, classes: Tensor, *, targeted: bool, loss: str = "cross-entropy", rivals: Tensor | None = None
) -> Tensor:
    """The value that `ascent` is the gradient of, (…); see it for the arguments."""
    if loss == "cross-entropy":
        value = torch.log_softmax(logits, -1).gather(-1, classes.unsqueeze(-1)).squeeze(-1)
        return value if targeted else -value
    check_loss(loss, targeted, logits.shape[-1])
    up, down = _edge(logits, classes, targeted, rivals if loss == "dlr" else None)
    gain = logits.gather(-1, up) - logits.gather(-1, down)
    if loss == "dlr":
        gain = gain / _spread(logits, targeted)[2]
    return gain.squeeze(-1)


def check_loss(loss: str, targeted: bool, num_classes: int) -> None:
    """Refuse a loss that does not exist or is not defined for so few classes.

    Raises:
        ProtocolError: naming what there is.
    """
    if loss not in LOSSES:
        raise ProtocolError(f"no loss is called {loss!r}; there are {', '.join(LOSSES)}.")
    least = (4 if targeted else 3) if loss == "dlr" else 2
    if num_classes < least:
        raise ProtocolError(
            f"the {'targeted ' if targeted else ''}{loss} loss needs at least {least} classes and the model has "
            f"{num_classes}; use 'margin'."
        )


def _edge(logits: Tensor, classes: Tensor, targeted: bool, rivals: Tensor | None) -> tuple[Tensor, Tensor]:
    """The classes whose logits are pushed up and down, (…, 1) each."""
    own = classes.unsqueeze(-1)
    if rivals is not None and targeted:
        return own, rivals.unsqueeze(-1)
    other = logits.scatter(-1, own, float("-inf")).argmax(-1, keepdim=True)
    return (own, other) if targeted else (other, own)


def _spread(logits: Tensor, targeted: bool) -> tuple[Tensor, Tensor, Tensor]:
    """DLR's denominator: the ranked classes in it (…, m), their weights (m,) and its value (…, 1)."""
    values, ranked = logits.topk(4 if targeted else 3, -1)
    weights = values.new_tensor([1.0, 0.0, -0.5, -0.5] if targeted else [1.0, 0.0, -1.0])
    return ranked, weights, (values * weights).sum(-1, keepdim=True) + _TINY
