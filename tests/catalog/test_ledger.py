"""What the ledger's items must never make impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.items import Granted, Guard
from bitbucket_port.objects import SourceKey
from tests.catalog.rig import START, TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_an_equal_reading_is_noted_after_a_first_writer_gave_up_before_it_read(dynamodb: DynamoDBClient) -> None:
    ledger, key = DynamoDBLedger(dynamodb, TABLE), SourceKey("repository", "given-up", "1")
    nothing = ledger.read([key])[key]
    lease = ledger.take_lease(nothing, "first", now=START, until=START + 60, guard=Guard())
    assert isinstance(lease, Granted)
    ledger.release(key, "first", dirty=False)
    item = ledger.read([key])[key]
    assert ledger.move(item, version=5_000_000, read_at=START + 1, received=START)
    noted = ledger.read([key])[key]
    assert (noted.version, noted.read_at) == (5_000_000, START + 1)


def test_an_equal_reading_is_not_noted_over_one_that_was_applied_meanwhile(dynamodb: DynamoDBClient) -> None:
    ledger, key = DynamoDBLedger(dynamodb, TABLE), SourceKey("repository", "overtaken", "1")
    ledger.take_lease(ledger.read([key])[key], "first", now=START, until=START + 60, guard=Guard())
    ledger.release(key, "first", dirty=False)
    seen = ledger.read([key])[key]
    assert ledger.move(seen, version=None, read_at=START + 1, received=START)
    assert not ledger.move(seen, version=None, read_at=START + 2, received=START)
    now = ledger.read([key])[key]
    assert ledger.move(now, version=None, read_at=START + 2, received=START)
    assert not ledger.move(now, version=None, read_at=START + 3, received=START)
