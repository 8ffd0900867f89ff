"""The poisoned suite: built from a board, uploaded, streamed, pulled and loaded; a hostile one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import factories
import loopback
from lnbench import data, record
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation import saved_victims
from lnbench.hub import build as builds
from lnbench.hub.client import Entry
from lnbench.hub.suite import build, contents, layout, manifest, pulling, victims
from lnbench.protocol import applied, canonical_json
from lnbench.record.record import Record

REPO = "somebody/suite"
NAME = "digits-small"
TRAIN = f"data/{NAME}/split-01/train-00000-of-00001.parquet"


def _best(folder: Path) -> Record:
    return record.read(folder / layout.record_path(NAME))


def _stated(folder: Path) -> manifest.SuiteManifest:
    return manifest.parse((folder / manifest.NAME).read_bytes())


def test_it_holds_the_best_row_its_random_twin_and_the_truth(suite: Path) -> None:
    made, stated = _best(suite), _stated(suite)
    assert made.name == "strong" and stated.tracks[NAME].record == made.sha256
    assert stated.tracks[NAME].splits == 2 and stated.tracks[NAME].images
    table = pq.read_table(suite / TRAIN)
    points = data.load(made.track, 1)
    arms = {name: table.column(name).to_numpy() for name in table.column_names if name != "image"}
    assert (arms["clean_label"] == points.labels).all() and (arms["index"] == points.index).all()
    assert (arms["label"] == applied(points.labels, made.document["flips"]["poisoned"][1])).all()
    # Two seeds with two draws each, in the record's order.
    for number, name in enumerate(("random_seed_0", "random_1_seed_0", "random_seed_1", "random_1_seed_1")):
        assert (arms[name] == applied(points.labels, made.document["flips"]["random"][1][number])).all()
        assert (arms[name] != points.labels).sum() == made.track.noise.budget
    test = pq.read_table(suite / TRAIN.replace("train-", "test-"))
    true = test.column("clean_label").to_numpy()
    assert all((test.column(name).to_numpy() == true).all() for name in arms if name not in ("flipped", "index"))


def test_its_victims_are_trained_on_those_labels(suite: Path) -> None:
    made = _best(suite)
    place = suite / layout.victims_folder(NAME)
    files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*.safetensors"))
    arms = ["clean", "poisoned", "random", "random-1"]
    assert files == sorted(
        f"mlp/split-{w:02d}/{arm}-seed-{v}.safetensors" for w in (0, 1) for arm in arms for v in (0, 1)
    )
    assert _stated(suite).tracks[NAME].victims == len(files)
    points = data.load(made.track, 0)
    victim = saved_victims.load(place / "mlp/split-00/poisoned-seed-0.safetensors")
    labels = layout.labels_of(made, points.labels, 0, "poisoned")
    right = victim.victims.predict(torch.from_numpy(points.inputs))[0].numpy() == labels
    assert victim.facts["counts"][0] == right.sum()


def test_an_upload_is_streamed_pulled_and_loaded_and_then_asks_nothing(
    client: Any, hub: loopback.Hub, suite: Path, fresh: dict[str, str]
) -> None:
    pytest.importorskip("datasets", reason="pip install datasets to test with it")
    done = client.run("hub", "upload", suite, "--repo", REPO)
    assert done.code == 0, done.err
    repo, stated = hub.repos[REPO], _stated(suite)
    assert repo.tags == {stated.tag: repo.refs["main"]} and stated.tag in done.out
    assert client.run("hub", "upload", suite, "--repo", REPO).out.startswith("unchanged: ")
    hub.took()

    streamed = client.python(
        "import datasets\n"
        f"rows = datasets.load_dataset({REPO!r}, {NAME + '-split-01'!r}, split='train', streaming=True)\n"
        "first = next(iter(rows))\n"
        "names = datasets.get_dataset_config_names('somebody/suite')\n"
        "result = [first['image'].size, sorted(first), rows.features['label'].names, names]"
    )
    size, columns, classes, configs = streamed
    assert (size, classes, configs) == ([8, 8], [str(c) for c in range(10)], [f"{NAME}-split-00", f"{NAME}-split-01"])
    assert {"label", "clean_label", "random_seed_0", "random_1_seed_1"} <= set(columns)

    hub.took()
    pulled = client.run("suite", "pull", f"{REPO}@{stated.tag}", **fresh)
    assert pulled.code == 0, pulled.err
    commit = repo.refs["main"]
    assert f"hf://{REPO}@{commit}" in pulled.out and f"{NAME}: strong, " in pulled.out
    asked = hub.took()
    assert asked and not [line for line in asked if "victims" in line], "victims are downloaded one by one"
    code = (
        "import lnbench, hashlib\n"
        f"suite = lnbench.load_suite({REPO + '@' + commit!r})\n"
        f"made = [suite.dataset({NAME!r}, 1, arm) for arm in ('poisoned', 'random', 'clean')]\n"
        "hashed = [hashlib.sha256(d.labels.numpy().astype('<i8').tobytes()).hexdigest() for d in made]\n"
        f"test = suite.dataset({NAME!r}, 1, train=False)\n"
        "result = [hashed, [int(d.flipped.sum()) for d in made], len(test), int(test.flipped.sum()), suite.cached]\n"
    )
    hashed, flipped, tests, wrong, cached = client.python(code, **fresh)
    assert hashed[0] == _best(suite).labels_sha256[1] and len(set(hashed)) == 3
    assert (flipped, tests, wrong, cached) == ([4, 4, 0], 899, 0, True)
    for revision in (commit, stated.tag):
        done = client.run("suite", "pull", f"{REPO}@{revision}", **fresh, LNBENCH_OFFLINE="1")
        assert done.code == 0 and "(pulled before)" in done.out
    assert hub.took() == [], "a cached revision costs no request"

    victim = (
        "import lnbench\n"
        f"suite = lnbench.load_suite({REPO + '@' + commit!r})\n"
        f"one = suite.victim({NAME!r}, 'mlp', 1, 'random', 1, draw=1)\n"
        "result = [one.facts['split'], one.facts['seed'], one.facts['name']['arm'], one.facts['name']['draw']]"
    )
    assert client.python(victim, **fresh) == [1, 1, "random", 1]
    assert sum("random-1-seed-1" in line for line in hub.took()) > 0
    assert client.python(victim, **fresh) == [1, 1, "random", 1]
    assert hub.took() == [], "a victim that was downloaded is not asked for again"
    for arguments, sentence in (
        ("'no-track', 'mlp'", "has no track 'no-track'"),
        (f"{NAME!r}, 'cnn'", "holds no victim cnn"),
        (f"{NAME!r}, 'mlp', 2", "has splits 0 … 1"),
        (f"{NAME!r}, 'mlp', 0, 'matched'", "has the arms clean, poisoned, random"),
        (f"{NAME!r}, 'mlp', 0, 'random', 2", "has seeds 0 … 1"),
        (f"{NAME!r}, 'mlp', 0, 'clean', 0, 1", "has draws 0 … 0"),
    ):
        wrong_one = (
            "import lnbench\n"
            f"suite = lnbench.load_suite({REPO + '@' + commit!r})\n"
            f"try:\n    suite.victim({arguments})\nexcept lnbench.ProtocolError as error:\n    result = str(error)"
        )
        assert sentence in client.python(wrong_one, **fresh)


def _record(change: Callable[[dict[str, Any]], None], folder: Path) -> None:
    """Forge the record, and the manifest so that it fits."""
    document = _best(folder).to_dict()
    change(document)
    forged = factories.rehashed(document)
    (folder / layout.record_path(NAME)).write_bytes(canonical_json(forged.document))
    _restate(folder, lambda d: d["tracks"][0].update(record=forged.sha256))


def _restate(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, with the hashes of the files that are there."""
    document = json.loads((folder / manifest.NAME).read_bytes())
    change(document)
    for path in document["files"]:
        if (folder / path).is_file():
            document["files"][path] = builds.stated(folder / path)
    (folder / manifest.NAME).write_bytes(canonical_json(document))


def _cell(folder: Path, column: str) -> None:
    """Change one label of a table."""
    table = pq.read_table(folder / TRAIN)
    values = table.column(column).to_numpy().copy()
    values[5] = (values[5] + 1) % 10
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, table.schema.field(at), [values]), folder / TRAIN)
    _restate(folder, lambda d: None)


def _fewer(folder: Path) -> dict[str, Any]:
    """The record's document with a random draw too few."""
    document = _best(folder).to_dict()
    del document["flips"]["random"][1][-1]
    return document


def _swap(document: dict[str, Any]) -> None:
    """Give the random arm's first flips to the poisoner's place among them."""
    document["flips"]["random"][0][0] = document["flips"]["poisoned"][0]


HOSTILE: dict[str, Callable[[Path], object]] = {
    "row 5 has random_1_seed_0": lambda folder: _cell(folder, "random_1_seed_0"),
    "row 5 has clean_label": lambda folder: _cell(folder, "clean_label"),
    "says that it is flipped where it is not": lambda folder: _cell(folder, "label"),
    "are not the ones its stream draws": lambda folder: _record(_swap, folder),
    "the record has no flips of the arm random, split 1, seed 1, draw 1": lambda folder: layout.labels_of(
        factories.rehashed(_fewer(folder)), np.zeros(898, np.int64), 1, "random", 1, 1
    ),
    "it is not the record that suite.json names": lambda folder: _restate(
        folder, lambda d: d["tracks"][0].update(record="0" * 64)
    ),
    "it has 2 splits, suite.json states 3": lambda folder: _restate(folder, lambda d: d["tracks"][0].update(splits=3)),
    "expected the columns label": lambda folder: _restate(folder, lambda d: d["tracks"][0].update(images=False)),
}


@pytest.mark.parametrize("sentence", HOSTILE)
def test_what_contradicts_the_base_data_is_refused(sentence: str, suite: Path) -> None:
    with pytest.raises(RecordError) as refused:
        HOSTILE[sentence](suite)
        stated = _stated(suite)
        contents.checked(suite, stated, stated.tracks[NAME])
    assert sentence in str(refused.value)


def test_a_hostile_repository_is_1_and_leaves_nothing(
    client: Any, hub: loopback.Hub, suite: Path, fresh: dict[str, str]
) -> None:
    assert client.run("hub", "upload", suite, "--repo", REPO).code == 0
    files = hub.repos[REPO].files
    no_record = {path: content for path, content in files.items() if not path.startswith("records/")}
    victim = f"victims/{NAME}/mlp/split-00/clean-seed-0.safetensors"
    spoiled = {
        "does not belong in a suite of lnbench": files | {"loader.py": b"import os"},
        "has sha256 ": files | {TRAIN: bytes(len(files[TRAIN]))},
        f"'records/{NAME}.json' is only in suite.json": no_record,
        "is not in suite.json": files | {victim.replace("clean", "odd"): b"x"},
        "it is not a suite of lnbench": {k: v for k, v in files.items() if k != "suite.json"},
        "records/../../x": {**files, "records/../../x.json": b"{}"},
    }
    for sentence, content in spoiled.items():
        hub.repos[REPO].commit("main", content)
        done = client.run("suite", "pull", REPO, **fresh)
        assert done.code == 1 and sentence in done.error, (sentence, done.err)
        assert done.out == "" and not list(Path(fresh["LNBENCH_CACHE"]).rglob("*.json"))
    hub.repos[REPO].commit("main", files | {victim: files[victim.replace("clean", "poisoned")]})
    asked = f"import lnbench\ntry:\n    lnbench.load_suite({REPO!r}).victim({NAME!r}, 'mlp', 0, 'clean')\n"
    code = asked + "except lnbench.RecordError as error:\n    result = str(error)"
    assert "suite.json states" in client.python(code, **fresh)


@pytest.mark.parametrize(("path", "most"), [("suite.json", 8 << 20), (f"records/{NAME}.json", 64 << 20)])
def test_what_is_too_large_is_not_downloaded(path: str, most: int) -> None:
    sizes = {"README.md": 10, "suite.json": 10, f"records/{NAME}.json": 10}
    pulling.check_listing([Entry(name, size, None, None) for name, size in sizes.items()])
    with pytest.raises(RecordError, match=f"the most it may have are {most}"):
        pulling.check_listing([Entry(name, size, None, None) for name, size in (sizes | {path: most + 1}).items()])


def test_a_victim_in_anothers_place_is_refused(suite: Path) -> None:
    made = _best(suite)
    victim = saved_victims.load(suite / layout.victims_folder(NAME) / "mlp/split-00/poisoned-seed-0.safetensors")
    victims.check_victim(victim, made, "mlp", 0, "poisoned", 0, 0)
    for place in (
        ("cnn", 0, "poisoned", 0),
        ("mlp", 1, "poisoned", 0),
        ("mlp", 0, "clean", 0),
        ("mlp", 0, "poisoned", 1),
    ):
        with pytest.raises(RecordError, match="is another one"):
            victims.check_victim(victim, made, *place, 0)
    facts = {**victim.facts, "options": {"width": 4, "depth": 1}}
    with pytest.raises(RecordError, match="the network of the victim mlp is not the one of the track"):
        victims.check_victim(saved_victims.SavedVictim(victim.victims, facts), made, "mlp", 0, "poisoned", 0, 0)


def test_a_folder_with_other_things_is_left_alone(small_board: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ProtocolError, match=r"holds 'thesis\.txt', which is not of a suite"):
        build.build(small_board / "records", tmp_path, REPO)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_build_trains_nothing_and_removes_what_is_old(
    suite: Path, small_board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", _best(suite).track)
    monkeypatch.setattr("lnbench.evaluation.saved_victims.save_cell", lambda *_: pytest.fail("it trains"))
    left = suite / f"data/{NAME}/split-07/train-00000-of-00001.parquet"
    left.parent.mkdir()
    left.write_bytes(b"old")
    before = _stated(suite)
    after = build.build(small_board / "records", suite, REPO, workers=1)
    assert after.data == before.data and not left.parent.exists()
    none = build.build(small_board / "records", suite, REPO, victim_splits=0, images=False)
    assert none.tracks[NAME].victims == 0 and not (suite / "victims").exists()
    assert "image" not in pq.read_schema(suite / TRAIN).names
    with pytest.raises(ProtocolError, match="there is no calibrated track 'nowhere'; there are: digits-small"):
        build.build(small_board / "records", suite, REPO, only=["nowhere"])


def test_victims_that_count_otherwise_than_their_record_are_not_kept(
    suite: Path, small_board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment is the record's own, its counts must come out again."""
    made = _best(suite)
    factories.ship(monkeypatch, tmp_path / "tracks", made.track)
    monkeypatch.setattr("lnbench.hub.suite.victims.environment", lambda *_: {"id": "e" * 64})
    monkeypatch.setattr("lnbench.hub.suite.victims.code_sha256", lambda _: "c" * 64)
    monkeypatch.setattr("lnbench.evaluation.plan.code_sha256", lambda _: "c" * 64)
    import here

    with here.no_workers(), pytest.raises(RecordError, match="trained again, count"):
        build.build(small_board / "records", tmp_path / "other", REPO, workers=1)
