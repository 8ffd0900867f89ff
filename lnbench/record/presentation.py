"""A record as people see it: a sentence, a line in a terminal, a table in a notebook, a frame for analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lnbench.errors import UnavailableError
from lnbench.protocol import Track
from lnbench.record.schema import Arm, SplitsAndSeeds, Victim
from lnbench.record.score_schema import Score
from lnbench.text import interval, plain, points, probability, share

if TYPE_CHECKING:
    from pandas import DataFrame


class Shown(Protocol):
    """What is shown of a record; `lnbench.record.Record` is one."""

    @property
    def label(self) -> str: ...

    @property
    def track(self) -> Track: ...

    @property
    def score(self) -> Score: ...

    @property
    def ranked(self) -> bool: ...

    @property
    def flags(self) -> tuple[str, ...]: ...

    @property
    def arms(self) -> Mapping[str, Arm]: ...

    @property
    def replication(self) -> SplitsAndSeeds: ...

    @property
    def victims(self) -> Sequence[Victim]: ...


def label(name: str, parameters: Mapping[str, Any]) -> str:
    """A poisoner's name with those parameters that are not at their defaults.

    >>> label("adversarial_path", {"bucket": 3})
    'adversarial_path(bucket=3)'
    """
    shown = ", ".join(f"{k}={v}" for k, v in sorted(parameters.items()))
    return f"{name}({shown})" if shown else name


def verdict(score: Score) -> str:
    """The outcome in one sentence."""
    drop, ends = score.drop_pp, score.ci95_pp
    if drop is None:
        return "No score: of every architecture, split and seed, a victim of some arm diverged."
    if ends is None:
        return f"No verdict: a drop of {drop:.1f} points on a single split has no interval."
    span = f"(95 % interval {ends[0]:.1f} to {ends[1]:.1f}, {_p(score.p_value)})"
    if ends[0] > 0:
        return f"Beats random flips: targeted adversarial accuracy is {drop:.1f} points lower {span}."
    if ends[1] < 0:
        return f"Worse than random flips: targeted adversarial accuracy is {-drop:.1f} points higher {span}."
    return f"Not told apart from random flips: targeted adversarial accuracy differs by {drop:.1f} points {span}."


def line(record: Shown) -> str:
    """One line: name, track, score, interval, and whether it may rank."""
    score, ranked = record.score, "ranked" if record.ranked else "not ranked"
    measured = f"{points(score.drop_pp)} pp {_interval(score.ci95_pp)}"
    return f"<Record {plain(record.label, 80)} on {record.track.name}: {measured}, {ranked}>"


def html(record: Shown) -> str:
    """A small table for notebooks, complete in itself; every text in it is escaped."""
    from markupsafe import Markup

    score, size = record.score, record.replication
    facts = {
        "track": f"{record.track.name}, version {record.track.version}",
        "score, pp": f"{points(score.drop_pp)} {_interval(score.ci95_pp)}, {probability(score.p_value)}",
        **{
            f"{name}, pp": f"{points(alone.drop_pp)} {_interval(alone.ci95_pp)}"
            for name, alone in score.per_architecture.items()
        },
        "targeted adversarial accuracy, %": ", ".join(
            f"{name} {share(arm.adv_acc)}" for name, arm in record.arms.items()
        ),
        "splits × seeds": f"{size.splits} × {size.seeds}" + (", quick" if size.quick else ""),
        "ranked": "yes" if record.ranked else "no",
        "flags": ", ".join(record.flags) or "–",
    }
    lines = Markup("").join(
        Markup("<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>").format(
            name, plain(fact)
        )
        for name, fact in facts.items()
    )
    caption = plain(record.label, 80)
    return str(Markup("<table><caption>{}</caption><tbody>{}</tbody></table>").format(caption, lines))


def frame(record: Shown) -> DataFrame:
    """The victims as a DataFrame, one line each: counts, and lists of counts for the curves.

    Columns are the fields of `lnbench.record.schema.Victim`, those of its tables joined by a dot: `clean.correct`.

    Raises:
        UnavailableError: if pandas is missing.
    """
    try:
        import pandas
    except ImportError:
        raise UnavailableError("a data frame needs pandas, which is not installed; run `pip install pandas`.") from None

    lines: list[dict[str, Any]] = []
    for victim in record.victims:
        lines.append({})
        for field, value in msgspec.structs.asdict(victim).items():
            if isinstance(value, msgspec.Struct):
                lines[-1] |= {f"{field}.{name}": part for name, part in msgspec.structs.asdict(value).items()}
            else:
                lines[-1][field] = value
    return pandas.DataFrame(lines)


def _p(p: float | None) -> str:
    """A p value with its magnitude; as a float it may be 0 or 1, which no p is.

    >>> _p(6.4e-08), _p(0.0), _p(1.0)
    ('p = 6.4e-08', 'p < 1e-9', 'p > 0.99')
    """
    if p is None:
        return "p not known"
    if p < 1e-9:  # a record rounds it to nine places
        return "p < 1e-9"
    return "p > 0.99" if p > 0.99 else f"p = {p:.2g}"


def _interval(ends: tuple[float, float] | None) -> str:
    return interval(None if ends is None else list(ends))
