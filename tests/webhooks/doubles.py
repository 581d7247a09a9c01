"""Doubles at the edges of receive, and small builders for requests and deliveries."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import Family
from bitbucket_port.webhooks.receive import QueueUnavailableError
from bitbucket_port.webhooks.signature import sign

SECRET = "a secret of the tests"
NOW = 1_795_000_000.25


class FixedSecrets:
    """One secret that never changes."""

    def known(self) -> Sequence[str]:
        return (SECRET,)

    def reread(self) -> Sequence[str]:
        return ()


class MemoryQueues:
    """Keeps what was sent; refuses everything while ``down``."""

    def __init__(self) -> None:
        self.sent: list[tuple[Family, str]] = []
        self.down = False

    def send(self, family: Family, message: str) -> None:
        if self.down:
            raise QueueUnavailableError("down for the test")
        self.sent.append((family, message))

    @property
    def deliveries(self) -> list[Delivery]:
        return [Delivery.from_message(message) for _, message in self.sent]


def api_event(
    body: bytes, headers: dict[str, str], *, encoded: bool = False, path: str = "/webhooks"
) -> dict[str, Any]:
    """What API Gateway hands to a function (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "headers": headers,
        "body": base64.b64encode(body).decode() if encoded else body.decode("utf-8"),
        "isBase64Encoded": encoded,
    }


def signed_headers(body: bytes, event_key: str | None, secret: str = SECRET, **more: str) -> dict[str, str]:
    headers = {"x-hub-signature": sign(body, secret), **{name.replace("_", "-"): value for name, value in more.items()}}
    return headers if event_key is None else {"x-event-key": event_key, **headers}


def delivery(event_key: str, payload: JsonObject, product: Product = "cloud", **more: Any) -> Delivery:
    return Delivery(product=product, id="delivery-1", event_key=event_key, received=NOW, payload=payload, **more)


def to_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
