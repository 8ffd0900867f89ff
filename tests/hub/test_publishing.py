"""What the project publishes: the benchmark's dataset, poisoners, victims, baselines, the page; and no stored token."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

import factories
import loopback
import tiny
from lnbench import data, record
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation.store import Store
from lnbench.hub import baselines, benchmark, build, croissant, eval_results, kinds, model
from lnbench.hub.address import Address
from lnbench.hub.licences import Licence
from lnbench.protocol import Streams
from lnbench.record.record import Record

REPO = "somebody/lnbench"
TWO_SPLITS = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A record whose small track is the only one that ships."""
    made = factories.make(factories.track(name="digits-small", replication=TWO_SPLITS))
    factories.ship(monkeypatch, tmp_path / "tracks", made.track)
    return made


@pytest.fixture
def built_benchmark(shipped: Record, tmp_path: Path) -> Path:
    """The benchmark's folder."""
    benchmark.build(tmp_path / "board", tmp_path / "benchmark", REPO)
    return tmp_path / "benchmark"


def _complaints(folder: Path) -> list[str]:
    """What MLCommons' own validator says of a Croissant file, and how many rows it reads of its first table."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant to validate Croissant files")
    logging.getLogger("absl").setLevel(logging.ERROR)
    here = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    dataset = mlcroissant.Dataset(jsonld=folder / croissant.NAME, mapping=here)
    issues = dataset.metadata.ctx.issues
    first = dataset.metadata.record_sets[0]
    rows = list(dataset.records(first.uuid))
    table = f"data/{first.uuid}-00000-of-00001.parquet"
    import pyarrow.parquet as pq

    assert len(rows) == pq.read_metadata(folder / table).num_rows
    assert {name.rsplit("/", 1)[1] for name in rows[0]} == set(pq.read_schema(folder / table).names)
    return [*issues.errors, *issues.warnings]


REQUIRED = {
    *(f"rai:{name}" for name in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases")),
    *("rai:dataSocialImpact", "rai:hasSyntheticData", "prov:wasDerivedFrom", "prov:wasGeneratedBy"),
}
"""The fields that the datasets track of NeurIPS 2026 asks for."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the validator, about the libraries that it uses
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_every_dataset_has_a_croissant_file_that_its_makers_validator_takes(
    built: Path, suite: Path, built_benchmark: Path
) -> None:
    for folder in (built, suite):
        assert _complaints(folder) == [], folder
        document = json.loads((folder / croissant.NAME).read_bytes())
        assert {name for name in REQUIRED if name in document} == REQUIRED
        assert document["license"] == ["https://creativecommons.org/licenses/by/4.0/"]
        stated = {entry["@id"]: entry["sha256"] for entry in document["distribution"]}
        assert stated == {path: build.stated(folder / path)["sha256"] for path in stated} and stated
    # No calibration lies beside this track, so no day is known.
    assert [re.findall(r"/(\w+)\"", line) for line in _complaints(built_benchmark)] == [["datePublished"]]


def test_the_benchmark_names_its_tasks_and_holds_the_splits(built_benchmark: Path, shipped: Record) -> None:
    document = yaml.safe_load((built_benchmark / "eval.yaml").read_bytes())
    assert set(document) == {"name", "description", "evaluation_framework", "tasks"}
    assert document["evaluation_framework"] == "lnbench"
    tasks = [(task["id"], task["config"], task["split"]) for task in document["tasks"]]
    first = "digits-small-split-00"
    assert tasks == [
        ("digits-small", first, "train"),
        *((f"digits-small-victims-{arm}", first, "test") for arm in ("clean", "random", "poisoned")),
    ]
    header = yaml.safe_load((built_benchmark / "README.md").read_text().split("---\n")[1])
    assert [one["config_name"] for one in header["configs"]] == [first, "digits-small-split-01"]
    assert header["license"] == ["cc-by-4.0"] and "poisoned" not in header["tags"]
    import pyarrow.parquet as pq

    table = pq.read_table(built_benchmark / "data/digits-small/split-01/train-00000-of-00001.parquet")
    points = data.load(shipped.track, 1, Streams(shipped.track.sha256))
    assert (table.column("label").to_numpy() == points.labels).all() and not any(table.column("flipped").to_pylist())
    from lnbench.protocol.track import load

    assert load(str(built_benchmark / "tracks/digits-small.toml")) == shipped.track


def test_a_build_that_broke_off_is_not_uploaded(
    built_benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lnbench.hub.build.parquet.write", full)
    with pytest.raises(OSError, match="No space left"):
        benchmark.build(tmp_path / "board", built_benchmark, REPO)
    with pytest.raises(ProtocolError, match="is nothing that lnbench publishes"):
        kinds.of(built_benchmark)


def test_images_stay_at_home_where_no_licence_is_known(
    shipped: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Licence("unknown", False, "Nobody says.")
    monkeypatch.setattr(benchmark, "licence", lambda source: unknown)
    files = benchmark.build(tmp_path / "board", tmp_path / "out", REPO)
    tables = [tmp_path / "out" / path for path in files if path.endswith(".parquet")]
    import pyarrow.parquet as pq

    assert tables and all("image" not in pq.read_schema(path).names for path in tables)
    assert "| labels only |" in (tmp_path / "out/README.md").read_text()


def _entries(path: Path) -> list[Any]:
    """The entries of a file of results as the client's own parser reads them, and writes them again."""
    listed = yaml.safe_load(path.read_bytes())
    entries = parse_eval_result_entries(listed)
    assert eval_result_entries_to_yaml(entries) == listed
    return entries


def test_a_poisoner_is_a_model_repository_with_its_result(
    client: Any, hub: loopback.Hub, made: Record, path: Path, tmp_path: Path
) -> None:
    folder, commit = tmp_path / "poisoner", "c" * 40
    done = client.run("hub", "poisoner", path, folder, "--repo", "somebody/made_up", "--benchmark", f"{REPO}@{commit}")
    assert done.code == 0, done.err
    (entry,) = _entries(folder / eval_results.RESULTS)
    assert (entry.dataset_id, entry.dataset_revision, entry.task_id) == (REPO, commit, "digits-small")
    assert entry.value == pytest.approx(made.score.drop_pp, abs=1e-4) and entry.date == made.started[:10]
    assert entry.source_url.endswith("somebody/made_up/blob/main/record.json") and "(95 %, over splits)" in entry.notes
    assert (folder / "made_up.py").read_text() == made.poisoner.source
    assert record.read(folder / model.RECORD).sha256 == made.sha256
    header = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert header["library_name"] == "lnbench" and header["license"] == "apache-2.0" and header["datasets"] == [REPO]

    done = client.run("hub", "upload", folder, "--repo", "somebody/made_up")
    assert done.code == 0, done.err
    files = hub.repos["models/somebody/made_up"].files
    assert {*files} == {".gitattributes", "README.md", "made_up.py", "record.json", eval_results.RESULTS}
    assert done.out.startswith(f"pushed: {hub.url}/somebody/made_up: a poisoner, 4 files")


def test_what_does_not_rank_is_no_benchmarks_result(shipped: Record, tmp_path: Path) -> None:
    quick = factories.make(shipped.track, quick=True)
    with pytest.raises(RecordError, match=r"is not ranked .*so its numbers are not a benchmark's results"):
        model.build_poisoner(quick, tmp_path / "p", "somebody/p", REPO)
    assert not (tmp_path / "p").exists()


def test_papers_on_arxiv_become_tags() -> None:
    paper = "Two: https://arxiv.org/abs/2401.01234, https://arxiv.org/pdf/2401.01234v2 and arXiv.org/abs/1206.6389"
    assert eval_results.paper_tags(paper) == ["arxiv:2401.01234", "arxiv:1206.6389"]
    assert eval_results.paper_tags("no link") == []


def _store(folder: Path, made: Record) -> Store:
    """A store with a poisoned, a clean and two random cells of a track, a season's one, and one of another track."""
    store, streams = Store(folder), Streams(made.track.sha256)
    name: dict[str, Any] = {"track": made.track.sha256, "salt": streams.commitment, "labels": "a" * 64, "victim": "mlp"}
    name |= {"places": [[0, 0], [1, 0]], "code": "c" * 64, "environment": "e" * 64}
    season = {"salt": Streams(made.track.sha256, "secret").commitment}
    for number, more in enumerate(
        ({"arm": "clean"}, {"arm": "random"}, {"arm": "random", "environment": "f" * 64}, {"arm": "poisoned"})
    ):
        store.put("cells", name | more, {"victims": [number]})
    store.put("cells", name | {"arm": "clean"} | season, {"victims": ["of a season"]})
    store.put("cells", name | {"arm": "clean", "track": "b" * 64}, {"victims": ["of another track"]})
    store.put("labels", {"track": made.track.sha256, "arm": "clean"}, {"flips": []})
    return store


def test_baselines_are_the_public_clean_and_random_cells_and_a_store(shipped: Record, tmp_path: Path) -> None:
    store = _store(tmp_path / "store", shipped)
    odd = tmp_path / "store/cells/00"
    odd.mkdir(exist_ok=True)
    for number, content in enumerate((b"", b"[]", b"{", b'{"name": 3}', b'{"name": {"track": [], "salt": {}}}')):
        (odd / f"{number:064d}.json").write_bytes(content)
    counted = baselines.build(store.root, tmp_path / "out", "somebody/baselines")
    assert [(one.track, one.environment, one.entries, one.victims) for one in counted] == [
        ("digits-small", "e" * 64, 2, 4),
        ("digits-small", "f" * 64, 1, 2),
    ]
    there = Store(tmp_path / "out")
    entries = [json.loads(path.read_bytes()) for path in (tmp_path / "out/cells").rglob("*.json")]
    assert sorted(entry["value"]["victims"] for entry in entries) == [[0], [1], [2]]
    assert all(there.get("cells", entry["name"]) == entry["value"] for entry in entries)
    assert kinds.of(tmp_path / "out").what == "a folder of shared baselines"
    assert "LNBENCH_STORE=hf://datasets/somebody/baselines" in (tmp_path / "out/README.md").read_text()
    # Another machine's store is put to it, and what is there stays.
    assert baselines.build(tmp_path / "out", tmp_path / "out", "somebody/baselines") == counted
    with pytest.raises(RecordError, match="has no clean or random arms of a calibrated track's public splits"):
        baselines.build(tmp_path / "tracks", tmp_path / "other", "somebody/baselines")


_READER = """
import json, sys
from lnbench.evaluation.shared_store import open_store
store = open_store(sys.argv[1])
names = json.loads(sys.argv[2])
read = store.get_all("cells", names)
changed = [{**name, "arm": "poisoned", "number": i} for i, name in enumerate(names)]
store.put("cells", changed[0], {"victims": [5]})
print(json.dumps([read, store.get_all("cells", changed), store.get("labels", names[0])]))
"""


def test_an_evaluation_reads_published_baselines_and_writes_nothing_there(
    client: Any, hub: loopback.Hub, shipped: Record, tmp_path: Path
) -> None:
    store = _store(tmp_path / "store", shipped)
    baselines.build(store.root, tmp_path / "out", "somebody/baselines")
    assert client.run("hub", "upload", tmp_path / "out", "--repo", "somebody/baselines").code == 0
    entries = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "out/cells").rglob("*.json"))]
    names = [entry["name"] for entry in entries] + [{**entries[0]["name"], "environment": "0" * 64}]
    hub.took()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _READER, "hf://datasets/somebody/baselines", json.dumps(names)],
        capture_output=True,
        text=True,
        env=client.env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read, changed, labels = json.loads(done.stdout)
    assert read == [*(entry["value"] for entry in entries), None]  # nothing matches in another environment
    assert changed == [{"victims": [5]}, *[None] * (len(names) - 1)] and labels is None  # of this machine's alone
    asked = hub.took()
    assert asked and not [line for line in asked if re.search(r"/commit/|/preupload/|/lfs", line)]


def test_a_damaged_entry_is_not_shared(shipped: Record, tmp_path: Path) -> None:
    store = _store(tmp_path / "store", shipped)
    for path in (store.root / "cells").rglob("*.json"):
        path.write_bytes(path.read_bytes().replace(b'"victims":[0]', b'"victims":[9]'))
    counted = baselines.build(store.root, tmp_path / "out", "somebody/baselines")
    assert sum(one.entries for one in counted) == 2


def test_a_dry_run_asks_nothing(client: Any, hub: loopback.Hub, suite: Path) -> None:
    done = client.run("hub", "upload", suite, "--repo", "somebody/suite", "--dry-run", HF_TOKEN=None)
    assert done.code == 0 and "dry run: somebody/suite (dataset) would hold a poisoned suite" in done.out
    assert hub.took() == [] and not hub.repos


def test_a_folder_that_is_nothing_or_holds_too_much_is_not_uploaded(
    client: Any, hub: loopback.Hub, suite: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = client.run("hub", "upload", tmp_path / "empty", "--repo", "somebody/x")
    assert done.code == 2 and "is nothing that lnbench publishes: expected one of suite.json" in done.error
    (suite / "victims/secret.txt").write_text("x")
    done = client.run("hub", "upload", suite, "--repo", "somebody/x")
    assert done.code == 2 and "holds 'victims/secret.txt', which does not belong in a poisoned suite" in done.error
    (suite / "victims/secret.txt").unlink()
    (suite / "README.md").unlink()
    done = client.run("hub", "upload", suite, "--repo", "somebody/x")
    assert done.code == 1 and "it holds no README.md" in done.error
    assert not hub.repos


def test_a_repository_of_another_kind_is_left_alone(client: Any, hub: loopback.Hub, suite: Path) -> None:
    others = {"train.csv": {"train.csv": b"1"}, "README.md": {"README.md": b"mine", "eval.yaml": b"x"}}
    for there in others.values():
        before = hub.add("somebody/x", there)
        done = client.run("hub", "upload", suite, "--repo", "somebody/x")
        assert done.code == 2 and "holds other things already" in done.error and "A poisoned suite needs" in done.error
        assert hub.repos["somebody/x"].refs["main"] == before
    hub.add("somebody/x", {"README.md": b"made on the page of the Hub"})
    assert client.run("hub", "upload", suite, "--repo", "somebody/x").code == 0


def _page(folder: Path) -> Path:
    """The folder of the Space, small."""
    for path, text in {
        "README.md": "---\nsdk: static\n---\n",
        "index.html": "<a href=leaderboard/>",
        "leaderboard/board.json": "{}",
        "leaderboard/index.html": "<p>board</p>",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


OIDC = {"HF_TOKEN": None, "HF_OIDC_ID_TOKEN": loopback.IDENTITY}
"""What a workflow's job hands over: its identity, and no token."""


def test_a_trusted_publisher_needs_no_token_and_reaches_one_repository(
    client: Any, hub: loopback.Hub, tmp_path: Path
) -> None:
    hub.add("spaces/somebody/board", {"README.md": b"new", "index.html": b"hello", "style.css": b"p {}"})
    hub.publishers.add("spaces/somebody/board")
    folder = _page(tmp_path / "page")
    done = client.run(
        "hub", "upload", folder, "--repo", "somebody/board", **OIDC, HF_OIDC_RESOURCE="spaces/somebody/board"
    )
    assert done.code == 0, done.err
    files = hub.repos["spaces/somebody/board"].files
    assert files["leaderboard/index.html"] == b"<p>board</p>" and files["README.md"].startswith(b"---\nsdk: static")
    asked = hub.took()
    assert sum("/oauth/token" in line for line in asked) == 1 and not [line for line in asked if "repos/create" in line]

    hub.add("spaces/somebody/other", {})
    done = client.run(
        "hub", "upload", folder, "--repo", "somebody/other", **OIDC, HF_OIDC_RESOURCE="spaces/somebody/board"
    )
    assert done.code == 3 and "this token may not do that there" in done.error, done.err
    assert set(hub.repos["spaces/somebody/other"].files) == {".gitattributes"}


def test_a_job_that_is_no_publisher_is_told_so(client: Any, hub: loopback.Hub, tmp_path: Path) -> None:
    folder = _page(tmp_path / "page")
    hub.add("spaces/somebody/third", {})
    job = OIDC | {"HF_OIDC_RESOURCE": "spaces/somebody/third"}
    for more, sentence in (
        ({}, "has no trusted publisher for this job on spaces/somebody/third (HF_OIDC_RESOURCE)"),
        ({"HF_OIDC_ID_TOKEN": "another job's"}, "has no trusted publisher for this job"),
        ({"HF_OIDC_ID_TOKEN": None}, "HF_OIDC_RESOURCE is set but no OIDC id token is available"),
    ):
        done = client.run("hub", "upload", folder, "--repo", "somebody/third", **(job | more))
        assert done.code == 3 and sentence in done.error, done.err
        assert loopback.IDENTITY not in done.err
    assert set(hub.repos["spaces/somebody/third"].files) == {".gitattributes"}


def test_kept_victims_have_results_of_their_own(tmp_path: Path) -> None:
    made = factories.make(factories.track(name="digits-small", replication=TWO_SPLITS))
    accuracies = {"clean": [0.9, 0.8], "poisoned": [0.25]}
    listed = yaml.safe_load(eval_results.victims_yaml(made, accuracies, Address.parse(REPO), "https://x.org"))
    clean, poisoned = parse_eval_result_entries(listed)
    assert (clean.task_id, clean.value) == ("digits-small-victims-clean", 85.0)
    assert (poisoned.task_id, poisoned.value) == ("digits-small-victims-poisoned", 25.0)
    assert "mean over 2 victims trained on the labels of the arm clean" in (clean.notes or "")


@pytest.mark.slow  # an evaluation, and its victims once more
def test_a_folder_of_kept_victims_becomes_a_model_repository(client: Any, hub: loopback.Hub, tmp_path: Path) -> None:
    document = tiny.document() | {"name": "small", "calibrated": True}
    document |= {"stealth": {"clean_pp": 100.0, "source_clean_pp": 100.0}}
    tiny.write(tmp_path / "small.toml", document)
    (tmp_path / "first.py").write_text(tiny.POISONER)
    kept, out = tmp_path / "victims", tmp_path / "records"
    options = ["--track", tmp_path / "small.toml", "--workers", "1", "--out", out, "--keep-victims", kept]
    assert client.run("evaluate", tmp_path / "first.py", *options).code == 0
    (path,) = out.glob("*.json")
    made = record.read(path)
    done = client.run("hub", "victims", path, kept, "--repo", "somebody/nets", "--benchmark", REPO)
    assert done.code == 0, done.err
    entries = {entry.task_id: entry for entry in _entries(kept / eval_results.RESULTS)}
    assert list(entries) == [f"small-victims-{arm}" for arm in ("clean", "poisoned", "random")]
    for arm in ("clean", "poisoned", "random"):
        share = made.arms[arm].adv_acc
        assert share is not None and entries[f"small-victims-{arm}"].value == pytest.approx(100 * share, abs=1e-3)
        assert f"{arm}: adversarial accuracy {100 * share:.1f} %" in done.out
    done = client.run("hub", "upload", kept, "--repo", "somebody/nets")
    assert done.code == 0 and done.out.startswith(f"pushed: {hub.url}/somebody/nets: kept victims, 14 files"), done.err
    # The folder still is one of victims, to be pushed beside a dataset.
    done = client.run("push", path, "--repo", "somebody/data", "--victims", kept)
    assert done.code == 0, done.err
    assert sum(name.startswith("victims/") for name in hub.repos["somebody/data"].files) == 13


def test_an_address_of_something_else_is_2(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="expected a Hub dataset as user/name"):
        benchmark.build(tmp_path, tmp_path / "out", "no-address")
    page = _page(tmp_path / "page")
    with pytest.raises(ProtocolError, match="give somebody/board without @main"):
        kinds.upload(page, "somebody/board@main")
    shutil.rmtree(page / "leaderboard")
    with pytest.raises(ProtocolError, match="is nothing that lnbench publishes"):
        kinds.of(page)
