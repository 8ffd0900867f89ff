"""What a defence achieved, in a sentence."""

from __future__ import annotations

from lnbench.record.defence_schema import Outcome


def verdict(made: Outcome) -> str:
    """The outcome in one or two sentences."""
    share, ends = made.share_removed, made.share_ci95
    if made.undefended.mean_pp is None:
        return "No verdict: of every architecture, split and seed, a victim of some arm diverged."
    passes = _passes(made)
    if share is None:
        none = "without the defence the attack is not below random flips, so that there is no drop to remove."
        return f"{passes[1:]} {none.capitalize()}" if passes else f"No verdict: {none}"
    cost = made.clean_cost.mean_pp
    price = "" if cost is None else f" Clean accuracy on clean labels: {-cost:+.1f} points."
    if ends is None:
        drop = made.undefended.mean_pp
        return (
            f"Not told: it removes {100 * share:.0f} % of the drop, but the undefended drop of {drop:.1f} points "
            f"cannot be told from 0, so that this share has no interval.{passes}{price}"
        )
    span = f"(95 % interval {100 * ends[0]:.0f} to {100 * ends[1]:.0f} %)"
    if ends[0] > 0:
        return f"Removes {100 * share:.0f} % of the drop {span}.{passes}{price}"
    if ends[1] < 0:
        return f"Makes the drop larger, by {-100 * share:.0f} % {span}.{passes}{price}"
    return f"Not shown to remove any of the drop: {100 * share:.0f} % {span}.{passes}{price}"


def _passes(made: Outcome) -> str:
    """What the attack still does, if it is shown to do anything."""
    left, ends = made.defended.mean_pp, made.defended.ci95_pp
    if left is None or ends is None or ends[0] <= 0:
        return ""
    return (
        f" The attack passes it: on defended victims AA is {left:.1f} points lower than under random flips "
        f"(95 % interval {ends[0]:.1f} to {ends[1]:.1f})."
    )
