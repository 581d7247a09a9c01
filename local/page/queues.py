"""How full a stack's queues are, and what lies in the dead-letter queues and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.page import words
from local.page.deliveries import Failure
from local.page.watched import Json, WatchedStack

LETTERS_SHOWN = 50
DEAD = "DeadLetters"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was tried too often. ``delivery_id`` and ``event_key`` are None where it carries no delivery."""

    queue: str
    id: str
    delivery_id: str | None
    event_key: str | None
    sent: float | None
    receives: int | None


@dataclass(frozen=True, slots=True)
class Queues:
    """Depths by name of the queue, without and with the dead letters', and the dead letters themselves."""

    waiting: dict[str, int]
    dead: dict[str, int]
    letters: tuple[DeadLetter, ...] = ()

    def shown(self, failures: Mapping[str, Failure]) -> Json:
        """As the page is told it. ``failures``: how the last try of a message ended, by message id."""
        return {
            "queues": [{"name": name, "waiting": depth} for name, depth in self.waiting.items()],
            "dead": sum(self.dead.values()),
            "letters": [
                {
                    "queue": letter.queue,
                    "id": letter.id,
                    "delivery": letter.delivery_id,
                    "event": letter.event_key,
                    "sent": letter.sent,
                    "receives": letter.receives,
                    "reason": reason(letter, failures),
                }
                for letter in self.letters[:LETTERS_SHOWN]
            ],
        }


def reason(letter: DeadLetter, failures: Mapping[str, Failure]) -> str:
    """Why a message became a dead letter, as far as the functions told."""
    found = failures.get(letter.id)
    return found.reason if found else "no try of it left a word in the logs"


def read_queues(stack: WatchedStack) -> Queues:
    """The queues now."""
    depths = stack.depths()
    waiting = {words.queue_name(name): depth for name, depth in depths.items() if DEAD not in name}
    dead = {words.queue_name(name): depth for name, depth in depths.items() if DEAD in name}
    if not any(dead.values()):
        return Queues(waiting, dead)
    letters = tuple(
        _letter(words.queue_name(name), message)
        for name, messages in stack.dead_letters().items()
        for message in messages
    )
    return Queues(waiting, dead, letters)


def _letter(queue: str, message: Mapping[str, Any]) -> DeadLetter:
    body = _object(message.get("body"))
    message_id, receives = str(message.get("id", "")), message.get("receives")
    sent = message.get("sent")
    return DeadLetter(
        queue,
        message_id,
        str(body["id"]) if "eventKey" in body and "id" in body else None,
        str(body["eventKey"]) if "eventKey" in body else None,
        float(sent) if sent is not None else None,
        int(receives) if receives is not None else None,
    )


def _object(body: Any) -> Json:
    try:
        found = json.loads(body)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
