"""The published JSON Schemas say what the code reads; `python tests/record/test_schemas.py` writes them."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import factories  # noqa: E402
from lnbench import record  # noqa: E402
from lnbench.errors import RecordError  # noqa: E402
from lnbench.hub import manifest  # noqa: E402
from lnbench.hub.manifest import ManifestDocument  # noqa: E402
from lnbench.protocol import canonical_json  # noqa: E402
from lnbench.protocol.documents import json_schema  # noqa: E402
from lnbench.record.defence_schema import DefenceDocument  # noqa: E402
from lnbench.record.schema import RecordDocument  # noqa: E402

FILES = {
    ROOT / "leaderboard" / "record.schema.json": json_schema(RecordDocument, "Record of lnbench"),
    ROOT / "leaderboard" / "defence.schema.json": json_schema(DefenceDocument, "Record of a defence"),
    ROOT / "leaderboard" / "manifest.schema.json": json_schema(ManifestDocument, "lnbench.json of a poisoned dataset"),
}
RECORDS = [
    *sorted(path for path in (ROOT / "leaderboard" / "records").glob("*/*.json") if "audit" not in path.suffixes[0]),
    *sorted((ROOT / "tests" / "golden").glob("record-*.json")),
]


def validator(name: str) -> Any:
    """A validator of the committed schema of this name."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "leaderboard" / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_published_is_what_the_code_reads(path: Path) -> None:
    assert path.read_bytes() == FILES[path], "the types changed; run `python tests/record/test_schemas.py`"


def test_every_record_there_is_fits_the_published_schema() -> None:
    check = validator("record")
    assert len(RECORDS) > 30
    for path in RECORDS:
        document = json.loads(path.read_bytes())
        document["victims"] = document["victims"][::29]  # of some hundreds alike
        assert [error.message for error in check.iter_errors(document)] == [], path


def test_a_defences_record_fits_the_published_schema() -> None:
    document = copy.deepcopy(dict(factories.defended(factories.make(factories.small(2, 1))).document))
    check = validator("defence")
    assert [error.message for error in check.iter_errors(document)] == []
    document["treatments"][next(iter(document["treatments"]))]["weights"] = 1
    assert len(list(check.iter_errors(document))) == 1


def test_a_manifest_fits_the_published_schema() -> None:
    made = factories.make(factories.small(2, 1))
    document = manifest.make(made, salt="public", images=False, splits=[0, 1], files={}).document
    assert [error.message for error in validator("manifest").iter_errors(document)] == []


def _changed(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        spot: Any = document
        for step in path[:-1]:
            spot = spot[step]
        spot[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _changed("more", to=1),
        _changed("victims", 0, "clean", "more", to=1),
        _changed("poisoner", "name", to="A"),
        _changed("poisoner", "name", to="a\n"),
        _changed("salt", to="pepper"),
        _changed("sha256", to="A" * 64),
        _changed("score", "p_value", to=1.5),
        _changed("score", "ci95_pp", to=[0.5]),
        _changed("victims", 0, "steps", to=-1),
        _changed("victims", 0, "diverged", to=1),
        _changed("flips", "poisoned", 0, to=[[1, 2]]),
        _changed("thumbnails", to=None),
        _changed("schema", to=2),
        lambda document: document.pop("flags"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(change: Callable[[dict[str, Any]], None]) -> None:
    """A validator in another language is as strict as ours, but for what JSON Schema cannot say: `10` for `10.0`."""
    made = factories.make(factories.small(2, 1))
    document = copy.deepcopy(dict(made.document))
    change(document)
    if document["sha256"] == made.sha256:
        document["sha256"] = record.digest(document)
    assert not validator("record").is_valid(document)
    with pytest.raises(RecordError):
        record.parse(canonical_json(document))


if __name__ == "__main__":
    for place, content in FILES.items():
        place.write_bytes(content)
