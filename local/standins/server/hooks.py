"""Webhooks of a project or of one repository on Bitbucket Data Center, and sending through them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import urllib3

from local.standins.hooks import FOREIGN_URL, Hooks, delivered_for
from local.standins.http import Answer, Refused, Request
from local.standins.server.history import HistoryApi
from local.standins.server.model import Hook, Project, Repository
from local.standins.server.pages import page_of
from local.standins.server.statistics import NO_ANSWER, history, is_skipped, latest, record, record_skipped
from local.standins.server.world import RepositoryName
from local.standins.webhook import Webhook, deliver_to, post

Json = dict[str, Any]
OUTCOMES = ("SUCCESS", "FAILURE", "ERROR")
TEST_TIMEOUT = 5.0
"""Seconds a connection test waits."""


class HookApi(HistoryApi, Hooks[Hook]):
    """Webhooks of a project or of one repository."""

    # The side of the tests.

    def add_hook(
        self,
        url: str = FOREIGN_URL,
        events: Iterable[str] = ("repo:refs_changed",),
        *,
        subject: Project | RepositoryName,
        name: str = "",
        secret: str | None = None,
        active: bool = True,
    ) -> Hook:
        """A webhook that somebody made by hand, of a project (object or key) or of a repository (object or
        ``KEY/slug``); nothing is checked.
        """
        settings = {
            "name": name,
            "url": url,
            "active": active,
            "events": list(events),
            "sslVerificationRequired": True,
            "configuration": {},
        }
        with self.lock:
            if isinstance(subject, str):
                subject = self.world.repository(subject) if "/" in subject else self.world.project(subject)
            when = self.world.now()
            made = Hook(settings, secret, self.world.new_id(), subject, when, when)
            self.world.hooks.append(made)
        return made

    def add_foreign_hooks(self, count: int, subject: Project | RepositoryName) -> list[Hook]:
        """Webhooks of other tools."""
        return [
            self.add_hook(f"{FOREIGN_URL}/{number}", subject=subject, name=f"build {number}") for number in range(count)
        ]

    def record_deliveries(
        self, hook: Hook, count: int, status: int | None, *, event: str = "repo:refs_changed"
    ) -> None:
        """What became of deliveries nobody here sent: ``status`` of None is a receiver that could not be reached."""
        with self.lock:
            for _ in range(count):
                record(hook, event, self.world.now(), status)

    @property
    def subscriptions(self) -> list[Hook]:
        return self.world.hooks

    def known_events(self) -> Sequence[str]:
        return self.has.events

    def edited(self, hook: Hook) -> None:
        hook.updated = self.world.now()

    def covers(self, hook: Hook, webhook: Webhook) -> bool:
        """A project's cover what is about the project and its repositories, a repository's what is about it (a fork:
        what it was forked from).
        """
        project, repository = _subject_of(webhook.payload)
        if isinstance(hook.subject, Project):
            return project is not None and project["id"] == hook.subject.id
        return repository is not None and repository["id"] == hook.subject.id

    def send(self, hook: Hook, webhook: Webhook) -> int | None:
        """Once, and not at all while the circuit breaker is open."""
        with self.lock:
            if is_skipped(hook, webhook.sent_at):
                record_skipped(hook, webhook.event_key, webhook.sent_at)
                return None
        blocked = self.outgoing_blocked
        delivered = delivered_for(webhook, str(hook.id))
        status = None if blocked else deliver_to(hook.url, hook.secret, delivered)[-1]
        with self.lock:
            record(hook, webhook.event_key, webhook.sent_at, status)
        return status

    # Operations.

    def list_hooks(self, request: Request) -> Answer:
        """GET …/webhooks."""
        subject, event = self._subject(request), request.value("event")
        hooks = [
            hook
            for hook in self.world.hooks
            if hook.subject is subject and (event is None or event in hook.settings["events"])
        ]
        return Answer(200, page_of(hooks, request, self._writer(request), largest=self.page_limit))

    def create_hook(self, request: Request) -> Answer:
        """POST …/webhooks."""
        subject, when = self._subject(request), self.world.now()
        settings, secret = self._settings(request)
        made = Hook(settings, secret, self.world.new_id(), subject, when, when)
        self.world.hooks.append(made)
        return Answer(201, self.world.write.hook(made))

    def get_hook(self, request: Request) -> Answer:
        """GET …/webhooks/{id}."""
        return Answer(200, self._writer(request)(self._hook(request)))

    def change_hook(self, request: Request) -> Answer:
        """PUT …/webhooks/{id}: the whole webhook; a secret that is left out is gone."""
        hook = self._hook(request)
        hook.settings, hook.secret = self._settings(request)
        hook.updated = self.world.now()
        return Answer(200, self.world.write.hook(hook))

    def delete_hook(self, request: Request) -> Answer:
        """DELETE …/webhooks/{id}."""
        self.world.hooks.remove(self._hook(request))
        return Answer(204)

    def get_latest(self, request: Request) -> Answer:
        """GET …/latest: the newest delivery, perhaps of one event or outcome."""
        hook, outcome = self._hook(request), request.value("outcome")
        if outcome not in (None, *OUTCOMES):
            raise Refused(400, f"outcome: {outcome!r} is none of {', '.join(OUTCOMES)}")
        found = latest(hook, request.value("event"), outcome)
        return Answer(200, found) if found else Answer(204)

    def get_statistics(self, request: Request) -> Answer:
        """GET …/statistics: what became of the deliveries, perhaps of one event."""
        return Answer(200, history(self._hook(request), self.world.now(), request.value("event")))

    def get_statistics_summary(self, request: Request) -> Answer:
        """GET …/statistics/summary: the same of all events; 204 when nothing was ever delivered."""
        hook = self._hook(request)
        return Answer(200, history(hook, self.world.now())) if hook.invocations else Answer(204)

    def test_connection(self, request: Request) -> Answer:
        """POST …/webhooks/test: sends a ping to the URL and shows what was sent and answered.

        No document says how a receiver that cannot be reached is told: as an error, decided here.
        """
        self._subject(request)
        url = request.value("url") or ""
        if not url.startswith(("http://", "https://")):
            raise Refused(400, "The url must begin with http:// or https://")
        body = json.dumps({"test": True}).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Event-Key": "diagnostics:ping"}
        try:
            if self.outgoing_blocked:
                raise Refused(400, f"Unable to connect to {url}: {NO_ANSWER}")
            answer = post(url, body, headers, timeout=TEST_TIMEOUT)
        except urllib3.exceptions.HTTPError as error:
            raise Refused(400, f"Unable to connect to {url}: {error}") from error
        sent = {"method": "POST", "url": url, "headers": headers, "body": body.decode()}
        text = answer.data.decode(errors="replace")
        got = {"statusCode": answer.status, "headers": dict(answer.headers), "body": text}
        return Answer(200, {"request": sent, "response": got})

    def _writer(self, request: Request) -> Any:
        wants_statistics, now = request.value("statistics") == "true", self.world.now()

        def write(hook: Hook) -> Json:
            written = self.world.write.hook(hook)
            return {**written, "statistics": history(hook, now)} if wants_statistics else written

        return write

    def _settings(self, request: Request) -> tuple[Json, str | None]:
        given = request.json()
        unknown = self.unknown_event(given["events"])
        if unknown is not None:
            raise Refused(400, f"The event {unknown} is unknown", code="validation.ArgumentValidationException")
        configuration = dict(given.get("configuration", {}))
        secret = configuration.pop("secret", None)
        settings = {"active": True, "sslVerificationRequired": True, **given, "configuration": configuration}
        settings.pop("credentials", None)
        return settings, secret

    def _subject(self, request: Request) -> Project | Repository:
        if "repository" in request.variables:
            repository = self.repository(request)
            if repository.permission != "REPO_ADMIN" or repository.project.key in self.forbidden_hooks:
                raise self.hidden()
            return repository
        if not self.has.project_hooks:
            raise Refused(404, "HTTP 404 Not Found")
        project = self.project(request)
        if project.key in self.forbidden_hooks:
            raise self.hidden()
        return project

    def _hook(self, request: Request) -> Hook:
        subject, number = self._subject(request), request.variables["hook"]
        found = next((h for h in self.world.hooks if h.subject is subject and str(h.id) == number), None)
        if found is None:
            raise Refused(404, "No such webhook", code="webhook.NoSuchWebhookException")
        return found


def _subject_of(payload: Json) -> tuple[Json | None, Json | None]:
    """The project and the repository a webhook is about; a connection test is about neither."""
    if "pullRequest" in payload:
        repository = payload["pullRequest"]["toRef"]["repository"]
    elif payload.get("eventKey") == "project:modified":
        return payload["new"], None
    elif payload.get("eventKey") == "repo:forked":
        repository = payload["repository"].get("origin")
    else:
        repository = payload.get("new") or payload.get("repository")
    return (repository["project"], repository) if repository else (None, None)
