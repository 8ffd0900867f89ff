"""Which lnbench datasets are on the Hub: by tag, with what their cards claim."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnbench.data import network
from lnbench.errors import UnavailableError
from lnbench.hub import card
from lnbench.hub.address import Address
from lnbench.hub.failures import ask
from lnbench.text import plain

MOST = 1000
"""The most datasets that are looked at."""
_TIMEOUT = 30.0
"""Seconds for one page."""


@dataclass(frozen=True)
class SearchResult:
    """One dataset, as its card describes it; nothing of which is checked before it is pulled.

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
) -> list[SearchResult]:
    """The datasets with the tag `lnbench`, by falling claimed score.

    Args:
        track: only those of this track.
        tags: only those with all of these tags.
        min_score: only those that claim at least this score, in percentage points.
        limit: at most so many.

    Raises:
        UnavailableError: if the Hub cannot be asked.
    """
    wanted = [card.TAG, *([card.track_tag(track)] if track else []), *tags]
    results = [_result(entry) for entry in ask(Address("datasets"), "searching", lambda: _entries(wanted))]
    if min_score is not None:
        results = [one for one in results if one.score_pp is not None and one.score_pp >= min_score]
    results.sort(key=lambda one: (one.score_pp is None, -(one.score_pp or 0.0), one.repo))
    return results[:limit]


def _entries(tags: list[str]) -> list[dict[str, Any]]:
    """The Hub's entries with all of these tags, page by page.

    Not by `HfApi.list_datasets`: it makes objects of the cards' fields, and one stranger's card with a field called
    `self` ends everybody's list.
    """
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    entries: list[dict[str, Any]] = []
    url = first = f"{constants.ENDPOINT}/api/datasets"
    query: dict[str, Any] | None = {"filter": tags, "expand": ["cardData", "sha", "tags"], "limit": MOST}
    while url.startswith(first) and len(entries) < MOST:  # never to another host, with the user's token
        response = get_session().get(url, params=query, headers=build_hf_headers(), timeout=_TIMEOUT)
        hf_raise_for_status(response)
        try:
            page = json.loads(response.content)
        except (ValueError, RecursionError):
            page = None
        if not isinstance(page, list):
            raise UnavailableError(
                f"searching failed: {network.shown(network.endpoint())} answered with something else than a list of "
                "datasets: the login page of a network or proxy, or a server that is not the Hub (HF_ENDPOINT)."
            )
        entries += [entry for entry in page if isinstance(entry, dict)]
        url, query = response.links.get("next", {}).get("url", ""), None
    return entries[:MOST]


def _result(entry: Mapping[str, Any]) -> SearchResult:
    """What one entry of the Hub's list says; a stranger's words, cut and cleaned."""
    data, sha = entry.get("cardData"), entry.get("sha")
    facts = data.get("lnbench") if isinstance(data, dict) else None
    facts = facts if isinstance(facts, dict) else {}
    score, splits = facts.get("score_pp"), facts.get("splits")
    sha = sha if isinstance(sha, str) and re.fullmatch(r"[0-9a-f]{40}", sha) else ""
    return SearchResult(
        repo=_words(entry.get("id"), 200),
        commit=sha,
        track=_words(facts.get("track"), 40),
        poisoner=_words(facts.get("poisoner"), 60),
        score_pp=float(score) if isinstance(score, (int, float)) and -100 <= score <= 100 else None,
        splits=splits if isinstance(splits, int) and 0 < splits <= 1000 else None,
        images=facts.get("images") is True,
    )


def _words(value: Any, most: int) -> str:
    """A text of a card as one line that is fit to print; an empty one for what is not text."""
    return plain(value, most) if isinstance(value, str) else ""
