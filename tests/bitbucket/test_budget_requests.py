"""A budget in front of a real server: nothing is sent without one, and every answer teaches it."""

from __future__ import annotations

import pytest

from bitbucket_port.bitbucket.budget import Budgets, MemoryBudgetStore
from bitbucket_port.bitbucket.client import Reader
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.errors import TransientError
from bitbucket_port.http import Deadline
from tests.bitbucket.answering import Answer, AnsweringServer, Clock


def reader(server: AnsweringServer, budgets: Budgets, *, reserve: bool = False, token: str = "ATCTa") -> Reader:
    bitbucket = connect(
        "cloud",
        server.url,
        lambda: token,
        deadline=Deadline.after(60),
        workspace="team",
        budgets=budgets.of,
        reserve=lambda: reserve,
    )
    assert isinstance(bitbucket, Reader)
    return bitbucket


def test_an_exhausted_budget_sends_nothing_and_names_the_slot(server: AnsweringServer, clock: Clock) -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)
    server.give("/x", *[Answer(200, {}, headers={"X-RateLimit-Limit": "10"})] * 20)
    worker, live = reader(server, budgets, reserve=True), reader(server, budgets)
    for _ in range(9):
        worker.get("/x")
    with pytest.raises(TransientError) as refused:
        worker.get("/x")
    assert refused.value.retry_after is not None
    assert 3500 < refused.value.retry_after < 4000
    assert (len(server.asked), worker.requests) == (9, 9)
    live.get("/x")
    with pytest.raises(TransientError):
        live.get("/x")
    assert len(server.asked) == 10


def test_after_a_429_nobody_with_this_token_sends_anything(server: AnsweringServer, clock: Clock) -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)
    server.give("/x", Answer(429, headers={"Retry-After": "1800"}), *[Answer(200, {})] * 5)
    first, second = reader(server, budgets), reader(server, budgets)
    for one in (first, second):
        with pytest.raises(TransientError) as refused:
            one.get("/x")
        assert refused.value.retry_after == pytest.approx(1800)
    assert len(server.asked) == 1
    clock.now += 1800
    second.get("/x")


def test_with_a_second_token_a_429_is_gone_on_from_at_once(server: AnsweringServer, clock: Clock) -> None:
    budgets = Budgets(MemoryBudgetStore(), "cloud", now=clock)
    server.give("/x", Answer(429, headers={"Retry-After": "1800"}), *[Answer(200, {})] * 5)
    reader(server, budgets, token="ATCTa,ATCTb").get("/x")
    reader(server, budgets, token="ATCTa,ATCTb").get("/x")
    assert [asked.authorization for asked in server.asked] == ["Bearer ATCTa", "Bearer ATCTb", "Bearer ATCTb"]
