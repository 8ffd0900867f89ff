"""Which lnbench datasets are on the Hub: by tag, with what their cards claim."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lnbench.errors import UnavailableError
from lnbench.hub import card
from lnbench.hub.client import Address, asked
from lnbench.leaderboard.text import plain

MOST = 1000
"""The most datasets that are looked at."""


@dataclass(frozen=True)
class Found:
    """One dataset, as its card describes it; nothing of it is checked before it is pulled.

    Attributes:
        repo: `user/name`.
        commit: the newest commit of `main`, or an empty text.
        track: the track it claims.
        poisoner: the poisoner it claims.
        score_pp: the score it claims, percentage points, or None.
        splits: how many splits it claims, or None.
        images: whether it claims to hold images.
    """

    repo: str
    commit: str
    track: str
    poisoner: str
    score_pp: float | None
    splits: int | None
    images: bool


def search(
    *, track: str | None = None, tags: tuple[str, ...] = (), min_score: float | None = None, limit: int = 100
) -> list[Found]:
    """The datasets with the tag `lnbench`, by falling claimed score.

    Args:
        track: only those of this track.
        tags: only those with all of these tags.
        min_score: only those that claim at least this score, in percentage points.
        limit: at most so many.

    Raises:
        UnavailableError: if the Hub cannot be asked.
    """
    from huggingface_hub import HfApi

    wanted = [card.TAG, *([card.track_tag(track)] if track else []), *tags]
    fields: Any = ["cardData", "sha", "tags", "private"]
    try:
        listed = asked(
            Address("datasets"),
            "searching",
            lambda: list(HfApi().list_datasets(filter=wanted, expand=fields, limit=MOST)),
        )
    except TypeError as error:  # a card with a field called `self` is more than the client can take
        raise UnavailableError(
            f"one of the datasets found has a card that huggingface_hub cannot read ({str(error)[:120]}); ask for a "
            "track or more tags, so that it is not among them."
        ) from None
    found = [_found(info) for info in listed]
    if min_score is not None:
        found = [one for one in found if one.score_pp is not None and one.score_pp >= min_score]
    found.sort(key=lambda one: (one.score_pp is None, -(one.score_pp or 0.0), one.repo))
    return found[:limit]


def _found(info: Any) -> Found:
    """What one entry of the Hub's list says; a stranger's words, cut and cleaned."""
    data = info.card_data
    facts = data.get("lnbench") if data is not None and hasattr(data, "get") else None
    facts = facts if isinstance(facts, dict) else {}
    score, splits = facts.get("score_pp"), facts.get("splits")
    sha = info.sha if isinstance(info.sha, str) and re.fullmatch(r"[0-9a-f]{40}", info.sha) else ""
    return Found(
        repo=plain(str(info.id), 200),
        commit=sha,
        track=_words(facts.get("track"), 40),
        poisoner=_words(facts.get("poisoner"), 60),
        score_pp=float(score) if isinstance(score, (int, float)) and -100 <= score <= 100 else None,
        splits=splits if isinstance(splits, int) and 0 < splits <= 1000 else None,
        images=facts.get("images") is True,
    )


def _words(value: Any, most: int) -> str:
    """A text of a card as one line that is fit to print; nothing for what is no text."""
    return plain(value, most) if isinstance(value, str) else ""
