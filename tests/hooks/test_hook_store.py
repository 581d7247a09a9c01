"""What is kept of webhooks between two checks, in memory and in the ledger's table alike."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.errors import TransientError
from bitbucket_port.hooks.dynamodb import DynamoDBHookStore
from bitbucket_port.hooks.store import HookStore, Kept, MemoryHookStore, Record
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.objects import Address
from local.aws.quick_moto import hurry
from tests.catalog.ledgers import new_table
from tests.hooks.conftest import PROJECTS
from tests.hooks.scene import Scene

SUBJECT = Subject("project", "4", Address("PAY"), "PAY")
OTHER = Subject("repository", "5", Address("PAY", "ledger"), "PAY/ledger", "project#4")
RECORD = Record(SUBJECT, "right", 12.5, {"all": Kept("7", "99")}, "v1", "digest", repaired=("url",))


@pytest.fixture(scope="module")
def dynamodb_store() -> Iterator[DynamoDBHookStore]:
    hurry()
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        new_table(client, "ledger")
        yield DynamoDBHookStore(client, "ledger")


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> HookStore:
    if request.param == "memory":
        return MemoryHookStore()
    kept: DynamoDBHookStore = request.getfixturevalue("dynamodb_store")
    for key in kept.records():
        kept.forget(key)
    return kept


def test_what_is_kept_comes_back(store: HookStore) -> None:
    assert store.record(SUBJECT.key) is None
    assert store.records() == {}
    store.put(RECORD)
    store.note("overview", {"version": "9.4", "level": "project"})
    assert store.record(SUBJECT.key) == RECORD
    assert store.records() == {SUBJECT.key: RECORD}
    assert store.noted("overview") == {"version": "9.4", "level": "project"}
    assert store.noted("something else") == {}
    store.forget(SUBJECT.key)
    assert store.records() == {}


def test_one_at_a_time_works_on_a_subject(store: HookStore) -> None:
    assert store.claim(SUBJECT, "one", now=100.0, until=200.0)
    assert not store.claim(SUBJECT, "two", now=150.0, until=250.0)
    assert store.claim(OTHER, "two", now=150.0, until=250.0)
    assert store.records()[SUBJECT.key] == Record(SUBJECT, "begun")  # So that it is found whatever happens next.
    assert store.claim(SUBJECT, "two", now=200.0, until=300.0)
    store.release(SUBJECT.key, "one")  # Whose claim was over: nothing of his.
    assert not store.claim(SUBJECT, "three", now=250.0, until=350.0)
    store.release(SUBJECT.key, "two")
    assert store.claim(SUBJECT, "three", now=250.0, until=350.0)
    store.put(RECORD)
    assert store.claim(SUBJECT, "four", now=260.0, until=360.0)
    assert store.record(SUBJECT.key) == RECORD


def test_a_newer_releases_record_is_left_alone(dynamodb_store: DynamoDBHookStore) -> None:
    dynamodb_store.put(RECORD)
    dynamodb_store._client.update_item(
        TableName="ledger",
        Key={"PK": {"S": "hooks"}, "SK": {"S": SUBJECT.key}},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"N": "99"}},
    )
    with pytest.raises(TransientError, match="newer release"):
        dynamodb_store.record(SUBJECT.key)
    with pytest.raises(TransientError, match="newer release"):
        dynamodb_store.records()
    dynamodb_store.forget(SUBJECT.key)


def test_a_whole_set_up_with_the_table(server: Scene, dynamodb_store: DynamoDBHookStore) -> None:
    for key in dynamodb_store.records():
        dynamodb_store.forget(key)
    server.store = dynamodb_store
    server.plan(force=True)
    assert sorted(hook.subject.key for hook in server.ours()) == PROJECTS
    writes = server.writes()
    server.plan()
    assert server.writes() == writes
    server.webhooks().remove_all(lambda: True)
    assert server.ours() == []
    assert dynamodb_store.records() == {}
