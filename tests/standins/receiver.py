"""Where webhooks of a test arrive."""

from __future__ import annotations

import hashlib
import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(ThreadingHTTPServer):
    """Remembers what arrives and answers with the statuses given, the last one again and again."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses = [202]
        super().__init__(("127.0.0.1", 0), _Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def keys(self) -> list[tuple[str, str]]:
        """Path and event key of everything that arrived."""
        return [(path, headers["x-event-key"]) for path, headers, _ in self.arrived]

    def signed_with(self, secret: str) -> list[bool]:
        """For everything that arrived, whether it was signed with the secret."""
        return [
            headers.get("x-hub-signature") == "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            for _, headers, body in self.arrived
        ]


class _Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.arrived.append((self.path, headers, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass
