"""Records and datasets on a track that pins its own images: nothing happens before the user gives the track's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
import loopback
import tiny
from lnbench import record
from lnbench.data import decoded
from lnbench.hub import parquet
from lnbench.protocol import Track

REPO = "somebody/pictures"


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a track on 240 little images, which lie under LNBENCH_DATA; it also names a repository of theirs."""
    from lnbench.data import parquet as source

    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "own-cache"))
    rng, digests = np.random.default_rng(0), {}
    for part, n in (("train", 200), ("test", 40)):
        inputs, labels = rng.integers(0, 256, (n, 1, 8, 8)).astype(np.uint8), np.arange(n) % 10
        rows = parquet.Rows(labels, labels, np.arange(n), inputs, [str(c) for c in range(10)], (0.0, 1.0))
        parquet.write(tmp_path / "data" / "pictures", part, rows, images=True)
        digests[f"{part}_sha256"] = decoded.digest(inputs, labels)
    keys = tiny.document() | {"name": "pictures", "noise": {"budget": 4, "eta": 0.04, "pairs": [[9, 0]]}}
    files = {"folder": "pictures", "train": "train-*", "test": "test-*", "image": "image", "label": "label"}
    place = {"shape": [1, 8, 8], "hub": "stranger/huge", "revision": "1" * 40}
    keys["data"] = {"source": "parquet", "train": 100, "classes": 10, "parquet": files | place | digests}
    source._base.cache_clear()
    return tiny.write(tmp_path / "pictures.toml", keys)


def test_push_pull_and_load_ask_for_the_tracks_file(
    client: Any, hub: loopback.Hub, track: Path, fresh: dict[str, str], tmp_path: Path
) -> None:
    import tomllib

    made = factories.make(Track.from_document(tomllib.loads(track.read_text())))
    path, here = tmp_path / "record.json", {**fresh, "LNBENCH_DATA": str(tmp_path / "data")}
    record.write(made, path)
    refusal = "those of pictures, from stranger/huge at 1111111111111111111111111111111111111111, and nothing is down"

    refused = client.run("push", path, "--repo", REPO, **here)
    assert refused.code == 3 and refusal in refused.error and not hub.repos
    done = client.run("push", path, "--repo", REPO, "--track", track, "--images", **here)
    assert done.code == 0, done.err

    for data in (str(tmp_path / "data"), str(tmp_path / "none")):  # whether the files are here or not
        hub.took()
        refused = client.run("pull", REPO, **here | {"LNBENCH_DATA": data})
        assert refused.code == 3 and refusal in refused.error
        asked = hub.took()
        assert not any("parquet" in line or "stranger/huge" in line for line in asked), "not even the tables come"
    other = client.run("pull", REPO, "--track", "digits-9to0", **here)
    assert other.code == 3 and refusal in other.error
    done = client.run("pull", REPO, "--track", track, **here)
    assert done.code == 0 and "8 flips in 2 splits, images and labels" in done.out, done.err

    load = f"import lnbench\nfrom lnbench.protocol import track\ngiven = track.load({str(track)!r})\n"
    load += f"result = int(lnbench.load_poisoned({REPO!r}, track=given).flipped.sum())"
    assert client.python(load, **here) == 4
    unasked = (
        "import lnbench\ntry:\n    lnbench.load_poisoned(%r)\nexcept lnbench.errors.DataError as e: result = str(e)"
    )
    assert refusal in client.python(unasked % REPO, **here), (
        "what was checked before is in the store, and still refused"
    )


def test_a_missing_repository_of_images_is_told_by_the_hubs_words(
    client: Any, hub: loopback.Hub, track: Path, fresh: dict[str, str], tmp_path: Path
) -> None:
    """The user gives the track, so its images are asked for where it says."""
    start = (
        f"from lnbench import data, errors\nfrom lnbench.protocol import track\ngiven = track.load({str(track)!r})\n"
    )
    load = start + "try: data.load(given, 0)\nexcept errors.DataError as error: result = str(error)"
    said = client.python(load, **fresh, LNBENCH_DATA=None)
    assert said.startswith("pictures is not in ") and "and downloading it failed: " in said
    assert (
        f"{hub.url} has no such thing, or not without a token (HTTP 401)" in said
        or f"{hub.url} has no such thing (HTTP 404)" in said
    ), said
    assert any("stranger/huge" in line for line in hub.took())
    commit = hub.add("stranger/huge", {"README.md": b""})
    hub.repos["stranger/huge"].commits["1" * 40] = hub.repos["stranger/huge"].commits[commit]
    said = client.python(load, **fresh, LNBENCH_DATA=None)
    assert "stranger/huge has no file like train-* at 1111" in said
    folder = tmp_path / "data" / "pictures"
    hub.repos["stranger/huge"].commits["1" * 40] |= {file.name: file.read_bytes() for file in folder.iterdir()}
    works = start + "result = len(data.load(given, 0).labels)"
    assert client.python(works, **fresh, LNBENCH_DATA=None) == 100
