"""The first resync of a stack without a schedule: begun by its creation, once."""

from __future__ import annotations

import json

import boto3
import pytest

from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.first_run import begin_first_run
from tests.catalog.ledgers import new_table


@pytest.fixture
def environment(mocked_aws: None) -> dict[str, str]:
    return {
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_TOKEN_SECRET_ARN": "arn:token",
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": "arn:secret",
        "LEDGER_TABLE": new_table(boto3.client("dynamodb")),
        "RESYNC_JOBS_QUEUE_URL": boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"],
        "SCHEDULED_RESYNC_INTERVAL": "0",
    }


def jobs(environment: dict[str, str]) -> list[str]:
    answer = boto3.client("sqs").receive_message(
        QueueUrl=environment["RESYNC_JOBS_QUEUE_URL"], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"])["job"] for message in answer.get("Messages", [])]


def test_it_begins_once_however_often_the_creation_is_repeated(environment: dict[str, str]) -> None:
    runtime = Runtime(environment)
    (finding,) = begin_first_run(runtime)
    assert (finding.about, finding.outcome) == ("First resync", "changed")
    store = DynamoDBRunStore(runtime.dynamodb, environment["LEDGER_TABLE"])
    run = store.state().run
    assert run is not None
    assert (run.kind, run.reason) == ("full", "the first deployment")
    assert begin_first_run(runtime) == []
    store.close(run.id, "complete", {}, run.started + 60)
    assert begin_first_run(runtime) == []
    assert jobs(environment) == ["phase"]


@pytest.mark.parametrize("other", [{"SCHEDULED_RESYNC_INTERVAL": "360"}, {"BITBUCKET_API": "none"}])
def test_a_schedule_begins_it_itself_and_webhook_only_has_none(
    environment: dict[str, str], other: dict[str, str]
) -> None:
    assert begin_first_run(Runtime({**environment, **other})) == []
    assert jobs(environment) == []
