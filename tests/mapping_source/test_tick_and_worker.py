"""What the tick and the worker do about Port and set-up, over a table and a queue on moto and a Port on loopback."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from bitbucket_port import lambda_process, lambda_start, lambda_worker
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.mapping.active import ActiveMapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.resync import jobs
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.jobs import parse_any
from bitbucket_port.resync.stack_jobs import SetUpJob
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.findings import Finding
from tests.catalog.ledgers import new_table
from tests.mapping_source.buttons import IDENTIFIER, SECRET, START, EagerPort
from tests.mapping_source.conftest import StartPort


class Time:
    """The clock of the functions and of Port."""

    def __init__(self, port: EagerPort) -> None:
        self.port = port

    def time(self) -> float:
        return self.port.moment

    def pass_by(self, seconds: float) -> None:
        self.port.moment += seconds


class Context:
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


Functions = SimpleNamespace


@pytest.fixture
def port(start_port: StartPort) -> EagerPort:
    return start_port()


@pytest.fixture
def environment(port: EagerPort, mocked_aws: None) -> dict[str, str]:
    secret = boto3.client("secretsmanager").create_secret(Name="port", SecretString=SECRET)["ARN"]
    return {
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_TOKEN_SECRET_ARN": secret,
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": secret,
        "PORT_BASE_URL": port.url,
        "INTEGRATION_IDENTIFIER": IDENTIFIER,
        "LEDGER_TABLE": new_table(boto3.client("dynamodb")),
        "RESYNC_JOBS_QUEUE_URL": boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"],
        "LIST_INTERVAL": "0",
    }


@pytest.fixture
def run_with(environment: dict[str, str], port: EagerPort, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the functions' runtime, with some of its environment changed."""

    def make(**changed: str) -> Runtime:
        made = Runtime({**environment, **changed})
        for function in (lambda_process, lambda_start, lambda_worker):
            monkeypatch.setattr(function, "runtime", lambda: made)
        clock = Time(port)
        monkeypatch.setattr("time.time", clock.time)
        return made

    return make


def sent(runtime: Runtime) -> list[JsonObject]:
    """The messages of the jobs queue, taken out."""
    url = runtime.settings.resync_jobs_queue_url
    messages = runtime.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        runtime.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def close_run(runtime: Runtime, at: float) -> None:
    store = DynamoDBRunStore(runtime.dynamodb, runtime.settings.ledger_table)
    run = store.state().run
    assert run is not None
    store.close(run.id, "complete", {}, at)


def test_with_each_full_run_set_up_is_looked_at_again(run_with: Any) -> None:
    runtime = run_with(PORT_POLL_INTERVAL="0")
    assert lambda_start.handle({}, Context())["did"] == "began"
    assert sorted(message["job"] for message in sent(runtime)) == ["phase", "set-up"]
    lambda_start.handle({}, Context())
    assert sent(runtime) == []


def test_where_nothing_of_set_up_is_switched_on_there_is_no_such_job(run_with: Any) -> None:
    runtime = run_with(
        PORT_POLL_INTERVAL="0", MAPPING_SOURCE="package", INITIALIZE_PORT_RESOURCES="false", LIVE_EVENTS="false"
    )
    lambda_start.handle({}, Context())
    assert [message["job"] for message in sent(runtime)] == ["phase"]


def test_the_worker_carries_set_up_out(run_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_with()
    occasions: list[str] = []

    class SetUp:
        def carry_out(self, occasion: str) -> list[Finding]:
            occasions.append(occasion)
            return [Finding("Mapping", "warning", "it is odd.")]

    monkeypatch.setattr(lambda_worker, "set_up_of", lambda runtime: SetUp())
    lambda_worker._work(1, SetUpJob(START).to_message())
    assert occasions == ["scheduled"]


def test_a_release_without_set_up_leaves_its_jobs_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    message = SetUpJob(START).to_message()
    assert parse_any(message) == SetUpJob(START)
    with pytest.raises(PermanentError):
        jobs.parse(message)
    monkeypatch.setattr(jobs, "STACK_JOBS", {})
    with pytest.raises(TransientError, match="newer release"):
        parse_any(message)


def test_an_interval_of_0_asks_port_nothing(run_with: Any, port: EagerPort) -> None:
    run_with(PORT_POLL_INTERVAL="0")
    lambda_start.handle({}, Context())
    assert port.requests == []


def test_webhook_only_asks_port_nothing(run_with: Any, port: EagerPort) -> None:
    run_with(BITBUCKET_API="none")
    lambda_start.handle({}, Context())
    assert port.requests == []


def test_a_longer_interval_is_kept(run_with: Any, port: EagerPort) -> None:
    run_with(PORT_POLL_INTERVAL="5")
    port.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=load("cloud", "default"))
    looked = []
    for _ in range(11):
        before = len(port.calls())
        lambda_start.handle({}, Context())
        looked.append(len(port.calls()) > before)
        port.moment += 60
    assert looked == [True, *[False] * 4, True, *[False] * 4, True]


def test_the_button_and_an_edit_begin_runs_with_the_right_mapping(run_with: Any, port: EagerPort) -> None:
    runtime = run_with()
    document = load("cloud", "default")
    port.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=document)
    lambda_start.handle({}, Context())
    port.moment += 60
    close_run(runtime, port.moment)
    port.press()
    port.moment += 30
    pressed = lambda_start.handle({}, Context())
    assert (pressed["did"], pressed["reason"]) == ("began", "asked for in Port")
    port.moment += 60
    close_run(runtime, port.moment)
    document["resources"][0]["port"]["entity"]["mappings"]["title"] = ".key"
    port.edit(document)
    port.moment += 30
    edited = lambda_start.handle({}, Context())
    assert (edited["did"], edited["reason"]) == ("began", "the mapping changed")
    run = DynamoDBRunStore(runtime.dynamodb, runtime.settings.ledger_table).state().run
    assert run is not None
    assert run.mapping_hash == parse(document, product="cloud", file="").hash
    port.moment += 60
    close_run(runtime, port.moment)
    assert lambda_start.handle({}, Context())["did"] == "nothing"


@pytest.mark.parametrize("trouble", [TransientError("Port is down"), RuntimeError("a fault of ours")])
def test_whatever_looking_at_port_meets_runs_begin(
    run_with: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    run_with()

    def call(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(PortClient, "call", call)
    assert lambda_start.handle({}, Context())["did"] == "began"


def test_the_worker_is_made_anew_for_another_mapping(run_with: Any) -> None:
    runtime = run_with()
    first = lambda_worker.worker()
    assert lambda_worker.worker() is first
    document = load("cloud", "default")
    document["resources"][0]["port"]["entity"]["mappings"]["title"] = ".key"
    name = parse(document, product="cloud", file="").hash
    ActiveMapping(runtime.ledger).put(document, mapping_hash=name, source="", request="")
    assert runtime.follow_mapping()
    assert lambda_worker.worker() is not first


def test_a_run_of_another_mapping_is_superseded_and_followed_by_one(run_with: Any, port: EagerPort) -> None:
    runtime = run_with()
    document = load("cloud", "default")
    port.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=document)
    began = lambda_start.handle({}, Context())
    runtime.begin(60_000)
    (first,) = [message for message in sent(runtime) if message["job"] == "phase"]
    document["resources"][0]["port"]["entity"]["mappings"]["title"] = ".key"
    port.edit(document)
    port.moment += 60
    assert lambda_start.handle({}, Context())["did"] == "goes on"
    runtime.begin(60_000)
    lambda_worker._work(1, json.dumps(first))
    store = DynamoDBRunStore(runtime.dynamodb, runtime.settings.ledger_table)
    (report,) = store.last_reports(5)
    state = store.state()
    assert (report["run"], report["status"]) == (began["run"], "superseded")
    assert state.run is not None
    assert (state.run.reason, state.requested) == ("the mapping changed", None)
    assert state.run.mapping_hash == parse(document, product="cloud", file="").hash
