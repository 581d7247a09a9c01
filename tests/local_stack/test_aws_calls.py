"""What functions ask of AWS is recorded with who asked, for what and what became of it."""

from __future__ import annotations

import os
from http.client import HTTPConnection

import pytest
from botocore.exceptions import ClientError

from local.aws import Moto
from tests.local_stack.aws_callers import admitted, allow, nothing_planned, queue, table

__all__ = ["nothing_planned"]


def test_a_call_is_recorded_with_who_asked_and_for_what(moto: Moto) -> None:
    url, arn = queue(moto)
    before = moto.clock.now()
    with admitted(moto, allow("sqs:SendMessage", arn), pid=os.getpid()) as key:
        moto.client("sqs", key=key).send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])
    (call,) = moto.calls()
    assert (call.function, call.role, call.environment, call.service) == ("Worker", "WorkerRole", key, "sqs")
    assert (call.action, call.resources) == ("sqs:SendMessageBatch", (arn,))
    assert call.needs == (("sqs:SendMessage", arn),)
    assert (call.outcome, call.by_service) == ("ok", False)
    assert before <= call.at <= moto.clock.now()


def test_what_lambda_does_itself_is_marked(moto: Moto) -> None:
    url, arn = queue(moto)
    with admitted(moto, allow("sqs:ReceiveMessage", arn), by_service=True) as key:
        moto.client("sqs", key=key).receive_message(QueueUrl=url)
    assert [(call.action, call.by_service) for call in moto.calls()] == [("sqs:ReceiveMessage", True)]


def test_the_outcome_tells_a_refusal_of_the_role_from_one_of_the_service(moto: Moto) -> None:
    name, arn = table(moto)
    with admitted(moto, allow("dynamodb:PutItem", arn)) as key:
        dynamodb = moto.client("dynamodb", key=key)
        put = {"TableName": name, "Item": {"k": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(k)"}
        dynamodb.put_item(**put)
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            dynamodb.put_item(**put)
        with pytest.raises(ClientError, match="AccessDenied"):
            dynamodb.get_item(TableName=name, Key={"k": {"S": "a"}})
    assert [(call.action, call.outcome) for call in moto.calls()] == [
        ("dynamodb:PutItem", "ok"),
        ("dynamodb:PutItem", "refused-by-service"),
        ("dynamodb:GetItem", "denied"),
    ]


def test_the_operator_leaves_no_trace_and_recording_can_begin_anew(moto: Moto) -> None:
    url, arn = queue(moto)
    moto.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert moto.calls() == []
    with admitted(moto, allow("sqs:*", arn)) as key:
        moto.client("sqs", key=key).receive_message(QueueUrl=url)
        moto.forget_calls()
        moto.client("sqs", key=key).get_queue_attributes(QueueUrl=url)
    assert [call.action for call in moto.calls()] == ["sqs:GetQueueAttributes"]


def test_only_whoever_started_it_gives_it_orders(moto: Moto) -> None:
    stranger = Moto(moto.clock)
    stranger.url = moto.url
    with pytest.raises(RuntimeError, match="403"):
        stranger.clear_faults()


def test_a_connection_serves_many_calls_whatever_was_sent_on_it(moto: Moto) -> None:
    connection = HTTPConnection(moto.url.removeprefix("http://"))
    for _ in range(3):
        connection.request("POST", "/", body=b"POST / HTTP/1.1\r\n\r\n", headers={"Authorization": "nobody's"})
        opened = connection.sock
        answer = connection.getresponse()
        assert answer.status in (400, 403)
        answer.read()
        assert connection.sock is opened
    connection.close()
