"""The active mapping in the ledger, and the functions that follow it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import TransientError
from bitbucket_port.mapping.active import LARGEST_PART, ActiveMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject
from bitbucket_port.runtime import Runtime
from bitbucket_port.sqlite import Database
from tests.catalog.ledgers import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def dynamodb(mocked_aws: None) -> DynamoDBClient:
    client: DynamoDBClient = boto3.client("dynamodb")
    return client


def titled(title: str) -> JsonObject:
    document = load("cloud", "default")
    document["resources"][0]["port"]["entity"]["mappings"]["title"] = title
    return document


def put(ledger: Any, document: JsonObject) -> str:
    name = parse(document, product="cloud", file="").hash
    ActiveMapping(ledger).put(document, mapping_hash=name, source="s", request="r")
    return name


@pytest.mark.parametrize("database", ["dynamodb", "sqlite"])
def test_a_mapping_larger_than_an_item_comes_back_as_it_was(database: str, dynamodb: DynamoDBClient) -> None:
    ledger: Any = SQLiteLedger(Database(Path(":memory:")))
    if database == "dynamodb":
        ledger = DynamoDBLedger(dynamodb, new_table(dynamodb))
    active = ActiveMapping(ledger)
    assert active.which().hash == ""
    document = {"resources": [], "noise": random.Random(7).randbytes(3 * LARGEST_PART // 4).hex()}
    name = put(ledger, document)
    which = active.which()
    assert (which.hash, which.source, which.request) == (name, "s", "r")
    assert which.parts > 1
    assert active.document(which) == document


def test_a_document_that_is_not_there_is_trouble_and_not_an_empty_mapping() -> None:
    ledger = SQLiteLedger(Database(Path(":memory:")))
    ledger.note("mapping", {"hash": "h", "source": "s", "request": "r", "parts": "1"})
    active = ActiveMapping(ledger)
    with pytest.raises(TransientError, match="set up again"):
        active.document(active.which())


# --- a function's runtime


def environment(table: str, source: str = "port") -> dict[str, str]:
    return {
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_TOKEN_SECRET_ARN": "arn:token",
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": "arn:secret",
        "LEDGER_TABLE": table,
        "RESYNC_JOBS_QUEUE_URL": "https://queue/jobs",
        "MAPPING_SOURCE": source,
    }


def test_a_function_maps_with_the_active_mapping_from_the_next_message_on(dynamodb: DynamoDBClient) -> None:
    table = new_table(dynamodb)
    runtime = Runtime(environment(table))
    packaged = parse(load("cloud", "default"), product="cloud", file="").hash
    assert runtime.follow_mapping()
    assert runtime.engine.mapping.hash == packaged
    engine, live, reader = runtime.engine, runtime.live, runtime.reader
    assert not runtime.follow_mapping()
    assert (runtime.engine, runtime.live, runtime.reader) == (engine, live, reader)
    name = put(runtime.ledger, titled(".key"))
    assert runtime.follow_mapping()
    assert runtime.engine.mapping.hash == name
    assert runtime.live is not live
    assert runtime.reader is not reader


def test_following_costs_one_small_read(dynamodb: DynamoDBClient) -> None:
    runtime = Runtime(environment(new_table(dynamodb)))
    put(runtime.ledger, titled(".key"))
    runtime.follow_mapping()
    calls: list[str] = []
    runtime.dynamodb.meta.events.register("before-call.*", lambda model, **_: calls.append(model.name))
    runtime.follow_mapping()
    assert calls == ["GetItem"]


def test_where_the_packaged_mapping_counts_nothing_is_read(dynamodb: DynamoDBClient) -> None:
    runtime = Runtime(environment("no-such-table", "package"))
    assert runtime.follow_mapping()
    assert not runtime.follow_mapping()
    assert runtime.engine.mapping.hash == parse(load("cloud", "default"), product="cloud", file="").hash


def test_a_ledger_that_cannot_be_read_is_no_reason_to_map_with_the_packaged_mapping(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(environment(new_table(dynamodb)))

    def outage(name: str) -> dict[str, str]:
        raise TransientError(f"no {name}")

    monkeypatch.setattr(runtime.ledger, "noted", outage)
    with pytest.raises(TransientError):
        runtime.follow_mapping()
    with pytest.raises(TransientError):
        _ = runtime.engine
