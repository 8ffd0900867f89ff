"""Random streams: named, independent, uniform, and the same for ever."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lnbench.protocol import PUBLIC_SALT, Streams
from lnbench.protocol.seeds import permutation

TRACK = "0123456789abcdef" * 4

_part = st.none() | st.integers(0, 3)
_names = st.tuples(st.sampled_from(["split", "order", "random", "init/mlp"]), _part, _part)


@given(_names, _names)
def test_streams_are_equal_exactly_when_their_names_are(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    streams = Streams(TRACK)
    assert (streams.entropy(*one) == streams.entropy(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("split", None), ("split", 0)),
        (("order", 0, None), ("order", 0, 0)),
        (("order", 1, 0), ("order", 0, 1)),
        (("order", 11, 1), ("order", 1, 11)),
        (("random", 0, 0), ("guest", 0, 0)),
    ],
    ids=["None is not 0", "no seed is not seed 0", "split and seed", "digits do not run together", "stage"],
)
def test_each_part_of_the_name_counts(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert Streams(TRACK).entropy(*one) != Streams(TRACK).entropy(*other)


def test_track_and_salt_move_every_stream() -> None:
    values = {
        Streams(track, salt).entropy("order", 0, 0)
        for track, salt in itertools.product([TRACK, TRACK[::-1]], [PUBLIC_SALT, "another", ""])
    }
    assert len(values) == 6


def test_streams_never_change() -> None:
    """Pinned: a released track's splits and seeds depend on these values."""
    streams = Streams(TRACK)
    assert streams.entropy("split", 0) == 41808411605249791585616035055952865859259535777220488687801329645925699244664
    assert (
        streams.entropy("order", 3, 1) == 106723989472127530217371914680282603078774082711757403940842265997552644407383
    )
    assert streams.integer("init/mlp", 0, 0) == 2707966688728447604
    assert streams.permutation(10, "split", 0).tolist() == [6, 8, 3, 2, 9, 1, 5, 4, 0, 7]
    assert permutation(5, 7, rounds=2).tolist() == [3, 4, 0, 2, 1, 1, 4, 3, 2, 0]
    assert streams.generator("random", 0, 0).bit_generator.random_raw(2).tolist() == [
        6612925189751249749,
        2441936312672494577,
    ]
    assert Streams(TRACK, "salt").commitment == "cd89da2d8f27f9d04c8363ab020712da24f24b73283cac2aa3dccbabf1dd857e"


def test_another_process_draws_the_same() -> None:
    """No salted `hash()` takes part."""
    code = f"from lnbench.protocol import Streams; print(Streams({TRACK!r}).entropy('order', 0, 0))"
    path = os.pathsep.join(p for p in sys.path if p)
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": salt}
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert int(done.stdout) == Streams(TRACK).entropy("order", 0, 0)


def test_an_integer_has_63_bits() -> None:
    values = [Streams(TRACK).integer("init/mlp", split, seed) for split in range(8) for seed in range(8)]
    assert all(0 <= v < 2**63 for v in values)
    assert len(set(values)) == 64
    assert max(values).bit_length() == 63


def test_the_commitment_hides_and_binds_the_salt() -> None:
    one, other = Streams(TRACK, "a"), Streams(TRACK, "b")
    assert one.commitment != other.commitment
    assert one.commitment == Streams(TRACK[::-1], "a").commitment, "a season has one salt for all tracks"
    assert "a" * 8 not in one.commitment and len(one.commitment) == 64


@given(st.integers(0, 200), st.integers(0, 2**256 - 1), st.integers(1, 3))
def test_a_permutation_is_one(n: int, entropy: int, rounds: int) -> None:
    order = permutation(n, entropy, rounds)
    assert order.dtype == np.int64
    assert (np.sort(order.reshape(rounds, n), axis=1) == np.arange(n)).all()


def test_rounds_are_different_permutations() -> None:
    first, second = permutation(100, 3, rounds=2).reshape(2, 100)
    assert (first != second).any()
    assert (first == permutation(100, 3)).all(), "the first of several rounds is the permutation itself"


def test_permutations_are_uniform() -> None:
    """χ² over the 24 orders of four things, and over what comes first of ten: seeded, so it can not flicker."""
    streams, n = Streams(TRACK), 4
    counts = dict.fromkeys(itertools.permutations(range(n)), 0)
    for draw in range(4800):
        counts[tuple(streams.permutation(n, "split", draw).tolist())] += 1
    assert len(counts) == math.factorial(n)
    assert stats.chisquare(list(counts.values())).pvalue > 0.001
    first = np.bincount([streams.permutation(10, "order", draw)[0] for draw in range(2000)], minlength=10)
    assert stats.chisquare(first).pvalue > 0.001
