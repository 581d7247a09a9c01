"""What both Bitbucket products do alike with the refs of a repository: pushes, branches and tags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from local.standins.git import Git, RefChange
from local.standins.world import Events, World, locked

UserT = TypeVar("UserT")


@dataclass(eq=False, kw_only=True)
class RepositoryWithRefs(ABC, Generic[UserT]):
    """A repository of either product, as far as its history goes."""

    git: Git[UserT] = field(default_factory=Git)

    @property
    @abstractmethod
    def full_name(self) -> str:
        """The path people know it by."""

    @property
    @abstractmethod
    def base_branch(self) -> str:
        """The branch that counts when none is named; empty when there is none, and it may not exist yet."""


RepositoryT = TypeVar("RepositoryT", bound=RepositoryWithRefs[Any])


class RefWorld(World, ABC, Generic[UserT, RepositoryT]):
    """A world whose repositories have refs; the product says how a push is told."""

    @abstractmethod
    def repository(self, name: RepositoryT | str) -> RepositoryT:
        """The repository with that name; KeyError when there is none."""

    @abstractmethod
    def _pushed(
        self, repository: RepositoryT, changes: list[RefChange], when: datetime, by: UserT | None
    ) -> Events[RepositoryT]:
        """Tell that refs moved."""

    @locked
    def create_branch(
        self, repository: RepositoryT | str, branch: str, at: str | None = None, *, by: UserT | None = None
    ) -> Events[RepositoryT]:
        """A new branch at a revision (the head of the branch that counts when none is named): a push without new
        commits, and without an old one (Data Center writes all zeros).
        """
        return self._create_ref(repository, "branch", branch, at, by)

    @locked
    def create_tag(
        self, repository: RepositoryT | str, tag: str, at: str | None = None, *, by: UserT | None = None
    ) -> Events[RepositoryT]:
        """A new tag at a revision (the head of the branch that counts when none is named)."""
        return self._create_ref(repository, "tag", tag, at, by)

    @locked
    def remove_branch(
        self, repository: RepositoryT | str, branch: str, *, by: UserT | None = None
    ) -> Events[RepositoryT]:
        """A push whose change has no new commit: ``new: null`` on Cloud, all zeros on Data Center."""
        pushed = self.repository(repository)
        old = pushed.git.branches.pop(branch)
        return self._pushed(pushed, [RefChange(branch, "branch", old, None)], self.now(), by)

    def _create_ref(
        self, repository: RepositoryT | str, kind: str, name: str, at: str | None, by: UserT | None
    ) -> Events[RepositoryT]:
        pushed = self.repository(repository)
        commit = pushed.git.resolve(at or pushed.base_branch)
        if commit is None:
            raise ValueError(f"{pushed.full_name} has no commit {at or 'yet'}")
        (pushed.git.branches if kind == "branch" else pushed.git.tags)[name] = commit.hash
        return self._pushed(pushed, [RefChange(name, kind, None, commit.hash)], self.now(), by)


def add_commits(
    repository: RepositoryWithRefs[UserT],
    branch: str,
    files: Mapping[str, str | None] | None,
    *,
    author: UserT,
    message: str,
    commits: int,
    when: datetime,
) -> RefChange:
    """Commit on a branch several times and tell it as one move; without ``files`` each commit makes up a change.

    A branch that does not exist starts at the head of the base branch.
    """
    git = repository.git
    old, start = git.branches.get(branch), git.branches.get(repository.base_branch)
    for number in range(commits):
        changes = files if files is not None else {"work.txt": f"{branch} {len(git.commits)} {number}\n"}
        git.commit(branch, changes, author=author, message=message, when=when, start=start)
    return RefChange(branch, "branch", old, git.branches[branch])
