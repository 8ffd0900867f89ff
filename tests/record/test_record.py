"""Records: what is read back, and what follows from the victims; what is refused is in test_record_hostile.py."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factories
from lnbench import record
from lnbench.errors import RecordError, UnavailableError
from lnbench.protocol import canonical_json
from lnbench.record import FLAGS, RefusedError, assemble, meaning, pack, unpack
from lnbench.record.consistency import checks


@pytest.fixture(scope="module")
def made() -> record.Record:
    return factories.make(factories.small(2, 1))


def test_what_is_written_is_read_back(made: record.Record, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / made.filename
    record.write(made, path)
    other = record.read(path)
    assert other.document == made.document
    assert path.read_bytes() == canonical_json(made.document)
    assert list(path.parent.iterdir()) == [path]
    assert other.track == made.track
    assert all(check.passed for check in checks(other))


def test_equal_parts_make_equal_bytes_in_any_order_of_victims(made: record.Record) -> None:
    again = factories.make(factories.small(2, 1))
    assert again.sha256 == made.sha256
    order = [v["arm"] for v in made.document["victims"]][:3]
    assert order == ["clean", "random", "poisoned"]


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(RefusedError, match="no such file"):
            record.read(path)


def test_a_place_that_cannot_be_written_is_said(made: record.Record, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        record.write(made, tmp_path / "file" / "record.json")


def test_a_write_that_fails_leaves_nothing(
    made: record.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UnavailableError, match="No space left"):
        record.write(made, tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []


def test_the_record_agrees_with_the_score_by_hand(made: record.Record) -> None:
    """Drop and arms from the counts, by plain loops over the victims."""
    track = made.track
    means: dict[tuple[str, int], list[float]] = {}
    for victim in made.document["victims"]:
        place = track.epsilons(track.spec(victim["architecture"])).index(
            track.epsilon(track.spec(victim["architecture"]))
        )
        accuracy = 1 - victim["broken"]["targeted"][place] / victim["clean"]["source_points"]
        means.setdefault((victim["arm"], victim["split"]), []).append(accuracy)
    by_split = [np.mean(means["random", w]) - np.mean(means["poisoned", w]) for w in range(2)]
    assert made.score["drop_pp"] == pytest.approx(100 * np.mean(by_split), abs=1e-8)
    assert made.score["split_drops_pp"] == pytest.approx([100 * d for d in by_split], abs=1e-8)
    arms = made.arms
    assert 100 * (arms["random"]["adv_acc"] - arms["poisoned"]["adv_acc"]) == pytest.approx(
        made.score["drop_pp"], abs=1e-6
    )
    assert arms["clean"]["memorised"] is None
    assert arms["random"]["memorised"] == 1.0
    assert made.split_accuracies == pytest.approx([np.mean(means["poisoned", w]) for w in range(2)])


def test_floats_are_rounded_and_integers_stay(made: record.Record) -> None:
    text = canonical_json({name: made.document[name] for name in ("score", "arms")}).decode()
    assert "e-1" not in text
    assert "-0.0," not in text
    for number in text.replace("[", ",").replace("]", ",").replace("}", ",").replace(":", ",").split(","):
        if "." in number and number.replace(".", "").replace("-", "").isdigit():
            assert len(number.split(".")[1]) <= 9
    assert all(type(v["steps"]) is int for v in made.document["victims"])


def _set(arm: str, **values: Any) -> Any:
    def change(victim: dict[str, Any]) -> None:
        if victim["arm"] == arm:
            for name, value in values.items():
                spot = victim["clean"] if name in victim["clean"] else victim
                spot[name] = value

    return change


def _low_memory(victim: dict[str, Any]) -> None:
    if victim["arm"] == "random" and victim["architecture"] == "cnn":
        victim["memorised_count"] = 0


def _same_untargeted(victim: dict[str, Any]) -> None:
    victim["broken"]["untargeted"] = [40] * len(victim["broken"]["untargeted"])


@pytest.mark.parametrize(
    ("options", "flag", "ranked"),
    [
        ({}, None, True),
        ({"quick": True}, "quick", False),
        ({"sandbox": "none"}, "no-sandbox", False),
        ({"sandbox": "landlock"}, "weak-sandbox", False),
        ({"flags": ["non-deterministic"]}, "non-deterministic", False),
        ({"salt": "mine"}, "foreign-salt", False),
        ({"salt": "theirs", "season": "s1"}, None, True),
        ({"splits": 2}, "replication", False),
        ({"change": _set("random", diverged=True)}, "diverged", False),
        ({"change": _low_memory}, "memorised-low:random:cnn", False),
        ({"change": _set("poisoned", correct=800)}, "stealth:clean", False),
        ({"change": _set("poisoned", source_correct=50)}, "stealth:source", False),
        ({"change": _same_untargeted, "effect": 0.3, "level": 0.6}, "redirection", True),
        ({"level": 0.1, "effect": 0.0}, "floor:cnn", True),
        ({"level": 0.9, "effect": 0.0}, "ceiling:mlp", True),
        ({"flags": ["split-block"]}, "split-block", True),
    ],
)
def test_flags_say_what_happened_and_what_it_costs(options: dict[str, Any], flag: str | None, ranked: bool) -> None:
    if "splits" in options:
        smaller = factories.make(factories.small(2, 2))
        options = {**{k: smaller.document[k] for k in ("flips", "labels_sha256", "victims")}, **options}
    other = factories.make(factories.small(3, 2), **options)
    assert other.ranked is ranked, other.flags
    assert flag in other.flags if flag else other.flags == ()
    assert all(check.passed for check in checks(other) if check.name in ("flags", "ranked", "score", "arms"))
    for name in other.flags:
        assert meaning(name).endswith(".")


def test_an_uncalibrated_track_cannot_rank() -> None:
    replication = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
    other = factories.make(factories.track(calibrated=False, replication=replication))
    assert other.flags == ("uncalibrated",)
    assert not other.ranked


def test_flipping_nothing_has_no_memorised_share() -> None:
    empty = {"poisoned": [[], []], "random": factories.make(factories.small(2, 1)).document["flips"]["random"]}
    other = factories.make(
        factories.small(2, 1), flips=empty, change=_set("poisoned", flipped=0, memorised_count=0), effect=-0.3
    )
    assert other.arms["poisoned"]["memorised"] is None
    assert other.ranked
    assert other.score["drop_pp"] < 0


def test_everything_diverged_is_no_score_and_no_crash(tmp_path: Path) -> None:
    other = factories.make(factories.small(2, 1), change=_set("poisoned", diverged=True))
    assert other.verdict.startswith("No score")
    assert other.score["drop_pp"] is None
    assert not other.ranked
    record.write(other, tmp_path / "r.json")
    assert record.read(tmp_path / "r.json").flags == other.flags


@pytest.mark.parametrize(
    ("effect", "start"), [(0.3, "Beats random flips"), (-0.3, "Worse than random flips"), (0.0, "Not told apart")]
)
def test_the_verdict_is_a_sentence(effect: float, start: str) -> None:
    verdict = factories.make(factories.small(3, 2), effect=effect).verdict
    assert verdict.startswith(start)
    assert verdict.endswith(".")


def test_the_label_and_the_file_name() -> None:
    other = factories.make(factories.small(2, 1), name="-my--attack", parameters={"b": 2, "a": 0.5})
    assert other.label == "-my--attack(a=0.5, b=2)"
    assert other.filename == f"my-attack-{other.sha256[:8]}.json"


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"victims": []}, "0 victims"),
        ({"sandbox": "docker"}, "sandbox: expected"),
        ({"environment": {"id": "e", "parts": {"x": float("nan")}}}, "cannot be written as JSON"),
        ({"environment": {"id": "e", "parts": {"x": object()}}}, "cannot be written as JSON"),
        ({"flags": ["split-block", "sp it"]}, "sp it"),
    ],
)
def test_parts_that_make_no_record_are_refused(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecordError, match=sentence):
        factories.make(factories.small(2, 1), **parts)


def test_a_missing_and_a_strange_victim_are_refused(made: record.Record) -> None:
    victims = copy.deepcopy(made.document["victims"])
    with pytest.raises(RecordError, match="victims where the track asks for"):
        factories.make(made.track, victims=victims[:-1])
    with pytest.raises(RecordError, match="each of the track's once"):
        factories.make(made.track, victims=[victims[0], *victims[:-1]])
    victims[0]["architecture"] = "resnet"
    with pytest.raises(RecordError, match="asks for no victim"):
        factories.make(made.track, victims=victims)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits_survive_packing(flags: list[bool]) -> None:
    bits = pack(np.array(flags))
    assert unpack(bits, len(flags)).tolist() == flags
    with pytest.raises(ValueError, match="bytes for"):
        unpack(bits, len(flags) + 8)


def test_bits_are_big_endian_and_strict() -> None:
    assert pack(np.array([True, False, False, False, False, False, False, False, True])) == "gIA="
    for bad in ("gI==", "gIE=", "gIA", "gIA=\n", "!!!!"):
        with pytest.raises(ValueError, match=r"base64|bytes|beyond"):
            unpack(bad, 9)


def test_every_flag_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for _, sentence in FLAGS.values())
    assert meaning("memorised-low:random:cnn").startswith("random, cnn: ")
    assert "does not know" in meaning("new-flag")


def test_assemble_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        assemble(None)  # type: ignore[arg-type, call-arg]  # what is refused


def test_an_attack_that_its_own_counts_contradict_is_flagged_and_still_ranks_as_before(made: record.Record) -> None:
    def blunt(victim: dict[str, Any]) -> None:
        if victim["arm"] == "random":
            victim["zero_gradient"]["targeted"] = victim["clean"]["source_points"] // 10

    def dented(victim: dict[str, Any]) -> None:
        if victim["arm"] == "poisoned":
            curve = victim["broken"]["untargeted"]
            at = made.track.scored_index(victim["architecture"])
            curve[(at + 1) % len(curve)] = 0 if at + 1 < len(curve) else victim["clean"]["source_points"]

    weak = {"zero-gradient", "not-monotone"}
    assert not {flag.split(":")[0] for flag in made.flags} & weak
    for change, expected in ((blunt, "zero-gradient:random"), (dented, "not-monotone:poisoned:")):
        other = factories.make(made.track, change=change)
        raised = [flag for flag in other.flags if flag.split(":")[0] in weak]
        assert raised and all(flag.startswith(expected) for flag in raised)
        assert other.ranked == made.ranked


def test_labels_from_the_hub_wear_their_badge_and_do_not_rank() -> None:
    """The badge follows from the source, so a record cannot shed it; without it the same record would rank."""
    source = "hf://somebody/poisoned@" + "0" * 40
    badged, bare = factories.make(source=source, sandbox="none"), factories.make()
    assert badged.labels_only and not badged.ranked and set(badged.flags) - set(bare.flags) == {"labels-only"}
    assert bare.ranked and not bare.labels_only


def test_people_s_mistakes_do_not_rank_and_are_not_blamed_for_having_no_sandbox() -> None:
    made = factories.make(source="human: CIFAR-10N, worse", sandbox="none")
    assert not made.ranked and set(made.flags) - set(factories.make().flags) == {"human-labels"}
