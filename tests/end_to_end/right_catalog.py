"""What Port has to show of a world by the default mapping, written down a second time: in plain Python, off the world.

Nothing of ``bitbucket_port`` has a part in it, so that a fault there cannot be wrong in the same way here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from local.machine import Machine
from local.standins.cloud import model as cloud
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server import model as server
from local.standins.server.pull_requests import ServerWorld

Key = tuple[str, str]
"""Blueprint and identifier."""
Shown = dict[str, Any]
"""``title``, ``properties`` and ``relations``; what is null is left out, as Port tells the two apart nowhere."""
Catalog = dict[Key, Shown]
Made = tuple[str, str, Callable[[], Shown]]
"""Blueprint, identifier, and what makes the entity when it is asked for: many tests look at a few of many entities."""
WEBHOOKS_TELL_NOT = ("description", "defaultBranch", "language", "createdAt", "updatedAt")
"""Properties of a Cloud repository that its copy in a webhook lacks (captured webhooks). Neither product's copy says
of a repository that it is *not* a fork."""


def right_catalog(machine: Machine, *, reads: bool = True, token: str = "") -> Catalog:
    """Everything that must be in Port, but for people, of whom no webhook tells more than who they are.

    With ``token`` only entities one of whose identifier's parts begins with it, in whatever case. ``reads`` False:
    webhook-only mode. There a project is a name and nothing else as long as no webhook of its own came, and a
    repository has no more than webhooks tell.
    """
    made = _cloud(machine.cloud.world, reads) if machine.product == "cloud" else _server(machine.server.world, reads)
    return {(blueprint, name): make() for blueprint, name, make in made if _has(name, token)}


def shown_catalog(machine: Machine, *, token: str = "") -> Catalog:
    """What is in Port, in the same shape; ``token`` as for the right one."""
    return {
        key: _shown(entity["title"], entity["properties"], entity["relations"])
        for key, entity in machine.port.catalog(lambda key: _has(key[1], token)).items()
        if not key[0].endswith("User")
    }


def differences(right: Catalog, shown: Catalog) -> list[str]:
    """One line for each entity that is missing, too many or wrong; for a wrong one what is shown and what is right."""
    found = [f"missing: {key}" for key in sorted(right.keys() - shown.keys())]
    found += [f"too many: {key}" for key in sorted(shown.keys() - right.keys())]
    for key in sorted(right.keys() & shown.keys()):
        one, other = _flat(shown[key]), _flat(right[key])
        names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        found += [f"{key}: {name} is {one.get(name)!r}, must be {other.get(name)!r}" for name in names]
    return found


def _flat(shown: Shown) -> dict[str, Any]:
    return {"title": shown["title"], **shown["properties"], **{f"→{k}": v for k, v in shown["relations"].items()}}


def _shown(title: str | None, properties: dict[str, Any], relations: dict[str, Any]) -> Shown:
    def told(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value is not None}

    return {"title": title, "properties": told(properties), "relations": told(relations)}


def _told(repository: Shown, reads: bool, *names: str) -> Shown:
    """A repository, where it cannot be read without what webhooks do not tell of it."""
    properties = repository["properties"]
    for name in () if reads else (*names, *([] if properties["fork"] else ["fork"])):
        properties.pop(name, None)
    return repository


_ONLY_A_NAME = _shown(None, {}, {})


# --- Bitbucket Cloud --------------------------------------------------------------------------------------------------


def _cloud(world: CloudWorld, reads: bool) -> Iterator[Made]:
    workspace = world.workspace.slug
    for project in world.projects:
        yield "bitbucketCloudProject", f"{workspace}/{project.key}", partial(_cloud_project, world, project, reads)
    for repository in world.repositories:
        name = repository.full_name
        yield "bitbucketCloudRepository", name, partial(_cloud_repository, world, repository, reads)
        for pull in repository.pull_requests.values():
            yield "bitbucketCloudPullRequest", f"{name}/{pull.id}", partial(_cloud_pull_request, world, pull)


def _cloud_project(world: CloudWorld, project: cloud.Project, reads: bool) -> Shown:
    if not reads:
        return _ONLY_A_NAME
    properties = {
        "key": project.key,
        "description": project.description,
        "visibility": "private" if project.is_private else "public",
        "url": f"{world.site.html}/{world.workspace.slug}/workspace/projects/{project.key}",
        "createdAt": _microseconds(project.created_on),
    }
    return _shown(project.name, properties, {})


def _cloud_repository(world: CloudWorld, repository: cloud.Repository, reads: bool) -> Shown:
    properties = {
        "description": repository.description,
        "visibility": "private" if repository.is_private else "public",
        "url": f"{world.site.html}/{repository.full_name}",
        "defaultBranch": repository.main_branch,
        "language": repository.language or None,
        "fork": repository.parent is not None,
        "createdAt": _microseconds(repository.created_on),
        "updatedAt": _microseconds(repository.updated_on),
    }
    project = f"{repository.workspace.slug}/{repository.project.key}"
    return _told(_shown(repository.name, properties, {"project": project}), reads, *WEBHOOKS_TELL_NOT)


def _cloud_pull_request(world: CloudWorld, pull: cloud.PullRequest) -> Shown:
    reviews = [participant.review for participant in pull.participants.values()]
    repository = pull.repository.full_name
    properties = {
        "number": pull.id,
        "status": pull.state,
        "draft": pull.draft,
        "reviewStatus": _review_status("changes_requested" in reviews, "approved" in reviews),
        "approvals": reviews.count("approved"),
        "authorName": pull.author.display_name,
        "reviewerNames": [user.display_name for user in pull.reviewers],
        "sourceBranch": pull.source_branch,
        "destinationBranch": pull.target_branch,
        "mergeCommit": pull.merge_commit[:12] if pull.merge_commit else None,
        "url": f"{world.site.html}/{repository}/pull-requests/{pull.id}",
        "createdAt": _microseconds(pull.created_on),
        "updatedAt": _microseconds(pull.updated_on),
        "closedAt": None if pull.state == "OPEN" else _microseconds(pull.updated_on),
    }
    reviewers = [user.uuid.strip("{}") for user in pull.reviewers]
    author = pull.author.uuid.strip("{}")
    return _shown(pull.title, properties, {"repository": repository, "author": author, "reviewers": reviewers})


def _microseconds(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def _review_status(changes_requested: bool, approved: bool) -> str:
    return "CHANGES_REQUESTED" if changes_requested else "APPROVED" if approved else "REVIEW_REQUIRED"


# --- Bitbucket Data Center --------------------------------------------------------------------------------------------


def _server(world: ServerWorld, reads: bool) -> Iterator[Made]:
    base = world.style.base_url
    for project in world.projects:
        yield "bitbucketServerProject", project.key, partial(_server_project, base, project, reads)
    for repository in world.repositories:
        name = repository.full_name
        yield "bitbucketServerRepository", name, partial(_server_repository, base, repository, reads)
        for pull in repository.pull_requests.values():
            yield "bitbucketServerPullRequest", f"{name}/{pull.id}", partial(_server_pull_request, base, pull)


def _server_project(base: str, project: server.Project, reads: bool) -> Shown:
    if not reads:
        return _ONLY_A_NAME
    properties = {
        "key": project.key,
        "description": project.description or None,
        "visibility": "public" if project.is_public else "private",
        "url": f"{base}/projects/{project.key}",
    }
    return _shown(project.name, properties, {})


def _server_repository(base: str, repository: server.Repository, reads: bool) -> Shown:
    properties = {
        "description": repository.description or None,
        "visibility": "public" if repository.is_public else "private",
        "url": f"{base}/projects/{repository.project.key}/repos/{repository.slug}/browse",
        "archived": repository.archived,
        "state": "AVAILABLE",
        "fork": repository.origin is not None,
    }
    return _told(_shown(repository.name, properties, {"project": repository.project.key}), reads)


def _server_pull_request(base: str, pull: server.PullRequest) -> Shown:
    statuses = [participant.status for participant in pull.participants.values()]
    asked = [participant.status for participant in pull.reviewers]
    repository = pull.repository
    home = f"{base}/projects/{repository.project.key}/repos/{repository.slug}"
    properties = {
        "number": pull.id,
        "status": pull.state,
        "draft": pull.draft,
        "reviewStatus": _review_status("NEEDS_WORK" in asked, "APPROVED" in asked),
        "approvals": statuses.count("APPROVED"),
        "authorName": pull.author.display_name,
        "reviewerNames": [participant.user.display_name for participant in pull.reviewers],
        "sourceBranch": pull.source_branch,
        "destinationBranch": pull.target_branch,
        "mergeCommit": pull.merge_commit,
        "url": f"{home}/pull-requests/{pull.id}",
        "createdAt": _seconds(pull.created),
        "updatedAt": _seconds(pull.updated),
        "closedAt": _seconds(pull.closed) if pull.closed else None,
    }
    reviewers = [participant.user.slug for participant in pull.reviewers]
    relations = {"repository": repository.full_name, "author": pull.author.slug, "reviewers": reviewers}
    return _shown(pull.title, properties, relations)


def _seconds(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _has(identifier: str, token: str) -> bool:
    return any(part.casefold().startswith(token.casefold()) for part in identifier.split("/"))
