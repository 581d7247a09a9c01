"""moto, living in simulated time, and as exact as AWS where that matters here.

To be imported before anything of moto.
"""

from __future__ import annotations

import datetime
import importlib
import sys
from collections.abc import Callable
from typing import Any

from local.clock import Clock, rule_this_process

VISIBILITY_LIMIT = 43_200
"""Seconds a message may stay invisible after one receive."""


def live_in(clock: Clock) -> None:
    """Have this process and everything of moto in it tell the clock's time."""
    rule_this_process(clock)
    for service in ("dynamodb", "iam", "secretsmanager", "sqs"):
        importlib.import_module(f"moto.{service}.responses")
    from moto.core import utils

    def utcnow() -> datetime.datetime:
        return datetime.datetime.fromtimestamp(clock.now(), datetime.UTC).replace(tzinfo=None)

    def unix_time(dt: datetime.datetime | None = None) -> float:
        return clock.now() if dt is None else (dt - datetime.datetime(1970, 1, 1)).total_seconds()

    def unix_time_millis(dt: datetime.datetime | None = None) -> float:
        return unix_time(dt) * 1000.0

    _replace_everywhere(
        {utils.utcnow: utcnow, utils.unix_time: unix_time, utils.unix_time_millis: unix_time_millis},
    )
    _judge_age_alone(clock)
    _count_invisibility_from_the_receive(clock)


def _replace_everywhere(instead: dict[Any, Callable[..., Any]]) -> None:
    """moto's modules import these functions by name."""
    for name, module in list(sys.modules.items()):
        if name == "moto" or name.startswith("moto."):
            for attribute, value in list(vars(module).items()):
                if callable(value) and getattr(value, "__hash__", None) and value in instead:
                    setattr(module, attribute, instead[value])


def _judge_age_alone(clock: Clock) -> None:
    """Let moto look up a queue's retention period without counting the queue's messages three times for it.

    For each message received it asks for all attributes of the queue, which makes a full queue quadratic.
    """
    from moto.sqs.models import Message, SQSBackend

    def young(backend: SQSBackend, queue_name: str, message: Message) -> bool:
        queue: Any = backend.get_queue(queue_name)
        return bool(float(queue.message_retention_period) + float(message.sent_timestamp or 0) / 1000 > clock.now())

    SQSBackend.is_message_valid_based_on_retention_period = young  # type: ignore[method-assign,assignment]


def _count_invisibility_from_the_receive(clock: Clock) -> None:
    """A message may stay invisible for 12 hours after a receive (Amazon SQS Developer Guide, "Visibility timeout").

    moto counts them from the sending, and so would refuse whatever outlived an outage of half a day.
    """
    from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
    from moto.sqs.models import Message, SQSBackend

    mark_received = Message.mark_received

    def mark(message: Any, visibility_timeout: int | None = None) -> None:
        mark_received(message, visibility_timeout)
        message.received_at = clock.now()

    def change(backend: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        queue = backend.get_queue(queue_name)
        for message in queue._messages:
            if not message.had_receipt_handle(receipt_handle):
                continue
            received = getattr(message, "received_at", clock.now())
            if clock.now() + int(visibility_timeout) - received > VISIBILITY_LIMIT:
                raise InvalidParameterValue(
                    f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Total "
                    f"VisibilityTimeout for the message is beyond the limit [{VISIBILITY_LIMIT} seconds]"
                )
            message.change_visibility(visibility_timeout)
            if message.visible:
                queue.pending_messages.discard(message)
            return
        raise ReceiptHandleIsInvalid

    Message.mark_received = mark  # type: ignore[method-assign,assignment]
    SQSBackend.change_message_visibility = change  # type: ignore[method-assign,assignment]
