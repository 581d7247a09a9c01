"""A run deletes no larger share of a blueprint than the mapping allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.resync.threshold import blocked, within


def test_one_more_than_the_share_blocks_its_blueprint_and_no_other() -> None:
    found = blocked({"service": 26, "user": 25, "project": 0}, {"service": 100, "user": 100, "project": 1}, 0.25)
    assert list(found) == ["service"]
    assert (found["service"].planned, found["service"].listed, found["service"].threshold) == (26, 100, 0.25)


def test_a_blocked_blueprint_is_reported_with_its_numbers() -> None:
    text = str(blocked({"service": 26}, {"service": 100}, 0.25)["service"])
    assert "service: 26 of 100 entities (26%)" in text
    assert "25% of entityDeletionThreshold" in text


def test_what_port_does_not_list_is_not_deleted_below_a_threshold_of_one() -> None:
    found = blocked({"service": 1}, {}, 0.9)
    assert "1 of 0 entities (all)" in str(found["service"])
    assert blocked({"service": 1}, {}, 1.0) == {}


@pytest.mark.parametrize("percent", range(101))
def test_exactly_the_share_that_is_written_is_allowed(percent: int) -> None:
    threshold = float(f"{percent / 100:.2f}")
    assert within(percent, 100, threshold)
    assert within(percent + 1, 100, threshold) is (percent == 100)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1))
def test_fewer_deletions_never_need_a_higher_threshold(planned: int, listed: int, threshold: float) -> None:
    if within(planned, listed, threshold):
        assert within(max(0, planned - 1), listed, threshold)
        assert within(planned, listed + 1, threshold)
        assert within(planned, listed, min(1.0, threshold + 0.1))
    else:
        assert planned > 0
