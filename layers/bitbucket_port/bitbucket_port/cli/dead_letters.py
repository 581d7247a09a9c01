"""Messages that were tried too often, and why: looked at in their queues, and left there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bitbucket_port.delivery_notes import LastFailure

SHOWN = 20
"""Dead letters of one queue that are looked at."""
_AT_ONCE = 10
_HIDDEN_SECONDS = 20
"""So long nobody else sees a letter that is looked at, unless it is put back earlier, as it is."""

LastFailures = Callable[[Collection[str]], Mapping[str, LastFailure]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in a dead-letter queue: what it is, when it was sent (epoch seconds), and why its last try failed."""

    queue: str
    id: str
    what: str
    sent: float
    failure: LastFailure | None


def dead_letters(sqs: Any, queues: Mapping[str, str], last_failures: LastFailures) -> list[DeadLetter]:
    """The first dead letters of each queue (name → URL); they stay where they are, and count as received once more.

    Raises ClientError and BotoCoreError when SQS does not let us look.
    """
    messages = [(name, message) for name, url in queues.items() for message in _looked_at(sqs, url)]
    failures = last_failures([message["MessageId"] for _, message in messages])
    return [_letter(name, message, failures.get(message["MessageId"])) for name, message in messages]


def _looked_at(sqs: Any, url: str) -> Iterator[Any]:
    """Messages of a queue, which can be received by anybody again at once afterwards."""
    found: dict[str, Any] = {}
    try:
        while len(found) < SHOWN:
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                AttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            found.update((message["MessageId"], message) for message in messages)
    finally:
        for message in found.values():
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    yield from list(found.values())[:SHOWN]


def _letter(queue: str, message: Any, failure: LastFailure | None) -> DeadLetter:
    sent = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
    return DeadLetter(queue, message["MessageId"], what_is(message["Body"]), sent, failure)


def what_is(body: str) -> str:
    """A message in words: a delivery by its event and id, a job by its name."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return "no message of this project"
    if "eventKey" in content:
        return f"{content['eventKey']} {content.get('id', '')}".strip()
    if "job" in content:
        of_run = f" of run {content['run']}" if content.get("run") else ""
        return f"job {content['job']}{of_run}"
    return "no message of this project"
