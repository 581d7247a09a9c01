"""Lambda's Runtime API for one execution environment: where the runtime asks for work and brings back what came of it.

As the AWS Lambda Developer Guide has it ("Using the Lambda runtime API"), version 2018-06-01. Every execution
environment has an address of its own, so nothing in a request needs to say who is asking.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/2018-06-01/runtime/"
LARGEST_RESPONSE = 6_291_556
"""Bytes of a response: 6 MB and a little for the envelope, the number that Lambda's own error message names."""


@dataclass(frozen=True)
class Invocation:
    """One event on its way to the handler; ``deadline`` is in epoch seconds."""

    request_id: str
    payload: bytes
    deadline: float
    function_arn: str
    trace_id: str


@dataclass(frozen=True)
class Answer:
    """What came back: the handler's result as JSON, or the error (``error_type`` is not empty) as told."""

    payload: bytes
    error_type: str = ""


class RuntimeApi:
    """Serves one runtime. One invocation at a time: ``hand_over``, then ``answer``."""

    def __init__(self) -> None:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._changed = threading.Condition()
        self._initialized = False
        self._init_error: Answer | None = None
        self._closed = False
        self._waiting: Invocation | None = None
        self._current: Invocation | None = None
        self._answer: Answer | None = None
        self._thread = threading.Thread(target=self._server.serve, daemon=True, name="runtime-api")
        self._thread.start()

    # --- the platform's side -----------------------------------------------------------------------------------------

    def initialized(self, seconds: float) -> bool | Answer:
        """Wait until the runtime asks for its first event: True, or the error it reported; False when neither came."""
        with self._changed:
            self._changed.wait_for(lambda: self._initialized or self._init_error or self._closed, seconds)
            return self._init_error or self._initialized

    def hand_over(self, invocation: Invocation) -> None:
        """The next event for the runtime."""
        with self._changed:
            self._waiting, self._answer = invocation, None
            self._changed.notify_all()

    def answer(self, seconds: float) -> Answer | None:
        """Wait for what came of the event; None when there is nothing yet, or the end of it all."""
        with self._changed:
            self._changed.wait_for(lambda: self._answer or self._closed, seconds)
            return self._answer

    def close(self) -> None:
        """Stop serving; whoever waits stops waiting."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.end()

    # --- the runtime's side: (status, body, headers) -----------------------------------------------------------------

    def next(self) -> tuple[int, bytes, dict[str, str]] | None:
        """The next event as soon as there is one; None when there will be no more."""
        with self._changed:
            if self._current:
                return _refusal(403, "InvalidStateTransition", "the invocation before this one has no answer yet")
            self._initialized = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed or self._waiting is None:
                return None
            self._current, self._waiting = self._waiting, None
            current = self._current
        return (
            200,
            current.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": current.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(current.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": current.function_arn,
                "Lambda-Runtime-Trace-Id": current.trace_id,
            },
        )

    def respond(self, request_id: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Take the handler's result."""
        if len(body) > LARGEST_RESPONSE:
            text = f"Response payload size exceeded maximum allowed payload size ({LARGEST_RESPONSE} bytes)."
            error = _error("Function.ResponseSizeTooLarge", text)
            return self._take(request_id, error) or _refusal(413, "RequestEntityTooLarge", text)
        return self._take(request_id, Answer(body)) or _accepted()

    def fail(self, request_id: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Take the handler's error."""
        return self._take(request_id, Answer(body, _error_type(body))) or _accepted()

    def fail_init(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Take the error that kept the runtime from getting ready."""
        with self._changed:
            if self._initialized:
                return _refusal(403, "InvalidStateTransition", "initialization is over")
            self._init_error = Answer(body, _error_type(body))
            self._changed.notify_all()
        return _accepted()

    def _take(self, request_id: str, answer: Answer) -> tuple[int, bytes, dict[str, str]] | None:
        """Note the current invocation's answer; the refusal when it is another's."""
        with self._changed:
            if self._current is None or self._current.request_id != request_id:
                return _refusal(400, "InvalidRequestID", "Invalid request ID")
            self._current, self._answer = None, answer
            self._changed.notify_all()
        return None


def _error(error_type: str, text: str) -> Answer:
    return Answer(json.dumps({"errorType": error_type, "errorMessage": text}).encode(), error_type)


def _error_type(body: bytes) -> str:
    """The type in an error as runtimes describe it; a runtime need not describe it well."""
    try:
        described = json.loads(body)
    except ValueError:
        described = None
    return str((described.get("errorType") if isinstance(described, dict) else "") or "Unhandled")


def _accepted() -> tuple[int, bytes, dict[str, str]]:
    return 202, b'{"status":"OK"}', {"Content-Type": "application/json"}


def _refusal(status: int, error_type: str, text: str) -> tuple[int, bytes, dict[str, str]]:
    return status, _error(error_type, text).payload, {"Content-Type": "application/json"}


class _Server(ThreadingHTTPServer):
    """Waits for connections without polling: an idle environment costs nothing."""

    daemon_threads = True
    _ending = False

    def serve(self) -> None:
        """Serve until the end."""
        while not self._ending:
            self.handle_request()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime that is killed drops its connection in the middle of whatever it was doing; that is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop waiting for connections, which takes one more connection."""
        if not self._ending:
            self._ending = True
            with socket.create_connection(("127.0.0.1", self.server_port), timeout=5):
                pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Head and body leave together.
    disable_nagle_algorithm = True
    api: RuntimeApi

    def do_GET(self) -> None:
        """Hand out the next event."""
        if self.path != PREFIX + "invocation/next":
            self._send(_refusal(404, "NotFound", self.path))
            return
        answer = self.api.next()
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    def do_POST(self) -> None:
        """Take a result or an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.removeprefix(PREFIX).split("/") if self.path.startswith(PREFIX) else []
        match parts:
            case ["init", "error"]:
                self._send(self.api.fail_init(body))
            case ["invocation", request_id, "response"]:
                self._send(self.api.respond(request_id, body))
            case ["invocation", request_id, "error"]:
                self._send(self.api.fail(request_id, body))
            case _:
                self._send(_refusal(404, "NotFound", self.path))

    def _send(self, answer: tuple[int, bytes, dict[str, str]]) -> None:
        status, body, headers = answer
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the platform writes its own lines."""
