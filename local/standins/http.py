"""The plumbing of the stand-ins: a small threaded HTTP/1.1 server with a declarative table of routes.

A stand-in derives from ``StandIn``, declares its ``ROUTES`` and writes one method per route. The table says what the
real server's OpenAPI document allows (method, path, query parameters, shape of the body); everything else is refused
before a method of the stand-in is called, and ``scripts/check_standin_against_spec.py`` compares the table with the
document.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

RECORDED_HEADERS = ("user-agent", "content-type", "accept")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of an API.

    ``path`` is a template such as ``/v1/blueprints/{blueprint}``; a last segment ``{path...}`` takes the rest of the
    path with its slashes. ``handler`` names the method of the stand-in. ``query`` are the names the operation knows,
    ``required_query`` those it insists on. ``body`` is a JSON schema; ``None`` means that a body is not looked at.
    ``documented`` is False for operations the official document does not contain.
    """

    method: str
    path: str
    handler: str
    query: frozenset[str] = frozenset()
    required_query: frozenset[str] = frozenset()
    body: Mapping[str, Any] | None = None
    documented: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived: names of headers in lower case, path variables and query values percent-decoded."""

    method: str
    path: str
    variables: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    def value(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default

    def json(self) -> Any:
        """The body as JSON; ``None`` when it is empty; ``Refused(400)`` when it is not JSON."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refused(400, "the body is not valid JSON") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; ``body`` is JSON unless it is ``bytes`` (sent as they are) or ``None`` (no body)."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - reads as what happened to the request
    """A request the real server would refuse; becomes the product's own error answer."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request that was answered. ``path`` is as sent, without the query; ``caller`` is who the stand-in took it for
    (never a credential); ``headers`` holds only a harmless subset.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    status: int
    headers: Mapping[str, str]
    caller: str = ""


Match = Callable[[Request], bool]


@dataclass(slots=True)
class _PlannedFailure:
    left: int
    answer: Answer
    match: Match
    after: bool


class StandIn:
    """A server that can be started, watched and made to fail.

    Handlers run one at a time under ``lock``, so state needs no locking of its own; a test that reads or changes
    state from outside takes the lock too.
    """

    ROUTES: ClassVar[tuple[Route, ...]] = ()
    WRONG_REQUEST_STATUS: ClassVar[int] = 400
    """What the real server answers to an unknown query parameter or a body of the wrong shape."""
    BODY_LIMIT: ClassVar[int | None] = None
    """Bytes above which a body is refused with 413."""
    FORMATS: ClassVar[jsonschema.FormatChecker | None] = None

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.down = False
        self.on_request: Callable[[Request], None] | None = None
        self._recorded: list[Recorded] = []
        self._failures: list[_PlannedFailure] = []
        self._server: _Server | None = None

    def start(self, port: int = 0) -> str:
        """Serve on 127.0.0.1 (``port`` 0: any free one) and return the base URL, without a trailing slash."""
        self._server = _Server(("127.0.0.1", port), self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop serving and cut the connections still open; harmless when it never started."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_connections()
            self._server = None

    @property
    def url(self) -> str:
        """The base URL while serving."""
        if self._server is None:
            raise RuntimeError("the stand-in is not started")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Recorded]:
        """Every request answered so far, in the order of their answers (a copy)."""
        with self.lock:
            return list(self._recorded)

    def count(self, predicate: Callable[[Recorded], bool] = lambda _: True) -> int:
        """How many answered requests satisfy the predicate."""
        return sum(1 for recorded in self.requests if predicate(recorded))

    def forget_requests(self) -> None:
        """Start counting anew."""
        with self.lock:
            self._recorded.clear()

    def fail_next(
        self,
        n: int,
        status: int,
        match: Match | str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        after: bool = False,
    ) -> None:
        """Answer the next ``n`` requests that match (a predicate, or a part of ``METHOD /path``) with ``status``.

        ``after=True`` does the work first and then loses the answer: what a broken connection looks like.
        """
        if callable(match):
            predicate: Match = match
        else:
            part = match or ""

            def predicate(request: Request) -> bool:
                return part in f"{request.method} {request.path}"

        answer = self.refusal(status, f"planned failure {status}", None)
        planned = Answer(answer.status, answer.body, {**answer.headers, **(headers or {})})
        with self.lock:
            self._failures.append(_PlannedFailure(n, planned, predicate, after))

    # What a stand-in overrides.

    def refusal(self, status: int, message: str, code: str | None) -> Answer:
        """The product's error answer."""
        return Answer(status, {"error": code or "error", "message": message})

    def authorise(self, request: Request, route: Route) -> str:  # noqa: ARG002 - for those who override it
        """Who is calling, as recorded; raises ``Refused(401)``. By default everybody may."""
        return ""

    def common_headers(self) -> Mapping[str, str]:
        """Headers of every answer (rate limits)."""
        return {}

    # The way of a request.

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request and record it; what the HTTP server calls for every request."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(method, parts.path, {}, query, headers, body)
        if self.on_request is not None:
            self.on_request(request)
        with self.lock:
            answer, caller = self._outcome(request)
            answer = Answer(answer.status, answer.body, {**self.common_headers(), **answer.headers})
            subset = {name: headers[name] for name in RECORDED_HEADERS if name in headers}
            self._recorded.append(Recorded(method, parts.path, query, answer.status, subset, caller))
        return answer

    def _outcome(self, request: Request) -> tuple[Answer, str]:
        if self.down:
            return self.refusal(503, "down", None), ""
        failure = self._planned_failure(request)
        if failure is not None and not failure.after:
            return failure.answer, ""
        caller = ""
        try:
            route, variables = self._route(request)
            request = Request(request.method, request.path, variables, request.query, request.headers, request.body)
            caller = self.authorise(request, route)
            self._check(request, route)
            answer: Answer = getattr(self, route.handler)(request)
        except Refused as refused:
            answer = self.refusal(refused.status, refused.message, refused.code)
        return (failure.answer if failure is not None else answer), caller

    def _planned_failure(self, request: Request) -> _PlannedFailure | None:
        for failure in self._failures:
            if failure.left > 0 and failure.match(request):
                failure.left -= 1
                return failure
        return None

    def _route(self, request: Request) -> tuple[Route, dict[str, str]]:
        other_method = False
        for route in self.ROUTES:
            variables = match_path(route.path, request.path)
            if variables is not None:
                if route.method == request.method:
                    return route, variables
                other_method = True
        if other_method:
            raise Refused(405, f"{request.method} is not a method of {request.path}")
        raise Refused(404, f"no route {request.method} {request.path}", code="route_not_found")

    def _check(self, request: Request, route: Route) -> None:
        if self.BODY_LIMIT is not None and len(request.body) > self.BODY_LIMIT:
            raise Refused(413, f"the body is larger than {self.BODY_LIMIT} bytes")
        for name in request.query:
            if name not in route.query:
                raise Refused(self.WRONG_REQUEST_STATUS, f"query parameter {name!r} is not one of {route.path}")
        for name in route.required_query:
            if name not in request.query:
                raise Refused(self.WRONG_REQUEST_STATUS, f"query parameter {name!r} is required")
        if route.body is not None:
            check_shape(request.json(), route.body, self.WRONG_REQUEST_STATUS, self.FORMATS)


def check_shape(
    value: Any, schema: Mapping[str, Any], status: int, formats: jsonschema.FormatChecker | None = None
) -> None:
    """Raise ``Refused(status)`` naming the first place where the value does not fit the schema."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=formats)
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        place = "/".join(str(step) for step in error.absolute_path) or "the body"
        raise Refused(status, f"{place}: {error.validator} {json.dumps(error.validator_value)[:120]}")


def match_path(template: str, path: str) -> dict[str, str] | None:
    """The decoded variables of a path that fits the template, else ``None``. An encoded slash stays in its segment."""
    wanted = template.strip("/").split("/")
    given = path.strip("/").split("/")
    if wanted[-1].endswith("...}"):
        if len(given) < len(wanted):
            return None
        given = [*given[: len(wanted) - 1], "/".join(given[len(wanted) - 1 :])]
    if len(wanted) != len(given):
        return None
    variables: dict[str, str] = {}
    for segment, text in zip(wanted, given, strict=True):
        if segment.startswith("{"):
            if not text:
                return None
            variables[segment.strip("{.}")] = unquote(text)
        elif segment != text:
            return None
    return variables


class _Server(socketserver.ThreadingTCPServer):
    """Threads are daemons and connections are remembered, so that ``stop`` also ends idle keep-alive connections."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._open_lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was quicker

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-answer is no news; anything else is a bug in the stand-in and is shown."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together

    def _serve(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = server.stand_in.answer(self.command, self.path, headers, body)
        content, content_type = _encode(answer.body)
        self.send_response(answer.status)
        names = {name.lower() for name in answer.headers}
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if content and "content-type" not in names:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet: what arrived is in ``requests``."""


def _encode(body: Any) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, bytes):
        return body, "text/plain; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json; charset=utf-8"
