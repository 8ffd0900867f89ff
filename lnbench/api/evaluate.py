"""`lnbench.evaluate` and `lnbench.check`: what the verbs of these names do, for classes and instances too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench import standard_streams
from lnbench.api import notebook
from lnbench.api.arguments import HUB, PoisonerLike, poisoner_of, store_of
from lnbench.api.tracks import TrackLike, track_of
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.evaluation import conductor
from lnbench.evaluation.conductor import CheckedSplit
from lnbench.evaluation.human import HUMAN, human_labels
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.season import season_salt
from lnbench.evaluation.store import Store
from lnbench.poison.in_process import InProcess
from lnbench.poison.published import Published
from lnbench.poison.run import quoted
from lnbench.poison.submission import Submission
from lnbench.protocol import PUBLIC_SALT, Track
from lnbench.protocol.track import DEFAULT
from lnbench.record.record import Record

_SHOWN = 40
"""Last lines of a poisoner's log that its error shows."""


def evaluate(
    poisoner: PoisonerLike,
    track: TrackLike = "digits-9to0",
    *,
    quick: bool = False,
    parameters: Mapping[str, Any] | None = None,
    device: str = "cpu",
    workers: int | None = None,
    engine: str = "local",
    sandbox: str = "auto",
    season: str | None = None,
    salt_file: str | os.PathLike[str] | None = None,
    own_splits: bool = False,
    board: str | os.PathLike[str] = "leaderboard",
    store: Store | str | os.PathLike[str] | None = None,
    keep_victims: str | os.PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Record:
    """Score a poisoner on a track: how much lower its victims' adversarial accuracy is than under random flips.

        record = lnbench.evaluate("submissions/my_poisoner.py", quick=True)
        record = lnbench.evaluate(Mine(skip=3), "mnist10k-9to0")

    Args:
        poisoner: a file's path; the name of a bundled attack, such as `random_flip`; `hf://user/name` for the labels
            published there; `human` for people's mistakes, on a track whose data has them; a class that extends
            `lnbench.Poisoner`, or an instance of one. A class runs in the sandbox from its source. Where its source
            cannot be had, or no file could hold it, it runs in this process: a warning says so, and the record cannot
            rank.
        track: a track's name, its TOML file, or a `Track`. Labels from the Hub are scored on their own track.
        quick: fewer splits and seeds: a first look, never ranked.
        parameters: values of the poisoner's parameters; of an instance, over its own.
        device: `cpu`, `cuda` or `auto`, where victims are trained.
        workers: processes at once; one per core, or one for a GPU, if None.
        engine: where the processes run.
        sandbox: `auto`, or `none` to run a file in a plain process with all your rights, unranked.
        season: draw splits and seeds by an open season's salt.
        salt_file: the season's secret salt, as `lnbench season open` wrote it.
        own_splits: draw splits and seeds by the salt that the poisoner's own source and parameters give: proof that the
            source holds nothing that was chosen on them. Clean and random arms are trained anew.
        board: the folder with `seasons.toml` in it.
        store: where results are stored and looked up; lnbench's cache if None.
        keep_victims: a folder for all victims as safetensors; each is trained once more.
        on_progress: called with a `Progress` as work advances; in a notebook, if None, a line under the cell tells it.

    Raises:
        SubmissionError: if the poisoner breaks the contract; a note shows the end of its log, `log` is all of it.
        ProtocolError: if there is no such file, name, track, parameter, device, engine or season.
        RecordError: if a dataset from the Hub is hostile or broken.
        DataError, UnavailableError: if data, a device, the network or what else is needed is missing here.
    """
    standard_streams.open_missing()
    hub = isinstance(poisoner, str) and poisoner.startswith(HUB)
    made = requested(
        poisoner,
        None if hub and track == DEFAULT else track,
        parameters,
        sandbox=sandbox,
        season=season,
        salt_file=salt_file,
        board=board,
        store=store_of(store),
        stacklevel=3,
    )
    with _logged(), notebook.reporting(on_progress) as told:
        return conductor.evaluate(
            made.poisoner,
            made.track,
            quick=quick,
            device=device,
            workers=workers,
            engine=engine,
            sandbox=sandbox,
            salt=made.salt,
            season=made.season,
            own_splits=own_splits,
            store=store_of(store),
            keep_victims=None if keep_victims is None else Path(keep_victims),
            on_progress=told,
        )


def check(
    poisoner: PoisonerLike,
    track: TrackLike = "digits-9to0",
    *,
    parameters: Mapping[str, Any] | None = None,
    sandbox: str = "auto",
    splits: int = 2,
) -> list[CheckedSplit]:
    """Run a poisoner twice on each of a track's first splits and check its labels, without training victims.

    Args:
        poisoner, track, parameters, sandbox: as for `lnbench.evaluate`, but no address on the Hub.
        splits: how many splits.

    Returns:
        What came of each split: its `flips`, `seconds`, `log`, and whether the labels came out the same twice.

    Raises:
        SubmissionError: if the poisoner breaks the contract; a note shows the end of its log, `log` is all of it.
        ProtocolError: if there is no such file, name, track or parameter.
        DataError, UnavailableError: if data or a sandbox is missing here.
    """
    standard_streams.open_missing()
    chosen, given = track_of(track), poisoner_of(poisoner, parameters, stacklevel=3)
    with _logged():
        return conductor.check(given, chosen, sandbox=sandbox, splits=splits)


@dataclass(frozen=True)
class Request:
    """What is to be evaluated.

    Attributes:
        poisoner: a submission, labels from the Hub, or a class of this process.
        track: the track.
        salt: what draws its splits and seeds.
        season: the season whose salt that is, or None.
    """

    poisoner: Submission | Published | InProcess
    track: Track
    salt: str
    season: str | None


def requested(
    poisoner: PoisonerLike,
    track: TrackLike | None,
    parameters: Mapping[str, Any] | None,
    *,
    sandbox: str,
    season: str | None,
    salt_file: str | os.PathLike[str] | None,
    board: str | os.PathLike[str],
    store: Store,
    stacklevel: int = 2,
) -> Request:
    """What the arguments of `evaluate` ask for; raises as it does.

    Args:
        track: None for the default track or, of labels from the Hub, the track that they were made on.
        stacklevel: whose line a warning names: 1 is this function, 2 its caller.
    """
    if isinstance(poisoner, str) and poisoner.startswith(HUB):
        if parameters:
            raise ProtocolError("published labels have no parameters to set.")
        if season is not None or salt_file is not None:
            raise ProtocolError("published labels bring the season and salt that they were made with; give neither.")
        return _from_hub(poisoner, None if track is None else track_of(track), store)
    chosen = track_of(DEFAULT if track is None else track)
    if poisoner == HUMAN:
        if season is not None or salt_file is not None:
            raise ProtocolError("people's mistakes are drawn on the public splits; give no season.")
        return Request(human_labels(chosen, dict(parameters or {})), chosen, PUBLIC_SALT, None)
    given = poisoner_of(poisoner, parameters, stacklevel=stacklevel + 1)
    wish = "none" if isinstance(given, InProcess) else sandbox
    salt = season_salt(season, None if salt_file is None else Path(salt_file), Path(board), wish)
    return Request(given, chosen, salt or PUBLIC_SALT, season)


def _from_hub(address: str, wanted: Track | None, store: Store) -> Request:
    from lnbench.data import strangers
    from lnbench.hub import pull

    pulled = pull(address, track=wanted, store=store)
    facts = pulled.manifest.document
    own = strangers.own_track(pulled.track, wanted, pulled.repo)
    return Request(pulled.published, own, facts["salt"], facts["season"])


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Add the end of the poisoner's log to its error, where a traceback shows it."""
    try:
        yield
    except SubmissionError as error:
        if lines := str(getattr(error, "log", "")).splitlines()[-_SHOWN:]:
            error.add_note(quoted("\n".join(lines)))
        raise
