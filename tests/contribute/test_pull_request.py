"""A submission's pull request: its text, and the rules in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import factories
from lnbench.contribute import pull_request
from lnbench.errors import RecordError
from lnbench.poison.submission import Submission

ROOT = Path(__file__).resolve().parents[2]


def test_the_pull_requests_text_shows_the_result_and_the_rules() -> None:
    record = factories.make(name="mine", parameters={"skip": 2})
    text, title = pull_request.text(record), pull_request.title(record)
    assert title == "Submission: mine(skip=2)"
    assert record.sha256 in text and f"{record.score['drop_pp']:+.1f}" in text and "skip=2" in text
    assert text.count("- [ ] ") == len(pull_request.RULES) and "`submissions/mine.py`" in text
    assert "| may rank | yes |" in text
    assert "| may rank | no: " in pull_request.text(factories.make(name="mine", quick=True))


def test_a_strangers_words_are_no_markup() -> None:
    record = factories.make(name="mine")
    block = record.document["poisoner"] | {"author": "a|b <img src=x> @everyone", "description": "[x](http://y)"}
    text = pull_request.text(factories.rehashed({**record.document, "poisoner": block}))
    assert "<img" not in text and "a\\|b" in text and "[x](" not in text and " @everyone" not in text


def test_the_pull_request_template_lists_the_same_rules() -> None:
    template = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert (
        tuple(re.findall(r"^- \[ \] (.*)$", template.partition("<!-- rules -->")[2], re.MULTILINE))
        == pull_request.RULES
    )


def test_a_record_of_another_file_is_refused() -> None:
    record = factories.make(name="mine", source="a = 1\n")
    pull_request.check_same(record, Submission.from_bytes("mine.py", b"a = 1\n"))
    for file, source in (("mine.py", b"a = 2\n"), ("yours.py", b"a = 1\n")):
        with pytest.raises(RecordError, match="evaluate the file as it is now"):
            pull_request.check_same(record, Submission.from_bytes(file, source))
