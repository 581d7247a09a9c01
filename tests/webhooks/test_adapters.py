"""SQS and Secrets Manager as they answer (moto), and as they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from bitbucket_port.lambda_receive import Receiver
from bitbucket_port.webhooks.event_keys import FAMILIES
from bitbucket_port.webhooks.receive import QueueUnavailableError, SecretsUnavailableError
from bitbucket_port.webhooks.secrets import KEEP_SECONDS, REREAD_SECONDS, RotatingSecrets
from bitbucket_port.webhooks.sqs import SqsQueues
from tests.webhooks.doubles import FixedSecrets, MemoryQueues, api_event, delivery, signed_headers, to_bytes

BODY = to_bytes({"repository": {"uuid": "{aaa}"}})


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "eu-west-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


class Clock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class CountingClient:
    """A Secrets Manager client that counts reads and can be down."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.reads = 0
        self.down = False

    def get_secret_value(self, **arguments: Any) -> Any:
        self.reads += 1
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://secrets.example.com")
        return self.client.get_secret_value(**arguments)


class Rotation:
    """A webhook secret in Secrets Manager, the receiver that reads it, and its clock."""

    def __init__(self) -> None:
        self.manager = boto3.client("secretsmanager")
        self.arn = self.manager.create_secret(Name="webhook", SecretString="first")["ARN"]
        self.client = CountingClient(self.manager)
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.secrets = RotatingSecrets(self.client, self.arn, clock=self.clock)
        self.receiver = Receiver("cloud", self.secrets, self.queues)

    def rotate(self, value: str) -> None:
        self.manager.put_secret_value(SecretId=self.arn, SecretString=value)

    def post(self, secret: str) -> int:
        event = api_event(BODY, signed_headers(BODY, "repo:push", secret))
        return int(self.receiver.handle(event)["statusCode"])


@pytest.fixture
def rotation() -> Rotation:
    return Rotation()


def test_before_the_first_rotation_there_is_no_previous_secret(rotation: Rotation) -> None:
    assert [rotation.post("first"), rotation.post("wrong"), rotation.post("first")] == [202, 401, 202]


def test_the_secret_is_read_once_for_many_deliveries(rotation: Rotation) -> None:
    assert {rotation.post("first") for _ in range(5)} == {202}
    assert rotation.client.reads == 1


def test_after_a_rotation_the_old_and_the_new_secret_verify(rotation: Rotation) -> None:
    assert rotation.post("first") == 202
    rotation.rotate("second")
    assert [rotation.post("second"), rotation.post("first"), rotation.post("third")] == [202, 202, 401]


def test_a_cold_start_after_a_rotation_accepts_the_previous_secret(rotation: Rotation) -> None:
    rotation.rotate("second")
    assert rotation.post("first") == 202


def test_a_secret_rotated_away_twice_verifies_no_more(rotation: Rotation) -> None:
    assert rotation.post("first") == 202
    rotation.rotate("second")
    rotation.rotate("third")
    rotation.clock.now += KEEP_SECONDS
    assert [rotation.post("first"), rotation.post("second"), rotation.post("third")] == [401, 202, 202]


def test_wrong_signatures_cost_a_read_at_most_every_ten_seconds(rotation: Rotation) -> None:
    assert rotation.post("first") == 202
    before = rotation.client.reads
    assert {rotation.post("wrong") for _ in range(50)} == {401}
    assert rotation.client.reads == before + 2  # both stages, once
    rotation.rotate("second")
    rotation.clock.now += REREAD_SECONDS - 0.01
    assert rotation.post("second") == 401
    rotation.clock.now += 0.01
    assert rotation.post("second") == 202


def test_a_request_without_a_well_formed_signature_reads_no_secret_again(rotation: Rotation) -> None:
    assert rotation.receiver.handle(api_event(BODY, {"x-event-key": "repo:push"}))["statusCode"] == 401
    assert rotation.client.reads == 0


def test_secrets_manager_down_at_the_start_is_unavailable_and_not_refused(rotation: Rotation) -> None:
    rotation.client.down = True
    assert rotation.post("first") == 503
    rotation.client.down = False
    assert rotation.post("first") == 202


def test_secrets_manager_down_later_serves_the_secret_in_memory(rotation: Rotation) -> None:
    assert rotation.post("first") == 202
    rotation.client.down = True
    rotation.clock.now += KEEP_SECONDS
    reads = rotation.client.reads
    assert [rotation.post("first"), rotation.post("first")] == [202, 202]
    assert rotation.client.reads == reads + 1  # not at every request


def test_a_mismatch_that_cannot_be_checked_is_unavailable_and_not_refused(rotation: Rotation) -> None:
    assert rotation.post("first") == 202
    rotation.rotate("second")
    rotation.client.down = True
    assert [rotation.post("second"), rotation.post("second")] == [503, 503]
    rotation.client.down = False
    rotation.clock.now += REREAD_SECONDS
    assert rotation.post("second") == 202


def test_a_missing_secret_is_named_by_its_reason_only(rotation: Rotation) -> None:
    secrets = RotatingSecrets(rotation.client, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-AbCdEf")
    with pytest.raises(SecretsUnavailableError, match="ResourceNotFoundException"):
        secrets.known()


def test_an_empty_secret_is_no_secret(rotation: Rotation) -> None:
    class EmptySecret:
        def get_secret_value(self, **_: Any) -> dict[str, str]:
            return {"SecretString": ""}

    with pytest.raises(SecretsUnavailableError, match="empty"):
        RotatingSecrets(EmptySecret(), rotation.arn).known()


def test_each_family_has_its_queue() -> None:
    client = boto3.client("sqs")
    urls = {family: client.create_queue(QueueName=family)["QueueUrl"] for family in FAMILIES}
    for family in FAMILIES:
        SqsQueues(client, urls).send(family, f"for {family}")
    for family, url in urls.items():
        (message,) = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert message["Body"] == f"for {family}"


def test_sqs_takes_the_largest_and_the_oddest_message_we_make() -> None:
    client = boto3.client("sqs")
    urls = {family: client.create_queue(QueueName=family)["QueueUrl"] for family in FAMILIES}
    odd = {"odd": "\x00\x0b\ud800\ufffe\uffff\U0001f600"}
    long = {"repository": {"uuid": "{aaa}", "texts": {str(n): "é" * 200 for n in range(2_600)}}}
    for payload in (odd, long):
        message = delivery("repo:updated", payload).to_message()
        SqsQueues(client, urls).send("repository", message)
        (received,) = client.receive_message(QueueUrl=urls["repository"])["Messages"]
        assert received["Body"] == message
        client.delete_message(QueueUrl=urls["repository"], ReceiptHandle=received["ReceiptHandle"])


def test_a_queue_that_is_gone_is_unavailable() -> None:
    client = boto3.client("sqs")
    gone = "https://sqs.eu-west-1.amazonaws.com/123456789012/gone"
    receiver = Receiver("cloud", FixedSecrets(), SqsQueues(client, dict.fromkeys(FAMILIES, gone)))
    assert receiver.handle(api_event(BODY, signed_headers(BODY, "repo:push")))["statusCode"] == 503


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url="https://sqs.example.com"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage"),
        ClientError({}, "SendMessage"),
    ],
    ids=["unreachable", "denied", "nameless"],
)
def test_every_failure_to_send_is_unavailable(failure: Exception) -> None:
    class FailingClient:
        def send_message(self, **_: Any) -> None:
            raise failure

    with pytest.raises(QueueUnavailableError):
        SqsQueues(FailingClient(), dict.fromkeys(FAMILIES, "url")).send("push", "message")
