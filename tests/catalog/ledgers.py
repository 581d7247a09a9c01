"""A new, empty ledger in each of the databases we have one for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.sqlite import Database

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_numbers = itertools.count()


def new_table(client: DynamoDBClient, name: str | None = None) -> str:
    """An empty table with the template's keys."""
    name = name or f"ledger-{next(_numbers)}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def dynamodb_ledger(client: DynamoDBClient) -> DynamoDBLedger:
    return DynamoDBLedger(client, new_table(client))


def sqlite_ledger(folder: Path) -> SQLiteLedger:
    return SQLiteLedger(Database(folder / f"ledger-{next(_numbers)}.sqlite"))
