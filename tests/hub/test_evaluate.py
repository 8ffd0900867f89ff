"""From a poisoner to the Hub and back: the same labels, the same cells, the same score; and its victims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import loopback
import tiny
from lnbench import record
from lnbench.trust import verify

REPO = "somebody/tiny"


@pytest.fixture(scope="module")
def world(_child: Any, _server: loopback.Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a tiny track, a record made on it, and its victims; the record's path."""
    folder = tmp_path_factory.mktemp("world")
    tiny.write(folder / "tiny.toml")
    (folder / "first.py").write_text(tiny.POISONER)
    options = ["--track", folder / "tiny.toml", "--workers", "1", "--out", folder / "records"]
    done = _child.run("evaluate", folder / "first.py", *options, "--keep-victims", folder / "victims")
    assert done.code == 0, done.err
    assert f"victims: {folder / 'victims'}" in done.err and "keeping: 12/12" in done.err
    return folder, next((folder / "records").glob("*.json"))


def test_labels_from_the_hub_score_the_same_from_the_store_alone(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path]
) -> None:
    folder, path = world
    assert client.run("push", path, "--repo", REPO).code == 0
    commit = hub.repos[REPO].refs["main"]
    options = ["--track", folder / "tiny.toml", "--workers", "1", "--out", folder / "again", "--json"]
    done = client.run("evaluate", f"hf://{REPO}@{commit}", *options)
    assert done.code == 0, done.err
    assert "victims: 12/12 (100%), 12 reused" in done.err
    first, again = record.read(path), record.parse(done.out.encode())
    assert again.score == first.score and again.arms == first.arms
    for field in ("labels_sha256", "flips", "victims", "trainings"):
        assert again.document[field] == first.document[field]
    assert again.document["poisoner"]["source"] == f"hf://{REPO}@{commit}"
    assert again.name == first.name and again.labels_only and not first.labels_only
    assert "labels-only" in again.flags and "no-sandbox" not in again.flags and not again.ranked
    assert "Only labels were handed in" in done.err
    assert again.document["run"]["command"] == f"lnbench evaluate hf://{REPO}@{commit} --track tiny"

    kept = folder / "again" / again.filename
    assert verify.verify(kept).passed
    told = client.run("verify", kept, "--repoison")
    assert told.code == 0 and "no source to run" in told.out
    refused = client.run("push", kept, "--repo", "somebody/other")
    assert refused.code == 1 and "labels that are on the Hub already" in refused.error


def test_the_track_is_the_callers_never_only_the_repositorys(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path]
) -> None:
    folder, path = world
    assert client.run("push", path, "--repo", REPO, "--split", "0", "--labels-only").code == 0
    done = client.run("evaluate", f"hf://{REPO}")
    assert done.code == 2 and "tiny, which does not ship with this lnbench; give its file as --track" in done.error
    done = client.run("evaluate", f"hf://{REPO}", "--track", "digits-9to0")
    assert done.code == 2 and "is for version 0 of tiny" in done.error
    done = client.run("evaluate", f"hf://{REPO}", "--track", folder / "tiny.toml")
    assert done.code == 2 and "and not of split 1; scoring needs splits 0 … 1" in done.error


def test_kept_victims_are_the_records(world: tuple[Path, Path]) -> None:
    """Each file is the stack that was scored: it gets as many test points right as the record says."""
    import torch

    from lnbench import data
    from lnbench.evaluation import saved_victims

    folder, path = world
    made = record.read(path)
    saved_victims.check_folder(folder / "victims", made)
    files = sorted(p.relative_to(folder / "victims").as_posix() for p in (folder / "victims").rglob("*.safetensors"))
    arms = "clean", "poisoned", "random"
    assert files == [f"mlp/split-0{w}/{arm}-seed-{v}.safetensors" for w in range(2) for arm in arms for v in range(2)]
    points = data.load(made.track, 1)
    stated = [v for v in made.document["victims"] if (v["split"], v["arm"]) == (1, "poisoned")]
    for victim in stated:
        loaded = saved_victims.load(folder / "victims" / saved_victims.place("mlp", 1, "poisoned", victim["seed"]))
        right = loaded.victims.predict(torch.from_numpy(points.test_inputs)).numpy() == points.test_labels
        assert right.sum() == victim["clean"]["correct"]


@pytest.mark.slow  # it trains once more
def test_kept_victims_are_not_trained_twice(client: Any, hub: loopback.Hub, world: tuple[Path, Path]) -> None:
    folder, _ = world
    times = {p: p.stat().st_mtime_ns for p in (folder / "victims").rglob("*.safetensors")}
    gone = next(iter(times))
    gone.unlink()
    options = ["--track", folder / "tiny.toml", "--workers", "1", "--out", folder / "records"]
    done = client.run("evaluate", folder / "first.py", *options, "--keep-victims", folder / "victims")
    assert done.code == 0 and "keeping: 12/12 (100%), 8 reused" in done.err, done.err
    assert gone.exists()
    assert sum(p.stat().st_mtime_ns == times[p] for p in times) == 8, "the block that lacks one is trained, no other"


def test_victims_go_with_the_labels_and_come_back(
    client: Any, hub: loopback.Hub, world: tuple[Path, Path], fresh: dict[str, str]
) -> None:
    folder, path = world
    done = client.run("push", path, "--repo", REPO, "--victims", folder / "victims")
    assert done.code == 0, done.err
    files = hub.repos[REPO].files
    assert sum(name.startswith("victims/mlp/") for name in files) == 12
    assert "Trained on poisoned labels on purpose" in files["victims/README.md"].decode()
    code = (
        "import lnbench.hub, torch\n"
        f"kept = lnbench.hub.load_victim({REPO!r}, architecture='mlp', split=1, arm='random', seed=1)\n"
        "result = [len(kept.victims), list(kept.victims(torch.zeros(1, 3, 1, 8, 8)).shape), kept.facts['seed']]"
    )
    assert client.python(code, **fresh) == [1, [1, 3, 10], 1]
    large = [line for line in hub.took() if line.startswith("GET /large/")]
    assert len(large) == 6, "five tables to check the labels, and the one victim"


def test_other_victims_are_not_pushed(client: Any, hub: loopback.Hub, world: tuple[Path, Path], path: Path) -> None:
    folder, mine = world
    done = client.run("push", path, "--repo", REPO, "--victims", folder / "victims")
    assert done.code == 1 and "this is not a victim of the record" in done.error
    (folder / "victims" / "mlp" / "notes.txt").write_text("x")
    try:
        done = client.run("push", mine, "--repo", REPO, "--victims", folder / "victims")
    finally:
        (folder / "victims" / "mlp" / "notes.txt").unlink()
    assert done.code == 1 and "it is not a safetensors file of lnbench" in done.error
    assert not hub.repos


def test_a_record_that_was_altered_is_not_pushed(client: Any, hub: loopback.Hub, world: tuple[Path, Path]) -> None:
    import factories

    folder, path = world
    document = json.loads(path.read_bytes())
    document["labels_sha256"][1] = "0" * 64
    record.write(factories.rehashed(document), folder / "altered.json")
    done = client.run("push", folder / "altered.json", "--repo", REPO)
    assert done.code == 1 and "labels of split 1 are not those of its hash" in done.error
    document["score"]["drop_pp"] = 50.0
    record.write(factories.rehashed(document), folder / "altered.json")
    done = client.run("push", folder / "altered.json", "--repo", REPO)
    assert done.code == 1 and "the record does not hold (score)" in done.error
    assert not hub.repos
