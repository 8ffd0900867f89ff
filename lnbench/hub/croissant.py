"""A dataset's Croissant file: its tables, columns and hashes, and the Responsible-AI fields that reviewers ask for.

MLCommons' Croissant 1.0 with its RAI vocabulary 1.0, as JSON-LD. The Hub makes a file of its own from the tables, which
knows neither the licences of sources nor what the labels are for. This one is for conferences and catalogues, and has
the eight fields that the datasets track of NeurIPS 2026 asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lnbench.hub.address import Address
from lnbench.hub.licences import Licence

NAME = "croissant.json"
_HUB = "https://huggingface.co"
_TERMS = (
    *("citeAs", "column", "data", "dataType", "examples", "extract", "field", "fileObject", "fileProperty", "fileSet"),
    *(
        "format",
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
    ),
    *("regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
    "equivalentProperty",
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in _TERMS},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}

COLUMNS = {
    "image": ("sc:ImageObject", "The input, as a PNG."),
    "label": ("sc:Integer", "The label to train on; in tables of training points it may be poisoned."),
    "clean_label": ("sc:Integer", "The true label."),
    "flipped": ("sc:Boolean", "Whether the two labels differ."),
    "index": ("sc:Integer", "The row's place in the base data; in the test set for test rows."),
}
"""Columns of a table -> their type and meaning."""
_FLIPS = {
    "split": ("sc:Integer", "The split that the point is of."),
    "old": ("sc:Integer", "The true label."),
    "new": ("sc:Integer", "The label that it was flipped to."),
}
"""The same of the columns that only the table of flips has."""


@dataclass(frozen=True)
class Table:
    """One parquet file.

    Attributes:
        path: in the repository.
        columns: their names.
        about: what its rows are.
    """

    path: str
    columns: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Responsible:
    """What the Responsible-AI fields say that is not the same for all datasets of ours.

    Attributes:
        labels: how its labels were made.
        use: what it is for, and what it is not for.
        limits: what it does not show.
        synthetic: whether a program made part of it.
    """

    labels: str
    use: str
    limits: str
    synthetic: bool


def render(
    *,
    address: Address,
    name: str,
    description: str,
    terms: Sequence[Licence],
    date: str | None,
    creator: str,
    cite: str,
    files: Mapping[str, Mapping[str, Any]],
    tables: Sequence[Table],
    responsible: Responsible,
) -> bytes:
    """The file.

    Args:
        address: where the dataset will be.
        terms: the licences of its sources.
        date: of publication, ISO 8601; None if it is not known.
        cite: how to cite it.
        files: path -> `bytes` and `sha256`; at least those of the tables.
        responsible: what makes the RAI fields.
    """
    url = f"{_HUB}/{address.page}"
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": name,
        "description": description,
        "url": url,
        "license": sorted({one.url or one.credit for one in terms}),
        "creator": {"@type": "sc:Person", "name": creator},
        **({} if date is None else {"datePublished": date}),
        "version": "1.0.0",
        "keywords": ["label noise", "data poisoning", "adversarial robustness", "benchmark"],
        "citeAs": cite,
        **_rai(terms, responsible),
        "distribution": [_file(url, table.path, files[table.path]) for table in tables],
        "recordSet": [_records(table) for table in tables],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _file(url: str, path: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": f"{url}/resolve/main/{path}",
        "contentSize": f"{stated['bytes']} B",
        "encodingFormat": "application/x-parquet",
        "sha256": stated["sha256"],
    }


def _records(table: Table) -> dict[str, Any]:
    """The record set of a table: named like its file, without the part that says that there is one."""
    name = table.path.removeprefix("data/").removesuffix(".parquet").removesuffix("-00000-of-00001")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": table.about,
        "field": [_field(name, table.path, column) for column in table.columns],
    }


def _field(records: str, path: str, column: str) -> dict[str, Any]:
    kind, meaning = (COLUMNS | _FLIPS).get(column, ("sc:Integer", f"The label in the arm {column}."))
    source: dict[str, Any] = {"fileObject": {"@id": path}, "extract": {"column": column}}
    if column == "image":
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column}",
        "name": column,
        "description": meaning,
        "dataType": kind,
        "source": source,
    }


def _rai(terms: Sequence[Licence], said: Responsible) -> dict[str, Any]:
    """The Responsible-AI fields."""
    credit = list(dict.fromkeys(one.credit for one in terms))
    sources = [{"@type": "sc:Dataset", "sc:name": one} for one in credit]
    steps = {
        "Selection": "Training and test sets are drawn from the base data by a random stream that anybody can compute "
        "again with lnbench; images are stored without loss.",
        "Labels": said.labels,
    }
    texts = {
        "dataCollection": f"No data was collected. The inputs are those of public data sets: {' '.join(credit)}",
        "dataCollectionType": "Secondary data analysis",
        "dataPreprocessingProtocol": steps["Selection"],
        "dataManipulationProtocol": said.labels,
        "dataAnnotationProtocol": "True labels are those of the base data. Nobody annotated anything for this dataset.",
        "machineAnnotationTools": "lnbench",
        "personalSensitiveInformation": "None: the images show handwritten digits or objects, without anybody's name.",
        "dataBiases": "Those of the base data: few writers or scenes, and classes of almost equal size.",
        "dataLimitations": said.limits,
        "dataUseCases": said.use,
        "dataSocialImpact": "It shows how few changes make training data harmful, so that defences can be tested. The "
        "methods are public, and the labels are of small public data sets on which nothing depends.",
        "dataReleaseMaintenancePlan": "Revisions are commits, never rewritten; a track that changes is a new version. "
        "Faults are reported to the project's issue tracker.",
    }
    return {
        **{f"rai:{field}": text for field, text in texts.items()},
        "rai:hasSyntheticData": said.synthetic,
        "prov:wasDerivedFrom": sources,
        "prov:wasGeneratedBy": [
            {"@type": "prov:Activity", "prov:label": label, "sc:description": text} for label, text in steps.items()
        ],
    }
