"""Calls of AWS are delayed, failed, throttled, doubled, and their callers killed, as a test describes it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from local.aws import Fault, Moto
from tests.local_stack.aws_callers import admitted, allow, nothing_planned, queue, secret, table

__all__ = ["nothing_planned"]
EVERYTHING = allow("*", "*")

SENDER = """
import sys, boto3
key, url = sys.stdin.readline().split()
sqs = boto3.client("sqs", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id=key,
                   aws_secret_access_key="x")
sqs.send_message(QueueUrl=url, MessageBody="x")
print("answered", flush=True)
"""


def depth(moto: Moto, url: str) -> int:
    return len(moto.dead_letters(url))


def error(call: Any, **parameters: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_each_service_fails_and_throttles_in_its_own_words(moto: Moto) -> None:
    (url, _), (name, _), (hidden, _) = queue(moto), table(moto), secret(moto)
    with admitted(moto, EVERYTHING) as key:
        calls = {
            "sqs": (moto.client("sqs", key=key).send_message, {"QueueUrl": url, "MessageBody": "x"}),
            "dynamodb": (moto.client("dynamodb", key=key).scan, {"TableName": name}),
            "secretsmanager": (moto.client("secretsmanager", key=key).get_secret_value, {"SecretId": hidden}),
        }
        for service, failed, throttled in (
            ("sqs", ("ServiceUnavailable", 503), ("RequestThrottled", 400)),
            ("dynamodb", ("InternalServerError", 500), ("ProvisionedThroughputExceededException", 400)),
            ("secretsmanager", ("InternalServiceError", 500), ("ThrottlingException", 400)),
        ):
            call, parameters = calls[service]
            moto.fault(Fault("fail", action=f"{service}:*"))
            moto.fault(Fault("throttle", action=f"{service}:*"))
            assert (error(call, **parameters), error(call, **parameters)) == (failed, throttled)
            call(**parameters)
    assert [call.outcome for call in moto.calls()] == ["failed", "throttled", "ok"] * 3
    assert depth(moto, url) == 1
    assert moto.faults_left() == []


def test_only_the_calls_it_describes_are_struck(moto: Moto) -> None:
    (url, arn), (other, _) = queue(moto), queue(moto)
    moto.fault(Fault("fail", function="Other", times=None))
    moto.fault(Fault("fail", action="sqs:Receive*", times=None))
    moto.fault(Fault("fail", resource="*:no-such-queue", times=None))
    moto.fault(Fault("fail", by_service=True, times=None))
    moto.fault(Fault("fail", service="dynamodb", times=None))
    moto.fault(Fault("fail", function="Worker", action="sqs:Send*", resource=arn, by_service=False, times=None))
    with admitted(moto, EVERYTHING) as key:
        sqs = moto.client("sqs", key=key)
        sqs.send_message(QueueUrl=other, MessageBody="x")
        error(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert [plan.struck for plan in moto.faults()] == [0, 0, 0, 0, 0, 1]


def test_the_nth_call_is_struck_and_those_after_it_until_the_times_are_up(moto: Moto) -> None:
    url, _ = queue(moto)
    number = moto.fault(Fault("fail", nth=2, times=2))
    outcomes = []
    with admitted(moto, EVERYTHING) as key:
        sqs = moto.client("sqs", key=key)
        (waiting,) = moto.faults_left()
        assert (waiting.number, waiting.matched, waiting.struck) == (number, 0, 0)
        for _ in range(4):
            try:
                sqs.send_message(QueueUrl=url, MessageBody="x")
            except ClientError:
                outcomes.append("failed")
            else:
                outcomes.append("ok")
    assert outcomes == ["ok", "failed", "failed", "ok"]


def test_a_fault_ends_at_its_moment(moto: Moto) -> None:
    url, _ = queue(moto)
    moto.fault(Fault("fail", times=None, until=moto.clock.now() + 3600))
    with admitted(moto, EVERYTHING) as key:
        sqs = moto.client("sqs", key=key)
        error(sqs.send_message, QueueUrl=url, MessageBody="x")
        moto.clock.advance(3600)
        sqs.send_message(QueueUrl=url, MessageBody="x")


def test_a_share_of_the_calls_is_struck_and_the_same_ones_each_time(moto: Moto) -> None:
    name, _ = table(moto)
    runs = []
    with admitted(moto, EVERYTHING) as key:
        dynamodb = moto.client("dynamodb", key=key)
        for _ in range(2):
            moto.clear_faults()
            moto.forget_calls()
            moto.fault(Fault("throttle", share=0.3, times=None, seed=7))
            for number in range(60):
                try:
                    dynamodb.get_item(TableName=name, Key={"k": {"S": str(number)}})
                except dynamodb.exceptions.ProvisionedThroughputExceededException:
                    continue
            runs.append([call.outcome for call in moto.calls()])
    assert runs[0] == runs[1]
    assert 8 <= runs[0].count("throttled") <= 28


def test_a_call_carried_out_twice_leaves_its_trace_twice(moto: Moto) -> None:
    url, _ = queue(moto)
    moto.fault(Fault("duplicate", action="sqs:SendMessage"))
    with admitted(moto, EVERYTHING) as key:
        answer = moto.client("sqs", key=key).send_message(QueueUrl=url, MessageBody="x")
    letters = moto.dead_letters(url)
    assert len(letters) == 2
    assert answer["MessageId"] == letters[1]["id"]


def test_a_delayed_call_lets_others_pass_and_ends_when_the_clock_is_put_forward(moto: Moto) -> None:
    url, _ = queue(moto)
    moto.fault(Fault("delay", seconds=3600))
    with admitted(moto, EVERYTHING) as key:
        sqs = moto.client("sqs", key=key)
        sender = threading.Thread(target=sqs.send_message, kwargs={"QueueUrl": url, "MessageBody": "late"})
        sender.start()
        while not moto.faults()[0].struck:
            time.sleep(0.01)
        sqs.send_message(QueueUrl=url, MessageBody="early")
        assert [letter["body"] for letter in moto.dead_letters(url)] == ["early"]
        moto.clock.advance(3600)
        sender.join(30)
        assert [letter["body"] for letter in moto.dead_letters(url)] == ["early", "late"]


@pytest.mark.parametrize(("moment", "sent"), [("kill before", 0), ("kill after", 1)])
def test_the_caller_is_killed_and_never_gets_an_answer(moto: Moto, moment: Any, sent: int) -> None:
    url, _ = queue(moto)
    moto.fault(Fault(moment, action="sqs:SendMessage"))
    with subprocess.Popen(
        [sys.executable, "-c", SENDER, moto.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        with admitted(moto, EVERYTHING, pid=sender.pid) as key:
            output, _ = sender.communicate(f"{key} {url}\n", timeout=60)
        assert (output, sender.returncode) == ("", -9)
    assert depth(moto, url) == sent
    assert [call.outcome for call in moto.calls()] == [moment.replace("kill", "killed")]


@pytest.mark.parametrize(("moment", "sent"), [("kill before", 0), ("kill after", 1)])
def test_without_a_process_to_kill_the_connection_is_cut(moto: Moto, moment: Any, sent: int) -> None:
    url, _ = queue(moto)
    moto.fault(Fault(moment))
    with admitted(moto, EVERYTHING, by_service=True) as key:
        sqs = moto.client("sqs", key=key)
        with pytest.raises(ConnectionClosedError):
            sqs.send_message(QueueUrl=url, MessageBody="x")
        assert depth(moto, url) == sent
        sqs.send_message(QueueUrl=url, MessageBody="x")


def test_a_fault_that_had_to_stand_back_strikes_at_its_next_chance(moto: Moto) -> None:
    url, _ = queue(moto)
    moto.fault(Fault("fail", nth=1))
    moto.fault(Fault("throttle", nth=1))
    with admitted(moto, EVERYTHING) as key:
        sqs = moto.client("sqs", key=key)
        codes = [error(sqs.send_message, QueueUrl=url, MessageBody="x")[0] for _ in range(2)]
    assert codes == ["ServiceUnavailable", "RequestThrottled"]


def test_a_fault_that_says_nothing_sensible_is_refused() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Fault("explode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a delay takes seconds"):
        Fault("delay")
    with pytest.raises(ValueError, match="a delay takes seconds"):
        Fault("fail", seconds=3)
