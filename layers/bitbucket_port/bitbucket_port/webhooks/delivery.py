"""One verified webhook request, and the queue message it travels in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.webhooks.shrink import shrink

MESSAGE_VERSION = 1
MESSAGE_LIMIT = 1_048_576 - 16_384
"""Bytes: an SQS message may be 1 MiB; the margin leaves room for attributes added on the way."""

RECEIVED_DIGITS = 6
"""Decimals of the time a delivery came in that are told by: the ledger keeps no more, and a delivery that SQS hands out
twice must compare as equal to itself."""

_REFUSED_BY_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""SQS takes #x9, #xA, #xD and #x20-#xD7FF, #xE000-#xFFFD, #x10000-#x10FFFF (API reference, SendMessage). JSON
escapes the other control characters by itself; these are the rest."""


@dataclass(frozen=True)
class Delivery:
    """A webhook request whose signature was right.

    ``id`` is the same for every attempt Bitbucket makes to deliver it; ``event_key`` is spelt as ``normalise`` spells
    it; ``received`` is seconds since the epoch. ``reduced``: values were left out of ``payload`` to fit the queue.
    """

    product: Product
    id: str
    event_key: str
    received: float
    payload: JsonObject
    reduced: bool = False
    attempt: int = 1

    def to_message(self) -> str:
        """JSON that SQS accepts as it is: at most ``MESSAGE_LIMIT`` bytes, no character it refuses."""
        text = self._to_json()
        if _size(text) <= MESSAGE_LIMIT:
            return text
        smaller = shrink(self.payload, lambda payload: _size(self._reduced(payload)._to_json()) <= MESSAGE_LIMIT)
        return self._reduced(smaller)._to_json()

    def _reduced(self, payload: JsonObject) -> Delivery:
        return replace(self, payload=payload, reduced=True)

    def _to_json(self) -> str:
        envelope = {
            "v": MESSAGE_VERSION,
            "product": self.product,
            "id": self.id,
            "eventKey": self.event_key,
            "received": self.received,
            "attempt": self.attempt,
            "reduced": self.reduced,
            "payload": self.payload,
        }
        text = json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # Outside strings JSON has none of these, and inside them the escape means the same character.
        return _REFUSED_BY_SQS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)

    @classmethod
    def from_message(cls, text: str) -> Delivery:
        """The inverse of ``to_message``.

        Raises PermanentError for anything that is no such message, TransientError for one written by a newer release
        (it will be read when this function is updated, too).
        """
        envelope = _envelope(text)
        try:
            product, payload = envelope["product"], envelope["payload"]
            if product not in ("cloud", "server") or not isinstance(payload, dict):
                raise PermanentError("the message is not a webhook delivery: product or payload is wrong")
            return cls(
                product=product,
                id=str(envelope["id"]),
                event_key=str(envelope["eventKey"]),
                received=round(float(envelope["received"]), RECEIVED_DIGITS),
                payload=payload,
                reduced=bool(envelope.get("reduced", False)),
                attempt=int(envelope.get("attempt", 1)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PermanentError(f"the message is not a webhook delivery: {type(error).__name__} {error}") from error


def _envelope(text: str) -> JsonObject:
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PermanentError("the message is not JSON") from error
    if not isinstance(envelope, dict):
        raise PermanentError("the message is not a JSON object")
    version = envelope.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise PermanentError("the message has no version this release knows")
    if version > MESSAGE_VERSION:
        raise TransientError(f"the message has version {version}; this release reads up to {MESSAGE_VERSION}")
    return envelope


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
