"""Queues, secrets and expiry live in simulated time."""

from __future__ import annotations

import datetime

import pytest

from local.aws import Moto
from tests.local_stack.aws_callers import nothing_planned, queue, secret, table

__all__ = ["nothing_planned"]


def test_an_invisible_message_comes_back_when_the_clock_is_put_forward(moto: Moto) -> None:
    url, _ = queue(moto, VisibilityTimeout="1800")
    sqs = moto.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    due = moto.due([url])
    assert due is not None
    moto.clock.advance(due - moto.clock.now() - 60)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    moto.clock.advance(60)
    assert sqs.receive_message(QueueUrl=url)["Messages"]


def test_a_delayed_message_is_due_after_its_delay(moto: Moto) -> None:
    (url, _), (other, _) = queue(moto), queue(moto, VisibilityTimeout="30")
    sqs = moto.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=600)
    assert moto.due([other]) is None
    due = moto.due([url, other])
    assert due is not None
    assert 500 < due - moto.clock.now() <= 600
    sqs.send_message(QueueUrl=other, MessageBody="x")
    sqs.receive_message(QueueUrl=other)
    sooner = moto.due([url, other])
    assert sooner is not None
    assert sooner < due
    moto.clock.advance(600)
    assert sqs.receive_message(QueueUrl=url)["Messages"]


def test_what_is_visible_now_is_not_due_later(moto: Moto) -> None:
    url, _ = queue(moto)
    moto.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert moto.due([url]) is None


def test_a_queue_is_ready_when_a_message_could_be_received(moto: Moto) -> None:
    (empty, _), (url, _), (delayed, _) = queue(moto), queue(moto, VisibilityTimeout="60"), queue(moto)
    sqs = moto.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.send_message(QueueUrl=delayed, MessageBody="x", DelaySeconds=30)
    queues = [empty, url, delayed]
    assert moto.ready(queues) == [url]
    sqs.receive_message(QueueUrl=url)
    assert moto.ready(queues) == []
    moto.clock.advance(31)
    assert moto.ready(queues) == [delayed]
    moto.clock.advance(30)
    assert moto.ready(queues) == [url, delayed]


def test_a_queue_that_is_not_there_is_named(moto: Moto) -> None:
    with pytest.raises(ValueError, match="no queue nowhere"):
        moto.due(["http://localhost/123456789012/nowhere"])


def test_messages_grow_too_old(moto: Moto) -> None:
    url, _ = queue(moto, MessageRetentionPeriod="604800")
    sqs = moto.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=10)
    moto.clock.advance(300_000)
    sqs.send_message(QueueUrl=url, MessageBody="young")
    sqs.send_message(QueueUrl=url, MessageBody="invisible", DelaySeconds=900)
    moto.clock.advance(304_802)
    assert moto.due([url]) is None
    assert [letter["body"] for letter in moto.dead_letters(url)] == ["young", "invisible"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in received} == {"young", "invisible"}


def test_a_message_may_be_kept_invisible_for_long_after_it_was_sent(moto: Moto) -> None:
    """The limit of 12 hours counts from the receive."""
    url, _ = queue(moto, VisibilityTimeout="180")
    sqs = moto.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    moto.clock.advance(43_200)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=600)
    moto.clock.advance(500)
    with pytest.raises(sqs.exceptions.ClientError, match="beyond the limit"):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_000)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    moto.clock.advance(101)
    assert sqs.receive_message(QueueUrl=url)["Messages"]


def test_dead_letters_are_looked_at_without_being_received(moto: Moto) -> None:
    dead, dead_arn = queue(moto)
    policy = f'{{"deadLetterTargetArn": "{dead_arn}", "maxReceiveCount": 2}}'
    url, _ = queue(moto, VisibilityTimeout="60", RedrivePolicy=policy)
    sqs = moto.client("sqs")
    sent = sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
    for _ in range(3):
        sqs.receive_message(QueueUrl=url)
        moto.clock.advance(61)
    for _ in range(2):
        (letter,) = moto.dead_letters(dead)
        assert (letter["id"], letter["body"], letter["receives"]) == (sent, "x", 2)
        assert letter["sent"] < moto.clock.now() - 120
    assert moto.dead_letters(url) == []


def test_secrets_are_dated_by_the_clock(moto: Moto) -> None:
    moto.clock.advance(400 * 86_400)
    name, _ = secret(moto)
    created = moto.client("secretsmanager").describe_secret(SecretId=name)["CreatedDate"]
    assert abs(created - datetime.datetime.fromtimestamp(moto.clock.now(), datetime.UTC)).total_seconds() < 60


def test_expired_items_go_two_days_late(moto: Moto) -> None:
    name, _ = table(moto)
    dynamodb = moto.client("dynamodb")
    now = moto.clock.now()
    for key, expiry in (("old", now + 10), ("young", now + 86_400), ("for ever", None)):
        ttl = {} if expiry is None else {"ttl": {"N": str(int(expiry))}}
        dynamodb.put_item(TableName=name, Item={"k": {"S": key}, **ttl})

    def left() -> set[str]:
        moto.expire()
        return {item["k"]["S"] for item in dynamodb.scan(TableName=name)["Items"]}

    moto.clock.advance(49 * 3600)
    assert left() == {"old", "young", "for ever"}  # Time to Live is not switched on.
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    assert left() == {"young", "for ever"}
    moto.clock.advance(22 * 3600)
    assert left() == {"young", "for ever"}  # Expired, and still there.
    moto.clock.advance(3 * 3600)
    assert left() == {"for ever"}
