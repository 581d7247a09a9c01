"""Lets a made-up Data Center instance know the objects of a webhook, so that its API answers for them as they were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.standins.git import NO_COMMIT, Commit
from local.standins.reviews import Participants
from local.standins.server.model import Participant, Project, PullRequest, Repository, User
from local.standins.server.pull_requests import ServerWorld

Told = Mapping[str, Any]


def learn(world: ServerWorld, event_key: str, payload: Told, when: datetime) -> None:
    """Take what a webhook tells for what is; what it tells to be gone goes.

    ``when`` stands for the times that a webhook does not tell. Raises KeyError or TypeError for a payload that
    Bitbucket would not send.
    """
    with world.lock:
        _Learner(world, when).take(event_key, payload)


class _Learner:
    def __init__(self, world: ServerWorld, when: datetime) -> None:
        self._world, self._when = world, when

    def take(self, event_key: str, payload: Told) -> None:
        if event_key == "project:modified":
            self._project(payload["new"])
        elif event_key == "repo:modified":
            self._repository(payload["new"])
        elif "repository" in payload:
            repository = self._repository(payload["repository"])
            for change in payload.get("changes", []):
                self._push(repository, change)
        elif "pullRequest" in payload:
            pull = self._pull_request(payload["pullRequest"])
            if event_key == "pr:deleted":
                del pull.repository.pull_requests[pull.id]

    def _user(self, told: Told) -> User:
        known = next((user for user in self._world.users if user.name == told["name"]), None)
        if known is None:
            known = User(told["id"], told["name"], told["displayName"], told.get("emailAddress"))
            self._world.users.append(known)
        known.active, known.type = told.get("active", True), told.get("type", "NORMAL")
        return known

    def _project(self, told: Told) -> Project:
        known = next((project for project in self._world.projects if project.id == told["id"]), None)
        if known is None:
            known = Project(told["id"], told["key"], told["name"])
            self._world.projects.append(known)
        known.key, known.name = told["key"], told["name"]
        known.description, known.is_public = told.get("description", ""), told.get("public", False)
        known.owner = self._user(told["owner"]) if "owner" in told else None
        return known

    def _repository(self, told: Told) -> Repository:
        project = self._project(told["project"])
        known = next((one for one in self._world.repositories if one.id == told["id"]), None)
        if known is None:
            known = Repository(told["id"], told["slug"], told["name"], project)
            self._world.repositories.append(known)
        known.slug, known.name, known.project = told["slug"], told["name"], project
        known.description, known.is_public = told.get("description", ""), told.get("public", False)
        known.archived = told.get("archived", False)
        if "origin" in told:
            known.origin = self._repository(told["origin"])
        return known

    def _push(self, repository: Repository, change: Told) -> None:
        git, ref = repository.git, change["ref"]
        refs = git.tags if ref["type"] == "TAG" else git.branches
        if change["toHash"] == NO_COMMIT:
            refs.pop(ref["displayId"], None)
        else:
            refs[ref["displayId"]] = self._commit(repository, change["toHash"])

    def _commit(self, repository: Repository, digits: str) -> str:
        author = self._world.administrator
        repository.git.commits.setdefault(digits, Commit(digits, "Work", author, self._when, (), {}))
        return digits

    def _end(self, told: Told) -> tuple[Repository, str, str]:
        """Repository, branch and commit of one end of a pull request."""
        repository, branch = self._repository(told["repository"]), told["displayId"]
        repository.git.branches[branch] = self._commit(repository, told["latestCommit"])
        return repository, branch, told["latestCommit"]

    def _pull_request(self, told: Told) -> PullRequest:
        source, source_branch, source_commit = self._end(told["fromRef"])
        target, target_branch, target_commit = self._end(told["toRef"])
        merge = told.get("properties", {}).get("mergeCommit")
        pull = PullRequest(
            id=told["id"],
            version=told["version"],
            repository=target,
            source=source,
            source_branch=source_branch,
            target_branch=target_branch,
            title=told["title"],
            description=told.get("description", ""),
            author=self._user(told["author"]["user"]),
            created=_time(told["createdDate"]),
            updated=_time(told["updatedDate"]),
            closed=_time(told["closedDate"]) if "closedDate" in told else None,
            draft=told.get("draft", False),
            state=told["state"],
            merge_commit=self._commit(target, merge["id"]) if merge else None,
            participants=self._participants(told),
        )
        pull.source_commit, pull.target_commit = source_commit, target_commit
        target.pull_requests[pull.id] = pull
        target.last_pull_request = max(target.last_pull_request, pull.id)
        return pull

    def _participants(self, told: Told) -> Participants[User, Participant]:
        found: Participants[User, Participant] = Participants(Participant)
        for one in [*told.get("reviewers", []), *told.get("participants", [])]:
            part = found.join(self._user(one["user"]))
            part.is_reviewer, part.status = one["role"] == "REVIEWER", one["status"]
            part.reviewed_commit = one.get("lastReviewedCommit")
        return found


def _time(told: int | str) -> datetime:
    """Milliseconds, or text from version 10 on."""
    return datetime.fromisoformat(told) if isinstance(told, str) else datetime.fromtimestamp(told / 1000, UTC)
