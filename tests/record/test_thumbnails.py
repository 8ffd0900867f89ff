"""Pictures of flipped points: at most sixteen, the data's own, and refused when they are not."""

from __future__ import annotations

import base64
import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from lnbench import data, record
from lnbench.board import add, build
from lnbench.errors import RecordError
from lnbench.protocol import track as tracks
from lnbench.record.consistency import checks
from lnbench.record.record import Record
from lnbench.record.thumbnails import MOST, thumbnails
from lnbench.trust import verify

TRACK = factories.small(6, 2)


def made() -> Record:
    """A record with the pictures that an evaluation gives it."""
    plain = factories.make(TRACK)
    points = [data.load(TRACK, split) for split in range(6)]
    return factories.make(TRACK, thumbnails=thumbnails(points, plain.document["flips"]["poisoned"]))


def test_the_first_sixteen_flips_are_shown_as_the_data_has_them() -> None:
    document = made().document
    shown = document["thumbnails"]
    assert shown["shape"] == [1, 8, 8] and len(shown["images"]) == MOST == 16
    assert [image["split"] for image in shown["images"]] == [split for split in range(4) for _ in range(4)]
    for image in shown["images"]:
        pixels = np.frombuffer(base64.b64decode(image["pixels"]), np.uint8)
        inputs = data.load(TRACK, image["split"]).inputs[image["index"]]
        assert np.abs(pixels / 255 - inputs.reshape(-1)).max() < 0.5 / 255 + 1e-6
        assert [image["index"], image["old"], image["new"]] in document["flips"]["poisoned"][image["split"]]


def test_only_small_pictures_of_flipped_points_of_free_data_are_kept() -> None:
    points = [data.load(TRACK, 0)]
    assert thumbnails(points, [[]]) is None
    flat = dataclasses.replace(points[0], bounds=None)
    assert thumbnails([flat], [[(0, 9, 0)]]) is None, "without bounds there is no white"
    free = {name: data.pictures(tracks.load(name)) for name in tracks.names()}
    assert free["digits-9to0"] and free["mnist-9to0"] and not free["cifar10-9to0"] and not free["cifar10jpeg-9to0"]


def test_a_record_with_pictures_holds_and_one_without_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    for i, one in enumerate((made(), factories.make(TRACK))):
        path = tmp_path / f"{i}.json"
        record.write(one, path)
        assert verify.verify(path).passed


def _of_another_point(shown: dict[str, Any]) -> None:
    shown["images"][0]["index"] += 1


def _too_small(shown: dict[str, Any]) -> None:
    shown["images"][0]["pixels"] = base64.b64encode(bytes(63)).decode()


def _of_no_split(shown: dict[str, Any]) -> None:
    shown["images"][0]["split"] = 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_of_another_point, "which was not flipped so"),
        (_too_small, "is not of 64 bytes"),
        (_of_no_split, "which was not flipped so"),
    ],
)
def test_a_picture_of_something_else_is_refused(change: Callable[[Any], object], words: str, tmp_path: Path) -> None:
    document = copy.deepcopy(dict(made().document))
    change(document["thumbnails"])
    forged = factories.rehashed(document)
    (check,) = [check for check in checks(forged) if check.passed is False]
    assert check.name == "thumbnails" and words in check.sentence
    record.write(forged, tmp_path / "forged.json")
    with pytest.raises(RecordError, match="its check 'thumbnails' fails"):
        add([tmp_path / "forged.json"], tmp_path / "records")


def test_altered_pixels_are_found_against_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    document = copy.deepcopy(dict(made().document))
    document["thumbnails"]["images"][0]["pixels"] = base64.b64encode(bytes(64)).decode()
    record.write(factories.rehashed(document), tmp_path / "forged.json")
    shown = verify.verify(tmp_path / "forged.json")
    assert [check.sentence for check in shown.checks if check.passed is False] == [
        "its pictures are not those of the data's points that it flipped."
    ]


def test_seventeen_are_no_record(tmp_path: Path) -> None:
    document = copy.deepcopy(dict(made().document))
    document["thumbnails"]["images"].append(document["thumbnails"]["images"][0])
    record.write(factories.rehashed(document), tmp_path / "forged.json")
    with pytest.raises(RecordError, match=r"thumbnails\.images: expected a list of 1 … 16 values"):
        record.read(tmp_path / "forged.json")


def test_the_page_shows_them_without_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    one, folder = made(), tmp_path / "repository" / "leaderboard"
    record.write(one, folder / "records" / TRACK.name / one.filename)
    build(folder / "records", folder)
    text = (folder / "index.html").read_text()
    assert text.count('<img src="data:image/png;base64,') == 16
    assert "img-src data:" in text and "Flipped points, the first 16:" in text
