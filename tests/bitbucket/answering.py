"""A tiny HTTP server that gives prepared answers and remembers what it was asked, and a clock for tests."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """``body`` is sent as JSON unless it is bytes; ``cut`` hangs up in the middle, ``hang_up`` at once."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut: bool = False

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; ``path`` is still percent-encoded."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


class AnsweringServer:
    """Answers each path with its prepared answers in turn, the last one again and again; other paths with 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                owner.answer(self)

            do_GET = do_POST = answer  # noqa: N815 - the base class calls them so

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
                """Keeps the test output quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [asked.path for asked in self.asked]

    def give(self, path: str, *answers: Answer) -> None:
        """Prepares the answers of a path (percent-encoded, as it will arrive)."""
        self._answers[path].extend(answers)

    def give_json(self, path: str, *bodies: Any) -> None:
        """Prepares JSON answers with status 200."""
        self.give(path, *(Answer(body=body) for body in bodies))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append(
            Asked(handler.command, parts.path, parse_qs(parts.query), headers, handler.rfile.read(length))
        )
        prepared = self._answers.get(parts.path)
        answer = Answer(404, {"errors": [{"message": "nothing here"}]}) if not prepared else prepared[0]
        if prepared and len(prepared) > 1:
            prepared.pop(0)
        if answer.hang_up:
            handler.close_connection = True
            return
        content = answer.content()
        handler.send_response(answer.status)
        for name, value in ({"Content-Type": "application/json"} | answer.headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content) + (10 if answer.cut else 0)))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = answer.cut


class Clock:
    """A clock that moves only by ``sleep``; it serves as monotonic and as wall clock."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
