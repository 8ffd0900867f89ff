"""Tracks: what a file may say, and the sentence each mistake gets."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from lnbench.errors import ProtocolError
from lnbench.protocol import AdversarialTraining, Track, sha256_json
from lnbench.protocol import track as tracks

Document = dict[str, Any]


def _without(document: Document, *path: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    del document[path[-1]]


def _with(value: Any, *path: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


# Every way to break a track that the reader knows, and the words a person reads.
MISTAKES: dict[str, tuple[Callable[[Document], None], str]] = {
    "unknown key, near": (_with(1, "datta"), "unknown key 'datta'; did you mean data?"),
    "huge integer": (
        _with(10**5000, "version"),
        "version: expected at most 9007199254740992, got an integer of more than 30 digits.",
    ),
    "huge float": (_with(10**400, "adversary", "epsilon"), "adversary.epsilon: expected at most 1.79"),
    "unknown key, far": (_with(1, "zzzz"), "unknown key 'zzzz'; there are: name, version, title"),
    "unknown key, nested": (_with(3, "noise", "budgets"), "noise: unknown key 'budgets'; did you mean budget?"),
    "missing key": (lambda d: _without(d, "noise"), "the key 'noise' is missing."),
    "missing key, nested": (lambda d: _without(d, "victims", 0, "recipe"), "victims[0]: the key 'recipe' is missing."),
    "not a table": (_with(3, "noise"), "noise: expected a table, got 3."),
    "not a list": (_with(0.1, "adversary", "epsilons"), "adversary.epsilons: expected a list, got 0.1."),
    "text for a number": (_with("4", "noise", "budget"), "noise.budget: expected an integer, got '4'."),
    "fraction for a count": (_with(4.0, "noise", "budget"), "noise.budget: expected an integer, got 4.0."),
    "bool for a count": (_with(True, "noise", "budget"), "noise.budget: expected an integer, got true."),
    "bool for a number": (_with(True, "adversary", "epsilon"), "adversary.epsilon: expected a number, got true."),
    "number for a bool": (_with(1, "calibrated"), "calibrated: expected true or false, got 1."),
    "number for a name": (_with(7, "title"), "title: expected a text, got 7."),
    "pair of three": (
        _with([[9, 0, 1]], "noise", "pairs"),
        "noise.pairs[0]: expected a list of 2 values, got a list of 3 values.",
    ),
    "below its range": (_with(-1, "version"), "version: expected at least 0, got -1."),
    "at an open end": (_with(0.0, "adversary", "epsilon"), "adversary.epsilon: expected more than 0, got 0.0."),
    "above its range": (_with(1.5, "noise", "eta"), "noise.eta: expected at most 1, got 1.5."),
    "infinite": (_with(float("inf"), "limits", "seconds"), "limits.seconds: expected a finite number, got inf."),
    "not a number": (_with(float("nan"), "limits", "seconds"), "limits.seconds: expected a finite number, got nan."),
    "no such choice": (
        _with("l3", "adversary", "norm"),
        "adversary.norm: expected one of linf, l2, l1, got 'l3'.",
    ),
    "bad name": (_with("Tiny!", "name"), "name: expected up to 40 of a–z, 0–9 and '-', got 'Tiny!'."),
    "no pairs": (_with([], "noise", "pairs"), "noise.pairs: expected at least one [source, target]."),
    "pair onto itself": (
        _with([[9, 9]], "noise", "pairs"),
        "noise.pairs: expected two different classes in 0 … 9, got [9, 9].",
    ),
    "pair outside": (
        _with([[10, 0]], "noise", "pairs"),
        "noise.pairs: expected two different classes in 0 … 9, got [10, 0].",
    ),
    "budget of everything": (_with(898, "noise", "budget"), "noise.budget: 898 flips of 898 training points."),
    "eta off the budget": (_with(0.01, "noise", "eta"), "noise.eta: ⌊0.01 · 898⌋ is 8, not the budget 4."),
    "quick larger than full": (
        _with(3, "replication", "quick_splits"),
        "replication: the quick run is larger than the full one.",
    ),
    "classes that do not add up": (
        _with([1, 2], "data", "only"),
        "data.only: expected 10 different classes, got [1, 2].",
    ),
    "factors that are not the pairs'": (
        _with([1.0, 2.0], "adversary", "pair_factors"),
        "adversary.pair_factors: expected one positive number for each of the 1 pairs, got [1.0, 2.0].",
    ),
    "no victims": (_with([], "victims"), "victims: expected one or more with different names, got []."),
    "the same victim twice": (
        lambda d: d["victims"].append(d["victims"][0]),
        "victims: expected one or more with different names, got ['mlp', 'mlp'].",
    ),
    "bad victim name": (
        _with("My MLP", "victims", 0, "name"),
        "victims[0].name: expected up to 40 of a–z, 0–9, '_' and '-', got 'My MLP'.",
    ),
    "unknown recipe field": (
        _with(1, "victims", 0, "recipe", "optimizer"),
        "victims[0].recipe: unknown key 'optimizer'; did you mean optimiser?",
    ),
    "no steps": (_with(0, "victims", 0, "recipe", "steps"), "victims[0].recipe.steps: expected at least 1, got 0."),
    "no such precision": (
        _with("fp16", "victims", 0, "recipe", "precision"),
        "victims[0].recipe.precision: expected one of fp32, tf32, bf16, got 'fp16'.",
    ),
    "adversarial training without a radius": (
        _with({"method": "trades"}, "victims", 0, "recipe", "adversarial"),
        "victims[0].recipe.adversarial: the key 'epsilon' is missing.",
    ),
    "stopping early": (
        _with(True, "victims", 0, "recipe", "stop_when_memorised"),
        "victims: mlp: recipe.stop_when_memorised is for surrogates and experiments;",
    ),
    "descending curve": (
        _with([0.1, 0.05], "adversary", "epsilons"),
        "adversary.epsilons: expected ascending positive numbers that contain 0.1, got [0.1, 0.05].",
    ),
    "curve without its radius": (
        _with([0.05, 0.2], "adversary", "epsilons"),
        "adversary.epsilons: expected ascending positive numbers that contain 0.1, got [0.05, 0.2].",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_gets_its_sentence(mistake: str, tiny_document: Document) -> None:
    change, sentence = MISTAKES[mistake]
    change(tiny_document)
    with pytest.raises(ProtocolError) as caught:
        Track.from_document(tiny_document, "tiny.toml")
    assert str(caught.value).startswith(f"tiny.toml: {sentence}"), str(caught.value)


def test_a_valid_document_is_read_whole(tiny_document: Document) -> None:
    track = Track.from_document(tiny_document)
    assert (track.name, track.version, track.calibrated) == ("tiny", 0, False)
    assert track.noise.pairs == ((9, 0),)
    assert track.adversary.epsilons == (0.05, 0.1)
    assert track.spec("mlp").options == {"width": 16, "depth": 1}
    assert isinstance(track.limits.seconds, float), "an integer in the file is a fine float"
    assert (track.adversary.norm, track.adversary.rule, track.stealth.source_clean_pp) == ("linf", "any", 3.0)


def test_a_victim_may_have_a_radius_of_its_own(tiny_document: Document) -> None:
    own = copy.deepcopy(tiny_document["victims"][0]) | {"name": "own", "epsilon": 0.2, "epsilons": [0.1, 0.2]}
    tiny_document["victims"].append(own)
    track = Track.from_document(tiny_document)
    assert [track.epsilon(v) for v in track.victims] == [0.1, 0.2]
    assert [track.epsilons(v) for v in track.victims] == [(0.05, 0.1), (0.1, 0.2)]


def test_a_recipe_may_train_adversarially(tiny_document: Document) -> None:
    tiny_document["victims"][0]["recipe"] |= {"adversarial": {"method": "trades", "epsilon": 0.1}, "crop": 1}
    recipe = Track.from_document(tiny_document).victims[0].recipe
    assert recipe.adversarial == AdversarialTraining(method="trades", epsilon=0.1)
    assert (recipe.crop, recipe.precision, recipe.label_smoothing) == (1, "fp32", 0.0)
    with pytest.raises(ProtocolError, match="adversarial training: epsilon: expected more than 0, got 0"):
        AdversarialTraining(epsilon=0)


def test_a_track_is_frozen(tiny_document: Document) -> None:
    track = Track.from_document(tiny_document)
    with pytest.raises(AttributeError):
        track.noise.budget = 5  # type: ignore[misc]


def test_the_hash_ignores_the_order_of_keys(tiny_document: Document) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.Random(1).shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    other = shuffled(tiny_document)
    assert list(other) != list(tiny_document)
    assert Track.from_document(other).sha256 == Track.from_document(tiny_document).sha256


def test_the_hash_is_of_the_written_keys_alone(tiny_document: Document) -> None:
    """A default that is written out is another document: a later default must not move an older track's hash."""
    before = Track.from_document(tiny_document)
    written = Track.from_document(tiny_document | {"stealth": {"clean_pp": 1.0}})
    assert written == before
    assert written.sha256 != before.sha256
    assert before.sha256 == sha256_json(tiny.document())


def test_the_hash_of_a_document_never_changes() -> None:
    """Pinned: records carry this hash for ever."""
    assert (
        Track.from_document(tiny.document()).sha256
        == "475f9a99c36ad5e7427bd001c463b2f0241c42a253e8d9ff6abeb8d0e4918d0d"
    )


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_every_value_moves_the_hash(data: st.DataObject) -> None:
    document = tiny.document()
    table, key = data.draw(st.sampled_from([(document, "title"), (document["limits"], "seconds")]))
    table[key] = data.draw(st.text(max_size=20)) if key == "title" else data.draw(st.integers(1, 10**6))
    same = table[key] == (tiny.document() if key == "title" else tiny.document()["limits"])[key]
    assert (Track.from_document(document).sha256 == Track.from_document(tiny.document()).sha256) == same


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_document_with_junk_in_it_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands at any place: a track, or a `ProtocolError` of one line."""
    document = tiny.document()
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_junk)
    try:
        Track.from_document(document, "junk.toml")
    except ProtocolError as error:
        assert str(error).startswith("junk.toml: ") and len(str(error)) < 400


@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(list(tiny.document())), _junk, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_document_of_junk_is_refused(document: Document) -> None:
    with pytest.raises(ProtocolError, match=r"^junk\.toml: "):
        Track.from_document(document, "junk.toml")


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_file_of_junk_is_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "junk.toml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(ProtocolError):
            tracks.load(str(path))


def test_every_shipped_track_is_valid_and_named_as_its_file() -> None:
    names = tracks.names()
    assert tracks.DEFAULT in names
    for name in names:
        assert tracks.load(name).name == name


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    assert tracks.load(str(tiny.write(tmp_path / "my.toml"))).sha256 == sha256_json(tiny.document())


def test_an_unknown_track_gets_its_nearest_names() -> None:
    with pytest.raises(ProtocolError, match="no track is called 'digits-9to1'; did you mean digits-9to0"):
        tracks.load("digits-9to1")
    with pytest.raises(ProtocolError, match=r"there are: .*digits-9to0"):
        tracks.load("zzz")


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ProtocolError, match="cannot be read as TOML"):
        tracks.load(str(path))


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="there is no track file"):
        tracks.load(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ProtocolError, match="cannot be read"):
        tracks.load(str(tmp_path / "folder.toml"))


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_value_that_no_hash_can_be_made_of_is_refused(value: float) -> None:
    document = tiny.document()
    victim = {**document["victims"][0], "options": {"width": 8, "depth": 1, "temperature": value}}
    with pytest.raises(ProtocolError, match="none infinite or NaN"):
        Track.from_document({**document, "victims": [victim]}, "tiny.toml")
