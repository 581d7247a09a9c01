"""Items of the ledger that a newer release wrote are left alone by this one, whoever meets them first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.items import Commit, Facts, Granted, Guard
from bitbucket_port.errors import TransientError
from bitbucket_port.objects import EntityKey, SourceKey
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.store import Run
from tests.catalog.ledgers import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = SourceKey("repository", "{workspace}", "{one}")
ENTITY = EntityKey("repository", "one")
RUN = Run("1-a", "full", 1, "listing", "hash", 100.0, "test", 5000.0)


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> str:
    return new_table(dynamodb)


@pytest.fixture
def ledger(dynamodb: DynamoDBClient, table: str) -> DynamoDBLedger:
    return DynamoDBLedger(dynamodb, table)


def a_newer_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_version, "ITEM_VERSION", 2)


def written(ledger: DynamoDBLedger) -> None:
    granted = ledger.take_lease(ledger.read([KEY])[KEY], "t", now=100.0, until=200.0, guard=Guard())
    assert isinstance(granted, Granted)
    ledger.join(ENTITY, KEY, now=100.0)
    assert ledger.commit(KEY, "t", Commit({str(ENTITY): "h"}, 1, 100.0, 0.0, 0.0, Facts()), now=100.0)


def items(dynamodb: DynamoDBClient, table: str) -> list[Any]:
    return sorted(dynamodb.scan(TableName=table)["Items"], key=str)


def test_every_item_tells_its_version(dynamodb: DynamoDBClient, ledger: DynamoDBLedger, table: str) -> None:
    written(ledger)
    assert [item["v"] for item in items(dynamodb, table)] == [{"N": "1"}] * 2


def test_an_item_of_the_version_before_is_read_and_renewed(
    ledger: DynamoDBLedger, dynamodb: DynamoDBClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(ledger)
    a_newer_release(monkeypatch)
    item = ledger.read([KEY])[KEY]
    assert item.owns == {str(ENTITY): "h"}
    written(ledger)
    assert {item["v"]["N"] for item in items(dynamodb, table)} == {"2"}


def test_an_item_without_a_version_counts_as_the_first(
    ledger: DynamoDBLedger, dynamodb: DynamoDBClient, table: str
) -> None:
    written(ledger)
    for item in items(dynamodb, table):
        dynamodb.put_item(TableName=table, Item={name: value for name, value in item.items() if name != "v"})
    assert ledger.read([KEY])[KEY].owns == {str(ENTITY): "h"}
    assert ledger.join(ENTITY, KEY, now=300.0) is not None


def test_an_older_release_reads_and_writes_nothing_of_a_newer_one(
    ledger: DynamoDBLedger, dynamodb: DynamoDBClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        a_newer_release(newer)
        written(ledger)
    before = items(dynamodb, table)
    for attempt in (
        lambda: ledger.read([KEY]),
        lambda: list(ledger.objects("repository", "{workspace}")),
        lambda: ledger.entities("repository", ["one"]),
        lambda: ledger.join(ENTITY, SourceKey("repository", "{workspace}", "{two}"), now=300.0),
    ):
        with pytest.raises(TransientError, match="newer release") as caught:
            attempt()
        assert caught.value.retry_after == item_version.PATIENCE_SECONDS
    assert items(dynamodb, table) == before


def test_an_older_release_leaves_a_run_of_a_newer_one_alone(
    dynamodb: DynamoDBClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DynamoDBRunStore(dynamodb, table, clock=lambda: 100.0)
    with monkeypatch.context() as newer:
        a_newer_release(newer)
        assert store.begin(RUN, [("job", "message")])
    with pytest.raises(TransientError, match="newer release"):
        store.state()
    with pytest.raises(TransientError, match="newer release"):
        list(store.open_jobs(RUN.id))
    a_newer_release(monkeypatch)
    assert store.state().run == RUN
