"""DynamoDB's limits on expressions, which the simulation does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_port.catalog.items import UNKNOWN, Commit, Facts, Granted, Guard
from bitbucket_port.objects import EntityKey, SourceKey
from tests.catalog.ledgers import dynamodb_ledger
from tests.catalog.rig import START

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_BYTES = 4096
MANY = [f"service#{'n' * 200}{number}" for number in range(500)]
KEY = SourceKey("repository", "{w}", "{r}")


@pytest.fixture
def expressions(dynamodb: DynamoDBClient) -> Iterator[list[str]]:
    found: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        found.extend(str(params[name]) for name in ("UpdateExpression", "ConditionExpression") if name in params)

    event = "provide-client-params.dynamodb.UpdateItem"
    dynamodb.meta.events.register(event, note)
    yield found
    dynamodb.meta.events.unregister(event, note)


def test_an_object_may_gain_and_forget_hundreds_of_entities_at_once(
    dynamodb: DynamoDBClient, expressions: list[str]
) -> None:
    ledger = dynamodb_ledger(dynamodb)
    lease = ledger.take_lease(ledger.read([KEY])[KEY], "t", now=START, until=START + 60, guard=Guard())
    assert isinstance(lease, Granted)
    assert ledger.intend(lease.item, "t", MANY)
    assert ledger.commit(KEY, "t", Commit({}, 1, START, START, START, Facts()), now=START)
    lease = ledger.take_lease(ledger.read([KEY])[KEY], "t", now=START, until=START + 60, guard=Guard(), intents=MANY)
    assert isinstance(lease, Granted)
    assert ledger.read([KEY])[KEY].owns == dict.fromkeys(MANY, UNKNOWN)
    assert ledger.commit(KEY, "t", Commit(dict.fromkeys(MANY, "h"), 1, START, START, START, Facts()), now=START)
    assert ledger.forget_hash(KEY, [EntityKey.parse(text) for text in MANY], now=START)
    assert ledger.read([KEY])[KEY].owns == dict.fromkeys(MANY, UNKNOWN)
    assert max(map(len, expressions)) <= MOST_BYTES
