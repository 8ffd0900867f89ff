"""The documentation holds: its blocks are run or say why not, its commands exist, its figures are the records'."""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import cast

import click
import numpy as np
import pytest

import blocks
import lnbench
import newcomer
from lnbench.cli import cli
from lnbench.protocol import track as tracks
from lnbench.record import comparison
from lnbench.record.record import read

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
RECORDS = ROOT / "leaderboard" / "records"
_MARKERS = re.compile(r"block: (?:skip, .{10,}|file \S+|numbers may differ)|blocks: skip, .{10,}|tests")


def _module(name: str) -> ModuleType:
    """A module of docs/, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def facts() -> ModuleType:
    """docs/facts.py."""
    return _module("facts")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_comments_about_blocks_are_understood(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for marker in re.findall(r"^<!-- (.*) -->$", text, flags=re.MULTILINE):
        assert _MARKERS.fullmatch(marker), f"{page.name} has a comment that blocks.py does not know: {marker}"
    taken = {block.marker for block in blocks.parse(text, page) if block.marker}
    taken |= {"block: numbers may differ" for b in blocks.parse(text, page) if b.output and b.output.numbers_differ}
    wanted = {marker for marker in re.findall(r"^<!-- (.*) -->$", text, flags=re.MULTILINE) if "blocks:" not in marker}
    assert taken == wanted, "a comment stands directly before its block"


def test_every_page_is_in_the_table_of_contents_once() -> None:
    listed = [path.stem for path in newcomer.documents() if path.suffix == ".md" and path.parent == ROOT / "docs"]
    assert sorted(listed) == [page.stem for page in PAGES]


def _commands() -> Iterator[tuple[blocks.Block, str]]:
    for page in PAGES:
        for block in blocks.read(page):
            if block.language == "sh" and page.stem != "cluster":  # which has a test of its own
                yield from ((block, line) for line in blocks.commands(block) if line.startswith("lnbench "))


def test_every_command_of_the_pages_is_one_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: value)  # files come later
    count = 0
    for block, line in _commands():
        words, command = shlex.split(line)[1:], cast(click.Command, cli)
        while isinstance(command, click.Group) and words:
            name, *words = words
            verb = command.get_command(click.Context(command), name)
            assert verb is not None, f"{block.document.name}:{block.line}: {line}"
            command = verb
        with contextlib.suppress(lnbench.UnavailableError):  # an option that is right, and a device that is not here
            command.make_context("lnbench", list(words), help_option_names=["-h", "--help"])  # as below lnbench
        count += 1
    assert count > 30


def test_records_that_pages_name_are_there() -> None:
    for page in PAGES:
        for name in re.findall(r"leaderboard/records/[\w./-]+\.json", page.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_python_blocks_and_files_of_the_pages_compile() -> None:
    sources = [block for page in PAGES for block in blocks.read(page) if block.language == "python"]
    assert len(sources) > 8
    for block in sources:
        compile(block.text, f"{block.document.name}:{block.line}", "exec")


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"auto(?:function|class|exception):: (\w+)", text))
    assert documented == set(lnbench.__all__) - {"__version__"}


def test_figures_are_those_of_the_records(facts: ModuleType) -> None:
    board = json.loads((ROOT / "leaderboard" / "board.json").read_text(encoding="utf-8"))
    rows = next(table["rows"] for table in board["tables"] if table["track"]["name"] == "digits-9to0")
    row = next(row for row in rows if row["poisoner"]["name"] == "my_poisoner")
    drop, (low, high) = row["score"]["drop_pp"], row["score"]["ci95_pp"]
    shown = f"{drop:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")
    assert facts.scores()["digits-9to0"]["my_poisoner"] == shown
    first, second = (read(RECORDS / row["record"]) for row in rows[:2])
    gap = comparison.compare(first, second).total
    assert facts.gap("digits-9to0", first.label, second.label).startswith(f"{gap.mean_pp:+.1f} ".replace("-", "−"))
    with pytest.raises(KeyError):
        facts.row("digits-9to0", "nobody")
    with pytest.raises(KeyError):
        facts.own("digits-9to0", "random_flip")
    assert all(f"| `{name}` |" in facts.track_table() for name in tracks.names())
    optimum = json.loads((tracks.FOLDER / "digits-exact.optimum.json").read_text(encoding="utf-8"))
    means = {
        name: sum(split[f"{name}_accuracy"] for split in optimum["splits"]) / len(optimum["splits"])
        for name in ("best", "random")
    }
    assert {name: facts.exact()[name] for name in means} == {name: f"{100 * v:.0f}" for name, v in means.items()}
    (worth,) = (entry["flips"] for entry in optimum["worth"] if entry["budget"] == optimum["budget"])
    assert facts.exact()["worth"] == f"{worth:.1f}"


def test_what_findings_says_in_words_is_so(facts: ModuleType) -> None:
    """The sentences of docs/findings.md and docs/faq.md around the figures."""
    digits = {row.record.label: row for row in facts.tables()["digits-9to0"].rows}
    beats = {label for label, row in digits.items() if row.beats_random == "yes"}
    spreading = ["my_poisoner", "mean_matching", "dominating_set"]
    assert {*spreading, "random_search", "matched_search", "bilevel", "high_degree"} <= beats
    untrained = [label for label in beats if not digits[label].trainings]
    assert min(digits[label].drop for label in spreading) > digits["high_degree"].drop
    assert "high_degree" in untrained
    assert facts.row("digits-pairs", "high_degree").drop < 0
    assert _ends(facts.own("digits-9to0", "high_degree"))[0] < 0 < digits["high_degree"].drop, "not on its own splits"
    exact = {row.record.label: row.drop for row in facts.tables()["digits-exact"].rows}
    assert exact["gaussian_density"] > 10 and exact["mean_matching"] < 0
    assert digits["gaussian_density"].beats_random == "not shown"
    assert digits["matched_search"].above_search == "not shown"
    low, high = _ends(facts.above_own("digits-9to0", "matched_search"))
    assert 0 < low and _ends(facts.own("digits-9to0", "matched_search"))[0] > 0
    counted = {words: sum(row.beats_random == words for row in digits.values()) for words in ("not shown", "worse")}
    assert facts.facts()["told"]["digits-9to0"] == counted | {"yes": len(beats)}
    for one, other in (spreading[:2], spreading[1:], spreading[::2]):
        low, high = _ends(facts.gap("digits-9to0", one, other))
        assert low < 0 < high
    medoids, mean = (_ends(facts.alone("digits-9to0", name, "cnn")) for name in ("my_poisoner", "mean_matching"))
    assert medoids[0] > mean[1]
    assert all(_ends(facts.alone("digits-9to0", "matched_medoids", name))[0] > 5 for name in ("mlp", "cnn"))
    buckets = [f"adversarial_path(bucket={name})" for name in ("nearest", "near", "far", "farthest")]
    nearest, near, far, farthest = (digits[label] for label in buckets)
    middle = digits["adversarial_path"]
    assert nearest.drop < min(near.drop, middle.drop, far.drop) and farthest.drop < min(
        near.drop, middle.drop, far.drop
    )
    worse = [farthest, digits["degree_bucket(bucket=sparsest)"], digits["gaussian_density(bucket=sparsest)"]]
    assert {row.beats_random for row in worse} == {"worse"}
    assert {row.beats_random for row in (near, middle, far)} == {"not shown"}
    pairs = {row.record.label: row for row in facts.tables()["digits-pairs"].rows}
    told = [pairs[label].beats_random for label in (*buckets[:2], "adversarial_path", *buckets[2:])]
    assert told == ["worse", "not shown", "not shown", "not shown", "not shown"]
    assert _ends(facts.scores()["digits-pairs"][buckets[3]])[1] < 0
    assert min(pairs, key=lambda label: pairs[label].drop) == "degree_bucket(bucket=sparsest)"
    alone = {name: _ends(facts.alone("digits-9to0", buckets[0], name)) for name in ("mlp", "cnn", "cnn-reg")}
    assert alone["mlp"][1] < 0 > alone["cnn"][1] and alone["cnn-reg"][0] > 0
    very = "boundary_distance(end=nearest)"
    assert digits[very].beats_random == "worse"
    assert all(_ends(facts.alone("digits-9to0", very, name))[1] < 0 for name in alone)
    assert _ends(facts.alone("digits-9to0", "my_poisoner", "cnn-reg"))[1] < 0
    others = ["degree_bucket", "degree_bucket(bucket=densest)", "gaussian_density", "gaussian_density(bucket=middle)"]
    assert {digits[label].beats_random for label in others} == {"not shown"}
    assert (digits["random_search"].trainings, digits["matched_search"].trainings) == (64 * 48, 52 * 48)
    assert digits["bilevel"].trainings == 20 * 48
    assert facts.tables()["digits-9to0"].leader is digits["bilevel"]
    assert digits["datamodel"].trainings == digits["random_search"].trainings
    low, high = _ends(facts.gap("digits-9to0", "datamodel", "random_search"))
    assert low < 0 < high
    assert all(_ends(facts.alone("digits-9to0", "bilevel", name))[0] > 0 for name in ("mlp", "cnn", "cnn-reg"))
    assert _ends(facts.gap("digits-9to0", "matched_search", "random_search"))[0] > 0
    for label in ("matched_search", "bilevel", "matched_medoids", "mean_matching", "my_poisoner"):
        low, high = _ends(facts.season("2026a", "digits-9to0", label))
        assert 0 < low < digits[label].drop < high and (low + high) / 2 > digits[label].drop - 0.1
    low, high = _ends(facts.season("2026a", "digits-9to0", "random_flip"))
    assert low < 0 < high
    secret = [_ends(facts.season(name, "digits-pairs", "mean_matching")) for name in ("2026a", "2026d")]
    highest = max(high for _, high in [*secret, _ends(facts.own("digits-pairs", "mean_matching"))])
    assert min(low for low, _ in secret) > 0 and highest < facts.row("digits-pairs", "mean_matching").drop
    assert facts.audited("digits-9to0")["rows"] == str(len(digits))
    assert facts.audited("digits-9to0")["failed"] == f"`dominating_set(space=features)`, `{buckets[0]}`"
    assert {digits[label].beats_random for label in ("dominating_set(space=features)", buckets[0])} == {"not shown"}
    assert _ends(facts.strong("digits-9to0", "dominating_set(space=features)"))[0] > 0, "better under the strong one"
    assert _ends(facts.strong("digits-9to0", buckets[0]))[1] < 0, "and worse"
    checked, best = facts.audited("digits-pairs"), sorted(pairs.values(), key=lambda row: -row.drop)
    turned = {row.record.label: row for row in best if row.audit and not row.audit.survives}
    assert set(turned) == {"random_flip", "alfa", "gradient_alignment", buckets[3], "high_degree(space=features)"}
    assert {row.beats_random for row in turned.values()} == {"not shown"}, "after Holm none was told"
    assert [*(row.audit is not None for row in best), False].index(False) == int(checked["rows"]), "the best ones"
    for goal, low, high in (("adv_acc", 1.5, 5.5), ("untargeted_adv_acc", 3.5, 7.5), ("damage_adv_acc", 0, 1)):
        spans = [facts.harder(arm, goal=goal).split(" to ") for arm in ("clean", "random", "poisoned")]
        assert all(low <= float(end) <= high for span in spans for end in span), "what the board's page says of them"
    for goal, low, high in (("adv_acc", 5.5, 13.5), ("damage_adv_acc", 1, 2.5)):
        spans = [facts.harder(arm, "mnist10k-9to0", goal).split(" to ") for arm in ("clean", "random", "poisoned")]
        assert all(low < float(end) < high for span in spans for end in span), "Known limits says so"
    for name, table in facts.tables().items():
        audits = [row for row in table.rows if row.strong_damages is not None]
        turned_by_audit = {row.record.label for row in audits if row.strong_damages != row.damages}
        assert turned_by_audit == ({"boundary_distance"} if name == "digits-9to0" else set()), "no other one changes"
    assert digits["boundary_distance"].damages == "yes"
    for rows_of, does_most in ((digits, "voronoi_coverage"), (pairs, "matched_search")):
        damaged = {label: row.record.score.damage.drop_pp for label, row in rows_of.items() if row.damages == "yes"}
        assert max(damaged, key=lambda label: damaged[label]) == does_most and "high_degree" in damaged
        assert len(damaged) > sum(row.beats_random == "yes" for row in rows_of.values()), "more than by the score"
    damaged_mnist = [row.record.label for row in facts.tables()["mnist10k-9to0"].rows if row.damages == "yes"]
    assert damaged_mnist == ["my_poisoner"]
    assert facts.row("mnist10k-9to0", "my_poisoner").beats_random == "not shown"
    assert facts.audited("mnist10k-9to0")["rows"] == str(len(facts.tables()["mnist10k-9to0"].rows))
    assert facts.audited("mnist10k-9to0")["failed"] == "`mean_matching`"
    low, high = _ends(facts.strong("mnist10k-9to0", "mean_matching"))
    assert 0 < low < high and facts.row("mnist10k-9to0", "mean_matching").beats_random == "not shown"
    searched = "matched_search(surrogates=16, victims=mlp)"
    again = [_ends(facts.strong("mnist10k-9to0", label)) for label in ("my_poisoner", searched)]
    assert again[0][0] < 0 < again[1][0]
    edge = digits[buckets[0]].audit
    assert edge is not None and edge.ci95_pp is not None and edge.ci95_pp[1] < 0
    drawn_found = float(facts.found("digits-9to0", "random_flip", "random"))
    hidden = [label for label, row in digits.items() if float(facts.found("digits-9to0", label)) < drawn_found - 3]
    assert {"gradient_alignment", buckets[0]} <= {*hidden} and not beats & {*hidden}
    cleaners = ("knn_relabel", "confident_learning")
    assert min(_ends(facts.left("digits-9to0", name))[0] for name in cleaners) > max(r.drop for r in digits.values())
    undefended = float(facts.withstood("digits-9to0", "none", "poisoned", "my_poisoner"))
    assert undefended < min(float(facts.withstood("digits-9to0", name)) for name in cleaners)
    alone_against = {name: facts.withstood("digits-9to0", name, how="undefended") for name in cleaners}
    assert min(map(float, alone_against.values())) > float(
        facts.withstood("digits-9to0", "none", "random", "my_poisoner")
    )
    low, high = _ends(facts.left("digits-9to0", "trades"))
    assert low < 0 < high
    assert all(_ends(facts.left("digits-9to0", name))[0] > 0 for name in ("gce", "pgd_training"))
    known = {name: float(facts.withstood("digits-9to0", name)) for name in ("gce", "pgd_training", "trades")}
    assert known["gce"] < known["pgd_training"] < known["trades"]
    on_mnist = {name: _ends(facts.alone("mnist10k-9to0", "my_poisoner", name)) for name in ("cnn", "cnn-reg")}
    assert on_mnist["cnn"][0] > 0 > on_mnist["cnn-reg"][1]
    assert "no attack is shown to lower AA" in facts.defences("mnist10k-9to0")
    of_gce = facts._defended("mnist10k-9to0", "gce", "my_poisoner")
    of_knn = facts._defended("mnist10k-9to0", "knn_relabel", "my_poisoner")
    assert 0.85 < of_gce["clean_cost"]["mean_pp"] < 1 and 1.7 < of_knn["clean_cost"]["mean_pp"] < 2
    binary = {row.record.label: row for row in facts.tables()["mnist-0v1"].rows}
    assert set(binary) == {"my_poisoner", "random_flip", "boundary_distance"}, "no other attack has been run there yet"
    farthest = binary["boundary_distance"]
    assert farthest.beats_random == "worse", "the wrong ones"
    flipped = {tuple(pair) for split in farthest.record.document["flips"]["poisoned"] for _, *pair in split}
    assert flipped == {(0, 1)}, "zeros alone"
    left = [float(facts.resists("mnist-0v1", "boundary_distance", arm)) for arm in ("random", "matched", "poisoned")]
    assert left == sorted(left) and left[2] > left[1] + 10
    assert (binary["my_poisoner"].beats_random, binary["random_flip"].beats_random) == ("yes", "not shown")
    every = [row.drop for name, table in facts.tables().items() if name != "digits-exact" for row in table.rows]
    assert binary["my_poisoner"].drop == max(every), "more than on any other track"
    alone = {name: _ends(facts.alone("mnist-0v1", "my_poisoner", name)) for name in ("mlp", "cnn", "cnn-reg")}
    assert alone["cnn"][0] > alone["mlp"][0] and min(low for low, _ in alone.values()) > 0
    of_both = [float(facts.memorised("mnist-0v1", "my_poisoner", "cnn-reg", arm)) for arm in ("poisoned", "random")]
    assert of_both[0] < 20 < 40 < of_both[1]
    mnist = {row.record.label: row.beats_random for row in facts.tables()["mnist10k-9to0"].rows}
    search = "matched_search(surrogates=16, victims=mlp)"
    assert [label for label, words in mnist.items() if words == "yes"] == [search]
    (secret_mnist,) = (
        t for t in facts.load(facts.RECORDS).tables if (t.track.name, t.season) == ("mnist10k-9to0", "2026c")
    )
    assert {row.record.label: row.beats_random for row in secret_mnist.rows} == {
        **dict.fromkeys((search, "mean_matching", "my_poisoner"), "yes"),
        "random_flip": "not shown",
    }
    both = [row.damages for row in secret_mnist.rows if row.record.label in (search, "my_poisoner")]
    assert both == ["yes", "yes"], "both do both"
    public_mnist = {row.record.label: row.drop for row in facts.tables()["mnist10k-9to0"].rows}
    assert all(row.drop > public_mnist[row.record.label] for row in secret_mnist.rows)
    alone = {name: _ends(facts.alone("mnist10k-9to0", search, name)) for name in ("mlp", "cnn", "cnn-reg")}
    assert alone["mlp"][0] > max(alone["cnn"][0], alone["cnn-reg"][0]) and alone["cnn-reg"][0] < 0
    assert _ends(facts.own("digits-pairs", "mean_matching"))[0] > 0
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    led = facts.own("digits-pairs", "matched_search").replace("−", "-")
    assert f"the leader, `matched_search`, scores {led} on splits that its own source draws, " in readme
    (leader,) = (row for row in pairs.values() if facts.tables()["digits-pairs"].leader is row)
    assert leader.record.label == "matched_search"
    secrets = [facts.season(name, "digits-pairs", "matched_search").partition(" ")[0] for name in ("2026b", "2026d")]
    assert f"and {' and '.join(secrets)} in two seasons, whose salts were secret then; three other attacks" in readme
    audit = facts.row("digits-9to0", "my_poisoner").audit
    assert audit is not None
    said = f"has {100 * audit.found:.0f} % of the flips among the four that it suspects most"
    assert f"{said} ({100 * audit.found_random:.0f} % of random ones)" in readme
    ahead = {"random_search", "matched_search", "bilevel", "datamodel"}
    assert {*sorted(pairs, key=lambda label: -pairs[label].drop)[:4]} == ahead
    assert {label for label, row in pairs.items() if row.ranks is not None and row.ranks[0] == 1} == ahead
    assert all(row.above_search == "not shown" for label, row in pairs.items() if label in ahead - {"random_search"})
    untrained_pairs = {label for label, row in pairs.items() if row.beats_random == "yes" and not row.trainings}
    assert untrained_pairs == {"mean_matching", "dominating_set", "dominating_set(space=pca)"}
    assert pairs["my_poisoner"].beats_random == pairs["random_flip"].beats_random == "not shown"
    nulls = [facts.scores()["digits-pairs"]["random_flip"], facts.own("digits-pairs", "random_flip")]
    nulls += [facts.season(name, "digits-pairs", "random_flip") for name in ("2026b", "2026d")]
    assert [low > 0 or high < 0 for low, high in map(_ends, nulls)] == [True, False, False, False]
    assert _ends(facts.season("2026b", "digits-pairs", "matched_search"))[0] > 0
    (secret_pairs,) = (
        t for t in facts.load(facts.RECORDS).tables if (t.track.name, t.season) == ("digits-pairs", "2026d")
    )
    assert {row.record.label for row in secret_pairs.rows if row.ranks is not None and row.ranks[0] == 1} == ahead
    assert all(row.drop < pairs[row.record.label].drop for row in secret_pairs.rows)
    assert secret_pairs.rows[4].record.label == "mean_matching" and secret_pairs.rows[4].beats_random == "yes"
    drawn, amid = (
        float(facts.memorised("digits-pairs", label, "cnn-reg", arm))
        for label, arm in (("random_flip", "random"), ("mean_matching", "poisoned"))
    )
    assert amid < drawn < 95
    some, most = map(int, facts.memorised_by_pair("digits-pairs").split(" of "))
    assert most >= 32 and some / most >= 0.95


def test_what_exact_says_of_the_tables_is_so() -> None:
    """The sentences of docs/exact.md around what a single flip does to networks."""
    findings = json.loads((ROOT / "leaderboard" / "truth" / "digits-9to0.json").read_bytes())["tables"]["a"]["findings"]
    for one in findings.values():
        rho = {name: of["rank_correlation"]["mean"] for name, of in one["scores"].items()}
        rho.pop("another half of the seeds")
        assert max(rho, key=lambda name: rho[name]) == "cell coverage"
    spread = findings["mlp"]["best_1"]["variance"]
    assert 0.5 < spread["set"] / np.hypot(spread["seed"], spread["residual"]) < 2


def _ends(shown: str) -> tuple[float, float]:
    low, high = shown.replace("−", "-").partition("[")[2].rstrip("]").split(", ")
    return float(low), float(high)


def test_docstrings_become_mark_up() -> None:
    made = doctest.testmod(_module("docstrings"))
    assert made.attempted and not made.failed


def test_the_changelog_is_of_single_lines_under_known_headings() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = text.partition("\n## ")[2].partition("\n## ")[0]
    parts: dict[str, str] = dict(
        re.findall(r"^### ([^\n]+)\n\n(.*?)(?=^### |\Z)", section, flags=re.MULTILINE | re.DOTALL)
    )
    assert [*parts][:3] == ["Added", "Changed", "Fixed"]
    for name in ("Added", "Changed", "Fixed"):
        for line in parts[name].strip().splitlines():
            assert re.fullmatch(r"- \[(Code|Rules|Board)\] .+\.", line) and len(line) <= 160, line
    notes = subprocess.run([ROOT / ".github" / "release-notes"], capture_output=True, text=True, check=True).stdout
    assert notes.startswith("### Added\n") and notes.strip() == section.partition("\n")[2].strip()
    none = subprocess.run([ROOT / ".github" / "release-notes", "99.9"], capture_output=True, text=True, check=False)
    assert none.returncode == 1 and "no section 99.9" in none.stderr
