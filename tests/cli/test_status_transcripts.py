"""``docs/status.md`` shows what ``bitbucket-port status`` says of a stack in AWS, by what that stack really keeps."""

from __future__ import annotations

import json

import boto3
import pytest

from bitbucket_port.bitbucket.allowance import CLOUD, Allowance
from bitbucket_port.bitbucket.budget_dynamodb import DynamoDBBudgetStore
from bitbucket_port.bitbucket.credentials import Credentials
from bitbucket_port.errors import TransientError
from bitbucket_port.hooks.assembly import webhooks_of
from bitbucket_port.resync.report import Part
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.store import Report, ReportStore
from bitbucket_port.webhooks.delivery import Delivery
from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.cli.deployed import HOUR, MINUTE, NAME, NOW, Stack, Time, bitbucket, moment, port, stack
from tests.cli.transcripts import WIDTH, check, typed

__all__ = ["bitbucket", "moment", "port", "stack"]
DOCUMENT = "status.md"


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
    webhooks_of(stack.runtime).plan(force=True)
    stack.look_after_webhooks()
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
    for _ in range(2):
        webhooks_of(stack.runtime).plan(force=True)
        stack.look_after_webhooks()
        bitbucket.record_deliveries(bitbucket.hooks[0], 5, 503)
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
            (Finding("Integration", "warning", "Port cannot be reached.", "The next set-up tries again."),),
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
