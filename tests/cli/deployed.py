"""A stack that was deployed, as far as the command sees it: CloudFormation, table, queues and secrets in this process.

Whoever wants it imports the fixtures ``stack``, ``bitbucket``, ``port`` and ``moment``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.cli import stack as stacks
from bitbucket_port.delivery_notes import DeliveryNotes
from bitbucket_port.hooks.assembly import webhooks_of
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.jobs import parse_any
from bitbucket_port.resync.report import Part, whole
from bitbucket_port.resync.stack_jobs import HookJob
from bitbucket_port.resync.store import Run
from bitbucket_port.runtime import Runtime
from bitbucket_port.webhooks.delivery import Delivery
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from local.standins.server import hooks as server_hooks
from tests.cli import transcripts
from tests.cli.test_command_stack import AWS, LEDGER
from tests.cli.transcripts import HOOKS_URL, PORT_URL, SERVER_URL, known_as

__all__ = ["HOUR", "MINUTE", "NAME", "NOW", "Stack", "Time", "bitbucket", "moment", "port", "stack"]

NAME = "bitbucket-server"
NOW = 1782898200.0
"""2026-07-01 09:30 UTC."""
MINUTE, HOUR = 60.0, 3600.0
QUEUES = [
    f"{name}{kind}"
    for name in ("Project", "Repository", "Push", "PullRequest", "ResyncJobs")
    for kind in ("Queue", "DeadLetters")
]
PARAMETERS = {
    "BitbucketProduct": "server",
    "BitbucketUrl": SERVER_URL,
    "PortClientId": "acme-client",
    "PortBaseUrl": PORT_URL,
    "BaseUrl": HOOKS_URL,
    "CredentialsSecretArn": "",
}


class Time:
    """What SQS's stand-in takes for the time: it goes on from wherever it is put to."""

    def __init__(self) -> None:
        self.put(NOW)

    def put(self, now: float) -> None:
        self._ahead = now - time.time()

    def now(self, *_: Any) -> float:
        return time.time() + self._ahead


class Stack:
    """A stack as CloudFormation tells of it, with everything that its functions keep."""

    def __init__(self, secret: str) -> None:
        template = {
            "Parameters": {name: {"Type": "String", "Default": ""} for name in PARAMETERS},
            "Resources": {
                "Ledger": LEDGER,
                **{name: {"Type": "AWS::SQS::Queue"} for name in QUEUES},
            },
        }
        given = {**PARAMETERS, "CredentialsSecretArn": secret}
        boto3.client("cloudformation").create_stack(
            StackName=NAME,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        )
        self.queues = stacks.queues_of(NAME)
        self.environment = stacks.environment_of(NAME)
        self.sqs: Any = boto3.client("sqs")
        self.runtime = Runtime(self.environment)
        self.runtime.begin(60_000)
        self.store = DynamoDBRunStore(self.runtime.dynamodb, self.runtime.settings.ledger_table)

    def notes(self, now: float) -> DeliveryNotes:
        settings = self.runtime.settings
        return DeliveryNotes(self.runtime.ledger, self.runtime.dynamodb, settings.ledger_table, clock=lambda: now)

    def delivered(self, event_key: str, minutes_ago: float, number: int) -> None:
        received = NOW - minutes_ago * MINUTE
        delivery = Delivery("server", f"5c1f9a52-{number:04}", event_key, received, {})
        self.notes(received + 1).delivered(delivery)

    def dead_letter(self, queue: str, body: str, why: Exception) -> None:
        sent = self.sqs.send_message(QueueUrl=self.queues[queue], MessageBody=body)
        self.notes(NOW - MINUTE).failed(sent["MessageId"], 500, why)

    def look_after_webhooks(self) -> None:
        """Do what the stack's own worker does with the jobs about webhooks."""
        webhooks, queue = webhooks_of(self.runtime), self.queues["ResyncJobsQueue"]
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                job = parse_any(message["Body"])
                assert isinstance(job, HookJob)
                webhooks.look_after(job)
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def resynced(self, began: float, part: Part, status: Any, protected: dict[str, str]) -> None:
        run = Run(f"run-{began}", "full", 1, "listing", "hash", began, "interval", began + HOUR)
        assert self.store.begin(run, [])
        self.store.close(run.id, status, whole(run, [part.to_json()], protected, at=began + 95), began + 95)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr("moto.sqs.models.unix_time", clock.now)
    monkeypatch.setattr("moto.sqs.models.unix_time_millis", lambda *_: clock.now() * 1000)
    return clock


@pytest.fixture
def bitbucket() -> Iterator[BitbucketServerStandIn]:
    found = BitbucketServerStandIn(seed=3)
    for project in ("APP", "BILLING", "CORE"):
        found.world.create_project(project, project.title())
    found.start()
    yield found
    found.stop()


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    found = transcripts.port()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def stack(
    bitbucket: BitbucketServerStandIn, port: PortStandIn, moment: Time, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    del moment
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    # A Data Center told to try our address; everybody else's requests there are answered by ``known_as``.
    monkeypatch.setattr(server_hooks, "post", lambda *_, **__: SimpleNamespace(data=b"", status=200, headers={}))
    with mock_aws(), known_as({PORT_URL: port.url, **transcripts.addresses(bitbucket)}, monkeypatch):
        boto3.setup_default_session()
        secrets = boto3.client("secretsmanager")
        values = {"bitbucketToken": bitbucket.token, "portClientSecret": port.client_secret}
        credentials = secrets.create_secret(Name="acme", SecretString=json.dumps(values))["ARN"]
        webhook_secret = secrets.create_secret(Name="webhooks", SecretString="what signs webhooks")["ARN"]
        ask = stacks._physical

        def physical(client: Any, name: str, logical_id: str) -> str:
            """Moto's CloudFormation makes no secrets."""
            return webhook_secret if logical_id == "WebhookSecret" else ask(client, name, logical_id)

        monkeypatch.setattr(stacks, "_physical", physical)
        yield Stack(credentials)
    boto3.setup_default_session()
