"""A small forward proxy, as companies put one before the internet: CONNECT and plain requests, recorded.

It leads only to this machine: to addresses of it, and to the names it was told to find here. So what is asked of a
name like ``bitbucket.example.com`` can only have come through it.
"""

from __future__ import annotations

import base64
import hmac
import select
import socket
import socketserver
import threading
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

CONNECT_TIMEOUT = 5.0
HERE = ("127.0.0.1", "localhost")
_OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"}


class Proxied(NamedTuple):
    """One request to the proxy: ``target`` is ``host:port`` of a CONNECT, else the URL without its query; ``status`` is
    what the proxy answered.
    """

    method: str
    target: str
    status: int


class ForwardProxy:
    """``names`` says where on this machine a ``host:port`` is found, as ``host:port`` too. With ``credentials``
    (``user:password``) everybody else is answered 407.
    """

    def __init__(self, names: Mapping[str, str] | None = None, *, credentials: str | None = None) -> None:
        self.names = dict(names or {})
        self.credentials = credentials
        self._recorded: list[Proxied] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def start(self) -> str:
        """Serve on any free port of 127.0.0.1; what goes into ``HTTPS_PROXY``, without credentials."""
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop serving; harmless when it never started."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def requests(self) -> list[Proxied]:
        """Everything asked of the proxy so far (a copy); never a credential."""
        with self._lock:
            return list(self._recorded)

    def record(self, method: str, target: str, status: int) -> None:
        """Remember a request."""
        with self._lock:
            self._recorded.append(Proxied(method, target, status))

    def place(self, host_and_port: str) -> tuple[str, int] | None:
        """Where a ``host:port`` is found on this machine; None: nowhere."""
        host, _, port = self.names.get(host_and_port, host_and_port).rpartition(":")
        return (host, int(port)) if host in HERE and port.isdigit() else None

    def admits(self, authorization: str) -> bool:
        """Whether a ``Proxy-Authorization`` header will do."""
        if self.credentials is None:
            return True
        wanted = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        return hmac.compare_digest(authorization.encode(), wanted.encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, proxy: ForwardProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        """Make a tunnel; what goes through it is nobody's business."""
        place = self._admitted_to(self.path, self.path)
        if place is None:
            return
        try:
            upstream = socket.create_connection(place, CONNECT_TIMEOUT)
        except OSError as error:
            self._refuse(self.path, 502, f"{self.path}: {error}")
            return
        with upstream:
            self.server.proxy.record("CONNECT", self.path, 200)
            self.send_response(200, "Connection established")
            self.end_headers()
            _tunnel(self.connection, upstream)
        self.close_connection = True

    def _forward(self) -> None:
        """Ask for a whole URL on somebody's behalf."""
        parts = urlsplit(self.path)
        target = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        port = "" if parts.port else ":80"
        place = self._admitted_to(f"{parts.netloc}{port}", target)
        if place is None:
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        upstream = HTTPConnection(*place, timeout=CONNECT_TIMEOUT)
        try:
            upstream.request(self.command, urlunsplit(("", "", parts.path or "/", parts.query, "")), body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            self._refuse(target, 502, f"{target}: {error}")
            return
        finally:
            upstream.close()
        self.server.proxy.record(self.command, target, answer.status)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_OF_THE_CONNECTION, "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self._end(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815

    def _admitted_to(self, host_and_port: str, target: str) -> tuple[str, int] | None:
        """Where to go; None when a refusal was sent."""
        if not self.server.proxy.admits(self.headers.get("Proxy-Authorization", "")):
            self._refuse(target, 407, "who are you?")
            return None
        place = self.server.proxy.place(host_and_port)
        if place is None:
            self._refuse(target, 403, f"{host_and_port} is not on this machine")
        return place

    def _refuse(self, target: str, status: int, why: str) -> None:
        self.server.proxy.record(self.command, target, status)
        self.send_response(status)
        if status == 407:
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.close_connection = True
        self.send_header("Connection", "close")
        self._end(why.encode())

    def _end(self, content: bytes) -> None:
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet: what was asked is in ``requests``."""


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends or breaks."""
    to = {one: other, other: one}
    try:
        while True:
            ready, _, _ = select.select(list(to), [], [])
            for side in ready:
                received = side.recv(65536)
                if not received:
                    return
                to[side].sendall(received)
    except OSError:
        return  # either side is gone, and with it the tunnel
