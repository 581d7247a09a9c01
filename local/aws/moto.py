"""SQS, DynamoDB and Secrets Manager on loopback: the moto process, seen from the process that starts it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import boto3
import urllib3
from botocore.config import Config

from local.account import REGION
from local.aws.calls import Call
from local.aws.control import PATH, calls_from_json
from local.aws.faults import Fault, Planned
from local.aws.front import OPERATOR
from local.aws.permissions import Permissions
from local.aws.queues import DeadLetter
from local.clock import Clock

CREDENTIALS = {"AWS_ACCESS_KEY_ID": OPERATOR, "AWS_SECRET_ACCESS_KEY": OPERATOR, "AWS_REGION": REGION}
"""The operator's, as environment variables."""


class Moto:
    """The server process. It lives on ``clock``; without one it makes its own, as fast as the machine's."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._folder = None if clock else tempfile.TemporaryDirectory(prefix="clock-")
        self.clock = clock or Clock(Path(self._folder.name) / "clock" if self._folder else Path())
        self._process: subprocess.Popen[str] | None = None
        self._token = secrets.token_hex(16)
        self._http = urllib3.PoolManager(maxsize=8, retries=False)
        self._making = threading.Lock()
        self._clients: dict[tuple[str, Any], Any] = {}
        self.url = ""

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> str:
        """Start the server; returns its URL."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.aws.server", str(self.clock.path)],
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the command that started us.
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
        if self._process.stdout is None or self._process.stdin is None:
            raise RuntimeError("the moto server has no input or output")
        self._process.stdin.write(self._token + "\n")
        self._process.stdin.flush()
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
        self._http.clear()
        if self._folder:
            self._folder.cleanup()

    def client(self, service: Any, *, key: str = OPERATOR) -> Any:
        """A boto3 client of one of its services: the operator's, or that of whoever was admitted under ``key``.

        The operator may do everything and is not recorded; there is one client for each service. Any other client tries
        once only, so that a fault strikes.
        """
        if key != OPERATOR:
            return self._client(service, key)
        with self._making:
            if (self.url, service) not in self._clients:
                self._clients[self.url, service] = self._client(service, key)
            return self._clients[self.url, service]

    def _client(self, service: Any, key: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=key,
            config=None if key == OPERATOR else Config(retries={"total_max_attempts": 1}),
        )

    # --- who may call ------------------------------------------------------------------------------------------------

    def admit(
        self,
        key: str,
        *,
        function: str,
        role: str,
        statements: list[Mapping[str, Any]],
        pid: int,
        by_service: bool = False,
    ) -> None:
        """Know an execution environment by its access key from now on.

        ``function`` and ``role`` are names, ``statements`` those of the role's policies, resolved. ``pid`` is the
        process that a fault may kill, 0 for none (its connection is cut instead). ``by_service`` marks what Lambda
        itself does with the function's role. Raises NotImplementedError for a statement that cannot be evaluated here,
        ValueError when there is no such process.
        """
        Permissions(statements)
        self._order(
            "admit",
            key=key,
            function=function,
            role=role,
            statements=[dict(statement) for statement in statements],
            pid=pid,
            by_service=by_service,
        )

    def dismiss(self, key: str) -> None:
        """Know it no more: what it still sends is refused. Harmless when it never was admitted."""
        self._order("dismiss", key=key)

    # --- what was called ---------------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        """Every call since the start or ``forget_calls`` but the operator's, in the order of arrival."""
        return calls_from_json(self._order("calls"))

    def forget_calls(self) -> None:
        """Record anew."""
        self._order("forget_calls")

    # --- faults ------------------------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> int:
        """Have a fault strike from now on; returns its number."""
        return int(self._order("fault", fault=fault.to_json()))

    def faults(self) -> list[Planned]:
        """Every fault since ``clear_faults``, with how often it matched and struck."""
        return [
            Planned(plan["number"], Fault.from_json(plan["fault"]), plan["matched"], plan["struck"])
            for plan in self._order("faults")
        ]

    def faults_left(self) -> list[Planned]:
        """Those that have not struck as often as they were told to (without a limit: never)."""
        return [plan for plan in self.faults() if plan.left]

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._order("clear_faults")

    # --- what no call of AWS tells -----------------------------------------------------------------------------------

    def due(self, queue_urls: Iterable[str]) -> float | None:
        """The earliest moment (simulated epoch seconds) at which a message of these queues becomes visible that is
        invisible or delayed now; ``None`` when there is no such message. Raises ValueError for an unknown queue.
        """
        return cast("float | None", self._order("due", urls=list(queue_urls)))

    def ready(self, queue_urls: Iterable[str]) -> list[str]:
        """Those of the queues that hold a message which could be received now. Raises ValueError for an unknown
        queue.
        """
        return cast("list[str]", self._order("ready", urls=list(queue_urls)))

    def dead_letters(self, queue_url: str) -> list[DeadLetter]:
        """The queue's messages, oldest first, looked at without receiving them. Raises ValueError for an unknown
        queue.
        """
        return cast("list[DeadLetter]", self._order("dead_letters", url=queue_url))

    def secret(self, arn: str) -> str:
        """The current value of a secret, many times as fast as by a client. Raises ValueError when there is none."""
        return str(self._order("secret", arn=arn))

    def expire(self) -> int:
        """Delete now what DynamoDB's Time to Live would have deleted by now; returns how many items."""
        return int(self._order("expire"))

    # --- on disk -----------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write all items, messages and secrets to a file, in one step."""
        self._order("save", path=str(path.absolute()))

    def restore(self, path: Path) -> None:
        """Put back what ``save`` wrote, in place of what there is. Tables, queues and secrets are there already.

        The clock is put forward to the moment of saving if it is not that far yet. Raises ValueError saying what is
        wrong with the file or what is not there; then nothing is changed.
        """
        saved_at = float(self._order("saved_at", path=str(path.absolute())))
        self.clock.advance(max(0.0, saved_at - self.clock.now()))
        self._order("restore", path=str(path.absolute()))

    def _order(self, do: str, **parameters: Any) -> Any:
        answer = self._http.request(
            "POST",
            self.url + PATH,
            body=json.dumps({"do": do, "with": parameters}).encode(),
            headers={"X-Operator-Token": self._token, "Content-Type": "application/json"},
        )
        if answer.status == 400:
            raise ValueError(json.loads(answer.data)["error"])
        if answer.status != 200:
            raise RuntimeError(f"the moto process answered {answer.status} to {do}")
        return json.loads(answer.data)["answer"]
