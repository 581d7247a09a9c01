"""Where CloudFormation wants its answer: an address signed for one PUT without a content type."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

PATH = "/bucket/key?X-Amz-Signature=sealed"


class ResponseEndpoint(HTTPServer):
    """``trouble`` are statuses to answer with before anything is taken; ``taken`` are the answers that were.

    With ``tls`` it serves over HTTPS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.trouble: list[int] = []
        self.asked = 0
        self.taken: list[dict[str, Any]] = []
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.server_port}{PATH}"
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Serve no longer."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ResponseEndpoint

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        status = self.server.trouble.pop(0) if self.server.trouble else self._status(body)
        if status == 200:
            self.server.taken.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _status(self, body: bytes) -> int:
        signed = self.path == PATH and not self.headers.get("Content-Type") and "Authorization" not in self.headers
        return 200 if signed and len(body) <= 4096 else 403

    def log_message(self, *args: object) -> None:
        """Nothing."""
