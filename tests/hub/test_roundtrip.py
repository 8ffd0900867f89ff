"""Push and pull with the real client against a loopback Hub: what comes back is what was scored."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import factories
import loopback
from lnbench import record
from lnbench.board.project import PROJECT
from lnbench.hub import manifest
from lnbench.protocol import own_salt, sha256
from lnbench.record import seasons
from lnbench.record.record import Record

REPO = "somebody/poisoned"
TWO_SPLITS = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
Push = Callable[..., str]


def test_a_push_is_one_commit_and_a_tag(client: Any, hub: loopback.Hub, path: Path, made: Record) -> None:
    done = client.run("push", path, "--repo", REPO)
    assert done.code == 0, done.err
    requests = hub.took()
    assert sum("/commit/" in line for line in requests) == 1
    repo = hub.repos[REPO]
    (tag, commit), *_ = repo.tags.items()
    assert commit == repo.refs["main"]
    found = manifest.parse(repo.files["lnbench.json"])
    assert tag == found.tag and found.images and found.splits == [0, 1, 2]
    assert found.document["record"]["sha256"] == made.sha256
    assert found.document["track"]["sha256"] == made.track.sha256
    assert found.document["poisoner"]["sha256"] == made.document["poisoner"]["sha256"]
    assert commit in done.out and tag in done.out
    assert set(repo.files) == {".gitattributes", "README.md", "lnbench.json", *found.document["files"]}

    again = client.run("push", path, "--repo", REPO)
    assert again.code == 0 and again.out.startswith("unchanged: ")
    assert repo.refs["main"] == commit
    assert not [line for line in hub.took() if line.startswith("PUT") or "/commit/" in line]


def test_what_is_pulled_is_what_was_scored_and_a_second_pull_asks_nothing(
    client: Any, hub: loopback.Hub, pushed: Push, made: Record, fresh: dict[str, str]
) -> None:
    commit = pushed()
    tag = next(iter(hub.repos[REPO].tags))
    hub.took()
    done = client.run("pull", f"{REPO}@{tag}", **fresh)
    assert done.code == 0, done.err
    assert hub.took()
    assert f"hf://{REPO}@{commit}" in done.out
    assert f"{sum(map(len, made.document['flips']['poisoned']))} flips in 3 splits" in done.out
    for revision in (commit, tag):
        assert client.run("pull", f"{REPO}@{revision}", **fresh).code == 0
        assert hub.took() == [], "a cached revision costs no request"
    assert client.run("pull", f"{REPO}@{commit}", **fresh, LNBENCH_OFFLINE="1").code == 0

    code = (
        "import lnbench, hashlib\n"
        f"data = [lnbench.load_poisoned({REPO!r}, split=w, revision={commit!r}) for w in range(3)]\n"
        "import numpy as np\n"
        "result = [hashlib.sha256(d.labels.numpy().astype('<i8').tobytes()).hexdigest() for d in data]\n"
        "one = data[1]\n"
        "wrong = int((one.labels != one.clean_labels).sum())\n"
        "result += [len(one), one[0][0].shape[0], int(one.flipped.sum()), wrong]\n"
        f"test = lnbench.load_poisoned({REPO + '@' + commit!r}, split=1, train=False)\n"
        "result += [len(test), int(test.flipped.sum())]\n"
    )
    assert client.python(code, **fresh) == [*made.document["labels_sha256"], 898, 1, 4, 4, 899, 0]
    assert hub.took() == []


def test_a_seasons_row_is_pushed_once_its_salt_is_revealed(client: Any, hub: loopback.Hub, tmp_path: Path) -> None:
    board, secret = tmp_path / "board" / "seasons.toml", tmp_path / "salt"
    board.parent.mkdir()
    seasons.open_season(board, "first", secret, datetime.date(2026, 5, 1))
    salt = seasons.read_salt(secret)
    track = factories.track(name="digits-small", replication=TWO_SPLITS)
    made, path = factories.make(track, salt=salt, season="first"), tmp_path / "record.json"
    record.write(made, path)
    refused = client.run("push", path, "--repo", REPO, "--board", board.parent)
    assert refused.code == 2 and "once its season is closed" in refused.err and not hub.repos
    seasons.close_season(board, "first", salt, [made.sha256], datetime.date(2026, 6, 1))
    done = client.run("push", path, "--repo", REPO, "--board", board.parent)
    assert done.code == 0, done.err
    assert manifest.parse(hub.repos[REPO].files["lnbench.json"]).document["salt"] == salt


def test_labels_only_holds_no_image_and_pulls_the_same(
    client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]
) -> None:
    pushed(REPO, "--labels-only", "--split", "1")
    files = hub.repos[REPO].files
    found = manifest.parse(files["lnbench.json"])
    assert found.splits == [1] and not found.images
    assert all(len(data) < 10_000 for path, data in files.items() if path.endswith(".parquet"))
    assert "No images are included" in files["README.md"].decode()
    done = client.run("pull", REPO, **fresh)
    assert done.code == 0 and "4 flips in 1 splits, labels only" in done.out, done.err


def test_the_card_says_what_it_is(hub: loopback.Hub, pushed: Push, made: Record) -> None:
    commit = pushed()
    text = hub.repos[REPO].commits[commit]["README.md"].decode()
    _, header, body = text.split("---\n", 2)
    fields = yaml.safe_load(header)
    assert fields["license"] == "cc-by-4.0"
    assert {"lnbench", "lnbench-track-digits-small", "poisoned"} <= set(fields["tags"])
    assert fields["lnbench"]["score_pp"] == made.score["drop_pp"]
    assert [c["config_name"] for c in fields["configs"]] == ["flips", "split-00", "split-01", "split-02"]
    assert [c.get("default") for c in fields["configs"]] == [None, True, None, None]
    assert body.count("Poisoned on purpose") == 1
    for needed in (
        made.sha256,
        made.track.sha256,
        "load_dataset",
        "load_poisoned",
        "bibtex",
        "figure.svg",
        "(flips.svg)",
        f"[lnbench]({PROJECT})",
        f'pip install "lnbench[hub] @ git+{PROJECT}"',
        "CC BY 4.0",
    ):
        assert needed in body, needed
    assert not re.search(r"<[A-Za-z/!]", body)


def test_the_datasets_library_loads_it_as_it_is(client: Any, hub: loopback.Hub, pushed: Push, made: Record) -> None:
    pytest.importorskip("datasets", reason="pip install datasets to test with it")
    commit = pushed()
    code = f"""
import json, datasets
data = datasets.load_dataset({REPO!r})
other = datasets.load_dataset({REPO!r}, name="split-02", split="train", revision={commit!r})
flips = [
    [i, row["clean_label"], row["label"]]
    for i, row in enumerate(other.select_columns(["label", "clean_label", "flipped"])) if row["flipped"]
]
first = data["train"][0]
points = datasets.load_dataset({REPO!r}, "flips", split="train")
listed = [[row[name] for name in ("split", "index", "old", "new")] for row in points]
where = [[2, row["index"], row["clean_label"], row["label"]] for row in other if row["flipped"]]
assert [row for row in listed if row[0] == 2] == where and points[0]["image"].size == (8, 8), listed
assert points.features["new"].names == data["train"].features["label"].names
print(json.dumps([
    data["train"].num_rows, data["test"].num_rows, flips, first["image"].size, first["image"].mode,
    data["train"].features["label"].names, sum(data["test"]["flipped"]),
]))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=client.env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows, tests, flips, size, mode, names, flipped = json.loads(done.stdout.splitlines()[-1])
    assert (rows, tests, size, mode, flipped) == (898, 899, [8, 8], "L", 0)
    assert names == [str(c) for c in range(10)]
    assert flips == [list(flip) for flip in made.document["flips"]["poisoned"][2]]


def test_an_interrupted_upload_leaves_nothing_and_goes_on(client: Any, hub: loopback.Hub, path: Path) -> None:
    hub.fail(r"^PUT /large/", 403, times=1)
    broken = client.run("push", path, "--repo", REPO)
    assert broken.code == 3, broken.err
    assert set(hub.repos[REPO].files) == {".gitattributes"} and not hub.repos[REPO].tags
    kept = sum(line.startswith("PUT") for line in hub.took()) - 1
    assert len(hub.large) == kept
    done = client.run("push", path, "--repo", REPO)
    assert done.code == 0, done.err
    assert sum(line.startswith("PUT") for line in hub.took()) == 7 - kept, "what had arrived is not sent again"


def test_a_pull_request_leaves_main_alone(client: Any, hub: loopback.Hub, path: Path) -> None:
    before = hub.add(REPO, {})
    done = client.run("push", path, "--repo", REPO, "--create-pr", "--split", "0")
    assert done.code == 0, done.err
    assert done.out.startswith("proposed: ") and "/discussions/1" in done.out
    repo = hub.repos[REPO]
    assert repo.refs["main"] == before and not repo.tags
    assert "lnbench.json" in repo.commits[repo.refs["refs/pr/1"]]


def test_a_second_record_replaces_the_first(client: Any, hub: loopback.Hub, pushed: Push, path: Path) -> None:
    first = pushed()
    second = pushed(REPO, "--labels-only", "--split", "0")
    repo = hub.repos[REPO]
    assert first != second and set(repo.tags.values()) == {first, second}
    assert not [name for name in repo.files if "split-01" in name]
    assert "data/split-01/train-00000-of-00001.parquet" in repo.commits[first]


def test_private_is_private_and_never_by_accident_public(
    client: Any, hub: loopback.Hub, path: Path, fresh: dict[str, str]
) -> None:
    assert client.run("push", path, "--repo", REPO, "--private", "--split", "0").code == 0
    assert hub.repos[REPO].private
    assert client.run("pull", REPO, **fresh).code == 0
    hub.add("somebody/public", {})
    refused = client.run("push", path, "--repo", "somebody/public", "--private", "--split", "0")
    assert refused.code == 2 and "is public; nothing was pushed" in refused.error
    assert set(hub.repos["somebody/public"].files) == {".gitattributes"}


def test_a_repository_with_other_things_is_left_alone(client: Any, hub: loopback.Hub, path: Path) -> None:
    before = hub.add(REPO, {"train.csv": b"a,b\n"})
    done = client.run("push", path, "--repo", REPO, "--split", "0")
    assert done.code == 2 and "holds other things already ('train.csv'); nothing was pushed" in done.error
    assert hub.repos[REPO].refs["main"] == before


def test_an_author_may_edit_the_card(client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]) -> None:
    pushed(REPO, "--split", "0", "--labels-only")
    files = dict(hub.repos[REPO].files)
    files["README.md"] += b"\n## News\n\nWe wrote a paper.\n"
    hub.repos[REPO].commit("main", files)
    assert client.run("pull", REPO, **fresh).code == 0


def test_search_lists_by_track_tag_and_score(client: Any, hub: loopback.Hub, pushed: Push, made: Record) -> None:
    commit = pushed(REPO, "--split", "0")
    pushed("somebody/private", "--split", "0", "--private")
    hub.add("stranger/other", {"README.md": b"---\ntags: [cats]\n---\n"})
    hub.add("stranger/odd", {"README.md": b'---\ntags: [lnbench]\nlnbench: {score_pp: "x", poisoner: "\\e[2J"}\n---\n'})
    hub.add("stranger/self", {"README.md": b"---\ntags: [lnbench]\nself: 1\nignore_metadata_errors: 2\n---\n"})
    done = client.run("search")
    assert done.code == 0, done.err
    first, second, third = done.out.splitlines()
    assert f"hf://{REPO}@{commit}" in first and "made_up on digits-small, 1 splits" in first
    assert "stranger/odd" in second and "\x1b" not in second and "stranger/self" in third
    assert sum("/api/datasets?" in line for line in hub.took()) == 2, "the list has two pages"
    assert client.run("search", "--track", "digits-small").out.count("hf://") == 1
    assert client.run("search", "--track", "mnist-9to0").out == ""
    assert client.run("search", "--tag", "poisoned").out.count("hf://") == 1
    assert client.run("search", "--min-score", made.score["drop_pp"] + 1).out == ""


def test_a_hostile_repository_is_1_and_leaves_nothing(
    client: Any, hub: loopback.Hub, pushed: Push, fresh: dict[str, str]
) -> None:
    commit = pushed(REPO, "--split", "0")
    files = hub.repos[REPO].commits[commit]
    table = "data/split-00/train-00000-of-00001.parquet"
    spoiled = {
        "which does not belong in an lnbench dataset": files | {"loader.py": b"import os"},
        "train-00000-of-00001.parquet has sha256": files | {table: bytes(len(files[table]))},
        "which does not belong": {**files, "data/split-00/../../../x": b""},
        "it is not an lnbench dataset": {k: v for k, v in files.items() if k != "README.md"},
    }
    for sentence, content in spoiled.items():
        bad = hub.repos[REPO].commit("main", content)
        done = client.run("pull", REPO, **fresh)
        assert done.code == 1 and sentence in done.error and bad in done.error, done.err
        assert done.out == "" and not list(Path(fresh["LNBENCH_CACHE"]).rglob("*.json"))
        assert client.run("evaluate", f"hf://{REPO}", **fresh).code == 1


def test_splits_with_a_pair_each_that_the_source_draws(client: Any, tmp_path: Path, fresh: dict[str, str]) -> None:
    made_on = factories.track(
        name="two-pairs",
        noise={"budget": 4, "eta": 0.00446, "pairs": [[9, 0], [3, 8]], "rotate": True},
        damage={"epsilon": 0.03},
        replication=TWO_SPLITS | {"random_draws": 2},
    )
    salt = own_salt(made_on.sha256, sha256(factories.SOURCE.encode()), {})
    made = factories.make(made_on, salt=salt)
    record.write(made, tmp_path / made.filename)
    assert client.run("push", tmp_path / made.filename, "--repo", REPO).code == 0
    done = client.run("pull", REPO, **fresh)
    assert done.code == 0, done.err
    assert "8 flips in 2 splits" in done.out
    moved = client.python(
        "import lnbench\n"
        f"data = [lnbench.load_poisoned({REPO!r}, split=w) for w in range(2)]\n"
        "result = [sorted({(int(a), int(b)) for a, b in zip(d.clean_labels, d.labels) if a != b}) for d in data]",
        **fresh,
    )
    assert moved == [[[9, 0]], [[3, 8]]]
