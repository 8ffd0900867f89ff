"""Our own card: a stranger's words in it are text, in the body as in the header, and the card passes our check."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import factories
from lnbench.board.project import PROJECT
from lnbench.hub import card

TRACK = factories.small(3, 2)
HOSTILE = (
    "<script>alert(1)</script>",
    "[x](https://example.org/) [y]: https://example.org/",
    "a\u2066b\u202ec\u200bd\U000e0041",
    "x\n---\nviewer: false\n# heading",
    '"}\nlicense: mit',
    "`code` | cell | **bold** ![i](http://example.org/i.png) www.example.org @all",
    "{{ 7 * 7 }} {% raw %} }}},\n}\n```\n<img src=x>",
    "\\",
)


@pytest.mark.parametrize("words", HOSTILE)
def test_a_strangers_words_are_only_text(words: str) -> None:
    fields = {"description": words, "author": words, "paper": words, "license": words, "parameters": {"p": words}}
    first = factories.make(TRACK)
    made = factories.make(TRACK, poisoner={**first.document["poisoner"], **fields})
    stated: Any = SimpleNamespace(
        splits=[0, 2],
        images=False,
        track=TRACK,
        document={
            "splits": [{"flips": 4}, {"flips": 3}],
            "files": {},
            "record": {"drop_pp": 1.5, "ci95_pp": [0.5, 2.5], "sha256": made.sha256},
        },
    )
    text = card.render(made, stated, "user/name")
    card.check(text.encode(), stated)
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "cc-by-4.0" and "viewer" not in yaml.safe_load(header)
    assert len(re.findall(r"(?<!\\)```", body)) == 8
    outside = re.sub(r"```.*?```|(?<!\\)`[^`\n]*`", "", body, flags=re.S)
    assert outside.count("\n# ") == 1 and outside.count("\n## ") == 5
    assert "<" not in outside.replace("p < .001", "")
    assert re.findall(r"(?<!\\)\]\((.*?)\)", outside) == [PROJECT, "figure.svg"], "the only links are ours"
    (bibtex,) = re.findall(r"```bibtex\n(.*?)```", body, re.S)
    assert bibtex.count("{") == bibtex.count("}") == 6 and "\\" not in bibtex
