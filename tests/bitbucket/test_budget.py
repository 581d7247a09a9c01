"""Nobody sends more than Bitbucket allows, live events come first, and limits are learned from answers."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.bitbucket.allowance import CLOUD, Allowance, Limit, Told
from bitbucket_port.bitbucket.budget import UNKNOWN_PAUSE, Budget, Budgets, MemoryBudgetStore, Stored
from bitbucket_port.errors import TransientError

START = 1_800_000_000.0
HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryBudgetStore):
    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0

    def read(self, name: str) -> Stored:
        self.reads += 1
        return super().read(name)

    def write(self, name: str, allowance: Allowance, version: int) -> Stored | None:
        self.writes += 1
        return super().write(name, allowance, version)


def wait_of(budget: Budget, *, reserve: bool = True) -> float:
    """0 when a request may be sent, else the seconds until the slot."""
    try:
        budget.take(reserve=reserve)
    except TransientError as error:
        assert error.retry_after is not None
        assert error.retry_after > 0
        return error.retry_after
    return 0.0


def taken(budget: Budget, *, reserve: bool, most: int = 20_000) -> int:
    for count in range(most):
        if wait_of(budget, reserve=reserve):
            return count
    return most


def most_in_a_window(moments: list[float], seconds: float) -> int:
    ordered = sorted(moments)
    return max(
        (bisect_right(ordered, moment) - bisect_right(ordered, moment - seconds) for moment in ordered), default=0
    )


# --- never above the rate ------------------------------------------------------------------------------------------

actions = st.lists(
    st.tuples(
        st.integers(0, 2),  # which function
        st.booleans(),  # leaves a reserve
        st.integers(1, 60),  # how many requests one after the other
        st.floats(0, 0.4),  # seconds for each
        st.sampled_from([0.0, 1.0, 30.0, 200.0, 1000.0]),  # pause after them
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("limit", [Limit(60, 12.0), Limit(120, HOUR), Limit(400, 600.0)])
@settings(max_examples=40, deadline=None)
@given(actions=actions)
def test_nobody_ever_sends_more_than_the_limit_in_any_window(
    limit: Limit, actions: list[tuple[int, bool, int, float, float]]
) -> None:
    clock, store = Clock(), MemoryBudgetStore()
    budgets = [Budget("one", store, start=limit, now=clock) for _ in range(3)]
    sent: list[float] = []
    for which, reserve, count, each, pause in actions:
        for _ in range(count):
            if not wait_of(budgets[which], reserve=reserve):
                sent.append(clock.now)
            clock.now += each
        clock.now += pause
    assert most_in_a_window(sent, limit.seconds) <= limit.requests


@settings(max_examples=30, deadline=None)
@given(actions=actions)
def test_a_resync_alone_leaves_the_reserve_in_any_window(actions: list[tuple[int, bool, int, float, float]]) -> None:
    clock, store, limit = Clock(), MemoryBudgetStore(), Limit(200, 600.0)
    budgets = [Budget("one", store, start=limit, now=clock) for _ in range(3)]
    sent: list[float] = []
    for which, _, count, each, pause in actions:
        for _ in range(count):
            if not wait_of(budgets[which]):
                sent.append(clock.now)
            clock.now += each
        clock.now += pause
    assert most_in_a_window(sent, limit.seconds) <= 180


def test_a_limit_is_used_well_for_hours() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    budgets = [Budget("one", store, start=CLOUD, now=clock) for _ in range(4)]
    sent: list[float] = []
    while clock.now < START + 5 * HOUR:
        sent += [clock.now for budget in budgets if not wait_of(budget)]
        clock.now += 1.0 if len(sent) % 900 else 10.0
    assert most_in_a_window(sent, HOUR) <= 900
    assert len(sent) >= 5 * 900 * 0.9


# --- slots ---------------------------------------------------------------------------------------------------------


def served(budget: Budget, clock: Clock, jobs: int) -> tuple[float, int]:
    """All jobs come at once, and again at their slots: hours until the last was served, and the most tries of any."""
    due, most = [(clock.now, job, 0) for job in range(jobs)], 0
    heapq.heapify(due)
    began = clock.now
    while due:
        at, job, tries = heapq.heappop(due)
        clock.now = max(clock.now, at)
        most = max(most, tries + 1)
        if wait := wait_of(budget):
            heapq.heappush(due, (clock.now + wait, job, tries + 1))
    return (clock.now - began) / HOUR, most


def test_waiting_jobs_come_back_in_turn_and_few_times() -> None:
    clock = Clock()
    hours, tries = served(Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock), clock, 4000)
    assert 3 < hours < 5
    assert tries <= 6


def test_slots_follow_each_other_at_the_pace_of_the_limit() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    taken(budget, reserve=True)
    waits = [wait_of(budget) for _ in range(5)]
    assert all(later - sooner == pytest.approx(4.0) for sooner, later in pairwise(waits))
    assert HOUR <= waits[0] <= HOUR + 130


def test_a_slot_is_the_first_moment_for_a_live_event_however_many_jobs_wait() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    taken(budget, reserve=False)
    for _ in range(50):
        wait_of(budget)
    wait = wait_of(budget, reserve=False)
    clock.now += wait
    assert wait_of(budget, reserve=False) == 0.0
    assert wait <= HOUR + 120


def test_who_never_comes_back_makes_nobody_wait_longer_than_one_window_more() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    taken(budget, reserve=True)
    waits = [wait_of(budget) for _ in range(5000)]
    assert max(waits) <= 2 * HOUR + 130
    assert len({round(wait) for wait in waits}) >= 800


# --- the reserve ---------------------------------------------------------------------------------------------------


def test_live_events_may_use_what_a_resync_leaves() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    worker, live = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    assert taken(worker, reserve=True) == 900
    assert taken(live, reserve=False) == 100
    assert wait_of(live, reserve=False) > 0


def test_what_live_events_use_is_not_there_for_a_resync() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    worker, live = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    assert taken(live, reserve=False, most=400) == 400
    assert 900 - 400 - 20 <= taken(worker, reserve=True) <= 900 - 400


def test_even_the_smallest_limit_lets_a_resync_go_on() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=Limit(1, 60.0), now=clock)
    assert wait_of(budget) == 0.0
    wait = wait_of(budget)
    clock.now += wait
    assert wait_of(budget) == 0.0


# --- what it costs -------------------------------------------------------------------------------------------------


def test_quick_requests_cost_one_write_for_about_twenty() -> None:
    clock, store = Clock(), CountingStore()
    budget = Budget("one", store, start=Limit(10_000, HOUR), now=clock)
    for _ in range(1000):
        budget.take(reserve=True)
        clock.now += 0.3
    assert store.writes <= 60
    assert store.reads <= 2


def test_a_request_now_and_then_costs_the_limit_no_more_than_itself() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    seldom, other = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    for _ in range(50):
        assert wait_of(seldom, reserve=False) == 0.0
        clock.now += 40.0
    assert taken(other, reserve=False) == 950


def test_where_no_limit_is_known_nothing_is_written() -> None:
    clock, store = Clock(), CountingStore()
    budget = Budget("one", store, start=None, now=clock)
    assert taken(budget, reserve=True, most=5000) == 5000
    budget.learned({"content-type": "application/json"}, 200)
    assert taken(budget, reserve=True, most=5000) == 5000
    assert (store.reads, store.writes) == (1, 0)


# --- what answers tell ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"X-RateLimit-Limit": "many"}, None),
        ({"X-RateLimit-Limit": "0"}, None),
        ({"X-RateLimit-Limit": "5000"}, Told("", Limit(5000, HOUR))),
        (
            {"X-RateLimit-Limit": "60, 60;w=7200", "X-RateLimit-Resource": "api", "X-RateLimit-NearLimit": "false"},
            Told("api", Limit(60, 7200.0)),
        ),
        ({"x-ratelimit-limit": "1000", "x-ratelimit-nearlimit": "True"}, Told("", Limit(1000, HOUR), 200)),
        (
            {
                "X-RateLimit-Limit": "60",
                "X-RateLimit-Remaining": "59",
                "X-RateLimit-FillRate": "5",
                "X-RateLimit-Interval-Seconds": "1",
            },
            Told("", Limit(60, 12.0), 59),
        ),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-FillRate": "0", "X-RateLimit-Interval-Seconds": "1"},
            Told("", Limit(60, HOUR)),
        ),
    ],
)
def test_limits_are_read_from_the_headers_of_both_products(headers: dict[str, str], told: Told | None) -> None:
    assert Told.by(headers) == told


def test_a_larger_limit_is_learned_and_shared() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    first, second = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    first.take(reserve=True)
    first.learned({"X-RateLimit-Limit": "5000"}, 200)
    assert taken(first, reserve=True) + 1 == 4500
    assert taken(second, reserve=False) == 500


def test_a_larger_limit_that_another_was_told_counts_for_who_was_just_refused() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    first, second = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    assert taken(first, reserve=False) == 1000
    second.learned({"X-RateLimit-Limit": "2000"}, 200)
    second.take(reserve=False)
    assert 0 < taken(first, reserve=False) <= 999


def test_what_was_told_last_counts_whoever_was_told() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    first, second = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    first.learned({"X-RateLimit-Limit": "1000"}, 200)
    first.take(reserve=False)
    second.learned({"X-RateLimit-Limit": "2000"}, 200)
    second.take(reserve=False)
    assert taken(first, reserve=False) > 1900


def test_the_strictest_of_several_limits_counts() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    budget.learned({"X-RateLimit-Limit": "5000", "X-RateLimit-Resource": "raw-files"}, 200)
    budget.learned({"X-RateLimit-Limit": "2000", "X-RateLimit-Resource": "api"}, 200)
    assert taken(budget, reserve=False) == 2000


def test_a_data_center_is_unlimited_until_it_says_so() -> None:
    clock = Clock()
    budget = Budgets(MemoryBudgetStore(), "server", now=clock).of("one")
    assert taken(budget, reserve=True, most=3000) == 3000
    headers = {"X-RateLimit-Limit": "60", "X-RateLimit-FillRate": "5", "X-RateLimit-Interval-Seconds": "1"}
    budget.learned(headers, 200)
    assert taken(budget, reserve=True) == 54
    clock.now += 13
    assert taken(budget, reserve=True) == 54


def test_who_knows_of_no_limit_asks_again_whether_another_was_told_one() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    told, other = (Budget("one", store, start=None, now=clock) for _ in range(2))
    assert taken(other, reserve=True, most=100) == 100
    told.learned({"X-RateLimit-Limit": "50"}, 200)
    told.take(reserve=True)
    clock.now += 61
    assert taken(other, reserve=True, most=100) < 50


def test_after_a_429_nobody_sends_anything_until_it_is_over() -> None:
    clock, store = Clock(), MemoryBudgetStore()
    first, second = (Budget("one", store, start=CLOUD, now=clock) for _ in range(2))
    first.take(reserve=True)
    first.learned({"retry-after": "1800"}, 429)
    for budget in (first, second):
        assert wait_of(budget, reserve=False) == pytest.approx(1800)
        assert wait_of(budget) >= 1800
    clock.now += 1800
    assert wait_of(first) == wait_of(second, reserve=False) == 0.0


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, UNKNOWN_PAUSE),
        ({"x-ratelimit-reset": "600"}, 600.0),
        ({"retry-after": "9223372036854775807"}, 43_200.0),
        ({"retry-after": "soon"}, UNKNOWN_PAUSE),
    ],
)
def test_a_429_counts_as_long_as_it_says_up_to_a_cap(headers: dict[str, str], wait: float) -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=None, now=clock)
    budget.learned(headers, 429)
    assert wait_of(budget, reserve=False) == pytest.approx(wait)


def test_requests_of_somebody_else_with_the_same_credential_count() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    budget.take(reserve=False)
    budget.learned({"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "300"}, 200)
    assert taken(budget, reserve=False) == 300


def test_an_old_word_about_what_is_left_does_not_count_any_more() -> None:
    clock = Clock()
    budget = Budget("one", MemoryBudgetStore(), start=CLOUD, now=clock)
    budget.take(reserve=False)
    budget.learned({"X-RateLimit-Limit": "1000", "X-RateLimit-NearLimit": "true"}, 200)
    clock.now += 2 * HOUR
    assert taken(budget, reserve=False) == 1000


def test_credentials_have_budgets_of_their_own() -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=Clock())
    assert taken(budgets.of("one"), reserve=False) == 1000
    assert taken(budgets.of("two"), reserve=False) == 1000
    assert wait_of(budgets.of("one"), reserve=False) > 0
