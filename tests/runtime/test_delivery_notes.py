"""What is kept for people about messages: the last delivery of each family, and why a message failed last."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.delivery_notes import NOTED_FROM, DeliveryNotes, LastDelivery, LastFailure
from bitbucket_port.errors import TransientError
from bitbucket_port.webhooks.delivery import Delivery
from tests.catalog.ledgers import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb", "eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def table(client: DynamoDBClient) -> str:
    return new_table(client)


def notes_of(client: DynamoDBClient, table: str, clock: Time) -> DeliveryNotes:
    return DeliveryNotes(DynamoDBLedger(client, table), client, table, clock=clock)


def delivery(name: str, event_key: str = "repo:push", received: float = 999_990.5) -> Delivery:
    return Delivery("cloud", name, event_key, received, {})


def test_the_last_delivery_of_each_family_is_noted(client: DynamoDBClient, table: str, clock: Time) -> None:
    notes = notes_of(client, table, clock)
    assert notes.last_deliveries() == {}
    notes.delivered(delivery("one"))
    notes.delivered(delivery("two", "pullrequest:created"))
    found = notes.last_deliveries()
    assert found["push"] == LastDelivery("push", "one", "repo:push", 999_990.5, 1_000_000.0)
    assert found["pull-request"].id == "two"
    assert set(found) == {"push", "pull-request"}


def test_a_family_is_noted_once_a_minute_by_one_environment(client: DynamoDBClient, table: str, clock: Time) -> None:
    notes = notes_of(client, table, clock)
    notes.delivered(delivery("one"))
    clock.now += 59
    notes.delivered(delivery("two"))
    assert notes.last_deliveries()["push"].id == "one"
    clock.now += 1
    notes.delivered(delivery("three"))
    assert notes.last_deliveries()["push"].id == "three"


def test_what_belongs_to_no_family_is_not_noted(client: DynamoDBClient, table: str, clock: Time) -> None:
    notes = notes_of(client, table, clock)
    notes.delivered(delivery("one", "mirror:repo_synchronized"))
    assert notes.last_deliveries() == {}


def test_the_last_failure_counts_and_one_that_will_pass_is_not_kept(
    client: DynamoDBClient, table: str, clock: Time
) -> None:
    notes = notes_of(client, table, clock)
    notes.failed("m-1", NOTED_FROM - 1, TransientError("Port cannot be reached"))
    assert notes.last_failures(["m-1"]) == {}
    notes.failed("m-1", NOTED_FROM, TransientError("Port cannot be reached"))
    clock.now += 600
    notes.failed("m-1", NOTED_FROM + 1, KeyError("uuid"))
    notes.failed("m-2", 100, TransientError("x" * 2000))
    found = notes.last_failures(["m-1", "m-2", "m-3"])
    assert found["m-1"] == LastFailure("KeyError: 'uuid'", 1_000_600.0, NOTED_FROM + 1)
    assert len(found["m-2"].reason) == 500
    assert set(found) == {"m-1", "m-2"}


def test_failures_of_more_messages_than_one_request_reads(client: DynamoDBClient, table: str, clock: Time) -> None:
    notes = notes_of(client, table, clock)
    names = [f"m-{number}" for number in range(101)]
    for name in names:
        notes.failed(name, 5, TransientError(name))
    assert {name: one.reason for name, one in notes.last_failures(names).items()} == {name: name for name in names}


def test_a_kept_failure_expires(client: DynamoDBClient, table: str, clock: Time) -> None:
    notes_of(client, table, clock).failed("m-1", 5, TransientError("Port cannot be reached"))
    item: dict[str, Any] = dict(client.scan(TableName=table)["Items"][0])
    assert int(item["expires"]["N"]) == 1_000_000 + 30 * 24 * 3600


def test_a_note_that_cannot_be_kept_costs_no_message(
    client: DynamoDBClient, table: str, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    notes = notes_of(client, table, clock)
    client.delete_table(TableName=table)
    with caplog.at_level(logging.WARNING):
        notes.delivered(delivery("one"))
        notes.failed("m-1", 5, TransientError("Port cannot be reached"))
    assert "the last push delivery could not be noted" in caplog.text
    assert "why message m-1 failed could not be noted" in caplog.text
