"""Lambda polls a queue however badly the queue behaves, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.aws import Fault, Moto
from local.concurrency import Concurrency
from local.stack import Stack
from tests.local_stack.small_stack import resources, said, send, stack


@pytest.fixture
def deployed(moto: Moto) -> Iterator[Stack]:
    made = stack(moto, resources())
    made.start()
    yield made
    moto.clear_faults()
    made.stop()


def test_a_queue_that_cannot_be_read_for_a_while_is_read_later(deployed: Stack, moto: Moto) -> None:
    began = deployed.clock.now()
    fault = Fault("fail", function=f"{deployed.name}-Worker", action="sqs:ReceiveMessage", times=None, until=began + 90)
    moto.fault(fault)
    send(deployed, {"do": "nothing"})
    deployed.settle(within=300)
    assert said(deployed, "Worker", "batch") == [[{"do": "nothing"}]]
    (at,) = said(deployed, "Worker", "at")
    assert at >= began + 90
    assert not any(deployed.depths().values())


def test_a_message_that_could_not_be_deleted_comes_again(deployed: Stack, moto: Moto) -> None:
    moto.fault(Fault("fail", function=f"{deployed.name}-Worker", action="sqs:DeleteMessage"))
    send(deployed, {"do": "nothing"})
    deployed.settle()
    assert moto.faults_left() == []
    assert said(deployed, "Worker", "batch") == [[{"do": "nothing"}]] * 2
    assert not any(deployed.depths().values())


def test_an_empty_queue_is_not_asked(deployed: Stack, moto: Moto) -> None:
    send(deployed, {"do": "nothing"})
    deployed.settle()
    moto.forget_calls()
    deployed.pass_time(3600)
    assert moto.calls() == []


def test_what_lambda_does_itself_is_done_with_the_functions_role(deployed: Stack, moto: Moto) -> None:
    moto.forget_calls()
    send(deployed, {"do": "nothing"})
    deployed.settle()
    calls = [call for call in moto.calls() if call.function == f"{deployed.name}-Worker"]
    assert {call.action for call in calls} == {"sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage"}
    assert {(call.role, call.by_service, call.outcome) for call in calls} == {
        (f"{deployed.name}-WorkerRole", True, "ok")
    }


def test_a_throttled_function_gets_its_messages_when_there_is_room_again(moto: Moto) -> None:
    full = Concurrency(1)
    busy = object()
    assert full.enter(busy)
    deployed = stack(moto, resources(), concurrency=full)
    try:
        deployed.start()
        send(deployed, {"do": "nothing"})
        deployed.pass_time(100)
        assert deployed.functions["Worker"].invocations == 0
        full.leave(busy)
        deployed.settle()
        assert said(deployed, "Worker", "batch") == [[{"do": "nothing"}]]
    finally:
        deployed.stop()
