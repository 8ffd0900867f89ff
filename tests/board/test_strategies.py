"""The table of the reference attacks: complete, and nothing but what the records say."""

from __future__ import annotations

import dataclasses
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from known import known
from lnbench import board
from lnbench.board import strategies
from lnbench.cli import cli
from lnbench.errors import ProtocolError
from lnbench.text import cell

ROOT = Path(__file__).resolve().parents[2]
ATTACKS, RECORDS = ROOT / "attacks", ROOT / "leaderboard" / "records"


def _rows(always: bool = False) -> list[str]:
    listed = tomllib.loads((ATTACKS / "strategies.toml").read_text(encoding="utf-8"))["strategy"]
    return [strategy["row"] for strategy in listed if not always or strategy.get("always", True)]


def test_the_committed_table_is_what_the_records_say() -> None:
    committed = (ATTACKS / "README.md").read_text(encoding="utf-8")
    assert committed == strategies.render(ATTACKS, RECORDS), "run `lnbench leaderboard attacks`"


def test_every_attack_is_listed_once_and_every_row_is_an_attack() -> None:
    names = {row.partition("(")[0] for row in _rows()}
    assert names == {p.stem for p in ATTACKS.glob("*.py")} | {"my_poisoner"}
    assert len(set(_rows())) == len(_rows())


def test_rows_show_their_own_scores_and_the_paired_difference_to_random_search(monkeypatch: pytest.MonkeyPatch) -> None:
    (table, *_) = board.load(RECORDS).tables
    first, second = sorted(table.rows, key=lambda row: -row.drop)[:2]
    monkeypatch.setattr(strategies, "BASELINE", second.record.label)
    listed = [{"row": row.record.label, "does": "x"} for row in (first, second)] + [{"row": "nobody", "does": "y"}]
    lines = strategies._table(table, listed).splitlines()[4:]
    assert lines[2].endswith("| not run yet | – | – | – |")
    assert f"**{first.drop:+.1f}**" in lines[0].replace("−", "-")
    difference = 100 * (second.accuracies - first.accuracies).mean()
    assert f"| {difference:+.1f} [" in lines[0].replace("−", "-") and difference > 0
    assert " | – | " in lines[1]
    assert np.isclose(difference, first.drop - second.drop, atol=1e-6)


def test_where_random_search_has_other_parameters_the_one_of_most_trainings_is_the_baseline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (table, *_) = [t for t in board.load(RECORDS).tables if t.track.name == "digits-9to0"]
    rows = {row.record.label: row for row in table.rows}
    paths = [row for label, row in rows.items() if label.startswith("adversarial_path(")]
    monkeypatch.setattr(strategies, "BASELINE", "adversarial_path")
    assert strategies._baseline(list(rows.values())) is rows["adversarial_path"]
    assert strategies._baseline(paths) in paths
    assert strategies._baseline([]) is None
    listed = [{"row": paths[0].record.label, "does": "x"}, {"row": "nobody", "does": "y"}]
    fewer = dataclasses.replace(table, rows=tuple(paths))
    said = strategies._table(fewer, listed, all_rows=False)
    assert f"Compared with {cell(known(strategies._baseline(paths)).record.label)}," in said
    assert "not run yet" not in said
    assert "not run yet" in strategies._table(fewer, listed)


def test_the_command_fills_the_table_in_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "attacks"
    folder.mkdir()
    shutil.copy(ATTACKS / "strategies.toml", folder)
    page = folder / "README.md"
    page.write_text(f"Before.\n\n{strategies.BEGIN}old\n{strategies.END}\nAfter.\n", encoding="utf-8")
    (tmp_path / "leaderboard" / "records").mkdir(parents=True)
    arguments = ["leaderboard", "attacks", "--attacks", str(folder), "--folder", str(tmp_path / "leaderboard")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0 and result.output == f"changed: {page}\n"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before.") and text.endswith("After.\n") and "old" not in text
    assert text.count("not run yet") == len(_rows(always=True))
    assert CliRunner().invoke(cli, arguments).output == f"unchanged: {page}\n"


@pytest.mark.parametrize(
    ("readme", "listed", "words"),
    [
        (None, "", "needs a README.md and a strategies.toml that can be read"),
        ("", "= 3", "needs a README.md and a strategies.toml that can be read"),
        ("", "", "needs one pair of the lines <!-- scores -->"),
        (
            strategies.BEGIN + strategies.END,
            "[[strategy]]\nrow = 'a'",
            "every strategy has a row and says what it does",
        ),
    ],
)
def test_bad_input_is_worded(tmp_path: Path, readme: str | None, listed: str, words: str) -> None:
    (tmp_path / "strategies.toml").write_text(listed)
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    with pytest.raises(ProtocolError, match=words):
        strategies.write(tmp_path, tmp_path)
