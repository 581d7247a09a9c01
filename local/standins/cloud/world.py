"""Projects and repositories of a made-up Bitbucket Cloud workspace, and the webhooks their changes cause."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from local.standins.cloud.model import Hook, Project, PullRequest, Repository, Role, User, Workspace
from local.standins.cloud.serialise import Json, Serialiser, Site, stamp
from local.standins.git import RefChange
from local.standins.refs import RefWorld, add_commits
from local.standins.reviews import follow_branches
from local.standins.world import Events, locked, slugify

RepositoryName = Repository | str
ProjectName = Project | str


class RepositoryWorld(RefWorld[User, Repository]):
    """The part of the world without pull requests.

    A repository may be given as the object, its slug or its ``{uuid}``, a project as the object or its key. Changes
    are made by ``by``, or by the workspace's owner.
    """

    PRODUCT = "cloud"

    def __init__(
        self, workspace: str = "northwind", *, lock: threading.RLock | None = None, seed: int | None = None
    ) -> None:
        super().__init__(lock, seed=seed)
        self.site = Site()
        self.write = Serialiser(self.site)
        self.workspace = Workspace(f"{{{self.new_uuid()}}}", workspace, workspace.title(), self.now())
        self.users: list[User] = []
        self.projects: list[Project] = []
        self.repositories: list[Repository] = []
        self.transferred: list[Repository] = []
        self.hooks: list[Hook] = []
        self.owner = self.create_user("Workspace Owner")

    # Looking things up.

    def project(self, key: ProjectName) -> Project:
        """The project with that key; KeyError when there is none."""
        found = key if isinstance(key, Project) else next((p for p in self.projects if p.key == key), None)
        if found is None:
            raise KeyError(f"no project {key}")
        return found

    def repository(self, name: RepositoryName) -> Repository:
        """The repository with that slug or uuid; KeyError when there is none."""
        if isinstance(name, Repository):
            return name
        found = next((r for r in self.repositories if name in (r.slug, r.uuid)), None)
        if found is None:
            raise KeyError(f"no repository {name}")
        return found

    # People.

    @locked
    def create_user(self, display_name: str, *, email: str | None = None, nickname: str | None = None) -> User:
        """A new member of the workspace; Bitbucket tells nobody."""
        user = User(
            f"{{{self.new_uuid()}}}",
            self.new_uuid().replace("-", "")[:24],
            nickname or slugify(display_name),
            display_name,
            email,
        )
        self.users.append(user)
        return user

    @locked
    def remove_user(self, user: User) -> None:
        """Somebody leaves the workspace; Bitbucket tells nobody."""
        self.users.remove(user)

    # Projects.

    @locked
    def create_project(
        self, key: str, name: str | None = None, *, description: str = "", is_private: bool = True
    ) -> Events[Project]:
        """A new project; Cloud has no event for it."""
        when = self.now()
        made = Project(f"{{{self.new_uuid()}}}", key, name or key.title(), description, is_private, when, when)
        self.projects.append(made)
        return self.announce(made, when)

    @locked
    def change_project(
        self,
        project: ProjectName,
        *,
        name: str | None = None,
        key: str | None = None,
        description: str | None = None,
        by: User | None = None,
    ) -> Events[Project]:
        """Rename or re-key a project: ``project:updated``. Its repositories send nothing of their own."""
        changed, when = self.project(project), self.now()
        changes: Json = {}
        for field, value in (("name", name), ("key", key), ("description", description)):
            if value is not None:
                changes[field] = {"old": getattr(changed, field), "new": value}
                setattr(changed, field, value)
        changed.updated_on = when
        payload = {"project": self.write.project(changed, self.workspace), "changes": changes}
        return self.announce(changed, when, self._event("project:updated", by, payload))

    @locked
    def delete_project(self, project: ProjectName) -> Events[Project]:
        """Remove an empty project; ValueError when it is not, as Cloud refuses it. There is no event for it."""
        removed = self.project(project)
        if any(repository.project is removed for repository in self.repositories):
            raise ValueError(f"project {removed.key} still has repositories")
        self.projects.remove(removed)
        return self.announce(removed, self.now())

    # Repositories.

    @locked
    def create_repository(
        self,
        project: ProjectName,
        name: str,
        *,
        slug: str | None = None,
        readme: str | None = None,
        description: str = "",
        language: str = "",
        is_private: bool = True,
        role: Role | None = "admin",
        by: User | None = None,
    ) -> Events[Repository]:
        """A new repository: ``repo:created``; without a readme it is empty and has no main branch."""
        when = self.now()
        made = self._new_repository(self.project(project), name, slug or slugify(name), when)
        made.description, made.language, made.is_private, made.role = description, language, is_private, role
        if readme is not None:
            made.git.commit("main", {"README.md": readme}, author=by or self.owner, message="Initial commit", when=when)
            made.main_branch = "main"
        payload = {"repository": self.write.repository_in_webhook(made)}
        return self.announce(made, when, self._event("repo:created", by, payload))

    @locked
    def fork(
        self, repository: RepositoryName, project: ProjectName, name: str | None = None, *, by: User | None = None
    ) -> Events[Repository]:
        """Fork into a project of this workspace: ``repo:fork`` of the parent, ``repo:created`` of the fork."""
        parent, when = self.repository(repository), self.now()
        fork_name = name or f"{parent.name}-fork"
        made = self._new_repository(self.project(project), fork_name, slugify(fork_name), when)
        made.parent, made.git, made.main_branch = parent, parent.git.copy(), parent.main_branch
        written = self.write.repository_in_webhook(made)
        forked = {"repository": self.write.repository_in_webhook(parent), "fork": written}
        return self.announce(
            made, when, self._event("repo:fork", by, forked), self._event("repo:created", by, {"repository": written})
        )

    @locked
    def change_repository(
        self,
        repository: RepositoryName,
        *,
        name: str | None = None,
        description: str | None = None,
        language: str | None = None,
        website: str | None = None,
        by: User | None = None,
    ) -> Events[Repository]:
        """``repo:updated`` with old and new values; a new name also changes slug, full name and links."""
        changed = self.repository(repository)
        before = self._described(changed)
        if name is not None:
            self._must_be_free(slugify(name), but=changed)
            changed.name, changed.slug = name, slugify(name)
        for field, value in (("description", description), ("language", language), ("website", website)):
            if value is not None:
                setattr(changed, field, value)
        return self._repository_updated(changed, before, by)

    def rename_repository(self, repository: RepositoryName, name: str, *, by: User | None = None) -> Events[Repository]:
        """A new name and slug; the old path answers 404 from now on."""
        return self.change_repository(repository, name=name, by=by)

    @locked
    def move_repository(
        self, repository: RepositoryName, project: ProjectName, *, by: User | None = None
    ) -> Events[Repository]:
        """Put a repository under another project of the workspace; only the copy in the event tells which."""
        changed = self.repository(repository)
        before = self._described(changed)
        changed.project = self.project(project)
        return self._repository_updated(changed, before, by)

    @locked
    def set_main_branch(self, repository: RepositoryName, branch: str, *, by: User | None = None) -> Events[Repository]:
        """Choose another main branch; the event says no more than that something was updated."""
        changed = self.repository(repository)
        if branch not in changed.git.branches:
            raise ValueError(f"{changed.full_name} has no branch {branch}")
        before = self._described(changed)
        changed.main_branch = branch
        return self._repository_updated(changed, before, by)

    @locked
    def transfer_repository(
        self, repository: RepositoryName, to_workspace: str, *, by: User | None = None
    ) -> Events[Repository]:
        """Give a repository to another workspace: ``repo:transfer``; it keeps its uuid and is gone from ours."""
        moved, when = self.repository(repository), self.now()
        previous = self.write.team(moved.workspace)
        moved.workspace = Workspace(f"{{{self.new_uuid()}}}", to_workspace, to_workspace.title(), when)
        moved.project = Project(f"{{{self.new_uuid()}}}", "IN", "Incoming", "", True, when, when)
        moved.updated_on = when
        self.repositories.remove(moved)
        self.transferred.append(moved)
        payload = {"repository": self.write.repository_in_webhook(moved), "previous_owner": previous}
        return self.announce(moved, when, self._event("repo:transfer", by, payload))

    @locked
    def delete_repository(self, repository: RepositoryName, *, by: User | None = None) -> Events[Repository]:
        """``repo:deleted``; its pull requests and webhooks go without a word."""
        removed, when = self.repository(repository), self.now()
        self.repositories.remove(removed)
        self.hooks[:] = [hook for hook in self.hooks if hook.subject is not removed]
        removed.deleted = True
        payload = {"repository": self.write.repository_in_webhook(removed)}
        return self.announce(removed, when, self._event("repo:deleted", by, payload))

    @locked
    def set_role(self, repository: RepositoryName, role: Role | None) -> None:
        """What the credential may do with a repository from now on; None: nothing. There is no event for it."""
        self.repository(repository).role = role

    # History.

    @locked
    def push(
        self,
        repository: RepositoryName,
        branch: str = "main",
        files: Mapping[str, str | None] | None = None,
        *,
        by: User | None = None,
        message: str = "Work",
        commits: int = 1,
    ) -> Events[Repository]:
        """Push commits: ``repo:push``, and for each open pull request from that branch ``pullrequest:push`` and
        ``pullrequest:updated``. A branch that does not exist starts at the main branch's head; the first branch of an
        empty repository becomes the main branch.
        """
        pushed, when = self.repository(repository), self.now()
        author = by or self.owner
        moved = add_commits(pushed, branch, files, author=author, message=message, commits=commits, when=when)
        pushed.main_branch = pushed.main_branch or branch
        return self._pushed(pushed, [moved], when, by)

    # What a change causes.

    def _event(self, key: str, by: User | None, payload: Json) -> tuple[str, Json]:
        return key, {"actor": self.write.user(by or self.owner), **payload}

    def _new_repository(self, project: Project, name: str, slug: str, when: datetime) -> Repository:
        self._must_be_free(slug)
        uuid = f"{{{self.new_uuid()}}}"
        made = Repository(uuid, slug, name, self.workspace, project, self.owner, when, when)
        self.repositories.append(made)
        return made

    def _must_be_free(self, slug: str, *, but: Repository | None = None) -> None:
        if any(one.slug == slug and one is not but for one in self.repositories):
            raise ValueError(f"there is a repository {slug} already")

    def _described(self, repository: Repository) -> Json:
        links = self.write.repository_short(repository)["links"]
        names = ("name", "slug", "full_name", "description", "language", "website")
        return {name: getattr(repository, name) for name in names} | {
            "links": links,
            "updated_on": stamp(repository.updated_on),
        }

    def _repository_updated(self, repository: Repository, before: Json, by: User | None) -> Events[Repository]:
        when = self.now()
        repository.updated_on = when
        after = self._described(repository)
        changes = {name: {"old": before[name], "new": after[name]} for name in after if before[name] != after[name]}
        payload = {"repository": self.write.repository_in_webhook(repository), "changes": changes}
        return self.announce(repository, when, self._event("repo:updated", by, payload))

    def _pushed(
        self, repository: Repository, changes: list[RefChange], when: datetime, by: User | None
    ) -> Events[Repository]:
        repository.updated_on = when
        events = [self._push_event(repository, changes, by)]
        pulls = [pull for target in self.repositories for pull in target.pull_requests.values()]
        for pull, _ in follow_branches(pulls, repository, changes):
            pull.updated_on = when
            payload = self._pull_payload(pull)
            events += [self._event(key, by, payload) for key in ("pullrequest:push", "pullrequest:updated")]
        return self.announce(repository, when, *events)

    def _push_event(self, repository: Repository, changes: list[RefChange], by: User | None) -> tuple[str, Json]:
        written = [self.write.push_change(repository, change) for change in changes]
        payload = {"push": {"changes": written}, "repository": self.write.repository_in_webhook(repository)}
        return self._event("repo:push", by, payload)

    def _pull_payload(self, pull: PullRequest) -> Json:
        return {
            "repository": self.write.repository_in_webhook(pull.repository),
            "pullrequest": self.write.pull_request_in_webhook(pull),
        }
