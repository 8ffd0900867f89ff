"""A sample of the fuzz campaign, small enough for every run of the tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_right_is_read(name: str) -> None:
    target = TARGETS[name]()
    refused = 0
    for seed in target.seeds:
        assert len(seed) <= target.longest
        try:
            target.read(seed)
        except target.allowed:
            refused += 1
    assert refused < len(target.seeds), "with nothing right to start from, a campaign only scratches at the door"


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_the_reader_returns_or_raises_its_own_errors(name: str) -> None:
    target = TARGETS[name]()

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.almost | st.binary(max_size=60))
    def one(data: bytes) -> None:
        try:
            target.read(data)
        except target.allowed:
            pass

    one()


def test_a_finding_is_not_swallowed() -> None:
    """The campaign is only as good as this: an error that is not the reader's own comes through."""
    target = TARGETS["store_entry"]()
    assert target.allowed == ()
    with pytest.raises(TypeError):
        target.read("no bytes")  # type: ignore[arg-type]
