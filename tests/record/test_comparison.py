"""Two records against each other: paired by split, by hand and by SciPy's paired test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import factories
from known import known
from lnbench.errors import RecordError
from lnbench.record.comparison import compare


def _drops(record: Any) -> np.ndarray:
    return np.array(record.document["score"]["split_drops_pp"], dtype=float)


def test_the_difference_is_that_of_the_split_means() -> None:
    track = factories.small(6, 2)
    one, other = factories.make(track, name="one", effect=0.3), factories.make(track, name="other", effect=0.1, seed=1)
    found, gap = compare(one, other), _drops(one) - _drops(other)
    test = stats.ttest_1samp(gap, 0)
    assert found.total.mean_pp == pytest.approx(gap.mean(), abs=1e-6)
    assert found.total.ci95_pp == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-6)
    assert found.total.p_value == pytest.approx(test.pvalue)
    assert (found.splits, found.seeds) == (6, 2)
    of_each = [known(found.per_architecture[v.name].mean_pp) for v in track.victims]
    assert np.mean(of_each) == pytest.approx(found.total.mean_pp)
    back = compare(other, one)
    assert back.total.mean_pp == pytest.approx(-known(found.total.mean_pp)) and back.sentence == found.sentence


def test_pairing_takes_out_what_both_share() -> None:
    """Splits differ by far more than the two poisoners do; the interval is of the difference alone."""

    def shifted(victim: dict[str, Any]) -> None:
        if victim["arm"] == "poisoned":
            at = len(victim["broken"]["targeted"]) // 2
            victim["broken"]["targeted"][at] = min(victim["clean"]["source_points"], 20 + 9 * (victim["split"] % 5))

    track = factories.small(10, 1)
    one = factories.make(track, name="one", change=shifted)
    assert compare(one, one).total.ci95_pp == (0.0, 0.0)
    assert one.document["score"]["ci95_pp"][1] - one.document["score"]["ci95_pp"][0] > 1


def test_the_sentence_says_who_beats_whom_by_how_much_and_how_surely() -> None:
    track = factories.small(8, 2)
    strong = factories.make(track, name="strong", parameters={"n": 3}, effect=0.4)
    weak, same = (
        factories.make(track, name="weak", effect=0.0, seed=1),
        factories.make(track, name="same", effect=0.4, seed=2),
    )
    beats = compare(weak, strong).sentence
    assert beats.startswith("strong(n=3) beats weak on digits-9to0 by ") and "points (95 % interval [+" in beats
    assert "p < .001, paired over 8 splits)." in beats
    assert compare(strong, same).sentence.startswith("strong(n=3) and same on digits-9to0 cannot be told apart")
    assert repr(compare(weak, strong)) == f"<Comparison: {beats}>"


def test_what_diverged_in_either_is_left_out_of_both() -> None:
    track = factories.small(4, 1)

    def lost(victim: dict[str, Any]) -> None:
        victim["diverged"] = victim["split"] == 2

    whole, part = factories.make(track, effect=0.3), factories.make(track, effect=0.1, seed=1, change=lost)
    found, gap = compare(whole, part), (_drops(whole) - _drops(part))[[0, 1, 3]]
    assert found.splits == 3 and found.total.mean_pp == pytest.approx(gap.mean(), abs=1e-6)
    gone = factories.make(track, change=lambda victim: victim.update(diverged=True))
    assert compare(gone, whole).total.mean_pp is None and "cannot be compared" in compare(gone, whole).sentence


def test_a_quick_record_is_compared_on_the_splits_that_both_have() -> None:
    track = factories.small(5, 2)
    full, quick = factories.make(track, effect=0.2), factories.make(track, effect=0.2, quick=True)
    found = compare(full, quick)
    assert (found.splits, found.seeds) == (2, 1) and found.total.mean_pp is not None


def test_records_that_do_not_pair_are_refused_in_one_sentence() -> None:
    one = factories.make(factories.small(3, 1))
    with pytest.raises(RecordError, match="are records of different tracks") as caught:
        compare(one, factories.make(factories.small(2, 1)))
    assert str(caught.value).count(".") <= 2
    with pytest.raises(RecordError, match=r"different salts \(public, [0-9a-f]{8}; season s1, [0-9a-f]{8}\)"):
        compare(one, factories.make(factories.small(3, 1), season="s1", salt="secret"))


def test_points_of_a_budget_curve_pair_and_say_their_budgets() -> None:
    track = factories.small(6, 2)
    one, two = (factories.make(track.with_budget(k), effect=effect) for k, effect in ((1, 0.1), (8, 0.4)))
    found = compare(two, one)
    assert found.sentence.startswith("made_up at k = 8 beats made_up at k = 1 on digits-9to0 by ")
    drops = [known(record.score.drop_pp) for record in (two, one)]
    assert found.total.mean_pp == pytest.approx(drops[0] - drops[1], abs=1e-6)
    assert compare(two, factories.make(track, effect=0.4)).second == f"made_up at k = {track.noise.budget}"
    alone = factories.track(noise={**dict(track.document["noise"]), "budget": 1, "eta": 0.0012}, **_replication(track))
    with pytest.raises(RecordError, match="different tracks"):
        compare(one, factories.make(alone))


def _replication(track: Any) -> dict[str, Any]:
    return {"replication": dict(track.document["replication"])}
