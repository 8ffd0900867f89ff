"""PROTOCOL.md says what the track files say: every number in it is one of theirs, or of the code's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from lnbench.board.row import ALPHA, DOUBT, PROOF
from lnbench.evaluation import calibration
from lnbench.poison import source
from lnbench.protocol import Track
from lnbench.protocol import track as tracks
from lnbench.protocol.exactness import is_exact
from lnbench.record import audits, score
from lnbench.record.flags import BAND
from lnbench.trust import retrain

PAGE = Path(__file__).resolve().parents[2] / "leaderboard" / "PROTOCOL.md"
TRACKS = [tracks.load(name) for name in sorted(tracks.names(), key=lambda name: (name != tracks.DEFAULT, name))]
DEFAULT = TRACKS[0]


def row(track: Track) -> str:
    """A track's line of the table."""
    pairs, r = track.noise.pairs, track.replication
    several = "every class to the next" if len(pairs) > 2 else ", ".join(f"{a}→{b}" for a, b in pairs)
    moves = f"one of all {len(pairs)} pairs a split" if track.noise.rotate else several
    victims = ", ".join(victim.name for victim in track.victims)
    return (
        f"| `{track.name}` | {track.data.train:,} | {track.noise.budget}, {moves} | {r.splits} × {r.seeds} "
        f"| {victims} | {track.limits.seconds:,.0f} s |"
    )


def one(values: Iterable[float | None]) -> float:
    """The value that all tracks share: prose cannot speak of two."""
    (value,) = values
    assert value is not None
    return value


def claims() -> list[str]:
    """Every stretch of the page that holds a number, as the track files and the code would have it."""
    adversary, stealth = [t.adversary for t in TRACKS], [t.stealth for t in TRACKS]
    followed = [t.adversary for t in TRACKS if not is_exact(t)]  # an exact adversary takes no steps
    steps, factor = one({a.steps for a in followed}), one({a.step_factor for a in followed})
    defended = [v for t in TRACKS for v in t.victims if v.recipe.adversarial is not None or v.name.endswith("-reg")]
    least = one({v.memorised_min for t in TRACKS for v in t.victims if v not in defended})
    assert {v.memorised_min for v in defended} == {None}
    assert {a.norm for a in adversary} == {"linf"} and {a.rule for a in adversary} == {"any"}
    assert not any(a.random_start for a in adversary)
    small = {t.limits.memory_gib for t in TRACKS if t.data.source in ("digits", "mnist")}
    return [
        *map(row, TRACKS),
        f"{steps:g} sign steps of {factor:g}·ε/m",
        f"its {100 * score._LEVEL:.0f} % interval is Student's",
        f"AA between {100 * BAND[0]:.0f} and {100 * BAND[1]:.0f} %",
        f"a true drop of {calibration.LEAST_PP:g} points with a power of {100 * calibration.POWER:.0f} %",
        f"on `{tracks.DEFAULT}` one of {calibration.EFFECT_PP:g} points",
        f"one file of at most {source.SOURCE_BYTES // 1024} kB",
        f"may use {one(small):g} GiB of memory on the small tracks",
        f"memorised at least {100 * least:.0f} % of their flips",
        f"at most {one({s.clean_pp for s in stealth}):g} point, and the source class's at most "
        f"{one({s.source_clean_pp for s in stealth}):g} points, below",
        f"over all rows of a table, at {100 * ALPHA:.0f} %",
        f"to detect a score raised by {retrain.RAISED_PP:g} points with {100 * retrain.POWER:.0f} % probability",
        f"prove a row only with p below {_short(PROOF)}",
        f"the best of 40 edits of random flips gets there with a probability of {100 * _any_of(40, PROOF):.0f} %, and "
        f"where the usual {100 * ALPHA:.0f} % sufficed, with {100 * _any_of(40, ALPHA):.0f} %",
        f"gets there, too, with {100 * _any_of(1000, PROOF):.0f} %",
        f"on its own splits with p below {_short(PROOF)}",
        f"(Welch's *t*, p below {_short(DOUBT)} after Holm)",
        f"APGD of {audits.STRENGTH['steps']} steps on two losses and towards every target, PGD of twice the steps, and "
        f"{audits.STRENGTH['queries']} queries of random search",
        "Version 0 of a track is not released",
    ]


def _short(p: float) -> str:
    return f"{p:g}".removeprefix("0")


def _any_of(edits: int, level: float) -> float:
    """Chance that one of so many independent draws of nothing has a positive score with a two-sided p below a level."""
    return 1 - (1 - level / 2) ** edits


@pytest.fixture(scope="module")
def page() -> str:
    """The page with its line breaks as spaces."""
    return " ".join(PAGE.read_text(encoding="utf-8").split())


def test_every_claim_stands_in_the_page(page: str) -> None:
    missing = [claim for claim in claims() if claim not in page]
    assert missing == []


def test_no_number_stands_there_without_a_claim(page: str) -> None:
    for claim in claims():
        page = page.replace(claim, "")
    found = re.findall(r".{0,30}\d.{0,30}", page)
    assert found == [], "numbers that nothing checks"


def test_a_number_that_is_wrong_or_new_is_found(page: str) -> None:
    changed = page.replace("20 sign steps", "40 sign steps")
    assert changed != page
    assert [claim for claim in claims() if claim not in changed] == ["20 sign steps of 2.5·ε/m"]


def test_which_tracks_are_released() -> None:
    assert {track.name for track in TRACKS if track.version} == {"digits-9to0", "digits-pairs", "mnist10k-9to0"}
