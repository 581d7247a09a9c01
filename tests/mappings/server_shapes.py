"""Bitbucket Data Center's objects in the three shapes it serialises them: read alone, on a page, in a webhook.

What differs is what differs on the wire: read alone, a pull request has a rendered description; only REST tells
``properties`` of an open one (how the merge would go); a webhook tells them once it is merged. (Shapes: Atlassian's
OpenAPI documents for 9.4 and 10.0 and its page of event payloads.) Times in the payloads of 10.x are ISO strings, made
REST-like before any mapping sees them; that is tested with the webhooks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitbucket_port.objects import JsonObject

Shape = Literal["single", "list", "payload"]
SITE = "https://bitbucket.tidewater.example"


@dataclass(frozen=True)
class User:
    """A person with an account; ``email`` None is an instance that hides e-mail addresses."""

    name: str
    display_name: str
    email: str | None
    slug: str = ""
    active: bool = True

    def to_json(self) -> JsonObject:
        """The same in all three shapes."""
        slug = self.slug or self.name
        found: JsonObject = {
            "name": self.name,
            "id": 100 + len(slug),
            "displayName": self.display_name,
            "active": self.active,
            "slug": slug,
            "type": "NORMAL",
            "links": {"self": [{"href": f"{SITE}/users/{slug}"}]},
        }
        return found if self.email is None else found | {"emailAddress": self.email}


@dataclass(frozen=True)
class Participant:
    """Somebody on a pull request; ``status`` is UNAPPROVED, APPROVED or NEEDS_WORK."""

    user: User
    status: str = "UNAPPROVED"

    def to_json(self, role: str) -> JsonObject:
        """The same in all three shapes."""
        return {
            "user": self.user.to_json(),
            "role": role,
            "approved": self.status == "APPROVED",
            "status": self.status,
        }


def project(
    *, key: str = "HBR", name: str = "Harbour", public: bool = False, description: str | None = None
) -> JsonObject:
    """A project; a key that begins with ``~`` makes it the personal project of that user."""
    personal = key.startswith("~")
    found: JsonObject = {
        "key": key,
        "id": 7,
        "name": name,
        "public": public,
        "type": "PERSONAL" if personal else "NORMAL",
        "links": {"self": [{"href": f"{SITE}/users/{key[1:]}" if personal else f"{SITE}/projects/{key}"}]},
    }
    if personal:
        found["owner"] = User(key[1:], name, None).to_json()
    return found if description is None else found | {"description": description}


def repository(
    *,
    slug: str = "harbour-api",
    name: str = "Harbour API",
    in_project: JsonObject | None = None,
    public: bool = False,
    archived: bool | None = False,
    origin: str | None = None,
    description: str | None = None,
) -> JsonObject:
    """A repository, the same fields read alone and listed; ``archived`` None is a version that does not tell."""
    parent = in_project or project()
    found: JsonObject = {
        "slug": slug,
        "id": 42,
        "name": name,
        "hierarchyId": "5b1c0de4a7",
        "scmId": "git",
        "state": "AVAILABLE",
        "statusMessage": "Available",
        "forkable": True,
        "project": parent,
        "public": public,
        "links": {
            "clone": [{"href": f"{SITE}/scm/{parent['key']}/{slug}.git".lower(), "name": "http"}],
            "self": [{"href": f"{SITE}/projects/{parent['key']}/repos/{slug}/browse"}],
        },
    }
    if archived is not None:
        found["archived"] = archived
    if origin is not None:
        found["origin"] = {"slug": origin, "id": 41, "name": origin, "project": project()}
    return found if description is None else found | {"description": description}


@dataclass(frozen=True)
class PullRequest:
    """A pull request's facts, from which each shape is serialised; times are milliseconds since the epoch."""

    number: int
    title: str
    author: User
    state: str = "OPEN"
    reviewers: tuple[Participant, ...] = ()
    participants: tuple[Participant, ...] = ()
    draft: bool = False
    merge_commit: str | None = None
    closed: int | None = None
    project_key: str = "HBR"

    def to_json(self, shape: Shape) -> JsonObject:
        """The pull request as one of Bitbucket's serialisers writes it."""
        url = f"{SITE}/projects/{self.project_key}/repos/harbour-api/pull-requests/{self.number}"
        found: JsonObject = {
            "id": self.number,
            "version": 3,
            "title": self.title,
            "description": "Adds the tide table.",
            "state": self.state,
            "open": self.state == "OPEN",
            "closed": self.state != "OPEN",
            "draft": self.draft,
            "createdDate": 1772442927481,
            "updatedDate": self.closed or 1772619630405,
            "fromRef": self._end("feature/tides"),
            "toRef": self._end("main"),
            "locked": False,
            "author": Participant(self.author).to_json("AUTHOR"),
            "reviewers": [person.to_json("REVIEWER") for person in self.reviewers],
            "participants": [person.to_json("PARTICIPANT") for person in self.participants],
            "links": {"self": [{"href": url}]},
        }
        if self.closed is not None:
            found["closedDate"] = self.closed
        if shape == "single":
            found["descriptionAsHtml"] = "<p>Adds the tide table.</p>"
        properties = self._properties(shape)
        return found | ({"properties": properties} if properties else {})

    def _end(self, branch: str) -> JsonObject:
        return {
            "id": f"refs/heads/{branch}",
            "displayId": branch,
            "latestCommit": "77aa01b2c3d4e5f60718293a4b5c6d7e8f901234",
            "type": "BRANCH",
            "repository": repository(in_project=project(key=self.project_key)),
        }

    def _properties(self, shape: Shape) -> JsonObject:
        told: JsonObject = {}
        if self.merge_commit:
            told["mergeCommit"] = {"id": self.merge_commit, "displayId": self.merge_commit[:11]}
        if shape != "payload":
            told |= {"openTaskCount": 0, "resolvedTaskCount": 0, "commentCount": 0}
            if self.state == "OPEN":
                told["mergeResult"] = {"outcome": "CLEAN", "current": True}
        return told
