"""What a submission must say about itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lnbench.contribute.metadata import check_metadata
from lnbench.errors import SubmissionError
from lnbench.poison.reading import Details

GOOD = Details(description="Flips.", author="A. Author", paper="", license="MIT")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"license": "apache-2.0 OR mit"},
        {"paper": "https://example.org/a_paper.pdf"},
        {"paper": "10.1000/xyz123"},
        {"paper": "doi:10.1000/xyz(12)3"},
        {"paper": "arXiv:2101.00001v2"},
        {"paper": "arXiv:cs/0101001"},
        {"paper": "Crafting Label Noise (2021), section 4.10"},
    ],
)
def test_proper_metadata_is_accepted(fields: dict[str, Any]) -> None:
    check_metadata(dataclasses.replace(GOOD, **fields), "x.py")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"author": ""}, "expected an author, got none"),
        ({"author": " – "}, "expected an author, got none"),
        ({"author": "a" * 99 + "…"}, "expected at most 100 characters of author"),
        ({"license": ""}, "expected a licence, got none"),
        ({"license": "free for all"}, "SPDX expression .* got 'free for all'"),
        ({"license": "LicenseRef-mine"}, "a custom licence says nothing"),
        ({"paper": "http://example.org"}, "expected the paper as an https address"),
        ({"paper": "https://example.org/<script>"}, "expected the paper as an https address"),
        ({"paper": "a paper of ours"}, "citation with its year"),
        ({"paper": "javascript:alert(1)"}, "expected the paper"),
    ],
)
def test_what_is_missing_or_wrong_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SubmissionError, match=rf"^x\.py: .*{words}"):
        check_metadata(dataclasses.replace(GOOD, **fields), "x.py")
