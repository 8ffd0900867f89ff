"""`lnbench status`: how far the campaigns of a store are, from any host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from lnbench.cli import _options, _progress, _result

if TYPE_CHECKING:
    from lnbench.evaluation.campaign_status import Status


@click.command("status")
@click.option("--campaign", metavar="ID", default=None, help="Only this campaign. [default: the one begun last]")
@_options.store
@_result.json_option
def command(campaign: str | None, store: str | None, as_json: bool) -> None:
    """Show what a campaign has done and has left, by track and by worker.

    What is done is counted in the store, so any host that reads the store can ask. A process that has said nothing for
    half a minute is shown as silent; the command that started it goes on where it stopped.

    \b
      lnbench status --store s3://lab/lnbench
    """
    from lnbench.errors import ProtocolError
    from lnbench.evaluation.campaign_status import status
    from lnbench.evaluation.shared_store import open_store

    opened = open_store(store)
    found = status(opened, campaign)
    if found is None:
        raise ProtocolError(
            f"the store {opened.place} knows no campaign{f' {campaign[:40]}' if campaign else ''}; `lnbench evaluate "
            "--all DIR --tracks …` starts one."
        )
    if as_json:
        _result.Result(True).give(found.document())
        return
    _show(_result.Result(False), found)


def _show(result: _result.Result, found: Status) -> None:
    left = "" if found.seconds_left is None else f", {_progress.duration(found.seconds_left)} left"
    failed = f" ({found.failed} failed)" if found.failed else ""
    result.say(f"campaign {found.campaign}: {found.rows} rows{failed}, {found.done} of {found.total} cells done{left}")
    head = ["track", "labels", "cells done", "running", "left", "victims left"]
    tracks = [
        [
            t.track,
            f"{t.labels_done}/{t.labels}",
            f"{t.done}/{t.cells}",
            *map(str, (t.running, t.cells - t.done, t.victims_left)),
        ]
        for t in found.tracks
    ]
    result.table(head, tracks)
    if not found.workers:
        return
    now, lines = time.time(), []
    for w in found.workers:
        state = w.stage if w.stage == "ended" or w.alive else "silent"
        ago = _progress.duration(max(0.0, now - w.time)) + " ago"
        nodes = ", ".join(f"{node} {count}" for node, count in sorted(w.nodes.items()))
        lines.append([w.worker, w.engine, w.share or "", state, w.track, str(w.running if w.alive else 0), nodes, ago])
    head = ["worker", "engine", "shard", "state", "track", "running", "done by node", "last heard"]
    result.table(head, lines, words=["engine", "shard", "state", "track", "done by node", "last heard"])
