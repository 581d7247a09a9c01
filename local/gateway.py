"""A front door that speaks API Gateway's HTTP API: payload format 2.0 in, a function's answer out."""

from __future__ import annotations

import base64
import json
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.account import ACCOUNT
from local.clock import Clock
from local.functions import FunctionError, ThrottledError

LARGEST_BODY = 10 * 1024 * 1024
LARGEST_HEAD = 10_240
"""Bytes of request line and headers together (quotas of HTTP APIs)."""
TEXTUAL = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form")

REMEMBERED = 1000
"""Requests that are kept for whoever wants to look."""

Invoke = Callable[[Any], Any]
_log = logging.getLogger(__name__)


class NotPermittedError(Exception):
    """The API may not invoke the function of this route."""


@dataclass(frozen=True)
class Received:
    """One request that was answered: ``at`` in simulated epoch seconds, ``delivery_id`` and ``event_key`` from its
    headers (empty if there were none), ``milliseconds`` (simulated) until the answer.
    """

    at: float
    product: str
    delivery_id: str
    event_key: str
    path: str
    status: int
    milliseconds: float


class Gateway:
    """Routes (``POST /webhooks``) to functions on 127.0.0.1.

    ``after`` is called when a request is answered. Attributes: ``received``, the last requests; ``in_flight``, how many
    are being answered; ``count``, how many there were.
    """

    def __init__(
        self,
        routes: Mapping[str, Invoke],
        *,
        clock: Clock,
        after: Callable[[], None],
        product: str = "",
        api_id: str = "local",
        port: int = 0,
    ) -> None:
        self.routes, self.clock, self.product, self.api_id = dict(routes), clock, product, api_id
        self.received: deque[Received] = deque(maxlen=REMEMBERED)
        self.in_flight = 0
        self.count = 0
        self._after = after
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="gateway", daemon=True)

    def start(self) -> str:
        """Serve; returns the base URL."""
        self._thread.start()
        return self.url

    def stop(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def enter(self) -> None:
        """A request begins."""
        with self._changed:
            self.in_flight += 1
            self.count += 1

    def leave(self, received: Received) -> None:
        """It is answered."""
        with self._changed:
            self.received.append(received)
            self.in_flight -= 1
            self._changed.notify_all()
        self._after()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self.in_flight

    def wait_until_idle(self, timeout: float) -> bool:
        """False when somebody still waits for an answer after so many real seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.idle, timeout)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], gateway: Gateway) -> None:
        self.gateway = gateway
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _status = 0

    def do_POST(self) -> None:
        """Answer any request; the method is part of the route."""
        gateway = self.server.gateway
        gateway.enter()
        began = gateway.clock.now()
        try:
            self._answer()
        finally:
            gateway.leave(self._received(began))

    do_GET = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_POST  # noqa: N815

    def _received(self, began: float) -> Received:
        gateway, headers = self.server.gateway, self.headers
        return Received(
            at=began,
            product=gateway.product,
            delivery_id=headers.get("X-Request-UUID") or headers.get("X-Request-Id") or "",
            event_key=headers.get("X-Event-Key") or "",
            path=urlsplit(self.path).path,
            status=self._status,
            milliseconds=(gateway.clock.now() - began) * 1000,
        )

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        head = len(self.requestline) + sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        route = f"{self.command} {urlsplit(self.path).path}"
        if head > LARGEST_HEAD:
            self._send(431, {"message": "Request Header Fields Too Large"})
        elif len(body) > LARGEST_BODY:
            self._send(413, {"message": "Request Entity Too Large"})
        elif route not in self.server.gateway.routes:
            self._send(404, {"message": "Not Found"})
        else:
            self._invoke(route, body)

    def _invoke(self, route: str, body: bytes) -> None:
        try:
            answer = self.server.gateway.routes[route](self._event(route, body))
        except ThrottledError:
            self._send(503, {"message": "Service Unavailable"})
        except (FunctionError, NotPermittedError) as error:
            _log.warning("%s: %s", route, error)
            self._send(500, {"message": "Internal Server Error"})
        else:
            self._send_answer(answer)

    def _event(self, route: str, body: bytes) -> dict[str, Any]:
        parts = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        text, is_base64 = _as_body(body, headers.get("content-type", ""))
        now = self.server.gateway.clock.now()
        return {
            "version": "2.0",
            "routeKey": route,
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self.server.gateway.api_id,
                "domainName": headers.get("host", ""),
                "http": {
                    "method": self.command,
                    "path": parts.path,
                    "protocol": self.request_version,
                    "sourceIp": self.client_address[0],
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": str(uuid.uuid4()),
                "routeKey": route,
                "stage": "$default",
                "timeEpoch": int(now * 1000),
            },
            **({"body": text} if body else {}),
            "isBase64Encoded": is_base64,
        }

    def _send_answer(self, answer: Any) -> None:
        """Format 2.0: an object with ``statusCode`` is the answer, anything else is its body."""
        if isinstance(answer, dict) and "statusCode" in answer:
            body = str(answer.get("body") or "").encode()
            self._send_bytes(int(answer["statusCode"]), body, dict(answer.get("headers") or {}))
        else:
            self._send(200, answer)

    def _send(self, status: int, body: Any) -> None:
        self._send_bytes(status, json.dumps(body).encode(), {"content-type": "application/json"})

    def _send_bytes(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the functions log."""


def _as_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Text stays text; anything else, and text that is none, travels in base64."""
    if content_type.lower().startswith(TEXTUAL):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # Not what it says it is: as bytes, then.
    return base64.b64encode(body).decode("ascii"), True
