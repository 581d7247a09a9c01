"""The page's HTTP server: a handful of static files, and a stream of server-sent events."""

from __future__ import annotations

import queue
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.page.feed import Feed

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
_OWN_HOST = re.compile(r"(localhost|[\w-]+\.localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\])(:\d+)?", re.ASCII)


class Server(ThreadingHTTPServer):
    """Serves one feed on 127.0.0.1."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, feed: Feed) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.feed = feed
        self.url = f"http://127.0.0.1:{self.server_port}"

    def start(self) -> str:
        """Serve; returns the page's address."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not _OWN_HOST.fullmatch(self.headers.get("Host", "")):
            # Else any site could have its own name lead here and read the catalog from a browser on this machine.
            self._send(403, b"Open this page by the address that make run printed.\n", "text/plain; charset=utf-8")
        elif path == "/events":
            self._stream()
        elif path in FILES:
            name, kind = FILES[path]
            self._send(200, (STATIC / name).read_bytes(), kind)
        else:
            self._send(404, b"There is no such page.\n", "text/plain; charset=utf-8")

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
