"""What every store of budgets promises."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bitbucket_port.bitbucket.allowance import Allowance, Limit
from bitbucket_port.bitbucket.budget import Budget, BudgetStore, MemoryBudgetStore, Stored
from bitbucket_port.bitbucket.budget_dynamodb import DynamoDBBudgetStore
from bitbucket_port.errors import TransientError
from tests.catalog.conftest import dynamodb
from tests.catalog.ledgers import new_table

__all__ = ["dynamodb"]

ALLOWANCE = Allowance({"": Limit(60, 12.5), "api": Limit(1000, 3600.0)}, {1.5: 3, 1_800_000_000.123: 20}, 7.5, 8.25)


@pytest.fixture(params=["dynamodb", "memory"])
def store(request: pytest.FixtureRequest) -> BudgetStore:
    if request.param == "memory":
        return MemoryBudgetStore()
    client = request.getfixturevalue("dynamodb")
    return DynamoDBBudgetStore(client, new_table(client))


def test_nothing_is_kept_before_the_first_write(store: BudgetStore) -> None:
    assert store.read("one") == Stored(Allowance(), 0)


def test_what_was_written_is_read_under_its_name(store: BudgetStore) -> None:
    assert store.write("one", ALLOWANCE, 0) is None
    assert store.read("one") == Stored(ALLOWANCE, 1)
    assert store.write("one", Allowance(), 1) is None
    assert store.read("one") == Stored(Allowance(), 2)
    assert store.read("two") == Stored(Allowance(), 0)


def test_a_write_that_comes_too_late_changes_nothing_and_sees_what_is_kept(store: BudgetStore) -> None:
    store.write("one", ALLOWANCE, 0)
    assert store.write("one", Allowance(), 0) == Stored(ALLOWANCE, 1)
    assert store.write("one", Allowance(), 2) == Stored(ALLOWANCE, 1)
    assert store.read("one") == Stored(ALLOWANCE, 1)


def test_two_functions_share_one_limit(store: BudgetStore) -> None:
    now = 1_800_000_000.0
    budgets = [Budget("one", store, start=Limit(100, 3600.0), now=lambda: now) for _ in range(2)]
    sent = 0
    for number in range(200):
        with suppress(TransientError):
            budgets[number % 2].take(reserve=False)
            sent += 1
    assert sent == 100
