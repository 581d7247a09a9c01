"""The function around receive: its environment, what it imports, what it logs and counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port import lambda_receive
from bitbucket_port.errors import SettingsError
from bitbucket_port.lambda_receive import METRIC_OF_OUTCOME, VARIABLES, Receiver
from tests.webhooks.doubles import SECRET, api_event, signed_headers, to_bytes

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "BITBUCKET_PRODUCT": "cloud",
    "WEBHOOK_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook-AbCdEf",
    "PROJECT_QUEUE_URL": "https://sqs.example.com/project",
    "REPOSITORY_QUEUE_URL": "https://sqs.example.com/repository",
    "PUSH_QUEUE_URL": "https://sqs.example.com/push",
    "PULL_REQUEST_QUEUE_URL": "https://sqs.example.com/pull-request",
}
BODY = to_bytes({"repository": {"uuid": "{aaa}", "name": "a very private name"}})


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """``code`` in a Python of its own, as a fresh execution environment would run it."""
    paths = os.pathsep.join([str(ROOT / "layers" / "bitbucket_port"), str(ROOT)])
    variables = {"PYTHONPATH": paths, "AWS_DEFAULT_REGION": "eu-west-1", "PATH": os.environ["PATH"], **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)


def imported(code: str) -> set[str]:
    listing = run(f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))", ENVIRONMENT)
    return set(json.loads(listing.stdout.splitlines()[-1]))


def test_receive_imports_at_most_a_third_more_modules_than_boto3_alone() -> None:
    alone = imported("import boto3; boto3.client('sqs')")
    ours = imported("import functions.pull_request.receive")
    assert "boto3" in ours
    assert len(ours) * 3 <= len(alone) * 4


def test_receive_imports_neither_an_http_client_nor_jq_nor_yaml() -> None:
    assert not imported("import functions.webhook.receive") & {"requests", "jq", "yaml", "asyncio", "pydantic"}


def test_an_incomplete_environment_is_named_at_the_first_request_and_not_at_import() -> None:
    code = """
from functions.push.receive import handler
try:
    handler({"headers": {}}, None)
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PUSH_QUEUE_URL"}
    said = run(code, {**environment, "WEBHOOK_SECRET_ARN": ""}).stdout
    assert said.startswith("SettingsError")
    assert "PUSH_QUEUE_URL" in said
    assert "WEBHOOK_SECRET_ARN" in said
    assert "PROJECT_QUEUE_URL" not in said


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Receiver.from_environment({})
    assert all(name in str(caught.value) for name in VARIABLES)


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(SettingsError, match="BITBUCKET_PRODUCT is 'gitea'"):
        Receiver.from_environment({**ENVIRONMENT, "BITBUCKET_PRODUCT": "gitea"})


def test_a_later_request_works_once_the_environment_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_receive, "_receiver", None)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    ping = api_event(b"{}", {"x-event-key": "diagnostics:ping"})
    with pytest.raises(SettingsError):
        lambda_receive.handle(ping)
    for name, value in {**ENVIRONMENT, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    assert lambda_receive.handle(ping)["statusCode"] == 200


REQUESTS: dict[str, dict[str, str]] = {
    "stored": signed_headers(BODY, "repo:push", x_request_uuid="delivery-7"),
    "ignored": signed_headers(BODY, "issue:created"),
    "ping": {"x-event-key": "diagnostics:ping"},
    "refused": {"x-event-key": 'repo:push\n{"level":"INFO"}' + "x" * 500},
    "malformed": signed_headers(BODY, None),
    "unavailable": signed_headers(BODY, "project:updated"),
}

PRINT_WHAT_IS_LOGGED = """
import json, sys
from bitbucket_port.lambda_receive import Receiver
from bitbucket_port.webhooks.receive import QueueUnavailableError
from tests.webhooks.doubles import FixedSecrets

class Queues:
    def send(self, family, message):
        if family == "project":
            raise QueueUnavailableError("the project queue refused the message: AccessDenied")

receiver = Receiver("cloud", FixedSecrets(), Queues())
for event in json.loads(sys.argv[1]):
    receiver.handle(event)
    print("--", flush=True)
"""


@pytest.fixture(scope="module")
def logged() -> dict[str, list[dict[str, Any]]]:
    """The lines a function prints for each of REQUESTS, in a process of its own: output is set up at import."""
    events = json.dumps([api_event(BODY, headers) for headers in REQUESTS.values()])
    code = PRINT_WHAT_IS_LOGGED.replace("sys.argv[1]", repr(events))
    printed = run(code, {**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "receive"}).stdout.split("--\n")
    return {
        name: [json.loads(line) for line in lines.splitlines()] for name, lines in zip(REQUESTS, printed, strict=False)
    }


def test_each_request_makes_one_log_line_and_one_count(logged: dict[str, list[dict[str, Any]]]) -> None:
    log, count = logged["stored"]
    said = {name: log[name] for name in ("level", "outcome", "status", "event_key", "delivery_id", "family")}
    assert said == {
        "level": "INFO",
        "outcome": "stored",
        "status": 202,
        "event_key": "repo:push",
        "delivery_id": "delivery-7",
        "family": "push",
    }
    assert count["DeliveriesStored"] == [1.0]
    (metric,) = count["_aws"]["CloudWatchMetrics"]
    assert metric["Namespace"] == "BitbucketPort"
    assert metric["Dimensions"] == [["service"]]


@pytest.mark.parametrize(
    ("request_name", "level", "metric"),
    [
        ("ignored", "INFO", "DeliveriesIgnored"),
        ("ping", "INFO", "ConnectionTests"),
        ("refused", "WARNING", "DeliveriesRefused"),
        ("malformed", "WARNING", "DeliveriesMalformed"),
        ("unavailable", "ERROR", "DeliveriesNotStored"),
    ],
)
def test_each_outcome_is_counted_apart(
    logged: dict[str, list[dict[str, Any]]], request_name: str, level: str, metric: str
) -> None:
    log, count = logged[request_name]
    assert log["level"] == level
    assert count[metric] == [1.0]
    assert set(METRIC_OF_OUTCOME.values()) & set(count) == {metric}


def test_the_log_says_why_nothing_was_stored(logged: dict[str, list[dict[str, Any]]]) -> None:
    assert logged["unavailable"][0]["reason"] == "the project queue refused the message: AccessDenied"


def test_the_log_shows_neither_secret_nor_body_nor_signature(logged: dict[str, list[dict[str, Any]]]) -> None:
    said = json.dumps(logged)
    assert SECRET not in said
    assert "a very private name" not in said
    assert REQUESTS["stored"]["x-hub-signature"] not in said


def test_a_header_cannot_forge_or_flood_the_log(logged: dict[str, list[dict[str, Any]]]) -> None:
    log, _ = logged["refused"]
    assert log["outcome"] == "refused"
    assert len(log["event_key"]) <= 200
