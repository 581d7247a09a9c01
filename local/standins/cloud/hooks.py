"""Webhook subscriptions of the workspace or of one repository on Bitbucket Cloud, and sending through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from local.standins.cloud.model import Hook, Repository
from local.standins.cloud.routes import HOOK_EVENTS, NEW_HOOK
from local.standins.cloud.scopes import needed_for_events
from local.standins.cloud.sources import SourceApi
from local.standins.cloud.world import RepositoryName
from local.standins.hooks import FOREIGN_URL, Hooks, delivered_for
from local.standins.http import Answer, Refused, Request, check_shape
from local.standins.webhook import Webhook, deliver_to

HOOKS_PER_REPOSITORY = 50
"""Further ones are refused (a pull request of simstudioai/sim, #6934, met it); for a workspace no limit is known."""
PAYLOAD_LIMIT = 256 * 1024
"""Bytes above which a delivery is left out without a word (support.atlassian.com, Troubleshoot webhooks)."""


class HookApi(SourceApi, Hooks[Hook]):
    """Subscriptions of the workspace or of one repository.

    ``workspace_owner``: the credential is an owner's; only those may administer subscriptions of the workspace.
    ``hook_page_size``: a page of subscriptions never holds more, whatever is asked for.
    """

    workspace_owner = True
    hook_page_size: int | None = None

    # The side of the tests.

    def add_hook(
        self,
        url: str = FOREIGN_URL,
        events: Iterable[str] = ("repo:push",),
        *,
        subject: RepositoryName | None = None,
        name: str = "",
        secret: str | None = None,
        active: bool = True,
    ) -> Hook:
        """A subscription that somebody made by hand, of the workspace or of a repository; nothing is checked."""
        with self.lock:
            repository = self.world.repository(subject) if subject is not None else None
            settings = {"url": url, "description": name, "active": active, "events": list(events)}
            made = Hook(settings, secret, f"{{{self.world.new_uuid()}}}", repository, self.world.now())
            self.world.hooks.append(made)
        return made

    def add_foreign_hooks(self, count: int, subject: RepositoryName | None = None) -> list[Hook]:
        """Subscriptions of other tools."""
        return [
            self.add_hook(f"{FOREIGN_URL}/{number}", subject=subject, name=f"build {number}") for number in range(count)
        ]

    @property
    def subscriptions(self) -> list[Hook]:
        return self.world.hooks

    def known_events(self) -> Sequence[str]:
        return HOOK_EVENTS

    def covers(self, hook: Hook, webhook: Webhook) -> bool:
        """The workspace's cover everything, a repository's what is about the repository (a fork: its parent)."""
        repository = webhook.payload.get("repository")
        return hook.subject is None or (repository is not None and repository["uuid"] == hook.subject.uuid)

    def send(self, hook: Hook, webhook: Webhook) -> int | None:
        if self.outgoing_blocked or len(webhook.body) > PAYLOAD_LIMIT:
            return None
        return deliver_to(hook.url, hook.secret, delivered_for(webhook, hook.uuid))[-1]

    # Operations.

    def list_hook_events(self, request: Request) -> Answer:
        """GET /hook_events/{subject}: which events a subscription may name."""
        if request.variables["subject"] not in ("workspace", "repository"):
            raise Refused(404, "No such subject")
        events = [
            {"event": key, "category": key.split(":")[0], "label": key, "description": key}
            for key in HOOK_EVENTS
            if key not in self.refused_events
        ]
        return self.page(request, events)

    def list_hooks(self, request: Request) -> Answer:
        """GET …/hooks."""
        subject = self._subject(request)
        hooks = [hook for hook in self.world.hooks if hook.subject is subject]
        asked = request.value("pagelen")
        if self.hook_page_size and asked and asked.isdigit() and self.hook_page_size < int(asked) <= 100:
            request = replace(request, query={**request.query, "pagelen": [str(self.hook_page_size)]})
        return self.page(request, [self.world.write.hook(hook, self.world.workspace) for hook in hooks])

    def create_hook(self, request: Request) -> Answer:
        """POST …/hooks."""
        subject = self._subject(request)
        settings = {"active": True, "description": "", **request.json()}
        self._check_events(settings["events"])
        if subject is not None and sum(hook.subject is subject for hook in self.world.hooks) >= HOOKS_PER_REPOSITORY:
            raise Refused(400, f"A repository can have at most {HOOKS_PER_REPOSITORY} webhooks.")
        secret = settings.pop("secret", None)
        made = Hook(settings, secret, f"{{{self.world.new_uuid()}}}", subject, self.world.now())
        self.world.hooks.append(made)
        answer = self.one(request, self.world.write.hook(made, self.world.workspace), 201)
        return replace(answer, headers={"Location": f"{self.url}{request.path}/{made.uuid}"})

    def get_hook(self, request: Request) -> Answer:
        """GET …/hooks/{uid}."""
        return self.one(request, self.world.write.hook(self._hook(request), self.world.workspace))

    def change_hook(self, request: Request) -> Answer:
        """PUT …/hooks/{uid}; a secret that is left out stays, null or "" removes it."""
        hook = self._hook(request)
        settings: dict[str, Any] = {**hook.settings, **request.json()}
        changes_secret, secret = "secret" in settings, settings.pop("secret", None)
        check_shape(settings, NEW_HOOK, 400)
        self._check_events(settings["events"])
        hook.settings = settings
        if changes_secret:
            hook.secret = secret
        return self.one(request, self.world.write.hook(hook, self.world.workspace))

    def delete_hook(self, request: Request) -> Answer:
        """DELETE …/hooks/{uid}."""
        self.world.hooks.remove(self._hook(request))
        return Answer(204)

    def _check_events(self, events: Sequence[str]) -> None:
        unknown = self.unknown_event(events)
        if unknown is not None:
            message = f"{unknown} is not a valid webhook event."
            error = {"message": "Invalid request", "fields": {"events": [message]}}
            raise Refused(400, message, answer=Answer(400, {"type": "error", "error": error}))
        self.check_scopes(needed_for_events(events, of_api_token=self.is_api_token))

    def _subject(self, request: Request) -> Repository | None:
        if "repository" not in request.variables:
            self.check_workspace(request)
            if not self.workspace_owner:
                raise Refused(403, "Access denied. You must be an owner of this workspace.")
            return None
        repository = self.repository(request)
        if repository.role not in ("admin", "owner") or repository.project.key in self.forbidden_hooks:
            raise Refused(403, "Access denied. You must have write or admin access.")
        return repository

    def _hook(self, request: Request) -> Hook:
        subject, uuid = self._subject(request), request.variables["hook"].strip("{}")
        found = next((h for h in self.world.hooks if h.subject is subject and h.uuid.strip("{}") == uuid), None)
        if found is None:
            raise Refused(404, "No such webhook")
        return found
