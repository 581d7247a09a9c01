"""The page's HTTP server: a handful of static files, a stream of server-sent events, and one thing one can ask for."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.page.feed import Feed
from local.page.watched import Json
from local.resyncs import RefusedError

STATIC = Path(__file__).resolve().parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{
        f"/{path.name}": (path.name, kind)
        for suffix, kind in (("css", "text/css; charset=utf-8"), ("js", "text/javascript; charset=utf-8"))
        for path in STATIC.glob(f"*.{suffix}")
    },
}
HEADERS = {
    # Nothing from anywhere else, and no text that could ever become markup.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
HEARTBEAT = 10.0
"""Real seconds of silence after which the stream says that it is alive, which also finds out who has gone."""
RETRY_MILLISECONDS = 1_000
LARGEST_REQUEST = 1_000
"""Bytes: a stack's name needs no more."""
PLAIN = "text/plain; charset=utf-8"
_OWN_HOST = re.compile(r"(localhost|[\w-]+\.localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\])(:\d+)?", re.ASCII)


class Server(ThreadingHTTPServer):
    """Serves one feed on 127.0.0.1. ``start_resync`` takes a stack's name; it raises KeyError and RefusedError.

    ``machine`` tells programs what the stacks are and where their AWS is (``page.stacks``); None: nobody is told.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, port: int, feed: Feed, start_resync: Callable[[str], None], machine: Callable[[], Json] | None
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.feed = feed
        self.start_resync = start_resync
        self.machine = machine
        self.stopped = False
        self.url = f"http://127.0.0.1:{self.server_port}"

    def start(self) -> str:
        """Serve; returns the page's address."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop serving."""
        self.stopped = True  # A browser may go on over the connection it has.
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._own_host():
            # Else any site could have its own name lead here and read the catalog from a browser on this machine.
            self._send(403, b"Open this page by the address that make run printed.\n", PLAIN)
        elif path == "/events":
            self._stream()
        elif path == "/stacks.json" and self.server.machine is not None:
            self._send(200, json.dumps(self.server.machine()).encode(), "application/json")
        elif path in FILES:
            name, kind = FILES[path]
            self._send(200, (STATIC / name).read_bytes(), kind)
        else:
            self._send(404, b"There is no such page.\n", PLAIN)

    def do_POST(self) -> None:
        self.close_connection = True  # What is not read of the body is no next request.
        if not self._own_host() or not self._own_origin():
            # Any site may have a browser on this machine send a request here; only this page may have it do something.
            self._send(403, b"Only the page itself may ask for that.\n", PLAIN)
        elif urlsplit(self.path).path != "/resync":
            self._send(404, b"There is nothing to be done there.\n", PLAIN)
        elif self.server.stopped:
            self._send(503, b"The machine has stopped.\n", PLAIN)
        else:
            self._start_resync()

    def _own_host(self) -> bool:
        return _OWN_HOST.fullmatch(self.headers.get("Host", "")) is not None

    def _own_origin(self) -> bool:
        """Browsers send ``Origin`` with every POST (Fetch Standard, "Append a request `Origin` header")."""
        return self.headers.get("Origin", "") == f"http://{self.headers.get('Host', '')}"

    def _start_resync(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self._send(413 if length.isdecimal() else 411, b"A stack's name is wanted.\n", PLAIN)
            return
        try:
            stack = json.loads(self.rfile.read(int(length)))["stack"]
            self.server.start_resync(str(stack))
        except (ValueError, KeyError, TypeError):
            self._send(400, b"There is no such stack.\n", PLAIN)
        except RefusedError as refusal:
            self._send(409, f"{refusal}\n".encode(), PLAIN)
        else:
            self._send(202, b"It has begun.\n", PLAIN)

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self._send_headers(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        for name, value in HEADERS.items():
            self.send_header(name, value)

    def _stream(self) -> None:
        """Server-sent events (HTML Living Standard, section 9.2) until the page or the machine goes away."""
        self.close_connection = True
        self.send_response(200)
        self._send_headers("text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        viewer = self.server.feed.open()
        try:
            self.wfile.write(f"retry: {RETRY_MILLISECONDS}\n\n".encode())
            while not viewer.cut:
                try:
                    message = viewer.messages.get(timeout=HEARTBEAT)
                except queue.Empty:
                    self.wfile.write(b": still here\n\n")
                    continue
                if message is None:
                    break
                # JSON has no line break of its own, so that one line of data is enough.
                self.wfile.write(f"data: {message}\n\n".encode())
        except ConnectionError:
            pass  # The page was closed.
        finally:
            self.server.feed.close(viewer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the terminal is for the story."""
