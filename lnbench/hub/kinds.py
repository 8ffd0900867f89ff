"""The kinds of repository that lnbench builds: how a folder of one is known, and what is checked before an upload."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import ProtocolError
from lnbench.hub import baselines, benchmark, eval_results, folders, layout, model, publishing
from lnbench.hub.address import Address
from lnbench.hub.publishing import ATTRIBUTES, PublishResult
from lnbench.hub.suite import build as suites
from lnbench.hub.suite import layout as suite_layout
from lnbench.hub.suite import manifest as suite_manifest

_SITE = "leaderboard/board.json"


@dataclass(frozen=True)
class Kind:
    """One kind of folder.

    Attributes:
        what: it is, for a sentence.
        kind: of the repository, as in `Address.kind`.
        marker: the file by which a folder or repository of this kind is known.
        ours: whether it may have a file of this path.
        tag: checks the folder, and gives the tag of its revision.
    """

    what: str
    kind: str
    marker: str
    ours: Callable[[str], bool]
    tag: Callable[[Path], str | None] = lambda folder: None


def _victim(path: str) -> bool:
    return path == eval_results.RESULTS or re.fullmatch(layout.VICTIM, path) is not None


def _page(path: str) -> bool:
    return (
        re.fullmatch(r"README\.md|index\.html|(?:leaderboard|attacks|submissions)/[A-Za-z0-9_./-]+", path) is not None
    )


_NEW_SPACE = ("index.html", "style.css")
"""What the Hub puts into a static Space that is made on its pages, beside the card."""

KINDS = (
    Kind(
        "a poisoned suite",
        "dataset",
        suite_manifest.NAME,
        suite_layout.ours,
        lambda folder: suites.check_as_pull_would(folder).tag,
    ),
    Kind("the benchmark's dataset", "dataset", eval_results.BENCHMARK, benchmark.ours),
    Kind("a folder of shared baselines", "dataset", baselines.MARKER, baselines.ours),
    Kind("a poisoner", "model", model.RECORD, model.ours),
    Kind("kept victims", "model", eval_results.RESULTS, _victim),
    Kind("the board's page", "space", _SITE, _page),
)
"""All of them; the first whose marker a folder has is its kind."""


def of(folder: Path) -> Kind:
    """The kind of a folder that was built to be published.

    Raises:
        ProtocolError: if it is of none, or holds a file that does not belong there.
    """
    kind = next((one for one in KINDS if (folder / one.marker).is_file()), None)
    if kind is None:
        raise ProtocolError(
            f"{folder} is nothing that lnbench publishes: expected one of "
            f"{', '.join(f'{one.marker} ({one.what})' for one in KINDS)} in it."
        )
    odd = next((path for path in folders.files_of(folder) if not kind.ours(path)), None)
    if odd is not None:
        raise ProtocolError(f"{folder} holds {odd[:100]!r}, which does not belong in {kind.what}; nothing was pushed.")
    return kind


def upload(
    folder: Path, repo: str, *, private: bool = False, create_pr: bool = False, dry_run: bool = False
) -> tuple[Kind, dict[str, Path], PublishResult | None]:
    """Publish a folder: one commit that makes the repository hold exactly its files.

    Args:
        private: make the repository a private one.
        create_pr: propose the commit as a pull request instead.
        dry_run: check the folder and ask nothing of the Hub.

    Returns:
        the kind of the folder, its files by path, and what is on the Hub now; None after a dry run.

    Raises:
        ProtocolError: if the folder or the repository is of another kind.
        RecordError: if a suite is not one that could be pulled.
        UnavailableError: if the network, the Hub or a permission is missing; nothing half-written is visible there.
    """
    kind = of(folder)
    address = Address.parse(repo, kind.kind)
    if address.revision is not None:
        raise ProtocolError(f"a push makes a new commit of main: give {address.repo} without @{address.revision}.")
    tag, files = kind.tag(folder), {path: folder / path for path in folders.files_of(folder)}
    if dry_run:
        return kind, files, None
    made = publishing.publish(
        address,
        files,
        message=f"{kind.what[0].upper()}{kind.what[1:]}, by lnbench",
        foreign=lambda there: _foreign(kind, list(there)),
        what=f"{kind.what[0].upper()}{kind.what[1:]}",
        tag=tag,
        private=private,
        create_pr=create_pr,
    )
    return kind, files, made


def _foreign(kind: Kind, there: list[str]) -> str | None:
    """A path that shows that a repository is not of a kind; one that is new may have a card."""
    new = {ATTRIBUTES, layout.CARD, *(_NEW_SPACE if kind.kind == "space" else ())}
    if set(there) <= new:
        return None
    odd = next((path for path in there if path != ATTRIBUTES and not kind.ours(path)), None)
    if odd is None and kind.marker not in there:
        odd = next((path for path in there if path not in new), None)
    return odd
