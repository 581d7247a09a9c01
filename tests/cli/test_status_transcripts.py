"""``docs/status.md`` shows what ``bitbucket-port status`` says of a stack in AWS, by what that stack really keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.bitbucket.allowance import CLOUD, Allowance
from bitbucket_port.bitbucket.budget_dynamodb import DynamoDBBudgetStore
from bitbucket_port.bitbucket.credentials import Credentials
from bitbucket_port.cli import stack as stacks
from bitbucket_port.delivery_notes import DeliveryNotes
from bitbucket_port.errors import TransientError
from bitbucket_port.hooks.assembly import webhooks_of
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.jobs import HookJob, parse_any
from bitbucket_port.resync.report import Part, whole
from bitbucket_port.resync.store import Run
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.store import Report, ReportStore
from bitbucket_port.webhooks.delivery import Delivery
from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.cli import transcripts
from tests.cli.test_command_stack import KEYS
from tests.cli.transcripts import HOOKS_URL, PORT_URL, SERVER_URL, WIDTH, check, known_as, typed

DOCUMENT, NAME = "status.md", "bitbucket-server"
NOW = 1782898200.0
"""2026-07-01 09:30 UTC."""
MINUTE, HOUR = 60.0, 3600.0
QUEUES = [
    *(
        f"{family}{kind}"
        for family in ("Project", "Repository", "Push", "PullRequest")
        for kind in ("Queue", "DeadLetters")
    ),
    "ResyncJobsQueue",
    "ResyncJobsDeadLetters",
]
PARAMETERS = {
    "BitbucketProduct": "server",
    "BitbucketUrl": SERVER_URL,
    "PortClientId": "acme-client",
    "PortBaseUrl": PORT_URL,
    "BaseUrl": HOOKS_URL,
    "CredentialsSecretArn": "",
}
AWS = {"AWS_ACCESS_KEY_ID": "operator", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-west-1"}


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
                "Ledger": {
                    "Type": "AWS::DynamoDB::Table",
                    "Properties": {
                        "BillingMode": "PAY_PER_REQUEST",
                        "AttributeDefinitions": [{"AttributeName": one, "AttributeType": "S"} for one in ("PK", "SK")],
                        "KeySchema": KEYS,
                    },
                },
                "WebhookSecret": {"Type": "AWS::SNS::Topic"},  # Moto's CloudFormation makes no secrets.
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
def stack(bitbucket: BitbucketServerStandIn, moment: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), known_as(transcripts.addresses(bitbucket), monkeypatch):
        boto3.setup_default_session()
        secrets = boto3.client("secretsmanager")
        values = {"bitbucketToken": bitbucket.token, "portClientSecret": "secret of the client"}
        credentials = secrets.create_secret(Name="acme", SecretString=json.dumps(values))["ARN"]
        yield Stack(credentials)
    boto3.setup_default_session()


def webhooks_looked_after(stack: Stack) -> None:
    """What the stack's own jobs do about webhooks."""
    secret = boto3.client("secretsmanager").create_secret(Name="webhooks", SecretString="what signs webhooks")["ARN"]
    runtime = Runtime({**stack.environment, "WEBHOOK_SECRET_ARN": secret})
    runtime.begin(60_000)
    webhooks, queue = webhooks_of(runtime), stack.queues["ResyncJobsQueue"]
    webhooks.plan(force=True)
    while messages := stack.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            job = parse_any(message["Body"])
            assert isinstance(job, HookJob)
            webhooks.look_after(job)
            stack.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def complete(pull_requests: int = 38) -> Part:
    part = Part()
    for kind, listed, updated in (("project", 3, 0), ("repository", 12, 1), ("pull-request", pull_requests, 4)):
        part.count(kind, "listed", listed)
        part.count(kind, "mapped", listed)
        part.count(kind, "updated", updated)
        part.count(kind, "unchanged", listed - updated)
    part.requested(bitbucket=16, port=9, listing=14)
    return part


def look(capsys: pytest.CaptureFixture[str]) -> str:
    return typed(f"status --stack {NAME}", {"COLUMNS": WIDTH}, capsys, clock=lambda: NOW)


def test_a_stack_that_does_well(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.delivered("pr:opened", 3, 7)
    stack.delivered("repo:refs_changed", 26, 6)
    stack.delivered("project:modified", 5 * 24 * 60, 2)
    stack.resynced(NOW - 3 * HOUR, complete(), "complete", {})
    webhooks_looked_after(stack)
    ReportStore(stack.runtime.ledger).keep(
        Report("scheduled", NOW - 3 * HOUR, (Finding("Port credentials", "ok", "let in."),), "1.0.0")
    )
    shown = look(capsys)
    assert "[exit status" not in shown
    check(DOCUMENT, "well", shown)


def test_a_stack_that_somebody_should_look_at(
    stack: Stack, bitbucket: BitbucketServerStandIn, moment: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.delivered("pr:opened", 3, 7)
    stack.resynced(NOW - 9 * HOUR, complete(), "complete", {})
    part = complete(21)
    part.failed("repository", "repository#https://bitbucket.acme.example#4", "Port refused the entity: identifier")
    stack.resynced(NOW - 3 * HOUR, part, "partial", {"repository#https://bitbucket.acme.example#7": "answered 403"})
    bitbucket.forbid_hooks("CORE")
    webhooks_looked_after(stack)
    moment.put(NOW - 5 * HOUR)
    gone = Delivery("server", "5c1f9a52-0001", "pr:merged", NOW - 100 * HOUR, {})
    stack.dead_letter(
        "PullRequestDeadLetters", gone.to_message(), TransientError("Port answered 503 to POST /entities/bulk")
    )
    stack.sqs.send_message(QueueUrl=stack.queues["PushQueue"], MessageBody="{}")
    moment.put(NOW)
    ReportStore(stack.runtime.ledger).keep(
        Report(
            "scheduled",
            NOW - 3 * HOUR,
            (Finding("Integration", "warning", "Port cannot be reached.", "The next scheduled resync tries again."),),
            "1.0.0",
        )
    )
    shown = look(capsys)
    assert shown.endswith("[exit status 1]")
    check(DOCUMENT, "attention", shown)
    assert look(capsys) == shown, "what is looked at is not there any more"


def test_how_much_of_a_limit_is_used(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    settings = stack.runtime.settings
    (name,) = Credentials(lambda: "token", product="server", username="jo").budget_names()
    assert name  # One for each token there is.
    store = DynamoDBBudgetStore(stack.runtime.dynamodb, settings.ledger_table)
    token = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId="acme")["SecretString"])
    (name,) = Credentials(lambda: token["bitbucketToken"], product="server").budget_names()
    told = Allowance(limits={"": CLOUD}).spend(212, CLOUD, NOW - MINUTE)
    store.write(name, told, 0)
    assert "Bitbucket: 212 of 1,000 requests in 3,600 s are used; a resync leaves 100 to live events." in look(capsys)
    store.write(name, Allowance(limits={"": CLOUD}, blocked=NOW + 90), 1)
    assert "Bitbucket wants to hear nothing for another 90 s." in look(capsys)


def test_what_cannot_be_read_is_said_and_keeps_nothing_else_from_being_shown(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.delivered("pr:opened", 3, 7)
    stack.sqs.delete_queue(QueueUrl=stack.queues["PushDeadLetters"])
    shown = look(capsys)
    assert "could not be read: queues: " in shown
    assert "5c1f9a52-0007" in shown
    assert shown.endswith("queues could not be read.\n[exit status 1]")


def test_a_stack_that_is_not_there_is_an_error(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    shown = typed("status --stack nowhere", {"COLUMNS": WIDTH}, capsys)
    assert "the stack 'nowhere' cannot be read" in shown
    assert shown.endswith("[exit status 2]")
