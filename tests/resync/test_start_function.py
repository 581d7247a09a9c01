"""The function that begins resyncs, over a table and a queue on moto."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from bitbucket_port import lambda_start
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.runtime import Runtime
from tests.catalog.ledgers import new_table

TABLE = "ledger"


@pytest.fixture
def environment(mocked_aws: None) -> dict[str, str]:
    new_table(boto3.client("dynamodb"), TABLE)
    url = boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    return {
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_TOKEN_SECRET_ARN": "arn:token",
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": "arn:secret",
        "LEDGER_TABLE": TABLE,
        "RESYNC_JOBS_QUEUE_URL": url,
        "LIVE_EVENTS": "false",
        "INITIALIZE_PORT_RESOURCES": "false",
        "MAPPING_SOURCE": "package",
        "PORT_POLL_INTERVAL": "0",
    }


@pytest.fixture
def runtime(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Runtime:
    made = Runtime(environment)
    monkeypatch.setattr(lambda_start, "runtime", lambda: made)
    return made


def jobs(runtime: Runtime) -> list[Any]:
    answer = runtime.sqs.receive_message(
        QueueUrl=runtime.settings.resync_jobs_queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_the_first_tick_begins_a_full_run_and_the_next_leaves_it_alone(runtime: Runtime) -> None:
    began = lambda_start.handle({}, None)
    assert (began["did"], began["kind"], began["reason"]) == ("began", "full", "interval")
    assert lambda_start.handle({}, None)["did"] == "goes on"
    assert jobs(runtime) == [{"v": 1, "job": "phase", "run": began["run"], "phase": "listing"}]
    run = DynamoDBRunStore(runtime.dynamodb, TABLE).state().run
    assert run is not None
    assert run.kinds == ("project", "repository", "pull-request", "user")
    assert run.mapping_hash == runtime.engine.mapping.hash


def test_what_is_asked_for_by_hand_follows_the_run_that_goes_on(runtime: Runtime) -> None:
    lambda_start.handle({}, None)
    assert lambda_start.handle({"resync": "full", "reason": "by hand"}, None)["did"] == "goes on"
    store = DynamoDBRunStore(runtime.dynamodb, TABLE)
    run = store.state().run
    assert run is not None
    store.close(run.id, "complete", {}, run.started + 5)
    following = lambda_start.handle({}, None)
    assert (following["did"], following["reason"]) == ("began", "by hand")


@pytest.mark.parametrize("event", [{"resync": "everything"}, {"resync": None}, {"resync": ["full"]}, "full"])
def test_whoever_asks_for_anything_else_is_told_what_there_is(runtime: Runtime, event: Any) -> None:
    with pytest.raises(PermanentError, match=r'ask with \{"resync": "full"\} or \{"resync": "list"\}'):
        lambda_start.handle(event, None)
    assert DynamoDBRunStore(runtime.dynamodb, TABLE).state().run is None
    assert jobs(runtime) == []


def test_where_bitbucket_may_not_be_asked_no_run_begins(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Runtime({**environment, "BITBUCKET_API": "none"})
    monkeypatch.setattr(lambda_start, "runtime", lambda: made)
    assert lambda_start.handle({"resync": "full"}, None)["did"] == "nothing"
    assert jobs(made) == []


def test_a_tick_in_an_outage_does_nothing_but_one_by_hand_says_so(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outage(self: object) -> None:
        raise TransientError("DynamoDB cannot be reached")

    monkeypatch.setattr(DynamoDBRunStore, "state", outage)
    assert lambda_start.handle({}, None) == {"did": "nothing", "reason": "DynamoDB cannot be reached"}
    with pytest.raises(TransientError):
        lambda_start.handle({"resync": "full"}, None)
