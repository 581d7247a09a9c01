"""Webhook requests made by hand, with any signature."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import requests

from local.machine import Machine, Product

ROUTES = (
    "/webhooks/project",
    "/webhooks/repository",
    "/webhooks/push",
    "/webhooks/pull-request",
    "/webhooks",
)
PLAIN, BASE64 = "application/json", "application/octet-stream"
"""Content types: the front door hands text to a function as it is, anything else in base64."""


def digest(secret: str, body: bytes) -> str:
    """Lower-case hexadecimal HMAC-SHA256."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signature(secret: str, body: bytes) -> str:
    """The value of ``X-Hub-Signature``."""
    return "sha256=" + digest(secret, body)


def headers(
    product: Product, event_key: str, signed: str | None, *, content_type: str = PLAIN, delivery_id: str = "by-hand"
) -> dict[str, str]:
    """A webhook's headers; without ``signed`` there is no signature."""
    name = "X-Request-UUID" if product == "cloud" else "X-Request-Id"
    found = {"Content-Type": content_type, "X-Event-Key": event_key, name: delivery_id}
    return found if signed is None else {**found, "X-Hub-Signature": signed}


def post(machine: Machine, path: str, body: bytes, event_key: str, **more: Any) -> requests.Response:
    """Post a body with the right signature, as the product's own webhook."""
    signed = signature(machine.stack.webhook_secret, body)
    return machine.stack.post(path, body, headers(machine.product, event_key, signed, **more))
