"""The suite's card and its Croissant file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.hub import card, croissant
from lnbench.hub import layout as layouts
from lnbench.hub.address import Address
from lnbench.hub.licences import licence
from lnbench.hub.suite import layout
from lnbench.hub.suite.manifest import SuiteManifest
from lnbench.protocol import arms_of
from lnbench.record.record import Record

TAG = "lnbench-suite"


def render(address: Address, records: Sequence[Record], stated: SuiteManifest) -> str:
    """The card of a suite.

    Args:
        records: one a track, in their order.
    """
    terms = {made.track.name: licence(made.track.data.source) for made in records}
    rows = sum(made.track.data.train * made.replication.splits for made in records)
    return (
        card.environment()
        .get_template("suite.md.jinja")
        .render(
            repo=address.repo,
            records=records,
            stated=stated,
            terms=terms,
            licences=sorted({one.id for one in terms.values()}),
            sources=sorted({one.hub for one in terms.values() if one.hub}),
            credits=list(dict.fromkeys(one.credit for one in terms.values())),
            size=card.size_category(rows),
            tags=[card.TAG, TAG, *(card.track_tag(name) for name in terms), *card.TAGS],
            configs=layouts.configs_of_tracks([(made.track, made.replication.splits) for made in records]),
            columns={made.track.name: list(layout.columns(made.track, made.replication.seeds)) for made in records},
            arms={made.track.name: arms_of(made.track) for made in records},
        )
    )


def croissant_file(
    address: Address, records: Sequence[Record], images: Mapping[str, bool], files: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """The Croissant file of a suite.

    Args:
        images: track -> whether its tables hold images.
        files: path -> `bytes` and `sha256` of the tables and the rest.
    """
    tables = []
    for made in records:
        name = made.track.name
        mine = {path: files[path] for path in layout.tables(files, name)}
        tables += layouts.croissant_tables(mine, images[name], list(layout.columns(made.track, made.replication.seeds)))
    names = ", ".join(made.track.name for made in records)
    return croissant.render(
        address=address,
        name=address.repo.replace("/", "-"),
        description=f"Poisoned, randomly flipped and clean labels of {names}, and victims trained on each: the best "
        "attack of every calibrated track of lnbench, the benchmark for crafted label noise.",
        terms=[licence(made.track.data.source) for made in records],
        date=max(made.started[:10] for made in records),
        creator="The lnbench developers",
        cite="lnbench records " + ", ".join(made.sha256 for made in records),
        files=files,
        tables=tables,
        responsible=croissant.Responsible(
            labels="In the column `label` some training labels of every split were changed on purpose by the best "
            "attack on the board, in the other columns of labels as many at random; `clean_label` is true. Test labels "
            "are true.",
            use="Testing defences against label noise, and comparing crafted with random noise. Train nothing on it "
            "that you want to rely on.",
            limits="It holds one attack a track. A defence that removes this one is not shown to remove others.",
            synthetic=True,
        ),
    )
