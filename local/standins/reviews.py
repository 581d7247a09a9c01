"""What both Bitbucket products do alike with pull requests: their two ends, and who takes part in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from local.standins.git import RefChange
from local.standins.refs import RepositoryT, RepositoryWithRefs, UserT


@dataclass(eq=False)
class Participation(Generic[UserT]):
    """Somebody's part in a pull request; each product adds how it writes down what they decided."""

    user: UserT
    is_reviewer: bool = False


ParticipantT = TypeVar("ParticipantT", bound=Participation[Any])


class Participants(dict[UserT, ParticipantT]):
    """Who takes part in a pull request, in the order they came; ``make`` makes the entry of somebody new."""

    def __init__(self, make: Callable[[UserT], ParticipantT], reviewers: Iterable[UserT] = ()) -> None:
        super().__init__()
        self._make = make
        self.ask(reviewers)

    def join(self, user: UserT) -> ParticipantT:
        """The part of that user, who takes part from now on."""
        if user not in self:
            self[user] = self._make(user)
        return self[user]

    def ask(self, users: Iterable[UserT]) -> None:
        """Make them reviewers."""
        for user in users:
            self.join(user).is_reviewer = True

    def reviewers(self) -> list[ParticipantT]:
        """The parts of those asked to review."""
        return [participant for participant in self.values() if participant.is_reviewer]


@dataclass(eq=False, kw_only=True)
class PullRequestWithEnds(Generic[UserT, RepositoryT, ParticipantT]):
    """A pull request of either product: ``repository`` is where it goes, and the number is unique only in it.

    Cloud says "destination" for what is called the target here.
    """

    id: int
    repository: RepositoryT
    source: RepositoryT
    source_branch: str
    target_branch: str
    title: str
    description: str
    author: UserT
    source_commit: str = field(init=False)
    target_commit: str = field(init=False)
    draft: bool = False
    state: str = "OPEN"
    merge_commit: str | None = None
    participants: Participants[UserT, ParticipantT]

    def __post_init__(self) -> None:
        self.source_commit = self.source.git.branches[self.source_branch]
        self.target_commit = self.repository.git.branches[self.target_branch]

    def must_be_open(self) -> None:
        """ValueError when it is not."""
        if self.state != "OPEN":
            raise ValueError(f"pull request {self.id} is {self.state}")

    def edit(
        self, *, title: str | None, description: str | None, draft: bool | None, target_branch: str | None
    ) -> None:
        """Change what the edit page changes; None leaves a thing as it is."""
        self.title = title if title is not None else self.title
        self.description = description if description is not None else self.description
        self.draft = draft if draft is not None else self.draft
        self.target_branch = target_branch if target_branch is not None else self.target_branch
        self.target_commit = self.repository.git.branches[self.target_branch]

    def merge_into_target(self, *, author: UserT, message: str, when: datetime) -> RefChange:
        """Merge in the target repository, which first gets the commits of a fork; how the target branch moved."""
        git = self.repository.git
        for digits, commit in self.source.git.commits.items():
            git.commits.setdefault(digits, commit)
        moved = git.merge(self.source_commit, self.target_branch, author=author, message=message, when=when)
        self.state, self.merge_commit = "MERGED", moved.new
        return moved


PullT = TypeVar("PullT", bound=PullRequestWithEnds[Any, Any, Any])


def must_have_branch(repository: RepositoryWithRefs[Any], branch: str) -> None:
    """ValueError when a pull request cannot go to that branch."""
    if branch not in repository.git.branches:
        raise ValueError(f"{repository.full_name} has no branch {branch or 'at all'}")


def make_source_branch(
    origin: RepositoryWithRefs[UserT], branch: str, target_branch: str, *, author: UserT, when: datetime
) -> None:
    """Make the branch a pull request comes from, with one commit, unless it is there already."""
    if branch not in origin.git.branches:
        start = origin.git.branches.get(target_branch)
        files = {"work.txt": f"{branch}\n"}
        origin.git.commit(branch, files, author=author, message="Work", when=when, start=start)


def follow_branches(
    pulls: Iterable[PullT], repository: RepositoryWithRefs[Any], changes: Iterable[RefChange]
) -> list[tuple[PullT, str]]:
    """Move the ends of open pull requests along with a push; those whose source moved, with where it was.

    A moved target changes them silently, in both products.
    """
    moved = {change.name for change in changes if change.kind == "branch" and change.new}
    found = []
    for pull in pulls:
        if pull.state != "OPEN":
            continue
        if pull.source is repository and pull.source_branch in moved:
            found.append((pull, pull.source_commit))
            pull.source_commit = repository.git.branches[pull.source_branch]
        if pull.repository is repository and pull.target_branch in moved:
            pull.target_commit = repository.git.branches[pull.target_branch]
    return found
