"""The plumbing of the stand-ins: a declarative table of routes behind a small HTTP server.

A stand-in derives from ``StandIn``, declares its ``ROUTES`` and writes one method per route. The table says what the
real server's OpenAPI document allows (method, path, query parameters, shape of the body); everything else is refused
before a method of the stand-in is called, and ``scripts/check_standin_against_spec.py`` compares the table with the
document.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from local.standins.serving import Peer, Server

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
    """A request the real server would refuse; becomes the product's own error answer.

    ``answer`` is the whole answer, where it says more than the product's errors usually do.
    """

    def __init__(self, status: int, message: str, *, code: str | None = None, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer
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


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request on its way, for a ``Tap``.

    ``operation`` is the route's method and template with its names left out (``GET /v1/blueprints/{}``), the path as
    sent where there is no route. ``carry_out`` answers the request; ``refuse`` makes the product's error answer from a
    status and a message, without doing anything.
    """

    request: Request
    operation: str
    peer: Peer
    carry_out: Callable[[], Answer]
    refuse: Callable[[int, str], Answer]


Tap = Callable[[Exchange], Answer]
"""Stands in the way of every request and gives its answer. Raising ConnectionError cuts the connection without one."""

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
        self.tap: Tap | None = None
        self._recorded: list[Recorded] = []
        self._failures: list[_PlannedFailure] = []
        self._server: Server | None = None
        self._name = ""

    def start(self, port: int = 0, *, tls: ssl.SSLContext | None = None, name: str = "") -> str:
        """Serve on 127.0.0.1 (``port`` 0: any free one) and return the base URL, without a trailing slash.

        With ``tls`` it serves over HTTPS. ``name`` is the ``host`` or ``host:port`` it says it is, where that is
        another than its own address (because it is only found through a proxy).
        """
        self._server = Server(("127.0.0.1", port), self.answer, tls)
        self._name = name
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
        scheme = "http" if self._server.tls is None else "https"
        return f"{scheme}://{self._name or self.address}"

    @property
    def address(self) -> str:
        """Where it really serves: ``127.0.0.1:port``."""
        if self._server is None:
            raise RuntimeError("the stand-in is not started")
        return f"127.0.0.1:{self._server.server_address[1]}"

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

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer) -> Answer:
        """Answer one request and record it; what the HTTP server calls for every request.

        Raises ConnectionError when the tap cuts the connection.
        """
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(method, parts.path, {}, query, headers, body)
        if self.on_request is not None:
            self.on_request(request)
        if self.tap is None:
            return self._recorded_answer(request)
        return self.tap(
            Exchange(
                request,
                self._operation(request),
                peer,
                lambda: self._recorded_answer(request),
                lambda status, message: self.refusal(status, message, None),
            )
        )

    def _operation(self, request: Request) -> str:
        try:
            path = re.sub(r"\{[^}]*\}", "{}", self._route(request)[0].path)
        except Refused:
            path = request.path
        return f"{request.method} {path}"

    def _recorded_answer(self, request: Request) -> Answer:
        with self.lock:
            answer, caller = self._outcome(request)
            answer = Answer(answer.status, answer.body, {**self.common_headers(), **answer.headers})
            subset = {name: request.headers[name] for name in RECORDED_HEADERS if name in request.headers}
            self._recorded.append(Recorded(request.method, request.path, request.query, answer.status, subset, caller))
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
            answer = refused.answer or self.refusal(refused.status, refused.message, refused.code)
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
