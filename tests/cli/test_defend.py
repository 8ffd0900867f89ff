"""`lnbench defend`, `matrix`, `check`, `new` and `show` for defences: what they print, and how bad input ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import tiny
from lnbench.cli import cli

LEAVES_A_CLASS_EMPTY = """import lnbench


class Bad(lnbench.Defender):
    \"\"\"Leave the nines out.\"\"\"

    def defend(self, problem):
        return lnbench.Training(subset=problem.labels != 9)
"""


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_defence_that_leaves_a_class_empty_ends_with_1_and_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(LEAVES_A_CLASS_EMPTY)
    track = str(tiny.write(tmp_path / "tiny.toml"))
    code, _, said = _run("check", str(tmp_path / "bad.py"), "--track", track, "--unsafe-no-sandbox")
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert code == 1
    assert "bad.py: no point of class 9 is left to train on, of 90 that came; keep at least one point of every" in line


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["defend", "gce", "--against", "nobody"], 2, "no file or bundled attack is called 'nobody'"),
        (["defend", "nobody", "--against", "my_poisoner"], 2, "no file or bundled defence is called 'nobody'"),
        (["defend", "gce", "--against", "my_poisoner", "--set", "p=1"], 2, "gce.py: no parameter is called 'p'"),
        (["defend", "gce", "--against", "my_poisoner", "--quick", "--splits", "2"], 2, "--quick has splits and seeds"),
        (["matrix", "--defences", "nobody"], 2, "no file or bundled defence is called 'nobody'"),
        (["evaluate", "human"], 2, "digits-9to0 has no labels of people"),
    ],
)
def test_a_request_that_makes_no_sense_gets_one_sentence(
    arguments: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    came, _, said = _run(*arguments)
    assert came == code and sentence in said, said


def test_a_new_defender_is_a_file_that_a_reader_and_the_referee_understand(tmp_path: Path) -> None:
    from lnbench.poison.contract import DEFENDER
    from lnbench.poison.submission import Submission

    code, said, _ = _run("new", "mine", "--defender", "--folder", str(tmp_path), "--author", "A. Reader")
    assert code == 0 and "lnbench defend" in said
    details = Submission.from_file(tmp_path / "mine.py", None, DEFENDER).details
    assert details.author == "A. Reader" and dict(details.defaults) == {"share": 0.1}


def test_the_page_of_defences_is_checked(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("old")
    code, said, _ = _run("matrix", "--check", "--out", str(tmp_path))
    assert code == 1 and f"differs: {tmp_path / 'README.md'}" in said
