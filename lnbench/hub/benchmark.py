"""The benchmark as a dataset on the Hub: every calibrated track's file, its splits as tables, and `eval.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lnbench import data
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import calibration
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.hub import build as builds
from lnbench.hub import card, croissant, eval_results, folders, layout, parquet
from lnbench.hub.address import Address
from lnbench.hub.licences import licence
from lnbench.protocol import Streams, Track
from lnbench.protocol import track as tracks
from lnbench.record import seasons

SEASONS = "seasons.toml"
_TRACK = "[a-z0-9][a-z0-9_-]{0,39}"
_PATH = re.compile(
    rf"README\.md|{re.escape(eval_results.BENCHMARK)}|{re.escape(croissant.NAME)}|{re.escape(SEASONS)}"
    rf"|tracks/{_TRACK}\.toml|data/{_TRACK}/{layout.TABLE}"
)


def ours(path: str) -> bool:
    """Whether the benchmark's repository may have a file of this path."""
    return _PATH.fullmatch(path) is not None


def build(
    board: Path,
    folder: Path,
    repo: str,
    *,
    only: Sequence[str] = (),
    images: bool | None = None,
    notify: OnProgress = quietly,
) -> list[str]:
    """Write the benchmark's files into a folder; what an earlier build left there is removed.

    Args:
        board: the board's folder, for its seasons.
        repo: where it will be published, `user/name`.
        only: these tracks; all calibrated ones if empty.
        images: include the images; None means where the licence of the base data is known to allow it.

    Returns:
        the paths of its files.

    Raises:
        ProtocolError: if there is no such track, or the folder holds something else.
        UnavailableError, DataError: if the data or room on the disk is missing.
    """
    address = Address.parse(repo)
    parquet.need()
    folders.check(folder, ours, "the benchmark's repository")
    chosen = _chosen(only)
    known = seasons.read(board / SEASONS)
    shown = {track.name: licence(track.data.source).images if images is None else images for track in chosen}
    written = list[str]()
    (folder / eval_results.BENCHMARK).unlink(missing_ok=True)
    for track in chosen:
        written += _tables(track, folder, shown[track.name], notify)
    files = {path: builds.stated(folder / path) for path in written}
    small = {
        **{f"tracks/{track.name}.toml": (tracks.FOLDER / f"{track.name}.toml").read_bytes() for track in chosen},
        croissant.NAME: _croissant(address, chosen, shown, files),
        layout.CARD: _card(address, chosen, shown, known).encode(),
    }
    if (board / SEASONS).exists():
        small[SEASONS] = (board / SEASONS).read_bytes()
    small[eval_results.BENCHMARK] = eval_results.benchmark_yaml(chosen)  # last: by it a folder is known to be whole
    for path, content in small.items():
        folders.write(folder, path, content)
    paths = sorted({*files, *small})
    folders.keep_only(folder, paths)
    return paths


def _chosen(only: Sequence[str]) -> list[Track]:
    """The tracks that were asked for, or all that are calibrated."""
    known = {name: track for name in tracks.names() if (track := tracks.load(name)).calibrated}
    for name in only:
        if name not in known:
            raise ProtocolError(f"there is no calibrated track {name[:60]!r}; there are: {', '.join(known)}.")
    return [known[name] for name in only or known]


def _tables(track: Track, folder: Path, images: bool, notify: OnProgress) -> list[str]:
    """Write the tables of a track's public splits, with true labels; their paths."""

    def rows(split: int, points: data.Split) -> tuple[parquet.Rows, parquet.Rows]:
        return builds.rows_of(track.data.source, track.data.classes, points, points.labels)

    return builds.tables(
        folder,
        track,
        Streams(track.root),
        list(range(track.replication.splits)),
        images,
        rows,
        lambda done, total: notify(Progress("tables", done, total, 0, None, track.name)),
        lambda stem: layout.of_track(track.name, stem),
    )


def _card(
    address: Address, chosen: Sequence[Track], images: Mapping[str, bool], known: Mapping[str, seasons.Season]
) -> str:
    terms = {track.name: licence(track.data.source) for track in chosen}
    rows = sum(track.data.train * track.replication.splits for track in chosen)
    return (
        card.environment()
        .get_template("benchmark.md.jinja")
        .render(
            repo=address.repo,
            tracks=chosen,
            images=images,
            licences=sorted({one.id for one in terms.values()}),
            sources=sorted({one.hub for one in terms.values() if one.hub}),
            credits=list(dict.fromkeys(one.credit for one in terms.values())),
            size=card.size_category(rows),
            tags=[
                card.TAG,
                "lnbench-benchmark",
                "benchmark",
                *(card.track_tag(name) for name in terms),
                *card.TAGS[:-1],
            ],
            configs=layout.configs_of_tracks([(track, track.replication.splits) for track in chosen]),
            seasons=known,
            framework=eval_results.FRAMEWORK,
        )
    )


def _croissant(
    address: Address,
    chosen: Sequence[Track],
    images: Mapping[str, bool],
    files: Mapping[str, Mapping[str, object]],
) -> bytes:
    tables = []
    for track in chosen:
        mine = {path: stated for path, stated in files.items() if path.startswith(f"data/{track.name}/")}
        tables += layout.croissant_tables(mine, images[track.name])
    return croissant.render(
        address=address,
        name=address.repo.replace("/", "-"),
        description=eval_results.DESCRIPTION,
        terms=[licence(track.data.source) for track in chosen],
        date=_date(chosen),
        creator="The lnbench developers",
        cite="lnbench tracks " + ", ".join(f"{track.name} {track.sha256}" for track in chosen),
        files=files,
        tables=tables,
        responsible=croissant.Responsible(
            labels="No label is changed here: these are the training sets that poisoners are given.",
            use="Evaluating poisoners by lnbench, and looking at what they are given. A poisoner that was tuned to "
            "these splits proves nothing by them; own splits and seasons are for that.",
            limits="Small image sets and small networks, one budget of flips a track.",
            synthetic=False,
        ),
    )


def _date(chosen: Sequence[Track]) -> str | None:
    """The day of the newest calibration, so that the same tracks give the same file; None if none is here."""
    days = []
    for track in chosen:
        try:
            days.append(str(calibration.read(track.name)["run"]["started"])[:10])
        except (UnavailableError, KeyError):
            continue
    return max(days, default=None)
