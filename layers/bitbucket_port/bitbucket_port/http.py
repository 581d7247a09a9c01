"""One careful HTTP client for Bitbucket and Port: bounded by a deadline, bound to one host, classified errors.

Retrying is done here and not by urllib3's ``Retry``: that one sleeps as long as ``Retry-After`` says (Data Center can
say 292 billion years), knows nothing of the time a function has left, and cannot change the credentials in between.
"""

from __future__ import annotations

import json as jsonlib
import random
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from bitbucket_port import __version__
from bitbucket_port.connection_faults import connection_fault
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.tls import TlsAdapter

LONGEST_WAIT = 43_200.0
"""Seconds: the longest an SQS message can stay invisible, so no wait is ever told to be longer."""
SHORT_WAIT = 5.0
"""Seconds: a throttled request that may go on after at most this long is worth sleeping for."""
Verify = bool | str | Callable[[], bool | str]
"""What certificates are verified against: True for the public authorities, a file, or what tells which one to use now.
"""
ATTEMPTS = 3
FIRST_PAUSE = 0.5
REDIRECTS = 3
SPARE_TIME = 0.5
"""Seconds that must be left on the deadline for a request to be worth sending."""
LARGEST_ANSWER = 64 * 1024 * 1024
CHUNK = 64 * 1024
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_FIRST_EPOCH = 1_000_000_000  # a reset "in" more seconds than this is a point in time, as Port sends it


class RefusedError(PermanentError):
    """A 4xx that no other class covers; ``status`` is the HTTP status."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RedirectedElsewhereError(PermanentError):
    """The answer is a redirect, or a link, to another scheme, host or port: never followed, never sent a credential."""


class Deadline:
    """How much time is left, in seconds of a clock that never jumps."""

    def __init__(self, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at = at
        self._clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    def left(self) -> float:
        """Seconds left; negative when it has passed."""
        return self._at - self._clock()


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with one of the wanted statuses, read completely."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    sender: str = "the server"

    def json(self) -> Any:
        """The body as JSON; raises TransientError when it is not (a login or maintenance page of something between)."""
        try:
            return jsonlib.loads(self.content)
        except ValueError:
            raise TransientError(f"{self.sender} answered {self.status} with something that is not JSON") from None

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced, since no charset is promised for raw files."""
        return self.content.decode("utf-8-sig", errors="replace")


def wait_told(headers: Mapping[str, str], status: int, now: float) -> float | None:
    """Seconds until the server wants to hear from us again, capped; None when it does not say.

    ``Retry-After`` is seconds or a date. ``X-RateLimit-Reset`` is seconds left on Bitbucket Cloud and a point in time
    on Port; it counts only on a 429, because every good answer carries it too. ``headers`` must not mind upper case;
    ``now`` in epoch seconds.
    """
    text = headers.get("retry-after")
    if text is None and status == 429:
        text = headers.get("x-ratelimit-reset")
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return None
    if _FIRST_EPOCH < wait < 10 * _FIRST_EPOCH:
        wait -= now
    return min(max(wait, 0.1), LONGEST_WAIT) if wait == wait else None  # noqa: PLR0124 - "nan" is a float too


def path_of(*segments: str | int) -> str:
    """The segments as a URL path, each percent-encoded completely; refuses those a URL would swallow or climb with."""
    for segment in segments:
        if str(segment) in {"", ".", ".."}:
            raise PermanentError(f"{str(segment)!r} cannot be part of a path")
    return "/" + "/".join(quote(str(segment), safe="") for segment in segments)


class HttpClient:
    """Requests to one server. Not for use by several threads at once.

    ``headers`` is asked before every attempt, so that a rotated or refreshed credential takes effect in a retry.
    ``throttled`` is told of every 429 with the seconds the server wants us to wait (None: not said) and answers how
    long to wait really; 0 means "another credential is in place, go on". ``answered`` is told the headers and status of
    every answer, before ``throttled`` is. ``deadline`` may be replaced at any time: one client lives as long as its
    Lambda environment. ``verify`` may tell with each request what certificates are verified against, so that a rotated
    bundle takes effect. ``sent`` counts requests on the wire. ``turn`` is entered for each from its first byte to the
    last of its answer: several clients that share one are bound by it together.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Callable[[], dict[str, str]] | None,
        deadline: Deadline,
        timeout: tuple[float, float] = (3.05, 10),
        session: requests.Session | None = None,
        name: str,
        throttled: Callable[[float | None], float | None] | None = None,
        answered: Callable[[Mapping[str, str], int], None] | None = None,
        verify: Verify = True,
        turn: AbstractContextManager[object] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.deadline = deadline
        self.name = name
        self.sent = 0
        try:
            self._origin = _origin(self.base_url)
        except ValueError:
            raise SettingsError(f"the address of {name} must look like https://host or https://host/path") from None
        base = urlsplit(self.base_url)
        if "@" in base.netloc or base.query or base.fragment:
            raise SettingsError(f"the address of {name} must not hold a user, a password or a query")
        self._root = f"{base.scheme}://{base.netloc}"
        self._headers = headers
        self._timeout = timeout
        self._throttled = throttled
        self._answered = answered
        self._verify = verify
        self._turn: AbstractContextManager[object] = turn or nullcontext()
        self._sleep = sleep
        self._now = now
        self._session = session or Session()
        # A session cookie of the server would go on authenticating after the credentials were changed.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(
        self,
        method: str,
        path_or_url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        retry: bool = True,
        ok: Collection[int] = (200, 201, 207),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer, when its status is one of ``ok``; every other outcome is one of the package's errors.

        ``headers`` go with this request beside those of the client.

        ``retry`` says that sending the request twice does no harm; without it there is exactly one attempt. 404 and 410
        raise NotFoundError, 401 CredentialsRefusedError (never retried), 403 ForbiddenError, other 4xx RefusedError,
        a link or redirect to another host RedirectedElsewhereError, and 429, 5xx, network trouble, and a wait that does
        not fit into the deadline TransientError. A status in ``ok`` is returned whatever it is.
        """
        url = self._own_url(path_or_url)
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._follow(method, url, params, json, headers)
            except _ConnectionTrouble as trouble:
                if not retry or attempt >= ATTEMPTS or not trouble.worth_retrying:
                    raise TransientError(trouble.text) from None
                self._pause(_backoff(attempt), trouble.text)
                continue
            if response.status in ok:
                return response
            error = self._error_of(method, url, response)
            if response.status < 400 or not isinstance(error, TransientError) or response.status == 401:
                raise error
            wait = wait_told(response.headers, response.status, self._now())
            if response.status == 429:
                wait = self._throttled(wait) if self._throttled else wait
                if wait == 0 and retry:
                    attempt -= 1  # another credential: not another try with this one
                    continue
                if wait is None:  # the end of the budget is not known: asking again would only use up more of it
                    raise error
            error.retry_after = wait
            if not retry or attempt >= ATTEMPTS or (wait or 0) > SHORT_WAIT:
                raise error
            self._pause(_backoff(attempt) if wait is None else wait, str(error))

    def _follow(
        self, method: str, url: str, params: Mapping[str, Any] | None, json: Any, more: Mapping[str, str] | None
    ) -> Response:
        """One attempt, with the redirects inside the same host that a reading request may meet."""
        response = self._send(method, url, params, json, more)
        for _ in range(REDIRECTS):
            location = response.headers.get("location")
            if response.status not in _REDIRECTING or not location:
                return response
            if method not in {"GET", "HEAD"}:
                raise PermanentError(f"{self.name} redirects a {method}; the configured address is not the right one")
            try:
                target = urljoin(url, location)
            except ValueError:
                raise RedirectedElsewhereError(f"{self.name} redirects to an address that cannot be read") from None
            response = self._send(method, url := self._own_url(target), None, None, more)
        if response.status in _REDIRECTING:
            raise PermanentError(f"{self.name} redirects without end at {urlsplit(url).path}")
        return response

    def _send(
        self, method: str, url: str, params: Mapping[str, Any] | None, json: Any, more: Mapping[str, str] | None
    ) -> Response:
        left = self.deadline.left()
        if left < SPARE_TIME:
            raise TransientError(f"no time left for asking {self.name}", retry_after=0)
        connect, read = self._timeout
        headers = {"User-Agent": f"bitbucket-port/{__version__}"} | (self._headers() if self._headers else {})
        headers |= more or {}
        verify = self._verify() if callable(self._verify) else self._verify
        self.sent += 1
        try:
            with (
                self._turn,
                self._session.request(
                    method,
                    url,
                    params=params,
                    json=json,
                    headers=headers,
                    auth=_keep_headers,
                    timeout=(min(connect, left), min(read, left)),
                    allow_redirects=False,
                    verify=verify,
                    stream=True,
                ) as answer,
            ):
                if self._answered:
                    self._answered(answer.headers, answer.status_code)
                return Response(answer.status_code, answer.headers, self._body(answer), self.name)
        except requests.RequestException as error:
            text, again = connection_fault(error)
            raise _ConnectionTrouble(f"{self.name} {text}", worth_retrying=again) from None
        except OSError as error:  # What is wrong with a connection is a RequestException: this is before there is one.
            raise SettingsError(f"{self.name} cannot be asked: the certificates to trust cannot be read") from error

    def _body(self, answer: requests.Response) -> bytes:
        """The whole body. A socket's timeout only bounds the gap between two pieces, so the deadline is kept here."""
        pieces: list[bytes] = []
        size = 0
        for piece in answer.iter_content(CHUNK):
            size += len(piece)
            if size > LARGEST_ANSWER:
                raise PermanentError(f"{self.name} sends more than {LARGEST_ANSWER} bytes in one answer")
            if self.deadline.left() < 0:
                raise TransientError(f"no time left for the rest of what {self.name} sends", retry_after=0)
            pieces.append(piece)
        return b"".join(pieces)

    def _own_url(self, path_or_url: str) -> str:
        """An address on our own server, rebuilt from our own origin so that no parser can read another host in it."""
        if "://" not in path_or_url.partition("?")[0]:
            return f"{self.base_url}/{path_or_url.lstrip('/')}"
        try:
            parts = urlsplit(path_or_url)
            origin = _origin(path_or_url)
        except ValueError:
            raise RedirectedElsewhereError(f"{self.name} points to an address that cannot be read") from None
        if origin != self._origin or "@" in parts.netloc or "\\" in path_or_url:
            elsewhere = f"{origin[0]}://{origin[1]}:{origin[2]}"
            raise RedirectedElsewhereError(f"{self.name} points to {elsewhere}; only {self.base_url} is ever asked")
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._root}{parts.path}{query}"

    def _pause(self, seconds: float, why: str) -> None:
        if seconds + SPARE_TIME > self.deadline.left():
            raise TransientError(why, retry_after=seconds)
        self._sleep(seconds)

    def _error_of(self, method: str, url: str, response: Response) -> BitbucketPortError:
        status = response.status
        text = f"{self.name} answered {status} to {method} {urlsplit(url).path}{_reason(response)}"
        if status in {404, 410}:
            return NotFoundError(text)
        if status == 401:
            return CredentialsRefusedError(text)
        if status == 403:
            return ForbiddenError(text)
        if status in {408, 425, 429} or status >= 500:
            return TransientError(text)
        if status >= 400:
            return RefusedError(text, status=status)
        return TransientError(f"{text}, which is not an answer we know")


class _ConnectionTrouble(Exception):  # noqa: N818 - never leaves this module
    """No complete answer came."""

    def __init__(self, text: str, *, worth_retrying: bool) -> None:
        super().__init__(text)
        self.text = text
        self.worth_retrying = worth_retrying


class Session(requests.Session):
    """A session that leaves redirects alone: even when told not to follow them, requests prepares the next one, and
    for that parses a hostile address and reads a body of any size. And one that looks for a proxy and certificates in
    the environment once for each server: requests does with every request, and that takes as long as sending it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", TlsAdapter())
        self._surroundings: dict[tuple[str, str, object], Any] = {}

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """The same for all requests to a server: every one of them is sent with the same options."""
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc, verify)
        if key not in self._surroundings:
            self._surroundings[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return self._surroundings[key]

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer is a redirect to requests; ``HttpClient`` sees to them."""


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands in for requests' own authentication, which would replace our header by one from a ``.netrc`` file."""
    return request


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    return scheme, parts.hostname, parts.port or (443 if scheme == "https" else 80)


def _backoff(attempt: int) -> float:
    """0.5, 1, 2 … seconds, half of it by chance so that many functions do not come back together."""
    return FIRST_PAUSE * 2.0 ** (attempt - 1) * (0.5 + random.random() / 2)  # noqa: S311 - spreading, not secrecy


def _reason(response: Response) -> str:
    """What a JSON error body says in one short line: Cloud ``error.message``, Data Center ``errors[0].message``, Port
    ``error`` and ``message``. Anything else, such as an HTML page, is not looked at.
    """
    if "json" not in response.headers.get("content-type", ""):
        return ""
    try:
        body = jsonlib.loads(response.content)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    error = body.get("error")
    texts = [error.get("message") if isinstance(error, dict) else error, body.get("message"), first.get("message")]
    said = ": ".join(text for text in texts if isinstance(text, str) and text)
    return f" ({' '.join(said.split())[:200]})" if said else ""
