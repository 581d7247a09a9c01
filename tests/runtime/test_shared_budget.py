"""All functions of a stack share what Bitbucket allows, and a resync leaves some of it to live events."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from bitbucket_port import lambda_worker
from bitbucket_port.catalog.items import Facts
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import SourceKey
from bitbucket_port.resync.jobs import ChildrenJob, PhaseJob
from bitbucket_port.runtime import Runtime
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from tests.catalog.ledgers import new_table

REPOSITORY = SourceKey("repository", "{w}", "{r}")


@pytest.fixture
def bitbucket() -> Iterator[BitbucketCloudStandIn]:
    made = BitbucketCloudStandIn("acme", seed=1)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def environment(bitbucket: BitbucketCloudStandIn, mocked_aws: None) -> dict[str, str]:
    new_table(boto3.client("dynamodb"), "ledger")
    secret = boto3.client("secretsmanager").create_secret(Name="token", SecretString=bitbucket.token)
    return {
        "BITBUCKET_WORKSPACE": "acme",
        "BITBUCKET_URL": bitbucket.api_url,
        "BITBUCKET_TOKEN_SECRET_ARN": secret["ARN"],
        "PORT_CLIENT_ID": "client",
        "PORT_CLIENT_SECRET_SECRET_ARN": "arn:secret",
        "LEDGER_TABLE": "ledger",
        "RESYNC_JOBS_QUEUE_URL": "https://queue/jobs",
    }


def function(environment: dict[str, str], *, leaves_reserve: bool = False) -> Runtime:
    made = Runtime(environment)
    made.leaves_reserve = leaves_reserve
    made.begin(25_000)
    return made


def ask(runtime: Runtime) -> None:
    assert runtime.reader is not None
    runtime.reader.check_source()


def test_functions_share_one_limit_of_which_a_resync_leaves_a_tenth(
    environment: dict[str, str], bitbucket: BitbucketCloudStandIn
) -> None:
    bitbucket.extra_headers["X-RateLimit-Limit"] = "10"
    workers = [function(environment, leaves_reserve=True) for _ in range(2)]
    live = function(environment)
    ask(live)
    asked = 1
    with pytest.raises(TransientError, match="limit on requests") as refused:
        for number in range(20):
            ask(workers[number % 2])
            asked += 1
    assert refused.value.retry_after is not None
    assert refused.value.retry_after > 3000
    assert len(bitbucket.requests) == asked == 9
    ask(live)
    with pytest.raises(TransientError):
        ask(live)
    assert len(bitbucket.requests) == 10


def test_what_is_left_is_kept_in_the_ledgers_table_under_no_readable_token(
    environment: dict[str, str], bitbucket: BitbucketCloudStandIn
) -> None:
    ask(function(environment))
    items = boto3.client("dynamodb").scan(TableName="ledger")["Items"]
    (name,) = [item["PK"]["S"] for item in items if item["PK"]["S"].startswith("budget#")]
    assert bitbucket.token not in name


@pytest.mark.parametrize(("run", "leaves"), [("1-a", True), ("", False)], ids=["of a run", "ordered by a live event"])
def test_jobs_of_a_run_leave_a_reserve_and_those_of_live_events_need_not(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, run: str, leaves: bool
) -> None:
    seen = worked_with(function(environment, leaves_reserve=not leaves), monkeypatch)
    messages = [ChildrenJob("follow", REPOSITORY, Facts(), Facts(), 1.0, run=run).to_message()]
    if run:
        messages.append(PhaseJob(run, "listing").to_message())
    for message in messages:
        lambda_worker._work(1, message)
    assert set(seen) == {leaves}


def test_a_message_that_is_no_job_never_reaches_the_worker(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = worked_with(function(environment), monkeypatch)
    with pytest.raises(PermanentError):
        lambda_worker._work(1, "{}")
    assert seen == []


def worked_with(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the runtime says whenever a job is handled."""
    seen: list[bool] = []

    class Worker:
        def handle(self, message: str, receives: int) -> None:
            del message, receives
            seen.append(runtime.leaves_reserve)

    monkeypatch.setattr(lambda_worker, "runtime", lambda: runtime)
    monkeypatch.setattr(lambda_worker, "worker", Worker)
    return seen
