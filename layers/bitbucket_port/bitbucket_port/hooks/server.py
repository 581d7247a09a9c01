"""Webhooks of Bitbucket Data Center projects (8.8 and newer) and repositories.

Paths and bodies: Atlassian's OpenAPI documents of 9.4 and 10.0. They say nothing about the shape of statistics: that is
from the examples in the REST reference of 7.x and 8.x (``lastSuccess``, ``lastFailure``, ``lastError`` and ``counts``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bitbucket_port.errors import NotFoundError
from bitbucket_port.hooks.asking import Asks, an_object, events_of, removed, request, server_pages, text_of
from bitbucket_port.hooks.model import Health, Hook, WantedHook
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.http import path_of
from bitbucket_port.objects import JsonObject

PING_PATH = "test"


class ServerHooks:
    """See HookApi."""

    def __init__(self, bitbucket: Asks) -> None:
        self._bitbucket = bitbucket
        self._unverified: set[str] = set()

    def hooks(self, subject: Subject) -> list[Hook]:
        """``GET …/webhooks``."""
        values = [*server_pages(self._bitbucket, _path(subject))]
        # Somebody who switched that off had a reason, such as a certificate that only his network trusts.
        self._unverified |= {str(value.get("id")) for value in values if value.get("sslVerificationRequired") is False}
        return [_hook(value) for value in values]

    def create(self, subject: Subject, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """``POST …/webhooks``."""
        body = _body(wanted, events, secret)
        return _hook(an_object(request(self._bitbucket, "POST", _path(subject), json=body, ok=(200, 201))))

    def change(self, subject: Subject, hook_id: str, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """``PUT …/webhooks/{id}``."""
        path = _path(subject) + path_of(hook_id)
        body = _body(wanted, events, secret) | {"sslVerificationRequired": hook_id not in self._unverified}
        return _hook(an_object(request(self._bitbucket, "PUT", path, json=body)))

    def delete(self, subject: Subject, hook_id: str) -> None:
        """``DELETE …/webhooks/{id}``."""
        removed(self._bitbucket, _path(subject) + path_of(hook_id))

    def offered(self, subject: Subject) -> frozenset[str] | None:
        """The Data Center does not tell; its refusals name the event."""
        del subject
        return None

    def health(self, subject: Subject, hook_id: str) -> Health | None:
        """``GET …/webhooks/{id}/statistics/summary``; 204 where nothing was delivered yet."""
        path = _path(subject) + path_of(hook_id, "statistics", "summary")
        try:
            answer = request(self._bitbucket, "GET", path, ok=(200, 204))
        except NotFoundError:
            return None
        return health_of(an_object(answer)) if answer.status == 200 else None

    def test(self, subject: Subject, url: str) -> JsonObject:
        """``POST …/webhooks/test``: what the server saw when it sent a ping to this URL."""
        path = _path(subject) + path_of(PING_PATH)
        return an_object(request(self._bitbucket, "POST", path, params={"url": url}, json={}))


def health_of(summary: JsonObject) -> Health:
    """What a summary of deliveries says: the newest one counts."""
    newest = max(
        (
            (_finished(summary.get(name)), name)
            for name in ("lastSuccess", "lastFailure", "lastError")
            if isinstance(summary.get(name), dict)
        ),
        default=None,
    )
    if newest is None or newest[1] == "lastSuccess":
        return Health(failing=False)
    result = summary[newest[1]].get("result")
    described = str(result.get("description") or "") if isinstance(result, dict) else ""
    status = int(described) if described.isascii() and described.isdigit() and len(described) == 3 else None
    counts: Any = summary.get("counts")
    failed = "".join(f", {counts[name]} {name}" for name in ("failures", "errors") if _is_count(counts, name))
    seen = f"was answered {status}" if status else f"failed ({described[:80] or 'no answer'})"
    return Health(failing=True, status=status, text=f"its last delivery {seen}{failed}")


def _finished(invocation: Any) -> int:
    times = (invocation.get(name) for name in ("finish", "start"))
    return next((time for time in times if isinstance(time, int)), 0)


def _is_count(counts: Any, name: str) -> bool:
    return isinstance(counts, dict) and isinstance(counts.get(name), int) and counts[name] > 0


def _path(subject: Subject) -> str:
    project = path_of("projects", subject.address.project or "")
    if subject.level == "project":
        return project + "/webhooks"
    return project + path_of("repos", subject.address.repository or "", "webhooks")


def _body(wanted: WantedHook, events: Collection[str], secret: str) -> JsonObject:
    return {
        "name": wanted.name,
        "url": wanted.url,
        "active": True,
        "events": [*events],
        "configuration": {"secret": secret},
        "sslVerificationRequired": True,
    }


def _hook(value: JsonObject) -> Hook:
    configuration = value.get("configuration")
    shown = configuration.get("secret") if isinstance(configuration, dict) else None
    return Hook(
        id=text_of(value, "id"),
        name=str(value.get("name") or ""),
        url=str(value.get("url") or ""),
        active=value.get("active") is True,
        events=events_of(value),
        secret=shown if isinstance(shown, str) and shown else None,
        changed=str(value.get("updatedDate") or ""),
    )
