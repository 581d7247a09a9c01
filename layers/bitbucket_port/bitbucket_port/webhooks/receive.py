"""From an HTTP request to a stored delivery: verified or refused, and acknowledged only when stored.

Knows neither Lambda nor AWS; what it needs of them is given to it as two protocols.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bitbucket_port.errors import TransientError
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import PING, Family, family_of, normalise
from bitbucket_port.webhooks.signature import verify

Outcome = Literal["stored", "ignored", "ping", "refused", "malformed", "unavailable"]

DEEPEST_NESTING = 200
"""Levels. Bitbucket's payloads have about ten, plus one per reply in a thread; Python gives up near a thousand."""

_LONGEST_HEADER = 200
_DELIVERY_ID_HEADERS: dict[Product, str] = {"cloud": "x-request-uuid", "server": "x-request-id"}


class QueueUnavailableError(TransientError):
    """The delivery could not be stored."""


class SecretsUnavailableError(TransientError):
    """The webhook secret could not be read, so nothing can be said about a signature."""


class WebhookSecrets(Protocol):
    """The secrets a signature may have been made with."""

    def known(self) -> Sequence[str]:
        """The secrets in memory, read first where there are none. Raises SecretsUnavailableError."""
        ...

    def reread(self) -> Sequence[str]:
        """The secrets as they are now; empty when they were read again just before. Raises SecretsUnavailableError."""
        ...


class Queues(Protocol):
    """The live queues, one per family."""

    def send(self, family: Family, message: str) -> None:
        """Returns once the message is stored. Raises QueueUnavailableError when it is not known to be."""
        ...


@dataclass(frozen=True)
class Request:
    """A webhook's HTTP request; the names in ``headers`` are lower-case."""

    headers: Mapping[str, str]
    body: str | None
    is_base64: bool

    def raw_body(self) -> bytes | None:
        """The bytes Bitbucket signed; None when the base64 is broken."""
        if not self.is_base64:
            # A surrogate cannot come from a real request; keeping it makes the signature fail instead of this line.
            return (self.body or "").encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.body or "", validate=True)
        except (binascii.Error, ValueError):
            return None

    def header(self, name: str) -> str | None:
        """A header's value without surrounding space; None where it is missing or empty."""
        return self.headers.get(name, "").strip() or None


@dataclass(frozen=True)
class Answer:
    """The HTTP answer, and for the log what became of the request."""

    status: int
    body: JsonObject
    outcome: Outcome
    event_key: str | None = None
    delivery_id: str | None = None
    family: Family | None = None
    reason: str | None = None


class _MalformedError(Exception):
    """A well-signed request that is no webhook of Bitbucket."""


def receive(
    request: Request,
    *,
    secrets: WebhookSecrets,
    queues: Queues,
    product: Product,
    now: Callable[[], float],
) -> Answer:
    """What to answer a webhook; on 202 with outcome ``stored`` the delivery is in its family's queue.

    ``now`` gives seconds since the epoch. Never raises for anything a sender can do.
    """
    event_key = _event_key(request.header("x-event-key"))
    if event_key == PING:
        # Data Center's connection test comes unsigned from some versions; it is answered and has no effect.
        return Answer(200, {"status": "ok"}, "ping", event_key)
    body = request.raw_body()
    try:
        if body is None or not _is_signed(body, request.header("x-hub-signature"), secrets):
            return _refused(event_key, "the signature is missing or wrong")
    except SecretsUnavailableError as error:
        return _unavailable(error, event_key)
    try:
        payload = _payload(body)
        delivery = _delivery(request, payload, event_key, product, now())
    except _MalformedError as error:
        return Answer(400, {"error": str(error)}, "malformed", event_key, reason=str(error))
    return _store(delivery, queues)


def _store(delivery: Delivery, queues: Queues) -> Answer:
    if delivery.event_key == PING:
        return Answer(200, {"status": "ok"}, "ping", delivery.event_key, delivery.id)
    family = family_of(delivery.product, delivery.event_key)
    if family is None:
        return Answer(202, {"status": "ignored"}, "ignored", delivery.event_key, delivery.id)
    try:
        queues.send(family, delivery.to_message())
    except QueueUnavailableError as error:
        return _unavailable(error, delivery.event_key, delivery.id, family)
    return Answer(202, {"status": "stored", "delivery": delivery.id}, "stored", delivery.event_key, delivery.id, family)


def _refused(event_key: str | None, reason: str) -> Answer:
    return Answer(401, {"error": reason}, "refused", event_key, reason=reason)


def _unavailable(
    error: TransientError, event_key: str | None, delivery_id: str | None = None, family: Family | None = None
) -> Answer:
    body = {"error": "temporarily unavailable, please try again"}
    return Answer(503, body, "unavailable", event_key, delivery_id, family, reason=str(error))


def _is_signed(body: bytes, header: str | None, secrets: WebhookSecrets) -> bool:
    if header is None:
        return False
    if verify(body, header, secrets.known()):
        return True
    return verify(body, header, secrets.reread())


def _event_key(value: object) -> str | None:
    return normalise(value)[:_LONGEST_HEADER] if isinstance(value, str) and value.strip() else None


def _delivery(
    request: Request, payload: JsonObject, event_key: str | None, product: Product, received: float
) -> Delivery:
    if event_key is None and product == "server":
        event_key = _event_key(payload.get("eventKey"))
    if event_key is None:
        raise _MalformedError("the event key is missing")
    delivery_id = request.header(_DELIVERY_ID_HEADERS[product])
    attempt = request.header("x-attempt-number") or "1"
    return Delivery(
        product=product,
        id=delivery_id[:_LONGEST_HEADER] if delivery_id else str(uuid.uuid4()),
        event_key=event_key,
        received=received,
        payload=payload,
        attempt=int(attempt) if attempt.isdecimal() and len(attempt) < 5 else 1,
    )


def _payload(body: bytes) -> JsonObject:
    if not body.strip():
        raise _MalformedError("the body is empty")
    try:
        payload = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _MalformedError("the body is not UTF-8") from error
    except RecursionError as error:
        raise _MalformedError("the body is nested too deeply") from error
    except ValueError as error:
        raise _MalformedError("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise _MalformedError("the body is not a JSON object")
    if _is_deeper_than(payload, DEEPEST_NESTING):
        raise _MalformedError("the body is nested too deeply")
    return payload


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number


def _is_deeper_than(value: Any, limit: int) -> bool:
    """Level by level, because recursion is what deep nesting breaks."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
