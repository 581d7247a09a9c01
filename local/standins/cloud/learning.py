"""Lets a made-up Cloud workspace know the objects of a webhook, so that its API answers for them as they were then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.standins.cloud.model import Participant, Project, PullRequest, Repository, User, Workspace
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.git import Commit
from local.standins.reviews import Participants

Told = Mapping[str, Any]
UNKNOWN_COMMIT = "0" * 40


def learn(world: CloudWorld, event_key: str, payload: Told, when: datetime) -> None:
    """Take what a webhook of this workspace tells for what is; what it tells to be gone goes.

    ``when`` stands for the times that a webhook does not tell. The first webhook also says which workspace this is.
    Raises KeyError or TypeError for a payload that Bitbucket would not send.
    """
    with world.lock:
        _Learner(world, when).take(event_key, payload)


class _Learner:
    def __init__(self, world: CloudWorld, when: datetime) -> None:
        self._world, self._when = world, when

    def take(self, event_key: str, payload: Told) -> None:
        self._workspace(payload)
        if "project" in payload:
            self._project(payload["project"])
        if "fork" in payload:
            self._repository(payload["fork"])
        if "repository" not in payload:
            return
        repository = self._repository(payload["repository"])
        if event_key in {"repo:deleted", "repo:transfer"}:
            self._world.repositories.remove(repository)
            return
        for change in payload.get("push", {}).get("changes", []):
            self._push(repository, change)
        if "pullrequest" in payload:
            self._pull_request(repository, payload["pullrequest"])

    def _workspace(self, payload: Told) -> None:
        ours = self._world.workspace
        if self._world.repositories or self._world.projects:
            return  # Known since an earlier webhook.
        if "previous_owner" in payload:
            told = payload["previous_owner"]
            ours.uuid, ours.slug, ours.name = told["uuid"], told["username"], told["display_name"]
        elif owner := payload.get("repository") or payload.get("project"):
            told = owner["workspace"]
            ours.uuid, ours.slug, ours.name = told["uuid"], told["slug"], told["name"]

    def _user(self, told: Told | None) -> User:
        if told is None:  # An account that was deleted.
            return self._world.owner
        known = next((user for user in self._world.users if user.uuid == told["uuid"]), None)
        if known is None:
            name = told["display_name"]
            known = User(told["uuid"], told.get("account_id", ""), told.get("nickname", name), name)
            self._world.users.append(known)
        return known

    def _project(self, told: Told) -> Project:
        known = next((project for project in self._world.projects if project.uuid == told["uuid"]), None)
        if known is None:
            known = Project(told["uuid"], told["key"], told["name"], "", True, self._when, self._when)
            self._world.projects.append(known)
        known.key, known.name = told["key"], told["name"]
        known.description = told.get("description") or known.description
        known.is_private = told.get("is_private", known.is_private)
        if "updated_on" in told:
            known.created_on = datetime.fromisoformat(told["created_on"])
            known.updated_on = datetime.fromisoformat(told["updated_on"])
        return known

    def _repository(self, told: Told) -> Repository:
        """The repository, known from now on; a short copy (inside a pull request) has no project of its own."""
        slug = told["full_name"].split("/")[1]
        known = next((one for one in self._world.repositories if one.uuid == told["uuid"]), None)
        if known is None:
            known = Repository(
                told["uuid"],
                slug,
                told["name"],
                self._world.workspace,
                self._any_project(told),
                self._world.owner,
                self._when,
                self._when,
            )
            self._world.repositories.append(known)
        known.slug, known.name, known.updated_on = slug, told["name"], self._when
        known.website = told.get("website", known.website)
        known.is_private = told.get("is_private", known.is_private)
        if "project" in told:
            known.project = self._project(told["project"])
        if told.get("parent"):
            known.parent = self._repository(told["parent"])
        return known

    def _any_project(self, told: Told) -> Project:
        if "project" in told:
            return self._project(told["project"])
        return next(iter(self._world.projects))  # A pull request's own repository came first, with its project.

    def _push(self, repository: Repository, change: Told) -> None:
        ends = {end: change.get(end) for end in ("old", "new")}
        kept = ends["new"] or ends["old"] or {}
        refs = repository.git.tags if kept.get("type") == "tag" else repository.git.branches
        if ends["new"] is None:
            refs.pop(kept["name"], None)
            return
        refs[kept["name"]] = self._commit(repository, ends["new"]["target"]["hash"])
        if kept.get("type") != "tag":
            repository.main_branch = repository.main_branch or kept["name"]

    def _commit(self, repository: Repository, digits: str) -> str:
        """All 40 digits of a commit, which is made up where it is not known; webhooks often tell only twelve."""
        known = repository.git.resolve(digits)
        if known is not None:
            return known.hash
        whole = digits.ljust(40, "0")
        repository.git.commits[whole] = Commit(whole, "Work", self._world.owner, self._when, (), {})
        return whole

    def _end(self, repository: Repository, told: Told) -> tuple[str, str]:
        """Branch and commit of one end of a pull request."""
        branch, digits = told["branch"]["name"], (told.get("commit") or {}).get("hash", UNKNOWN_COMMIT)
        repository.git.branches[branch] = self._commit(repository, digits)
        return branch, repository.git.branches[branch]

    def _source(self, target: Repository, told: Told | None) -> Repository:
        if told is None:  # The fork that it came from was deleted.
            gone = Workspace(target.workspace.uuid, target.workspace.slug, target.workspace.name, self._when)
            return Repository(
                "{}", "gone", "gone", gone, target.project, target.owner, self._when, self._when, deleted=True
            )
        return target if told["uuid"] == target.uuid else self._repository(told)

    def _pull_request(self, target: Repository, told: Told) -> None:
        source = self._source(target, told["source"]["repository"])
        source_branch, source_commit = self._end(source, told["source"])
        target_branch, target_commit = self._end(target, told["destination"])
        target.main_branch = target.main_branch or target_branch
        merge_commit = told.get("merge_commit")
        pull = PullRequest(
            id=told["id"],
            repository=target,
            source=source,
            source_branch=source_branch,
            target_branch=target_branch,
            title=told["title"],
            description=told.get("description") or "",
            author=self._user(told["author"]),
            created_on=datetime.fromisoformat(told["created_on"]),
            updated_on=datetime.fromisoformat(told["updated_on"]),
            draft=told.get("draft", False),
            state=told["state"],
            close_source_branch=told["close_source_branch"],
            reason=told.get("reason", ""),
            closed_by=self._user(told["closed_by"]) if told.get("closed_by") else None,
            merge_commit=self._commit(target, merge_commit["hash"]) if merge_commit else None,
            participants=self._participants(told),
        )
        pull.source_commit, pull.target_commit = source_commit, target_commit
        target.pull_requests[pull.id] = pull

    def _participants(self, told: Told) -> Participants[User, Participant]:
        found = Participants(Participant, [self._user(user) for user in told.get("reviewers", [])])
        for one in told.get("participants", []):
            part = found.join(self._user(one["user"]))
            part.is_reviewer = part.is_reviewer or one["role"] == "REVIEWER"
            part.review = one["state"]
            if one["participated_on"]:
                when = datetime.fromisoformat(one["participated_on"])
                part.reviewed_on, part.commented_on = (when, None) if part.review else (None, when)
        return found
