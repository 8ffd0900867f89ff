"""A card that harms whoever opens its page, or says other things than the dataset: each way has its sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lnbench.errors import RecordError
from lnbench.hub import card, flips, layout, manifest

INFO = "dataset_info: {config_name: flips, splits: "


def _judge(folder: Path, text: str) -> None:
    card.check(text.encode(), manifest.parse((folder / manifest.NAME).read_bytes()))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("# made", "<script>alert(1)</script>\n# made", "README.md holds HTML in line 2"),
        ("# made", "<!-- hidden -->\n# made", "holds HTML"),
        ("# made", "<IMG SRC=x onerror=alert(1)>\n# made", "holds HTML"),
        ("# made", "[x](javascript:alert(1))\n# made", "holds a javascript: link"),
        ("# made", "[x](java&#115;cript&colon;alert(1))\n# made", "holds a javascript: link"),
        ("# made", "[x](javascript\\:alert(1))\n# made", "holds a javascript: link"),
        ("# made", "[x](\n  JaVaScRiPt:alert(1))\n# made", "holds a javascript: link"),
        ("# made", "> [x](\n> java&Tab;script:alert(1))\n\n# made", "holds a javascript: link"),
        ("# made", "[x]: vbscript:msgbox(1)\n# made", "holds a vbscript: link"),
        ("# made", "![x](data:text/html;base64,AAAA)\n# made", "holds a data: link"),
        ("# made", "\u202e# made", "holds control characters"),
        ("# made", "\u2066# made\u2069", "holds control characters"),
        ("# made", "\u200f# made", "holds control characters"),
        ("# made", "\x85# made", "holds control characters"),
        ("# made", "\U000e0041# made", "holds control characters"),
        ("license:", "x: a\u2068b\nlicense:", "holds control characters"),
        ("# made", "\x1b[2J# made", "holds control characters"),
        ("---\nlicense", "x\n---\nlicense", "does not begin with a YAML header"),
        ("data/split-00/train-*", "data/elsewhere/train-*", "does not name the tables of 1 splits"),
        ("data/split-00/train-*", "https://example.org/*", "does not name the tables of 1 splits"),
        ('"split-00"', '"../split-00"', "does not name the tables of 1 splits"),
        ("license:", "x: &a [1]\ny: *a\nlicense:", "uses YAML aliases"),
        ("license:", "x: [\nlicense:", "is not YAML"),
        ("license:", "x: !!int ''\nlicense:", "is not YAML ("),
        ("license:", "x: !!bool maybe\nlicense:", "is not YAML ('maybe')"),
        ("license:", "x: !!timestamp never\nlicense:", "is not YAML ("),
        ("license:", "x: !!python/object/apply:os.system [id]\nlicense:", "is not YAML (could not determine"),
        ("license:", f"x: {'9' * 5000}\nlicense:", "is not YAML ("),
        ("license:", f"x: {'[' * 5000}\nlicense:", "nests its fields more than 16 deep"),
        ("license:", "configs: []\nlicense:", "has the key 'configs' twice"),
        ("license:", "x: [{a: 1, a: 2}]\nlicense:", "has the key 'a' twice"),
        ("license:", "viewer: [1]\nlicense:", "has a 'viewer' that is neither true nor false"),
        ("license:", "dataset_info: {features: []}\nlicense:", "describes other columns or classes than the tables of"),
        ("license:", "dataset_info: 3\nlicense:", "holds '3', which is none of"),
        ("license:", "dataset_info: [{config_name: x}]\nlicense:", "names the configuration 'x', which is none"),
        ("license:", "dataset_info: {config_name: [1]}\nlicense:", "names the configuration '[1]', which is none"),
        ("license:", "dataset_info: {homepage: 'https://example.org'}\nlicense:", "holds 'homepage', which is none"),
        ("license:", "dataset_info: {download_size: -1}\nlicense:", "has a download_size that is not a number"),
        ("license:", f"{INFO}[{{name: all}}]}}\nlicense:", "has splits of flips that are not a name and the sizes"),
        ("license:", f"{INFO}[{{name: [1]}}]}}\nlicense:", "has splits of flips that are not a name and the sizes"),
        (
            "license:",
            f"{INFO}[{{name: train, num_examples: 5}}]}}\nlicense:",
            "states 5 rows for train of flips, which has 4",
        ),
        ("lnbench: {", "lnbench: 7\nx: {", "has a 'lnbench' that is not a mapping"),
        ('"flips": 4', '"flips": 400', "claims flips 400, lnbench.json states 4"),
        ('"track": "digits-small"', '"track": "digits-9to0"', "claims track digits-9to0, lnbench.json states digits"),
        ('"score_pp": ', '"score_pp": 9', "claims score_pp 9"),
    ],
)
def test_a_card_that_harms_or_misleads_is_refused(old: str, new: str, sentence: str, built: Path) -> None:
    text = (built / layout.CARD).read_text(encoding="utf-8")
    assert old in text
    _judge(built, text)
    with pytest.raises(RecordError) as refused:
        _judge(built, text.replace(old, new, 1))
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "more",
    [
        "\n## News\n\nWe wrote a [paper](https://example.org/a_(b).pdf); see [the data][1].\n\n[1]: https://example.org\n",
        "\n\u0645\u06cc\u200c\u0631\u0648\u0645 \U0001f469\u200d\U0001f52c\n",
        "\nJavaScript: not used. Data: as above, 3 < 4, `a <= b`.\n",
    ],
)
def test_what_an_author_may_well_add_passes(more: str, built: Path) -> None:
    _judge(built, (built / layout.CARD).read_text(encoding="utf-8") + more)
    _judge(built, (built / layout.CARD).read_text(encoding="utf-8").replace("license:", "language: en\nlicense:", 1))
    with pytest.raises(RecordError, match="holds HTML"):  # what comes after it is read all the same
        _judge(built, (built / layout.CARD).read_text(encoding="utf-8") + more + "\n<b>bold</b>\n")


def test_a_card_that_is_no_text_is_refused(built: Path) -> None:
    found = manifest.parse((built / manifest.NAME).read_bytes())
    with pytest.raises(RecordError, match="is not UTF-8"):
        card.check(b"---\n\xff\n---\n", found)


@pytest.mark.parametrize("listed", [True, False])
def test_what_helpful_programs_add_to_the_header_passes(built: Path, listed: bool) -> None:
    """`dataset_info` as the `datasets` library itself writes it, and the fields that the Hub's own requests set."""
    datasets = pytest.importorskip("datasets", reason="pip install datasets to test with it")
    text = (built / layout.CARD).read_text(encoding="utf-8")
    infos = []
    for config, path in (("split-00", "data/split-00/train-00000-of-00001.parquet"), ("flips", flips.PATH)):
        table = datasets.Dataset.from_parquet(str(built / path), cache_dir=str(built.parent / "cache"))
        sizes = [{"name": "train", "num_bytes": 9, "num_examples": len(table)}]
        info = {"config_name": config, "features": table.features._to_yaml_list(), "splits": sizes}
        infos.append(info | {"download_size": 10, "dataset_size": 9})
    shown = infos if listed else infos[0]
    more = yaml.safe_dump({"dataset_info": shown, "viewer": False, "language": ["en"], "library_name": "datasets"})
    _judge(built, text.replace("license:", more + "license:", 1))
    spoiled = more.replace("'9': '9'", "'9': '0'", 1)
    assert spoiled != more
    with pytest.raises(RecordError, match="describes other columns or classes than the tables of split-00 have"):
        _judge(built, text.replace("license:", spoiled + "license:", 1))
