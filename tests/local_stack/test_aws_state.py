"""What AWS holds survives a restart of its process."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws import Moto
from local.clock import Clock

NAMES = ("queue", "table", "secret")


def create(moto: Moto) -> str:
    """One queue, one table, one secret, under the same names each time; returns the queue's URL."""
    moto.client("dynamodb").create_table(
        TableName="table",
        AttributeDefinitions=[
            {"AttributeName": "k", "AttributeType": "S"},
            {"AttributeName": "r", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    moto.client("secretsmanager").create_secret(Name="secret", SecretString="fresh")
    return str(moto.client("sqs").create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "600"})["QueueUrl"])


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A file saved in the future, and what it holds: one waiting message, one that was received twice, an item of
    each type, a rotated secret.
    """
    moto = Moto(Clock(tmp_path / "first clock"))
    moto.start()
    url = create(moto)
    sqs, secrets = moto.client("sqs"), moto.client("secretsmanager")
    sqs.send_message(QueueUrl=url, MessageBody="received")
    sqs.receive_message(QueueUrl=url)
    moto.clock.advance(700)
    (received,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    waiting = sqs.send_message(QueueUrl=url, MessageBody="waiting ☃")["MessageId"]
    item = {"k": {"S": "a"}, "r": {"S": "b"}, "m": {"M": {"l": {"L": [{"N": "1.5"}, {"BOOL": True}, {"NULL": True}]}}}}
    moto.client("dynamodb").put_item(TableName="table", Item=item)
    first = secrets.get_secret_value(SecretId="secret")["VersionId"]
    second = secrets.put_secret_value(SecretId="secret", SecretString="rotated")["VersionId"]
    moto.clock.advance(60)
    path = tmp_path / "state.json"
    moto.save(path)
    moto.stop()
    yield path, {"received": received, "waiting": waiting, "item": item, "versions": (first, second), "at": moto.clock}


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Moto]:
    moto = Moto(Clock(tmp_path / "second clock"))
    moto.start()
    yield moto
    moto.stop()


def test_a_restarted_stack_goes_on_where_it_was(saved: tuple[Path, dict[str, Any]], restarted: Moto) -> None:
    path, before = saved
    url = create(restarted)
    restarted.client("sqs").send_message(QueueUrl=url, MessageBody="not from then")
    restarted.restore(path)

    assert abs(restarted.clock.now() - before["at"].now()) < 60
    sqs, secrets = restarted.client("sqs"), restarted.client("secretsmanager")
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert (message["MessageId"], message["Body"]) == (before["waiting"], "waiting ☃")
    due = restarted.due([url])
    assert due is not None
    assert 400 < due - restarted.clock.now() < 600
    restarted.clock.advance(due - restarted.clock.now() + 1)
    (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    assert message["MessageId"] == before["received"]["MessageId"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    assert message["Attributes"]["SentTimestamp"] == before["received"]["Attributes"]["SentTimestamp"]

    assert restarted.client("dynamodb").scan(TableName="table")["Items"] == [before["item"]]
    for stage, version, value in zip(
        ("AWSPREVIOUS", "AWSCURRENT"), before["versions"], ("fresh", "rotated"), strict=True
    ):
        answer = secrets.get_secret_value(SecretId="secret", VersionStage=stage)
        assert (answer["VersionId"], answer["SecretString"]) == (version, value)


def test_the_file_is_for_its_owner_only_and_replaced_in_one_step(
    saved: tuple[Path, dict[str, Any]], restarted: Moto
) -> None:
    path, _ = saved
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("broken", encoding="utf-8")
    restarted.save(path)
    assert json.loads(path.read_text(encoding="utf-8"))["v"] == 1
    assert [left.name for left in path.parent.iterdir() if left.name.startswith("state")] == ["state.json"]
    with pytest.raises(ValueError, match="No such file"):
        restarted.save(path.parent / "no such folder" / "state.json")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: '{"v": 1, "at"', "is broken"),
        (lambda _: "[]", "is of version None"),
        (lambda document: json.dumps({**document, "v": 2}), "is of version 2; this program reads version 1"),
        (lambda _: '{"v": 1, "at": 0}', "it lacks queues, secrets, tables"),
        (lambda document: json.dumps({**document, "queues": {"gone": []}}), "belongs to gone, which is not there"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(
    saved: tuple[Path, dict[str, Any]], restarted: Moto, change: Any, complaint: str
) -> None:
    path, _ = saved
    create(restarted)
    path.write_text(change(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        restarted.restore(path)
    assert restarted.client("dynamodb").scan(TableName="table")["Items"] == []
    assert restarted.client("secretsmanager").get_secret_value(SecretId="secret")["SecretString"] == "fresh"
