"""Where custom resources answer: addresses that take one PUT each, and refuse what S3 would refuse.

CloudFormation hands a presigned address of S3 to whoever provides a custom resource. Facts: AWS CloudFormation User
Guide, "Custom resource request and response reference" (a body of at most 4,096 bytes); Amazon S3 User Guide,
"Uploading objects with presigned URLs" (what was not signed may not be sent: a content type, headers of AWS's own,
other credentials). Like S3, an address takes another PUT too, but only the first is an answer: nobody reads a second.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from local.clock import Clock

LARGEST_ANSWER = 4096
"""Bytes that CloudFormation reads."""
VALID_SECONDS = 2 * 3600.0
"""How long an address takes anything."""


@dataclass
class ResponseUrl:
    """One address: ``body`` is the first thing that was put there (None: nothing yet), ``statuses`` what every request
    for it was answered with.
    """

    url: str
    expires: float
    body: bytes | None = None
    statuses: list[int] = field(default_factory=list)


class ResponseUrls:
    """Serves addresses on 127.0.0.1 from the first one made on. ``made`` are all of them, the oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_signature: dict[str, ResponseUrl] = {}
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.made: list[ResponseUrl] = []

    def make(self) -> ResponseUrl:
        """Another address."""
        with self._lock:
            if self._server is None:
                self._server = _Server(self)
                threading.Thread(target=self._server.serve_forever, args=(0.05,), name="answers", daemon=True).start()
            signature = secrets.token_hex(20)
            expires = self._clock.now() + VALID_SECONDS
            port = self._server.server_port
            query = f"AWSAccessKeyId=ASIAEXAMPLE&Expires={int(expires)}&Signature={signature}"
            made = ResponseUrl(f"http://127.0.0.1:{port}/answers/{len(self.made) + 1}?{query}", expires)
            self._by_signature[signature] = made
            self.made.append(made)
            return made

    def stop(self) -> None:
        """Serve no longer; harmless when nothing was made."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def take(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        """The status and S3's error code for one request; header names in lower case."""
        given = parse_qs(urlsplit(target).query).get("Signature", [""])[0]
        known = self._by_signature.get(given)
        if known is None or urlsplit(target).path != urlsplit(known.url).path:
            return 403, "SignatureDoesNotMatch"
        refusal = self._refusal(known, method, headers)
        status, code = refusal or (200, "")
        if not refusal and known.body is None:
            known.body = body
        known.statuses.append(status)
        return status, code

    def _refusal(self, known: ResponseUrl, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if self._clock.now() > known.expires:
            return 403, "AccessDenied"  # Request has expired
        if method != "PUT" or headers.get("content-type"):
            return 403, "SignatureDoesNotMatch"
        if "authorization" in headers:
            return 400, "InvalidArgument"  # Only one auth mechanism allowed
        if any(name.startswith("x-amz-") for name in headers):
            return 403, "AccessDenied"  # There were headers present in the request which were not signed
        if "content-length" not in headers:
            return 411, "MissingContentLength"
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, urls: ResponseUrls) -> None:
        self.urls = urls
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        """Take an answer, or refuse it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        status, code = self.server.urls.take(self.command, self.path, headers, body)
        text = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: whoever asks sees what came of it."""
