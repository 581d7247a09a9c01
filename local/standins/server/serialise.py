"""How Bitbucket Data Center writes an object: one way in a webhook, one in a list, one by itself.

The differences are the real ones (captured webhooks, Atlassian's API descriptions of 9.4 and 10.0):

- a webhook's copies have no useful links on many versions (none at all, an empty object, or ``self: [null]``), and
  from 10.x on their times are ISO 8601 text, while the API goes on writing milliseconds since the epoch;
- a pull request in a list has counts in ``properties``; by itself it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from local.standins.git import NO_COMMIT, Commit, RefChange
from local.standins.server.model import (
    Comment,
    Hook,
    Participant,
    Project,
    PullRequest,
    Repository,
    User,
)

Json = dict[str, Any]
WebhookLinks = Literal["full", "absent", "empty", "null"]


@dataclass
class Style:
    """What depends on the instance and its version.

    ``webhook_links``: how a webhook writes ``links``. ``iso_times``: webhooks write times as text, with whole seconds
    unless ``iso_milliseconds``. ``drafts`` and ``archiving``: the version knows these fields. ``secrets_shown``: a
    webhook is read with its secret in plain text, as a tool tested against a running 10.x says of every read.
    """

    base_url: str = "https://bitbucket.example.com"
    webhook_links: WebhookLinks = "absent"
    iso_times: bool = False
    iso_milliseconds: bool = False
    drafts: bool = True
    archiving: bool = True
    secrets_shown: bool = True


def milliseconds(when: datetime) -> int:
    """A time as the API writes it."""
    return int(when.timestamp() * 1000)


def offset_time(when: datetime) -> str:
    """The ``date`` of a webhook: whole seconds, and an offset without a colon."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


class Serialiser:
    """Writes objects; ``webhook`` is a second one of the same style for webhooks."""

    def __init__(self, style: Style, *, for_webhook: bool = False) -> None:
        self.style = style
        self.for_webhook = for_webhook

    @property
    def webhook(self) -> Serialiser:
        """The writer of webhook copies."""
        return Serialiser(self.style, for_webhook=True)

    def _links(self, path: str, **others: Any) -> Json:
        how = self.style.webhook_links if self.for_webhook else "full"
        match how:
            case "absent":
                return {}
            case "empty":
                return {"links": {}}
            case "null":
                return {"links": {"self": [None]}}
        return {"links": {**others, "self": [{"href": self.style.base_url + path}]}}

    def _time(self, when: datetime) -> int | str:
        if not (self.for_webhook and self.style.iso_times):
            return milliseconds(when)
        if self.style.iso_milliseconds:
            return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}+0000"
        return offset_time(when)

    # People, projects, repositories.

    def user(self, user: User) -> Json:
        """A user, alike everywhere but for the links."""
        written: Json = {"name": user.name}
        if user.email is not None:
            written["emailAddress"] = user.email
        return {
            **written,
            "active": user.active,
            "displayName": user.display_name,
            "id": user.id,
            "slug": user.slug,
            "type": user.type,
            **self._links(f"/users/{user.slug}"),
        }

    def _path(self, project: Project) -> str:
        return f"/users/{project.owner.slug}" if project.owner else f"/projects/{project.key}"

    def project(self, project: Project) -> Json:
        """A project; ``description`` is not written when there is none."""
        written: Json = {"key": project.key, "id": project.id, "name": project.name}
        if project.description:
            written["description"] = project.description
        if project.owner is None:
            written |= {"public": project.is_public, "type": "NORMAL"}
        else:
            written |= {"type": "PERSONAL", "owner": self.user(project.owner)}
        return written | self._links(self._path(project))

    def repository(self, repository: Repository) -> Json:
        """A repository; the default branch is never part of it (the API description calls it write-only)."""
        clone = f"/scm/{repository.project.key.lower()}/{repository.slug}.git"
        written: Json = {
            "slug": repository.slug,
            "id": repository.id,
            "name": repository.name,
            "hierarchyId": f"{repository.id:020x}",
            "scmId": "git",
            "state": "AVAILABLE",
            "statusMessage": "Available",
            "forkable": True,
            "project": self.project(repository.project),
            "public": repository.is_public,
        }
        if repository.description:
            written["description"] = repository.description
        if repository.origin is not None:
            written["origin"] = self.repository(repository.origin)
        if self.style.archiving:
            written["archived"] = repository.archived
        return written | self._links(
            f"{self._path(repository.project)}/repos/{repository.slug}/browse",
            clone=[{"href": self.style.base_url + clone, "name": "http"}],
        )

    # Pull requests.

    def participant(self, participant: Participant) -> Json:
        """A reviewer or participant; ``lastReviewedCommit`` only once they decided."""
        written: Json = {
            "user": self.user(participant.user),
            "role": "REVIEWER" if participant.is_reviewer else "PARTICIPANT",
            "approved": participant.status == "APPROVED",
            "status": participant.status,
        }
        if participant.reviewed_commit is not None:
            written["lastReviewedCommit"] = participant.reviewed_commit
        return written

    def _end(self, repository: Repository, branch: str, commit: str) -> Json:
        return {
            "id": f"refs/heads/{branch}",
            "displayId": branch,
            "latestCommit": commit,
            "type": "BRANCH",
            "repository": self.repository(repository),
        }

    def pull_request(self, pull: PullRequest) -> Json:
        """A pull request by itself and, written for a webhook, in an event."""
        written: Json = {"id": pull.id, "version": pull.version, "title": pull.title}
        if pull.description:
            written["description"] = pull.description
        written |= {
            "state": pull.state,
            "open": pull.state == "OPEN",
            "closed": pull.state != "OPEN",
            "createdDate": self._time(pull.created),
            "updatedDate": self._time(pull.updated),
        }
        if pull.closed is not None:
            written["closedDate"] = self._time(pull.closed)
        if self.style.drafts:
            written["draft"] = pull.draft
        written |= {
            "fromRef": self._end(pull.source, pull.source_branch, pull.source_commit),
            "toRef": self._end(pull.repository, pull.target_branch, pull.target_commit),
            "locked": False,
            "author": {
                "user": self.user(pull.author),
                "role": "AUTHOR",
                "approved": False,
                "status": "UNAPPROVED",
            },
            "reviewers": [self.participant(one) for one in pull.reviewers],
            "participants": [self.participant(one) for one in pull.participants.values() if not one.is_reviewer],
        }
        if pull.merge_commit is not None:
            commit = {"id": pull.merge_commit, "displayId": pull.merge_commit[:11]}
            written["properties"] = {"mergeCommit": commit}
        return written | self._links(
            f"{self._path(pull.repository.project)}/repos/{pull.repository.slug}/pull-requests/{pull.id}"
        )

    def pull_request_in_list(self, pull: PullRequest, *, properties: bool = True) -> Json:
        """A list item: with counts in ``properties``, or without ``properties`` when they are not wanted."""
        written = self.pull_request(pull)
        found = written.pop("properties", {})
        if properties:
            counts: Json = {"commentCount": len(pull.comments), "openTaskCount": 0, "resolvedTaskCount": 0}
            written["properties"] = counts | found
        return written

    def comment(self, pull: PullRequest, comment: Comment) -> Json:
        """A comment of a comment event."""
        return {
            "properties": {"repositoryId": pull.repository.id},
            "id": comment.id,
            "version": comment.version,
            "text": comment.text,
            "author": self.user(comment.author),
            "createdDate": self._time(comment.created),
            "updatedDate": self._time(comment.updated),
            "comments": [],
            "tasks": [],
        }

    # History.

    def commit(self, commit: Commit[User]) -> Json:
        """A commit; a webhook of 10.x writes its times as ``…Z`` text."""
        person = {"name": commit.author.name, "emailAddress": commit.author.email or ""}
        stamp: int | str = milliseconds(commit.date)
        if self.for_webhook and self.style.iso_times:
            stamp = commit.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return {
            "id": commit.hash,
            "displayId": commit.hash[:11],
            "author": person,
            "authorTimestamp": stamp,
            "committer": person,
            "committerTimestamp": stamp,
            "message": commit.message,
            "parents": [{"id": parent, "displayId": parent[:11]} for parent in commit.parents],
        }

    def branch(self, name: str, digits: str, *, default: bool) -> Json:
        """A branch of a list."""
        return {**minimal_ref(name), "latestCommit": digits, "latestChangeset": digits, "isDefault": default}

    def ref_change(self, change: RefChange) -> Json:
        """One entry of ``changes`` of ``repo:refs_changed``; forty zeros stand for "was not" and "is no more"."""
        kind = change.kind.upper()
        ref_id = f"refs/{'heads' if change.kind == 'branch' else 'tags'}/{change.name}"
        return {
            "ref": {"id": ref_id, "displayId": change.name, "type": kind},
            "refId": ref_id,
            "fromHash": change.old or NO_COMMIT,
            "toHash": change.new or NO_COMMIT,
            "type": "ADD" if change.old is None else "DELETE" if change.new is None else "UPDATE",
        }

    def hook(self, hook: Hook) -> Json:
        """A webhook; with its secret, where the instance shows secrets."""
        scope = "project" if isinstance(hook.subject, Project) else "repository"
        shown = {"secret": hook.secret} if hook.secret and self.style.secrets_shown else {}
        return {
            "id": hook.id,
            "createdDate": milliseconds(hook.created),
            "updatedDate": milliseconds(hook.updated),
            **hook.settings,
            "configuration": {**hook.settings["configuration"], **shown},
            "scopeType": scope,
        }


def minimal_ref(name: str) -> Json:
    """A branch without its commit."""
    return {"id": f"refs/heads/{name}", "displayId": name, "type": "BRANCH"}
