"""A webhook as Bitbucket sends it, and the sending: headers, signature, and Cloud's second and third try."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import urllib3

Product = Literal["cloud", "server"]
CLOUD_TRIES = 3
"""Bitbucket Cloud sends again, up to two more times, when the answer is a 5xx (support.atlassian.com, Troubleshoot
webhooks). Nothing says that Data Center ever sends again."""


@dataclass(frozen=True)
class Webhook:
    """One event, ready to be sent; ``hook`` is the subscription it is sent for."""

    product: Product
    event_key: str
    payload: dict[str, Any]
    delivery_id: str
    sent_at: datetime
    hook: str = "{00000000-0000-4000-8000-000000000000}"

    @property
    def body(self) -> bytes:
        """The bytes that are signed and sent."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self, secret: str | None, attempt: int = 1) -> dict[str, str]:
        """The headers of one attempt; without a secret there is no signature."""
        headers = {"X-Event-Key": self.event_key}
        if self.product == "cloud":
            headers |= {
                "Content-Type": "application/json",
                "User-Agent": "Bitbucket-Webhooks/2.0",
                "X-Hook-UUID": self.hook.strip("{}"),
                "X-Request-UUID": self.delivery_id,
                "X-Attempt-Number": str(attempt),
            }
        else:
            headers |= {
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "Atlassian HttpClient / Bitbucket Data Center",
                "X-Request-Id": self.delivery_id,
            }
        if secret is not None:
            headers["X-Hub-Signature"] = "sha256=" + hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return headers


def deliver(
    base_url: str, secret: str | None, webhook: Webhook, *, path: str = "/webhooks", timeout: float = 10.0
) -> list[int | None]:
    """Send a webhook as its product does and return the status of each attempt (None: no answer).

    ``path`` is where the receiver at ``base_url`` listens.
    """
    return deliver_to(base_url.rstrip("/") + path, secret, webhook, timeout=timeout)


def deliver_to(url: str, secret: str | None, webhook: Webhook, *, timeout: float = 10.0) -> list[int | None]:
    """Send a webhook to a whole URL as its product does and return the status of each attempt (None: no answer).

    Cloud tries a 5xx twice more, at once and with the same ``X-Request-UUID``; a timeout or a refused connection is
    not tried again. Without a secret there is no signature.
    """
    tries = CLOUD_TRIES if webhook.product == "cloud" else 1
    statuses: list[int | None] = []
    for attempt in range(1, tries + 1):
        try:
            answer = post(url, webhook.body, webhook.headers(secret or None, attempt), timeout=timeout)
        except urllib3.exceptions.HTTPError:
            statuses.append(None)  # Bitbucket's own log says NETWORK ERROR or TIMEOUT, and that is the end of it
            break
        statuses.append(answer.status)
        if answer.status < 500:
            break
    return statuses


def post(url: str, body: bytes, headers: dict[str, str], *, timeout: float = 10.0) -> urllib3.BaseHTTPResponse:
    """One POST, redirects not followed; urllib3's HTTPError when no answer comes."""
    parts = urlsplit(url)
    # A connection of its own: one that was used before may be closed by now, which would look like a refusal.
    with urllib3.connection_from_url(f"{parts.scheme}://{parts.netloc}") as server:
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return server.request(
            "POST", target, body=body, headers=headers, timeout=timeout, retries=False, redirect=False
        )
