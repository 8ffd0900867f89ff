"""The functions of `lnbench`: the same records as the command line, for a file, a name, a class and an instance."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
import lnbench
import tiny
from lnbench import record as records
from lnbench.errors import DataError, ProtocolError, RecordError, SubmissionError, UnavailableError
from lnbench.evaluation.store import Store
from lnbench.poison import diagnosis
from lnbench.protocol import Track
from lnbench.protocol import track as tracks
from lnbench.trust import audit as strong

pytestmark = pytest.mark.usefixtures("no_workers_in_this_file")

FUNCTIONS = [
    "audit",
    "check",
    "compare",
    "evaluate",
    "load_poisoned",
    "load_split",
    "load_track",
    "read_record",
    "verify",
]


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.from_document(tiny.document())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What the evaluations of this module share."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module of a poisoner's own file, imported."""
    path = tmp_path_factory.mktemp("module") / "first.py"
    path.write_text(tiny.POISONER)
    spec = importlib.util.spec_from_file_location("first", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["first"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["first"]


def sourceless(body: str = "return problem.flipped(problem.eligible[: problem.budget + self.more])") -> Any:
    """A class whose lines nobody has."""
    names: dict[str, Any] = {"__name__": "__main__", "lnbench": lnbench}
    exec(f"class First(lnbench.Poisoner):\n    more: int = 0\n    def poison(self, problem):\n        {body}\n", names)
    return names["First"]


# --- what is there


def test_the_functions_are_there_typed_and_documented() -> None:
    for name in FUNCTIONS:
        function = getattr(lnbench, name)
        assert inspect.isfunction(function) and name in lnbench.__all__ and name in dir(lnbench)
        hints = typing.get_type_hints(function, localns={"PoisonedDataset": object})
        assert set(inspect.signature(function).parameters) | {"return"} == hints.keys(), name
        assert "Raises:" in (function.__doc__ or "")
    assert inspect.signature(lnbench.evaluate).parameters["track"].default == tracks.DEFAULT
    assert set(lnbench._INDEX) | {"__version__"} == set(lnbench.__all__)


# --- evaluate


def test_a_file_a_class_and_an_instance_give_one_record(first: Any, track: Track, store: Store) -> None:
    told: list[str] = []
    options: dict[str, Any] = {"quick": True, "workers": 1, "store": store}
    by_path = lnbench.evaluate(first.__file__, track, **options, on_progress=lambda p: told.append(p.stage))
    assert by_path.document["sandbox"] == diagnosis.mode() and {"poison", "victims"} == set(told)
    assert lnbench.evaluate(Path(first.__file__), track, **options).sha256 == by_path.sha256
    assert lnbench.evaluate(first.First, track, **options).sha256 == by_path.sha256
    assert lnbench.evaluate(first.First(), track, **options).sha256 == by_path.sha256

    other = lnbench.evaluate(first.First(more=-1), track, **options)
    assert other.label == "first(more=-1)" and other.sha256 != by_path.sha256
    assert lnbench.evaluate(first.First, track, parameters={"more": -1}, **options).sha256 == other.sha256
    assert lnbench.evaluate(first.First(more=-2), track, parameters={"more": "-1"}, **options).sha256 == other.sha256


def test_without_a_source_it_runs_here_unranked_and_says_so(first: Any, track: Track, store: Store) -> None:
    options: dict[str, Any] = {"workers": 1, "store": store}
    kind = sourceless()
    with pytest.warns(
        UserWarning, match="First runs in this process, without a sandbox, and its record cannot rank"
    ) as told:
        made = lnbench.evaluate(kind(more=-1), track, **options)
    assert told[0].filename == __file__, "the warning names the caller's line"
    assert made.document["sandbox"] == "none" and not made.ranked and "no-sandbox" in made.flags
    assert "has no source that could be stored" in made.document["poisoner"]["source"]
    assert made.document["run"]["command"] is None
    boxed = lnbench.evaluate(first.First(more=-1), track, **options)
    for block in ("flips", "labels_sha256", "victims", "score"):
        assert made.document[block] == boxed.document[block], block
    assert made.label == boxed.label == "first(more=-1)" and lnbench.verify(made).passed
    with pytest.warns(UserWarning):
        dice = lnbench.evaluate(
            sourceless("self.n.pop(); return problem.labels").poison and _Dice.made(), track, **options
        )
    assert "non-deterministic" in dice.flags


class _Dice:
    """A poisoner that remembers, which no file can hold."""

    @staticmethod
    def made() -> Any:
        left = [3, 2, 1]

        class First(lnbench.Poisoner):
            def poison(self, problem: lnbench.Problem) -> np.ndarray:
                return problem.flipped(problem.eligible[: left.pop()])

        return First


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "return problem.flipped(problem.eligible[: problem.budget + 1])",
            "first: expected at most 4 changed labels, got 5",
        ),
        ("return problem.labels + 1", "first: expected labels in 0 … 9"),
        ("return None", "first: expected poison() to return 898 integer labels, got None"),
        ("return problem.nothing", "first: poison() raised AttributeError in line 4"),
    ],
)
def test_labels_made_here_are_checked_as_all_others(body: str, sentence: str, track: Track) -> None:
    with pytest.warns(UserWarning), pytest.raises(SubmissionError) as caught:
        lnbench.check(sourceless(body), track)
    assert str(caught.value).startswith(sentence)


def test_an_interruption_of_a_poisoner_that_runs_here_is_one(track: Track) -> None:
    with pytest.warns(UserWarning), pytest.raises(KeyboardInterrupt):
        lnbench.check(sourceless("raise KeyboardInterrupt"), track)


def test_the_referees_own_labels_are_out_of_reach(track: Track) -> None:
    before = lnbench.load_split(track, 0).labels.copy()
    body = "\n        ".join(
        [
            "labels = problem.labels.copy()",
            "labels[problem.eligible[0]] = 0",
            "try: problem.labels[:] = labels",
            "except ValueError: pass",
            "return labels",
        ]
    )
    with pytest.warns(UserWarning):
        split, _ = lnbench.check(sourceless(body), track)
    assert len(split.flips) == 1 and (lnbench.load_split(track, 0).labels == before).all()


def test_a_season_is_for_files_in_bubblewrap(tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from lnbench.record import seasons

    seasons.open_season(tmp_path / "seasons.toml", "s1", tmp_path / "s1.salt", datetime.date(2026, 1, 2))
    monkeypatch.setattr(diagnosis, "mode", lambda: "bubblewrap")
    options: dict[str, Any] = {"season": "s1", "salt_file": tmp_path / "s1.salt", "board": tmp_path}
    with pytest.warns(UserWarning), pytest.raises(UnavailableError, match="only bubblewrap keeps a submission from it"):
        lnbench.evaluate(sourceless(), track, **options)
    with pytest.raises(ProtocolError, match="go together"):
        lnbench.evaluate("random_flip", track, season="s1", board=tmp_path)
    with pytest.raises(ProtocolError, match="bring the season and salt"):
        lnbench.evaluate("hf://user/name", **options)


# --- check


def test_check_gives_what_came_of_each_split(first: Any, track: Track) -> None:
    splits = lnbench.check(first.First, track)
    assert [(s.split, len(s.flips), s.deterministic, s.sandbox) for s in splits] == [
        (0, 4, True, diagnosis.mode()),
        (1, 4, True, diagnosis.mode()),
    ]


def test_an_error_shows_the_end_of_the_log(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        error = SubmissionError("first.py: no.")
        error.log = "\n".join(f"line {i}" for i in range(99))
        raise error

    monkeypatch.setattr("lnbench.evaluation.label_runs.poison", fails)
    with pytest.raises(SubmissionError) as caught:
        lnbench.check("random_flip", track)
    (note,) = caught.value.__notes__
    assert note.splitlines()[-1] == "  | line 98" and len(note.splitlines()) == 40


# --- what makes no sense


class NotOne:
    """A class that is not a poisoner."""


@pytest.mark.parametrize("function", ["evaluate", "check"])
@pytest.mark.parametrize(
    ("poisoner", "kind", "sentence"),
    [
        (NotOne, SubmissionError, "expected a class that extends lnbench.Poisoner, got NotOne"),
        (lnbench.Poisoner, SubmissionError, "expected a class that extends lnbench.Poisoner, got Poisoner"),
        (NotOne(), ProtocolError, "expected a poisoner's file, name, class or instance, got a NotOne"),
        (None, ProtocolError, "expected a poisoner's file, name, class or instance, got a NoneType"),
        ("nobody", ProtocolError, "no file or bundled attack is called 'nobody'"),
        ("nowhere/x.py", ProtocolError, "there is no file nowhere/x.py"),
        ("x" * 300, ProtocolError, "no file or bundled attack is called 'xxx"),
        (Path(__file__).parent, SubmissionError, f"{Path(__file__).parent}: expected a regular file, got a directory"),
    ],
)
def test_what_is_no_poisoner_gets_the_command_lines_sentence(
    function: str, poisoner: Any, kind: type[Exception], sentence: str, track: Track
) -> None:
    with warnings.catch_warnings(), pytest.raises(kind) as caught:
        getattr(lnbench, function)(poisoner, track)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("function", [lnbench.evaluate, lnbench.check, lambda _, t: lnbench.load_split(t, 0)])
@pytest.mark.parametrize(
    ("track", "sentence"),
    [
        ("digits-9to1", "no track is called 'digits-9to1'; did you mean"),
        ("none.toml", "there is no track file none.toml"),
        (Path("."), "no track is called '.'"),
        (3, "expected a track's name, its TOML file or a Track, got an int"),
    ],
)
def test_what_is_no_track_is_said(function: Any, track: Any, sentence: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        function("random_flip", track)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("device", "tpu", "the device is cpu, cuda or auto; got 'tpu'"),
        ("engine", "slurm", "no engine is called 'slurm'"),
        ("sandbox", "landlock", "the sandbox is auto or none; got 'landlock'"),
        ("workers", -1, "the number of workers must be at least 1; got -1"),
        ("parameters", {"mor": 1}, "random_flip.py: no parameter is called 'mor'"),
        ("parameters", {"x": object()}, "parameter x: expected a finite number"),
    ],
)
def test_options_that_make_no_sense_are_said(
    option: str, value: Any, sentence: str, track: Track, store: Store
) -> None:
    with pytest.raises(ProtocolError) as caught:
        lnbench.evaluate("random_flip", track, store=store, quick=True, **{option: value})
    assert sentence in str(caught.value)


# --- records


def test_a_record_is_read_verified_and_compared_by_itself_or_its_file(tmp_path: Path) -> None:
    track = tracks.load(tracks.DEFAULT)
    made, other = (factories.make(track, name=n, quick=True, seed=i) for i, n in enumerate(["one", "other"]))
    path = tmp_path / "one.json"
    records.write(made, path)
    assert lnbench.read_record(path).sha256 == lnbench.read_record(str(path)).sha256 == made.sha256
    assert lnbench.verify(path).passed and lnbench.verify(made).passed
    assert lnbench.compare(other, path).total == lnbench.compare(other, made).total
    (tmp_path / "nothing.json").write_text("{}")
    assert not lnbench.verify(tmp_path / "nothing.json").passed
    for function in (lnbench.read_record, lambda p: lnbench.compare(p, made), lnbench.audit):
        with pytest.raises(RecordError):
            function(tmp_path / "nothing.json")
    with pytest.raises(ProtocolError, match="expected a record, its file or a row's name, got a NoneType"):
        lnbench.compare(made, None)  # type: ignore[arg-type]


def test_an_audit_is_asked_for_with_the_board_and_its_salts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def audit(record: records.Record, **given: Any) -> dict[str, Any]:
        asked.update(given)
        return {"record": record.sha256}

    monkeypatch.setattr(strong, "audit", audit)
    made = factories.make()
    assert lnbench.audit(made, board=tmp_path, store=tmp_path / "store")["record"] == made.sha256
    assert (asked["board"], asked["store"].root, asked["salt"]) == (None, tmp_path / "store", None)
    (tmp_path / "records").mkdir()
    lnbench.audit(made, board=tmp_path, workers=3)
    assert (asked["board"], asked["workers"]) == (tmp_path / "records", 3)


# --- data


def test_a_split_is_loaded_by_its_tracks_name(tmp_path: Path) -> None:
    split = lnbench.load_split("digits-9to0", 0)
    assert split.inputs.shape == (898, 1, 8, 8)
    shipped = tracks.FOLDER / "digits-9to0.toml"
    for track in (shipped, str(shipped), lnbench.load_track("digits-9to0")):
        assert (lnbench.load_split(track, 0).index == split.index).all()
    for number in (-1, True, 1.0, "0"):
        with pytest.raises(ProtocolError, match="expected the number of a split"):
            lnbench.load_split("digits-9to0", number)  # type: ignore[arg-type]
    assert issubclass(DataError, lnbench.LnbenchError)
