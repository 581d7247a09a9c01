"""What a Cloud token may do, read off ``X-Oauth-Scopes``, against what this stack does with it.

The header is on every answer of Bitbucket Cloud. Scopes have two spellings: those of access tokens (``pullrequest``)
and those of API tokens (``read:pullrequest:bitbucket``); Atlassian's OpenAPI document of June 2026 names both for each
operation, and what the older ones include.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bitbucket_port.objects import Kind
from bitbucket_port.setup.findings import Finding

ABOUT = "Bitbucket scopes"
HEADER = "X-Oauth-Scopes"
_INCLUDED = {
    "project": {"repository"},
    "pullrequest": {"repository"},
    "repository:write": {"repository"},
    "pullrequest:write": {"pullrequest", "repository", "repository:write"},
    "project:admin": {"project"},
    "account:write": {"account"},
}


@dataclass(frozen=True, slots=True)
class Need:
    """Something the stack does: one scope of ``older``, or all of ``newer``, lets it; ``loses``: what it is for."""

    older: str
    newer: tuple[str, ...]
    loses: str


_NEEDS: dict[Kind, Need] = {
    "project": Need("project", ("read:project:bitbucket",), "projects cannot be listed"),
    "repository": Need("repository", ("read:repository:bitbucket",), "repositories cannot be read"),
    "pull-request": Need("pullrequest", ("read:pullrequest:bitbucket",), "pull requests cannot be read"),
    "user": Need("account", ("read:workspace:bitbucket",), "the workspace's members cannot be listed"),
}
_WEBHOOKS = (
    Need(
        "webhook",
        ("read:webhook:bitbucket", "write:webhook:bitbucket"),
        "no webhook can be made, so that changes are seen at the next resync only",
    ),
    Need("webhook", ("delete:webhook:bitbucket",), "webhooks stay behind when the stack is deleted"),
)


def scopes_finding(header: str | None, kinds: Collection[Kind], *, webhooks: bool) -> Finding:
    """What is missing in the header for objects of these kinds, and for making webhooks; None: no header came."""
    if header is None:
        return Finding(ABOUT, "skipped", f"Bitbucket does not tell the token's scopes ({HEADER}).")
    has = _with_included({scope for scope in header.replace(",", " ").split() if scope})
    # Whose entities hang below repositories needs their list as well.
    wanted = {*kinds, *(["repository"] if "pull-request" in kinds else [])}
    needs = [need for kind, need in _NEEDS.items() if kind in wanted]
    if webhooks:
        needs += _WEBHOOKS if _is_of_api_token(has) else _WEBHOOKS[:1]
    missing = [need for need in needs if not _is_met(need, has)]
    if not missing:
        return Finding(ABOUT, "ok", f"the token has all it needs: {', '.join(_names(needs, has))}.")
    spelling = ", ".join(_names(missing, has))
    text = f"the token lacks {spelling}: {'; '.join(need.loses for need in missing)}."
    fix = f"Make a token that also has {spelling}, and put it into the secret of BitbucketToken."
    if all(need in _WEBHOOKS for need in missing):
        fix += " Or make the webhooks by hand (docs/bitbucket-cloud.md)."
    return Finding(ABOUT, "warning", text, fix)


def _is_met(need: Need, has: Collection[str]) -> bool:
    return need.older in has or all(scope in has for scope in need.newer)


def _names(needs: Collection[Need], has: Collection[str]) -> list[str]:
    """In the spelling that this token uses."""
    if _is_of_api_token(has):
        return [scope for need in needs for scope in need.newer]
    return [need.older for need in needs]


def _is_of_api_token(scopes: Collection[str]) -> bool:
    return any(scope.endswith(":bitbucket") for scope in scopes)


def _with_included(scopes: set[str]) -> set[str]:
    return scopes.union(*(_INCLUDED.get(scope, set()) for scope in scopes)) if scopes else scopes
