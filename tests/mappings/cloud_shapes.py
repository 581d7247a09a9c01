"""Bitbucket Cloud's objects in the three shapes it serialises them: read alone, on a page of a list, in a webhook.

What differs between the shapes is what differs on the wire: a page has no rendered texts, and reviewers and
participants only because they are asked for with ``fields=``; a webhook has fewer links, a smaller repository and the
first 12 digits of a commit. (Shapes: Atlassian's OpenAPI document of 2026 and its page of event payloads.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitbucket_port.objects import JsonObject

Shape = Literal["single", "list", "payload"]
API = "https://api.bitbucket.org/2.0"
SITE = "https://bitbucket.org"


@dataclass(frozen=True)
class Account:
    """A person as Bitbucket knows them."""

    name: str
    uuid: str
    nickname: str
    account_id: str

    def to_json(self) -> JsonObject:
        """The same in all three shapes."""
        escaped = self.uuid.replace("{", "%7B").replace("}", "%7D")
        return {
            "type": "user",
            "display_name": self.name,
            "uuid": self.uuid,
            "nickname": self.nickname,
            "account_id": self.account_id,
            "links": {
                "self": {"href": f"{API}/users/{escaped}"},
                "html": {"href": f"{SITE}/{escaped}/"},
                "avatar": {"href": f"https://avatars.example/{self.nickname}.png"},
            },
        }


@dataclass(frozen=True)
class Participant:
    """What somebody does on a pull request; ``state`` is ``approved``, ``changes_requested`` or None."""

    account: Account
    role: Literal["REVIEWER", "PARTICIPANT"]
    state: str | None = None

    def to_json(self) -> JsonObject:
        """The same in all three shapes."""
        return {
            "type": "participant",
            "user": self.account.to_json(),
            "role": self.role,
            "approved": self.state == "approved",
            "state": self.state,
            "participated_on": "2026-03-04T10:20:30.405060+00:00" if self.state else None,
        }


@dataclass(frozen=True)
class Repository:
    """A repository by its full name; its project by key."""

    full_name: str = "tidewater/harbour-api"
    uuid: str = "{5e0c9f6e-6d7a-4c11-8f5b-0c7f21a7a001}"
    name: str = "harbour-api"
    project: str | None = "HBR"
    private: bool = True
    description: str = "Berths and moorings"
    main_branch: str | None = "main"
    language: str = "python"
    parent: str | None = None

    def embedded(self, shape: Shape) -> JsonObject:
        """The repository as a pull request shows it."""
        found: JsonObject = {
            "type": "repository",
            "full_name": self.full_name,
            "name": self.name,
            "uuid": self.uuid,
            "links": {
                "self": {"href": f"{API}/repositories/{self.full_name}"},
                "html": {"href": f"{SITE}/{self.full_name}"},
                "avatar": {"href": f"https://avatars.example/ravatar/{self.name[:1]}"},
            },
        }
        if shape == "payload":
            found |= {"is_private": self.private, "scm": "git"}
        return found

    def to_json(self) -> JsonObject:
        """The repository read alone or listed: the same fields."""
        workspace, slug = self.full_name.split("/")
        project = self.project and {
            "type": "project",
            "key": self.project,
            "name": "Harbour",
            "uuid": "{0b8f2f04-5f4e-4a3e-9d0e-6b6b8a2a0001}",
            "links": {"html": {"href": f"{SITE}/{workspace}/workspace/projects/{self.project}"}},
        }
        return self.embedded("single") | {
            "slug": slug,
            "is_private": self.private,
            "scm": "git",
            "description": self.description,
            "language": self.language,
            "mainbranch": self.main_branch and {"type": "branch", "name": self.main_branch},
            "project": project,
            "parent": self.parent and {"type": "repository", "full_name": self.parent, "name": self.parent},
            "workspace": {"type": "workspace", "slug": workspace, "name": "Tidewater"},
            "size": 481223,
            "has_issues": False,
            "fork_policy": "no_public_forks",
            "created_on": "2024-11-05T08:00:01.250000+00:00",
            "updated_on": "2026-03-04T16:45:59.871200+00:00",
            "website": "",
        }


@dataclass(frozen=True)
class PullRequest:
    """A pull request's facts, from which each shape is serialised."""

    number: int
    title: str
    state: str = "OPEN"
    author: Account | None = None
    reviewers: tuple[Account, ...] = ()
    participants: tuple[Participant, ...] = ()
    draft: bool = False
    merge_commit: str | None = None
    source: str = "feature/tides"
    destination: str = "main"
    updated_on: str = "2026-03-04T10:20:30.405060+00:00"
    repository: Repository = Repository()

    def to_json(self, shape: Shape) -> JsonObject:
        """The pull request as one of Bitbucket's serialisers writes it."""
        url = f"{self.repository.full_name}/pull-requests/{self.number}"
        links = {"html": {"href": f"{SITE}/{url}"}, "self": {"href": f"{API}/repositories/{url.replace('-', '')}"}}
        if shape != "payload":
            links |= {name: {"href": f"{API}/repositories/{url}/{name}"} for name in ("commits", "diff", "activity")}
        found: JsonObject = {
            "type": "pullrequest",
            "id": self.number,
            "title": self.title,
            "description": "Adds the tide table.",
            "state": self.state,
            "draft": self.draft,
            "author": self.author and self.author.to_json(),
            "source": self._end(self.source, shape),
            "destination": self._end(self.destination, shape),
            "merge_commit": self.merge_commit and self._commit(self.merge_commit, shape),
            "participants": [person.to_json() for person in self.participants],
            "reviewers": [person.to_json() for person in self.reviewers],
            "close_source_branch": True,
            "closed_by": None,
            "reason": "",
            "comment_count": 0,
            "task_count": 0,
            "created_on": "2026-03-02T09:15:27.481302+00:00",
            "updated_on": self.updated_on,
            "links": links,
        }
        if shape != "list":
            found["rendered"] = {"title": {"raw": self.title, "markup": "markdown", "html": f"<p>{self.title}</p>"}}
        return found

    def _end(self, branch: str, shape: Shape) -> JsonObject:
        return {
            "branch": {"name": branch},
            "commit": self._commit("77aa01b2c3d4e5f60718293a4b5c6d7e8f901234", shape),
            "repository": self.repository.embedded(shape),
        }

    def _commit(self, digits: str, shape: Shape) -> JsonObject:
        return {"type": "commit", "hash": digits[:12] if shape == "payload" else digits}


def project(*, private: bool, key: str, name: str, description: str | None) -> JsonObject:
    """A project of the workspace, read alone or listed: the same fields."""
    return {
        "type": "project",
        "uuid": "{0b8f2f04-5f4e-4a3e-9d0e-6b6b8a2a0001}",
        "key": key,
        "name": name,
        "description": description,
        "is_private": private,
        "owner": {"type": "team", "display_name": "Tidewater", "uuid": "{3d1f}"},
        "workspace": {"type": "workspace", "slug": "tidewater", "name": "Tidewater", "uuid": "{3d1f}"},
        "created_on": "2023-01-09T12:00:00.000001+00:00",
        "updated_on": "2025-06-01T12:00:00.000001+00:00",
        "has_publicly_visible_repos": not private,
        "links": {
            "self": {"href": f"{API}/workspaces/tidewater/projects/{key}"},
            "html": {"href": f"{SITE}/tidewater/workspace/projects/{key}"},
        },
    }


def user(account: Account, *, email: str | None) -> JsonObject:
    """A member of the workspace as the mapping sees it: the account, and the e-mail that the look-up found, or null."""
    return account.to_json() | {"email": email}
