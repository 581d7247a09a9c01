"""A front door that speaks API Gateway's HTTP API: payload format 2.0 in, a function's answer out."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from local.functions import FunctionError, ThrottledError

LARGEST_BODY = 10 * 1024 * 1024
LARGEST_HEAD = 10_240
"""Bytes of request line and headers together (quotas of HTTP APIs)."""
TEXTUAL = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form")

Invoke = Callable[[Any], Any]


class Gateway:
    """Routes (``POST /webhooks``) to functions on 127.0.0.1."""

    def __init__(self, routes: Mapping[str, Invoke], *, port: int = 0, after: Callable[[], None]) -> None:
        handler = type("Handler", (_Handler,), {"routes": dict(routes), "after": [after]})
        self._server = _Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> str:
        """Serve; returns the base URL."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    routes: ClassVar[dict[str, Invoke]] = {}
    after: ClassVar[list[Callable[[], None]]] = []

    def do_POST(self) -> None:
        """Answer any request; the method is part of the route."""
        self._answer()

    do_GET = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_POST  # noqa: N815

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        head = len(self.requestline) + sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        route = f"{self.command} {urlsplit(self.path).path}"
        if head > LARGEST_HEAD:
            self._send(431, {"message": "Request Header Fields Too Large"})
        elif len(body) > LARGEST_BODY:
            self._send(413, {"message": "Request Entity Too Large"})
        elif route not in self.routes:
            self._send(404, {"message": "Not Found"})
        else:
            self._invoke(route, body)
        for call in self.after:
            call()

    def _invoke(self, route: str, body: bytes) -> None:
        try:
            answer = self.routes[route](self._event(route, body))
        except ThrottledError:
            self._send(503, {"message": "Service Unavailable"})
        except FunctionError as error:
            self.log_error("%s: %s", route, error)
            self._send(500, {"message": "Internal Server Error"})
        else:
            self._send_answer(answer)

    def _event(self, route: str, body: bytes) -> dict[str, Any]:
        parts = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        text, is_base64 = _as_body(body, headers.get("content-type", ""))
        now = time.time()
        return {
            "version": "2.0",
            "routeKey": route,
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "local",
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
