"""moto, living in simulated time, and as exact as AWS where that matters here.

To be imported before anything of moto.
"""

from __future__ import annotations

import datetime
import importlib
import sys
from collections.abc import Callable
from typing import Any

from local.aws.asking import SERVICES
from local.aws.quick_moto import hurry
from local.clock import Clock, rule_this_process

VISIBILITY_LIMIT = 43_200
"""Seconds a message may stay invisible after one receive."""

AGE_PRECISION = 1.0
"""Seconds by which a message may outlive its queue's retention period."""


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
        {
            utils.utcnow: utcnow,
            utils.unix_time: unix_time,
            utils.unix_time_millis: unix_time_millis,
        },
    )
    hurry()
    _let_go_of_what_is_too_old(clock)
    _count_invisibility_from_the_receive(clock)


def application() -> Any:
    """moto's WSGI application.

    Its own one looks for the service in the folders of all that it knows, and leads each request through Flask; ours
    are named by the request's target, and go to the service's responses at once.
    """
    from moto.core.request import Request
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.wrappers import Response

    class ServedRequest(Request):
        from_wsgi_server = True

    responses = {target: importlib.import_module(f"moto.{name}.urls") for target, name in SERVICES.items()}
    services = {target: next(iter(module.url_paths.values())) for target, module in responses.items()}
    others = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        dispatch = services.get(environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0])
        if dispatch is None:
            return others(environ, start_response)
        request = ServedRequest(environ)
        status, headers, body = dispatch(request, request.raw_url, dict(request.headers))
        return Response(body, status, headers)(environ, start_response)

    return answer


def _replace_everywhere(instead: dict[Any, Callable[..., Any]]) -> None:
    """moto's modules import these functions by name."""
    for name, module in list(sys.modules.items()):
        if name == "moto" or name.startswith("moto."):
            for attribute, value in list(vars(module).items()):
                if callable(value) and getattr(value, "__hash__", None) and value in instead:
                    setattr(module, attribute, instead[value])


def _let_go_of_what_is_too_old(clock: Clock) -> None:
    """Drop messages older than their queue keeps them, counted from the first send.

    moto only hides them, and whatever lies behind them; to find out it counts all messages of the queue, for each one
    that is received.
    """
    from moto.sqs.models import SQSBackend

    get_queue = SQSBackend.get_queue

    def get(backend: SQSBackend, queue_name: str) -> Any:
        queue: Any = get_queue(backend, queue_name)
        now = clock.now()
        if now >= getattr(queue, "next_look", 0.0):
            oldest = (now - float(queue.message_retention_period)) * 1000
            queue._messages = [message for message in queue._messages if message.sent_timestamp > oldest]
            queue._pending_messages.intersection_update(queue._messages)
            queue.next_look = now + AGE_PRECISION
        return queue

    SQSBackend.get_queue = get  # type: ignore[method-assign,assignment]
    SQSBackend.is_message_valid_based_on_retention_period = lambda *_: True  # type: ignore[method-assign]


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
