"""Looks into moto's queues that no call of SQS allows: when something is due, and what lies in a dead-letter queue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, TypedDict

from local.account import ACCOUNT


class DeadLetter(TypedDict):
    """A message, looked at without receiving it. ``sent`` is in simulated epoch seconds."""

    id: str
    body: str
    sent: float
    receives: int


def due(region: str, urls: Iterable[str]) -> float | None:
    """The earliest moment, in simulated epoch seconds, at which a message of these queues becomes visible that is
    invisible or delayed now; ``None`` when there is no such message.
    """
    now = time.time()
    moments = (
        max(message.visible_at, message.delayed_until) / 1000
        for url in urls
        for message in find_queue(region, url)._messages
    )
    return min((moment for moment in moments if moment >= now), default=None)


def ready(region: str, urls: Iterable[str]) -> list[str]:
    """Those of the queues that hold a message which could be received now."""
    return [
        url
        for url in urls
        if any(message.visible and not message.delayed for message in find_queue(region, url)._messages)
    ]


def dead_letters(region: str, url: str) -> list[DeadLetter]:
    """The queue's messages, oldest first, visible or not; looking changes nothing about them."""
    messages = sorted(
        find_queue(region, url)._messages,
        key=lambda message: message.sent_timestamp or 0,
    )
    return [
        {
            "id": message.id,
            "body": message.body,
            "sent": float(message.sent_timestamp or 0) / 1000,
            "receives": message.approximate_receive_count,
        }
        for message in messages
    ]


def find_queue(region: str, url_or_name: str) -> Any:
    """moto's own queue. Raises ValueError when there is none."""
    from moto.sqs.models import sqs_backends

    name = url_or_name.rstrip("/").rpartition("/")[2]
    backend = sqs_backends[ACCOUNT][region]
    if name not in backend.queues:
        raise ValueError(f"there is no queue {name}")
    return backend.get_queue(name)
