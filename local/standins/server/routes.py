"""What the stand-in for Bitbucket Data Center answers to, as Atlassian's API descriptions of 9.4 and 10.0 allow it.

``start`` and ``limit`` of ``/users``, ``/webhooks`` and ``/browse`` are not in the descriptions; they answer with
pages, and paging is described once for the whole API (developer.atlassian.com, Bitbucket Data Center REST API: Paged
APIs).
"""

from __future__ import annotations

from typing import Any

from local.standins.http import Route

PAGED = frozenset({"start", "limit"})
_HOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "url": {"type": "string", "pattern": "^https?://"},
        "active": {"type": "boolean"},
        "events": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        "configuration": {"type": "object", "properties": {"secret": {"type": "string"}}},
        "credentials": {"type": "object"},
        "scopeType": {"type": "string"},
        "sslVerificationRequired": {"type": "boolean"},
        "statistics": {"type": "object"},
    },
    "required": ["name", "url", "events"],
    "additionalProperties": False,
}
_PULL_REQUESTS = PAGED | {
    "state",
    "order",
    "direction",
    "at",
    "draft",
    "filterText",
    "withAttributes",
    "withProperties",
}
_REPOSITORIES = PAGED | {"archived", "projectname", "projectkey", "visibility", "name", "permission", "state"}
_COMMITS = PAGED | {"until", "since", "path", "merges", "followRenames", "ignoreMissing", "withCounts"}
_BRANCHES = PAGED | {"filterText", "orderBy", "details", "base", "context", "boostMatches"}
_RAW = frozenset({"at", "markup", "htmlEscape", "includeHeadingId", "hardwrap"})
_BROWSE = PAGED | {"at", "type", "size", "blame", "noContent"}


_CREDENTIALS = {
    "type": ["object", "null"],
    "properties": {"username": {"type": "string"}, "password": {"type": "string"}},
}


def _hook_routes(subject: str) -> tuple[Route, ...]:
    hook = f"{subject}/webhooks/{{hook}}"
    tested = frozenset({"url", "webhookId", "sslVerificationRequired"})
    return (
        Route("GET", f"{subject}/webhooks", "list_hooks", PAGED | {"event", "statistics"}),
        Route("POST", f"{subject}/webhooks", "create_hook", body=_HOOK),
        Route("POST", f"{subject}/webhooks/test", "test_connection", tested, body=_CREDENTIALS),
        Route("GET", hook, "get_hook", frozenset({"statistics"})),
        Route("PUT", hook, "change_hook", body=_HOOK),
        Route("DELETE", hook, "delete_hook"),
        Route("GET", f"{hook}/latest", "get_latest", frozenset({"event", "outcome"})),
        Route("GET", f"{hook}/statistics", "get_statistics", frozenset({"event"})),
        Route("GET", f"{hook}/statistics/summary", "get_statistics_summary"),
    )


def _routes(base: str) -> tuple[Route, ...]:
    project = f"{base}/projects/{{project}}"
    repository = f"{project}/repos/{{repository}}"
    return (
        Route("GET", f"{base}/application-properties", "get_properties"),
        Route("GET", f"{base}/users", "list_users", PAGED | {"filter", "group", "permission"}),
        Route("GET", f"{base}/users/{{user}}", "get_user"),
        Route("GET", f"{base}/repos", "list_all_repositories", _REPOSITORIES),
        Route("GET", f"{base}/projects", "list_projects", PAGED | {"name", "permission"}),
        Route("GET", project, "get_project"),
        Route("GET", f"{project}/repos", "list_repositories", PAGED),
        *_hook_routes(project),
        Route("GET", repository, "get_repository"),
        *_hook_routes(repository),
        Route("GET", f"{repository}/pull-requests", "list_pull_requests", _PULL_REQUESTS),
        Route("GET", f"{repository}/pull-requests/{{number}}", "get_pull_request"),
        Route("GET", f"{repository}/default-branch", "get_default_branch"),
        Route("GET", f"{repository}/branches", "list_branches", _BRANCHES),
        Route("GET", f"{repository}/commits", "list_commits", _COMMITS),
        Route("GET", f"{repository}/commits/{{commit}}", "get_commit", frozenset({"path"})),
        Route("GET", f"{repository}/raw/{{path...}}", "get_raw", _RAW),
        Route("GET", f"{repository}/browse", "browse", _BROWSE),
        Route("GET", f"{repository}/browse/{{path...}}", "browse", _BROWSE),
        Route("GET", f"{repository}/files", "list_files", PAGED | {"at"}),
        Route("GET", f"{repository}/files/{{path...}}", "list_files", PAGED | {"at"}),
    )


ROUTES: tuple[Route, ...] = (*_routes("/rest/api/latest"), *_routes("/rest/api/1.0"))
