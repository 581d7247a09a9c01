"""A new, empty store of a run in each of the databases we have one for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.sqlite import Database
from tests.catalog.ledgers import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_numbers = itertools.count()


def dynamodb_store(client: DynamoDBClient) -> DynamoDBRunStore:
    return DynamoDBRunStore(client, new_table(client))


def sqlite_store(folder: Path) -> SQLiteRunStore:
    return SQLiteRunStore(Database(folder / f"run-{next(_numbers)}.sqlite"))
