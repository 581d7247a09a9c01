"""moto as a server of its own: SQS, DynamoDB and Secrets Manager on loopback.

Every request is answered under one lock: moto checks a condition and writes in two steps, which two threads could get
between, and real conditional writes are atomic.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any

import boto3

from local.template import REGION

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": REGION}


class Moto:
    """The server process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> str:
        """Start the server; returns its URL."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.aws"],
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the command that started us.
        )
        if self._process.stdout is None:
            raise RuntimeError("the moto server has no output to read its address from")
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the moto server did not start")
        return self.url

    def stop(self) -> None:
        """End the server; harmless when it never started."""
        if self._process:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream:
                    stream.close()
            self._process = None

    def client(self, service: Any) -> Any:
        """A boto3 client of one of its services."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )


class _OneAtATime:
    """WSGI middleware: the next request begins when the last one is answered."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            answer = self._app(environ, start_response)
            body = list(answer)
            if hasattr(answer, "close"):
                answer.close()
        return body


def _serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class KeepAlive(WSGIRequestHandler):
        """Connections stay open: boto3 sends many requests."""

        protocol_version = "HTTP/1.1"

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _judge_age_alone()
    app = _OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # Ends with the process that started us, however that one ends.


def _judge_age_alone() -> None:
    """Let moto look up a queue's retention period without counting the queue's messages three times for it.

    For each message received it asks for all attributes of the queue, which makes a full queue quadratic.
    """
    from moto.core.utils import unix_time
    from moto.sqs.models import Message, SQSBackend

    def young(backend: SQSBackend, queue_name: str, message: Message) -> bool:
        queue: Any = backend.get_queue(queue_name)
        retention = float(queue.message_retention_period)
        return bool(retention + float(message.sent_timestamp or 0) / 1000 > unix_time())

    SQSBackend.is_message_valid_based_on_retention_period = young  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    _serve()
