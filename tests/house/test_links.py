"""Links in the repository's Markdown lead somewhere: to files always, to the world when the network is asked for."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", ".github/**/*.md", "leaderboard/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") and part != ".github" for part in path.relative_to(ROOT).parts)
)
_LINK = re.compile(r"\]\(<?([^)>\s]+)>?\)")
REMOTE = sorted(
    {
        link.rstrip(".,;")
        for page in [*PAGES, ROOT / "CITATION.cff"]
        for link in re.findall(r"https://[^\s)>\"'`|]+", page.read_text(encoding="utf-8"))
        if "…" not in link
    }
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            path = target.partition("#")[0]
            assert (page.parent / path).exists(), f"{page.name} links to {path}"


@pytest.mark.network
@pytest.mark.parametrize("link", REMOTE)
def test_a_link_to_the_world_is_answered(link: str) -> None:
    request = urllib.request.Request(link, headers={"User-Agent": "lnbench's link check"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status < 400
    except urllib.error.HTTPError as error:
        assert error.code in (403, 405, 429), f"{link}: {error}"  # there, but not for programs
