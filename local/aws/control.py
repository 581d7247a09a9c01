"""What the operator tells the moto process besides calls of AWS: a JSON object by POST, a JSON answer."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from local.account import ACCOUNT, REGION
from local.aws import expiry, queues, state
from local.aws.calls import Call
from local.aws.faults import Fault
from local.aws.front import Caller, Environ, Front, StartResponse
from local.aws.permissions import Permissions

PATH = "/operator"
TOKEN_HEADER = "HTTP_X_OPERATOR_TOKEN"


class Control:
    """A WSGI application around the front: ``PATH`` is for whoever knows ``token``, everything else goes on."""

    def __init__(self, front: Front, token: str) -> None:
        self._front = front
        self._token = token
        self._commands: dict[str, Callable[..., Any]] = {
            "admit": self._admit,
            "dismiss": front.dismiss,
            "calls": lambda: [call.to_json() for call in front.calls()],
            "forget_calls": front.forget_calls,
            "fault": lambda fault: front.faults.add(Fault.from_json(fault)),
            "faults": self._faults,
            "clear_faults": front.faults.clear,
            "due": lambda urls: queues.due(REGION, urls),
            "ready": lambda urls: queues.ready(REGION, urls),
            "dead_letters": lambda url: queues.dead_letters(REGION, url),
            "secret": lambda arn: _secret(REGION, arn),
            "expire": lambda: expiry.expire(REGION),
            "saved_at": lambda path: state.read(Path(path))["at"],
            "save": lambda path: state.save(Path(path), REGION),
            "restore": lambda path: state.restore(Path(path), REGION),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") != PATH:
            return self._front(environ, start_response)
        if not hmac.compare_digest(environ.get(TOKEN_HEADER, ""), self._token):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [b'{"error": "for the operator only"}']
        order = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        try:
            with self._front.lock:
                answer = {"answer": self._commands[order["do"]](**order["with"])}
            status = "200 OK"
        except (ValueError, OSError) as error:
            answer, status = {"error": str(error)}, "400 Bad Request"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _admit(
        self, *, key: str, function: str, role: str, statements: list[Mapping[str, Any]], pid: int, by_service: bool
    ) -> None:
        try:
            process = psutil.Process(pid) if pid else None
        except psutil.NoSuchProcess as error:
            raise ValueError(f"there is no process {pid}") from error
        self._front.admit(Caller(key, function, role, Permissions(statements), process, by_service))

    def _faults(self) -> list[dict[str, Any]]:
        return [
            {"number": plan.number, "fault": plan.fault.to_json(), "matched": plan.matched, "struck": plan.struck}
            for plan in self._front.faults.planned()
        ]


def _secret(region: str, arn: str) -> str:
    """The current value of a secret. Raises ValueError when there is none."""
    from moto.secretsmanager.models import secretsmanager_backends

    found = secretsmanager_backends[ACCOUNT][region].secrets.get(arn)
    if found is None or found.default_version_id is None:
        raise ValueError(f"there is no secret {arn}")
    return str(found.versions[found.default_version_id]["secret_string"])


def calls_from_json(documents: Iterable[Mapping[str, Any]]) -> list[Call]:
    """The answer to ``calls``."""
    return [Call.from_json(document) for document in documents]
