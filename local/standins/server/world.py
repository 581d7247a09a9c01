"""Projects and repositories of a made-up Bitbucket Data Center instance, and the webhooks their changes cause.

Only pushes, forks and changes of a name have events (Atlassian's event payload pages, and a running 10.x server that
refuses any other key): creating or deleting a project or repository, a new description, archiving and another default
branch happen in silence.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from local.standins.git import RefChange
from local.standins.refs import RefWorld, add_commits
from local.standins.reviews import follow_branches
from local.standins.server.model import Hook, Permission, Project, Repository, User
from local.standins.server.serialise import Json, Serialiser, Style, offset_time
from local.standins.world import Events, locked, slugify

RepositoryName = Repository | str
ProjectName = Project | str


class RepositoryWorld(RefWorld[User, Repository]):
    """The part of the world without pull requests.

    A repository may be given as the object or as ``KEY/slug``, a project as the object or its key. Changes are made
    by ``by``, or by the administrator. Old paths of renamed, moved and re-keyed things go on working.
    """

    PRODUCT = "server"

    def __init__(self, *, lock: threading.RLock | None = None, seed: int | None = None) -> None:
        super().__init__(lock, seed=seed)
        self.style = Style()
        self.write = Serialiser(self.style)
        self.users: list[User] = []
        self.projects: list[Project] = []
        self.repositories: list[Repository] = []
        self.hooks: list[Hook] = []
        self._old_projects: dict[str, Project] = {}
        self._old_repositories: dict[tuple[str, str], Repository] = {}
        self._last_id = 0
        self.administrator = self.create_user("admin", "Administrator")

    def new_id(self) -> int:
        """A number not used before; real servers count per kind, which nobody may rely on."""
        self._last_id += 1
        return self._last_id

    # Looking things up.

    def project(self, key: ProjectName) -> Project:
        """The project with that key, today or once; KeyError when there is none."""
        if isinstance(key, Project):
            return key
        found = next((p for p in self.projects if p.key.lower() == key.lower()), None)
        found = found or self._old_projects.get(key.lower())
        if found is None or found not in self.projects:
            raise KeyError(f"no project {key}")
        return found

    def repository(self, name: RepositoryName) -> Repository:
        """The repository at ``KEY/slug``, today or once; KeyError when there is none."""
        if isinstance(name, Repository):
            return name
        key, slug = name.lower().split("/")
        found = next((r for r in self.repositories if (r.project.key.lower(), r.slug.lower()) == (key, slug)), None)
        if found is None:
            found = self._old_repositories.get((key, slug)) or self._in_old_project(key, slug)
        if found is None or found not in self.repositories:
            raise KeyError(f"no repository {name}")
        return found

    def _in_old_project(self, key: str, slug: str) -> Repository | None:
        project = self._old_projects.get(key)
        return next((r for r in self.repositories if r.project is project and r.slug.lower() == slug), None)

    # People.

    @locked
    def create_user(self, name: str, display_name: str | None = None, *, email: str | None = None) -> User:
        """A new user; Bitbucket tells nobody."""
        made = User(self.new_id(), name, display_name or name.title(), email or f"{name.lower()}@example.com")
        self.users.append(made)
        return made

    # Projects.

    @locked
    def create_project(
        self, key: str, name: str | None = None, *, description: str = "", is_public: bool = False
    ) -> Events[Project]:
        """A new project; no event."""
        made = Project(self.new_id(), key, name or key.title(), description, is_public)
        self.projects.append(made)
        return self.announce(made, self.now())

    @locked
    def create_personal_project(self, owner: User) -> Events[Project]:
        """The project ``~user``; no event."""
        made = Project(self.new_id(), f"~{owner.slug}", owner.display_name, owner=owner)
        self.projects.append(made)
        return self.announce(made, self.now())

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
        """``project:modified`` for another name or key; another description alone has no event."""
        changed, when = self.project(project), self.now()
        old = self.write.webhook.project(changed)
        if key is not None:
            self._old_projects[changed.key.lower()] = changed
            changed.key = key
        changed.name = name if name is not None else changed.name
        changed.description = description if description is not None else changed.description
        if name is None and key is None:
            return self.announce(changed, when)
        payload = {"old": old, "new": self.write.webhook.project(changed)}
        return self.announce(changed, when, self._event("project:modified", when, by, payload))

    @locked
    def delete_project(self, project: ProjectName) -> Events[Project]:
        """Remove a project with everything in it; no event. (The real server wants it emptied first.)"""
        removed = self.project(project)
        self.projects.remove(removed)
        gone = [removed, *(one for one in self.repositories if one.project is removed)]
        self.repositories = [one for one in self.repositories if one.project is not removed]
        self.hooks[:] = [hook for hook in self.hooks if hook.subject not in gone]
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
        is_public: bool = False,
        archived: bool = False,
        default_branch: str = "main",
        permission: Permission | None = "REPO_ADMIN",
        by: User | None = None,
    ) -> Events[Repository]:
        """A new repository; no event. Without a readme it is empty, and its default branch names nothing yet."""
        when = self.now()
        made = self._new_repository(self.project(project), name, slug or slugify(name))
        made.description, made.is_public, made.archived = description, is_public, archived
        made.default_branch, made.permission = default_branch, permission
        if readme is not None:
            author = by or self.administrator
            files = {"README.md": readme}
            made.git.commit(default_branch, files, author=author, message="Initial commit", when=when)
        return self.announce(made, when)

    @locked
    def fork(
        self, repository: RepositoryName, project: ProjectName, name: str | None = None, *, by: User | None = None
    ) -> Events[Repository]:
        """``repo:forked``: the event's repository is the fork, with its ``origin``."""
        origin, when = self.repository(repository), self.now()
        fork_name = name or origin.name
        made = self._new_repository(self.project(project), fork_name, slugify(fork_name))
        made.origin, made.git, made.default_branch = origin, origin.git.copy(), origin.default_branch
        payload = {"repository": self.write.webhook.repository(made)}
        return self.announce(made, when, self._event("repo:forked", when, by, payload))

    @locked
    def rename_repository(self, repository: RepositoryName, name: str, *, by: User | None = None) -> Events[Repository]:
        """``repo:modified``; the old path answers with the renamed repository."""
        return self._relocate(self.repository(repository), name, None, by)

    @locked
    def move_repository(
        self, repository: RepositoryName, project: ProjectName, *, by: User | None = None
    ) -> Events[Repository]:
        """``repo:modified``; the old path answers with the moved repository."""
        return self._relocate(self.repository(repository), None, self.project(project), by)

    @locked
    def change_repository(
        self,
        repository: RepositoryName,
        *,
        description: str | None = None,
        archived: bool | None = None,
        default_branch: str | None = None,
    ) -> Events[Repository]:
        """Settings whose change has no event."""
        changed = self.repository(repository)
        fields = (("description", description), ("archived", archived), ("default_branch", default_branch))
        for field, value in fields:
            if value is not None:
                setattr(changed, field, value)
        return self.announce(changed, self.now())

    @locked
    def delete_repository(self, repository: RepositoryName) -> Events[Repository]:
        """Remove a repository with its pull requests and webhooks; no event."""
        removed = self.repository(repository)
        self.repositories.remove(removed)
        self.hooks[:] = [hook for hook in self.hooks if hook.subject is not removed]
        return self.announce(removed, self.now())

    @locked
    def set_permission(self, repository: RepositoryName, permission: Permission | None) -> None:
        """What the credential may do with a repository from now on; None: nothing. There is no event for it."""
        self.repository(repository).permission = permission

    # History.

    @locked
    def push(
        self,
        repository: RepositoryName,
        branch: str | None = None,
        files: Mapping[str, str | None] | None = None,
        *,
        by: User | None = None,
        message: str = "Work",
        commits: int = 1,
    ) -> Events[Repository]:
        """Push commits to a branch (the default branch): ``repo:refs_changed``, and ``pr:from_ref_updated`` for each
        open pull request from it. A branch that does not exist starts at the default branch's head.
        """
        pushed, when = self.repository(repository), self.now()
        name, author = branch or pushed.default_branch, by or self.administrator
        moved = add_commits(pushed, name, files, author=author, message=message, commits=commits, when=when)
        return self._pushed(pushed, [moved], when, by)

    @locked
    def ping(self) -> Events[None]:
        """The connection test of the webhook page; real servers may send it without a signature."""
        return self.announce(None, self.now(), ("diagnostics:ping", {"test": True}))

    # What a change causes.

    def _event(self, key: str, when: datetime, by: User | None, payload: Json) -> tuple[str, Json]:
        actor = self.write.webhook.user(by or self.administrator)
        return key, {"eventKey": key, "date": offset_time(when), "actor": actor, **payload}

    def _new_repository(self, project: Project, name: str, slug: str) -> Repository:
        self._must_be_free(project, slug)
        made = Repository(self.new_id(), slug, name, project)
        self.repositories.append(made)
        return made

    def _must_be_free(self, project: Project, slug: str, *, but: Repository | None = None) -> None:
        if any(one.project is project and one.slug == slug and one is not but for one in self.repositories):
            raise ValueError(f"there is a repository {project.key}/{slug} already")

    def _relocate(
        self, repository: Repository, name: str | None, project: Project | None, by: User | None
    ) -> Events[Repository]:
        slug = slugify(name) if name is not None else repository.slug
        self._must_be_free(project or repository.project, slug, but=repository)
        when, old = self.now(), self.write.webhook.repository(repository)
        self._old_repositories[repository.project.key.lower(), repository.slug.lower()] = repository
        repository.name = name if name is not None else repository.name
        repository.slug, repository.project = slug, project or repository.project
        payload = {"old": old, "new": self.write.webhook.repository(repository)}
        return self.announce(repository, when, self._event("repo:modified", when, by, payload))

    def _pushed(
        self, repository: Repository, changes: list[RefChange], when: datetime, by: User | None
    ) -> Events[Repository]:
        write, new = self.write.webhook, next((change.new for change in changes if change.new), None)
        payload: Json = {
            "repository": write.repository(repository),
            "changes": [write.ref_change(change) for change in changes],
        }
        if new is not None:
            commits = repository.git.log(new, since=changes[0].old)
            payload["commits"] = [write.commit(commit) for commit in commits[:5]]
            payload["toCommit"] = write.commit(repository.git.commits[new])
        events = [self._event("repo:refs_changed", when, by, payload)]
        pulls = [pull for target in self.repositories for pull in target.pull_requests.values()]
        for pull, previous in follow_branches(pulls, repository, changes):
            pull.updated, pull.version = when, pull.version + 1
            payload = {"pullRequest": write.pull_request(pull), "previousFromHash": previous}
            events.append(self._event("pr:from_ref_updated", when, by, payload))
        return self.announce(repository, when, *events)
