"""A ledger table on moto, in this process; and each of the ledgers, for what must be true of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.catalog.ledger import Ledger
from local.aws.quick_moto import hurry
from tests.catalog.ledgers import dynamodb_ledger, new_table, sqlite_ledger
from tests.catalog.rig import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    hurry()
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        new_table(client, TABLE)
        yield client


@pytest.fixture(params=["dynamodb", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    if request.param == "sqlite":
        return sqlite_ledger(tmp_path)
    return dynamodb_ledger(request.getfixturevalue("dynamodb"))
