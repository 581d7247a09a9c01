"""What stands before moto: who is calling, may they, is a fault to strike them, and what became of it.

A layer inside moto's own process, because a second server would double the cost of every call. Requests are carried
out one at a time: moto checks a condition and writes in two steps, which two threads could get between, and real
conditional writes are atomic.
"""

from __future__ import annotations

import io
import itertools
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import psutil

from local.aws import refusals
from local.aws.asking import Asked, FindSecret, NotKnownError, asked
from local.aws.calls import Call, Outcome
from local.aws.faults import Faults, Struck
from local.aws.killing import kill
from local.aws.permissions import Permissions

OPERATOR = "operator"
"""The access key that may do everything and is not recorded: tests and the deployment."""
KEPT_CALLS = 300_000
"""Older ones are forgotten."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """One execution environment, or Lambda itself in a function's name (``by_service``).

    ``process`` is None where there is none to kill; its connection is cut instead.
    """

    key: str
    function: str
    role: str
    permissions: Permissions
    process: psutil.Process | None
    by_service: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]

    @property
    def outcome(self) -> Outcome:
        return "ok" if self.status < "4" else "refused-by-service" if self.status < "5" else "failed"


class Front:
    """A WSGI application around moto's."""

    def __init__(self, app: Any, find_secret: FindSecret) -> None:
        self._app = app
        self._find_secret = find_secret
        self._callers: dict[str, Caller] = {}
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._numbers = itertools.count(1)
        self.faults = Faults(time.time)
        self.lock = threading.RLock()
        """Held while moto works; whoever looks into moto takes it too."""

    # --- what the operator says --------------------------------------------------------------------------------------

    def admit(self, caller: Caller) -> None:
        """Know this caller from now on."""
        self._callers[caller.key] = caller

    def dismiss(self, key: str) -> None:
        """Know it no more; harmless when it never was."""
        self._callers.pop(key, None)

    def calls(self) -> list[Call]:
        """What was recorded, in the order of arrival."""
        with self.lock:
            return sorted(self._calls, key=lambda call: call.number)

    def forget_calls(self) -> None:
        """Record anew; numbers go on."""
        with self.lock:
            self._calls.clear()

    # --- the way of a request ----------------------------------------------------------------------------------------

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        key, region, service = _credential_scope(environ.get("HTTP_AUTHORIZATION", ""))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if key == OPERATOR:
            return _send(self._carry_out(environ, body), start_response)
        caller = self._callers.get(key)
        if caller is None:
            return _refuse(refusals.unknown_caller(service), start_response)
        try:
            what = asked(environ.get("HTTP_X_AMZ_TARGET", ""), region, body, self._find_secret)
        except NotKnownError as error:
            return _refuse(refusals.not_offered(str(error)), start_response)
        return self._answer(caller, what, environ, body, start_response)

    def _answer(
        self, caller: Caller, what: Asked, environ: Environ, body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        call = Call(
            next(self._numbers),
            time.time(),
            caller.function,
            caller.role,
            caller.key,
            what.service,
            what.action,
            what.resources,
            "unanswered",
            caller.by_service,
            what.needs,
        )
        for action, resource in what.needs:
            verdict = caller.permissions.judge(action, resource)
            if verdict != "allowed":
                self._record(call, "denied")
                refusal = refusals.denied(what.service, f"{caller.role}/{caller.function}", action, resource, verdict)
                return _refuse(refusal, start_response)
        strike = self.faults.strike(
            Struck(caller.function, what.service, what.action, call.resources, caller.by_service)
        )
        if strike.delay:
            time.sleep(strike.delay)
        if strike.do == "fail":
            self._record(call, "failed")
            return _refuse(refusals.failed(what.service), start_response)
        if strike.do == "throttle":
            self._record(call, "throttled")
            return _refuse(refusals.throttled(what.service), start_response)
        if strike.do == "kill before":
            self._record(call, "killed before")
            _end(caller, environ)
        if strike.do == "duplicate":
            self._carry_out(dict(environ), body)
        answer = self._carry_out(environ, body, call, "killed after" if strike.do == "kill after" else None)
        if strike.do == "kill after":
            _end(caller, environ)
        return _send(answer, start_response)

    def _carry_out(
        self, environ: Environ, body: bytes, call: Call | None = None, outcome: Outcome | None = None
    ) -> _Answer:
        """moto's answer. The call is recorded with it, as one step."""
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[Any] = []
        with self.lock:
            try:
                chunks = self._app(environ, lambda status, headers, _=None: started.extend((status, headers)))
                content = list(chunks)
                if hasattr(chunks, "close"):
                    chunks.close()
                answer = _Answer(started[0], started[1], content)
            except Exception:  # noqa: BLE001 - moto's own mistake: shown here, and the caller gets the service's 500
                traceback.print_exc()
                refusal = refusals.failed(call.service if call else "")
                answer = _Answer("500 Internal Server Error", list(refusal.headers), [refusal.body])
            if call:
                self._record(call, outcome or answer.outcome)
        return answer

    def _record(self, call: Call, outcome: Outcome) -> None:
        with self.lock:
            self._calls.append(replace(call, outcome=outcome))


def _credential_scope(authorization: str) -> tuple[str, str, str]:
    """Access key, region and service from a Signature Version 4 header; empty where there is none."""
    _, _, rest = authorization.partition("Credential=")
    parts = rest.partition(",")[0].split("/")
    return (parts[0], parts[2], parts[3]) if len(parts) >= 5 else ("", "", "")


def _send(answer: _Answer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(answer.status, answer.headers)
    return answer.body


def _refuse(refusal: refusals.Refusal, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{refusal.status} Refused", list(refusal.headers))
    return [refusal.body]


def _end(caller: Caller, environ: Environ) -> None:
    """Kill the caller and never answer; raises ConnectionAbortedError, which the server takes as a caller gone."""
    if caller.process:
        kill(caller.process)
    connection = environ["server.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the caller was killed")
