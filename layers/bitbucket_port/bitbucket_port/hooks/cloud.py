"""Webhooks of a Bitbucket Cloud workspace and of its repositories (Atlassian's OpenAPI document of June 2026).

The secret is never shown, and nothing tells when a webhook was changed: whether the secret is right cannot be known.
``X-Oauth-Scopes`` comes with every answer to a token and names what it may do.
"""

from __future__ import annotations

from collections.abc import Collection

from bitbucket_port.errors import ForbiddenError, PermanentError
from bitbucket_port.hooks.asking import Asks, an_object, cloud_pages, events_of, removed, request, text_of
from bitbucket_port.hooks.model import Health, Hook, WantedHook
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.http import Response, path_of
from bitbucket_port.objects import JsonObject

PAGE_LENGTH = 100
LONGEST_SECRET = 128


SCOPE_FIX = (
    "Give BitbucketToken the scope webhook (an API token: read:webhook:bitbucket, write:webhook:bitbucket and "
    "delete:webhook:bitbucket), or make the webhook by hand."
)
EVENT_SCOPES_FIX = (
    "Give BitbucketToken the scopes project, repository and pullrequest (an API token: read:project:bitbucket, "
    "read:repository:bitbucket and read:pullrequest:bitbucket), or make the webhook by hand."
)
SCOPE_FIXES = frozenset({SCOPE_FIX, EVENT_SCOPES_FIX})


class MissingScopeError(ForbiddenError):
    """The token may make no webhook, wherever it hangs; ``fix`` is one of ``SCOPE_FIXES``."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class CloudHooks:
    """See HookApi."""

    def __init__(self, bitbucket: Asks, workspace: str) -> None:
        self._bitbucket = bitbucket
        self._workspace = workspace

    def hooks(self, subject: Subject) -> list[Hook]:
        """``GET …/hooks``; raises MissingScopeError when the token's own scopes say that it never will be allowed."""
        path = self._path(subject)
        try:
            return [_hook(value) for value in cloud_pages(self._bitbucket, path, {"pagelen": PAGE_LENGTH})]
        except ForbiddenError as error:
            answer = request(self._bitbucket, "GET", path, params={"pagelen": 1}, ok=(200, 403))
            raise _told_apart(error, answer, "read") from None

    def create(self, subject: Subject, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """``POST …/hooks``."""
        return self._sent("POST", self._path(subject), wanted, events, secret)

    def change(self, subject: Subject, hook_id: str, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """``PUT …/hooks/{uid}``."""
        return self._sent("PUT", self._path(subject) + path_of(hook_id), wanted, events, secret)

    def delete(self, subject: Subject, hook_id: str) -> None:
        """``DELETE …/hooks/{uid}``."""
        removed(self._bitbucket, self._path(subject) + path_of(hook_id))

    def offered(self, subject: Subject) -> frozenset[str] | None:
        """``GET /hook_events/{subject_type}``, for its refusals do not always name the event."""
        path = path_of("hook_events", subject.level)
        return frozenset(text_of(value, "event") for value in cloud_pages(self._bitbucket, path, {"pagelen": 100}))

    def health(self, subject: Subject, hook_id: str) -> Health | None:
        """Bitbucket Cloud tells nobody but its own page."""
        del subject, hook_id
        return None

    def _sent(self, method: str, path: str, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        if len(secret) > LONGEST_SECRET:
            raise PermanentError(f"the webhook secret is longer than the {LONGEST_SECRET} characters Bitbucket takes")
        body = {"description": wanted.name, "url": wanted.url, "active": True, "secret": secret, "events": [*events]}
        answer = request(self._bitbucket, method, path, json=body, ok=(200, 201, 403))
        if answer.status == 403:
            error = ForbiddenError(f"{answer.sender} answered 403 to {method} {path}")
            raise _told_apart(error, answer, "write")
        return _hook(an_object(answer))

    def _path(self, subject: Subject) -> str:
        if subject.level == "workspace":
            return path_of("workspaces", self._workspace, "hooks")
        return path_of("repositories", self._workspace, subject.address.repository or "", "hooks")


def _told_apart(error: ForbiddenError, answer: Response, access: str) -> ForbiddenError:
    """The same error, or that the token lacks a scope: then no other place has to be tried.

    Who may read the webhooks of a place is its administrator, so that writing is refused for scopes only: a webhook
    also needs that of each of its events (same document, "Create a webhook for a workspace").
    """
    scopes = answer.headers.get("x-oauth-scopes")
    if answer.status != 403 or scopes is None:
        return error
    if not _may(scopes, access):
        return MissingScopeError(f"the token has no scope for webhooks (it has: {scopes or 'none'})", SCOPE_FIX)
    if access == "write":
        text = f"the token lacks the scope of an event to be told of (it has: {scopes})"
        return MissingScopeError(text, EVENT_SCOPES_FIX)
    return error


def _may(scopes: str, access: str) -> bool:
    """``webhook`` is the name of an access token's scope, ``read:webhook:bitbucket`` of an API token's."""
    names = {scope.strip() for scope in scopes.split(",")}
    return bool(names & {"webhook", "webhook:write" if access == "write" else "webhook:read"}) or (
        f"{access}:webhook:bitbucket" in names
    )


def _hook(value: JsonObject) -> Hook:
    secured = value.get("secret_set")
    return Hook(
        id=text_of(value, "uuid"),
        name=str(value.get("description") or ""),
        url=str(value.get("url") or ""),
        active=value.get("active") is True,
        events=events_of(value),
        secured=secured if isinstance(secured, bool) else None,
    )
