"""What a Bitbucket Data Center instance consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from local.standins.hooks import Subscription
from local.standins.refs import RepositoryWithRefs
from local.standins.reviews import Participants, Participation, PullRequestWithEnds

Permission = Literal["REPO_READ", "REPO_WRITE", "REPO_ADMIN"]
PERMISSIONS: tuple[Permission, ...] = ("REPO_READ", "REPO_WRITE", "REPO_ADMIN")
"""From least to most; a permission contains the ones before it."""
State = Literal["OPEN", "MERGED", "DECLINED"]
STATES: tuple[State, ...] = ("OPEN", "MERGED", "DECLINED")
Status = Literal["UNAPPROVED", "NEEDS_WORK", "APPROVED"]


@dataclass(eq=False)
class User:
    """A user; ``email`` of None is one whose address is hidden."""

    id: int
    name: str
    display_name: str
    email: str | None
    active: bool = True
    type: Literal["NORMAL", "SERVICE"] = "NORMAL"

    @property
    def slug(self) -> str:
        """The name in URLs."""
        return self.name.lower()


@dataclass(eq=False)
class Project:
    """``owner`` is set for a personal project, whose key is ``~user``; ``readable`` is False for a project the
    credential may not see.
    """

    id: int
    key: str
    name: str
    description: str = ""
    is_public: bool = False
    owner: User | None = None
    readable: bool = True


@dataclass(eq=False)
class Repository(RepositoryWithRefs[User]):
    """``default_branch`` is what is configured and may not exist yet; ``permission`` is what the credential may do
    here, None: nothing at all.
    """

    id: int
    slug: str
    name: str
    project: Project
    description: str = ""
    is_public: bool = False
    archived: bool = False
    origin: Repository | None = None
    default_branch: str = "main"
    permission: Permission | None = "REPO_ADMIN"
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    last_pull_request: int = 0

    @property
    def full_name(self) -> str:
        """``KEY/slug``."""
        return f"{self.project.key}/{self.slug}"

    @property
    def base_branch(self) -> str:
        """The default branch, which may not exist yet."""
        return self.default_branch


@dataclass(eq=False)
class Participant(Participation[User]):
    """Somebody's part in a pull request; ``reviewed_commit`` is the source commit they last decided on."""

    status: Status = "UNAPPROVED"
    reviewed_commit: str | None = None


@dataclass(eq=False)
class Comment:
    """A comment on a pull request."""

    id: int
    author: User
    text: str
    created: datetime
    updated: datetime
    version: int = 0
    parent: int | None = None


@dataclass(eq=False, kw_only=True)
class PullRequest(PullRequestWithEnds[User, Repository, Participant]):
    """``version`` is the optimistic lock."""

    created: datetime
    updated: datetime
    version: int = 0
    state: State = "OPEN"
    closed: datetime | None = None
    participants: Participants[User, Participant] = field(default_factory=lambda: Participants(Participant))
    comments: dict[int, Comment] = field(default_factory=dict)

    @property
    def reviewers(self) -> list[Participant]:
        """The people asked to review, with what they decided."""
        return self.participants.reviewers()


@dataclass(frozen=True, slots=True)
class Invocation:
    """One attempt to deliver. ``description`` is the answer's status, or why there was none."""

    id: int
    event: str
    started: datetime
    outcome: Literal["SUCCESS", "FAILURE", "ERROR"]
    description: str


@dataclass(eq=False)
class Hook(Subscription):
    """A webhook of a project or repository, with what became of its deliveries.

    ``failures_in_a_row`` open the circuit breaker, which is closed again at ``skipped_until``.
    """

    id: int
    subject: Project | Repository
    created: datetime
    updated: datetime
    invocations: list[Invocation] = field(default_factory=list)
    failures_in_a_row: int = 0
    skipped_until: datetime | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.settings["name"])
