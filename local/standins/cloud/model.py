"""What a Bitbucket Cloud workspace consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from local.standins.hooks import Subscription
from local.standins.refs import RepositoryWithRefs
from local.standins.reviews import Participants, Participation, PullRequestWithEnds

Role = Literal["owner", "admin", "contributor", "member"]
ROLES: tuple[Role, ...] = ("member", "contributor", "admin", "owner")
"""From least to most; a role contains the ones before it."""
State = Literal["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]
STATES: tuple[State, ...] = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
Review = Literal["approved", "changes_requested"]


@dataclass(eq=False)
class User:
    """An Atlassian account; ``email`` is told to nobody but the members API, on request."""

    uuid: str
    account_id: str
    nickname: str
    display_name: str
    email: str | None = None


@dataclass(eq=False)
class Workspace:
    """A workspace; repositories can be transferred to one that is not ours."""

    uuid: str
    slug: str
    name: str
    created_on: datetime


@dataclass(eq=False)
class Project:
    """``readable`` is False for a project the credential may not see."""

    uuid: str
    key: str
    name: str
    description: str
    is_private: bool
    created_on: datetime
    updated_on: datetime
    readable: bool = True


@dataclass(eq=False)
class Repository(RepositoryWithRefs[User]):
    """``role`` is what the credential may do here; None: nothing at all."""

    uuid: str
    slug: str
    name: str
    workspace: Workspace
    project: Project
    owner: User
    created_on: datetime
    updated_on: datetime
    description: str = ""
    language: str = ""
    website: str | None = None
    is_private: bool = True
    parent: Repository | None = None
    main_branch: str | None = None
    role: Role | None = "admin"
    deleted: bool = False
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """``workspace/slug``."""
        return f"{self.workspace.slug}/{self.slug}"

    @property
    def base_branch(self) -> str:
        """The main branch; an empty repository has none."""
        return self.main_branch or ""


@dataclass(eq=False)
class Participant(Participation[User]):
    """What somebody did on a pull request.

    ``reviewed_on`` and ``commented_on`` make ``participated_on``: an approver's is the time of the review, anybody
    else's the time of the last comment (schema ``participant`` of Atlassian's API description).
    """

    review: Review | None = None
    reviewed_on: datetime | None = None
    commented_on: datetime | None = None

    @property
    def participated_on(self) -> datetime | None:
        """The time as the API shows it; can go back when an approval is withdrawn."""
        return self.reviewed_on if self.review else self.commented_on


@dataclass(eq=False)
class Comment:
    """A comment on a pull request."""

    id: int
    author: User
    text: str
    created_on: datetime
    updated_on: datetime
    deleted: bool = False
    resolved_by: User | None = None
    resolved_on: datetime | None = None


@dataclass(eq=False, kw_only=True)
class PullRequest(PullRequestWithEnds[User, Repository, Participant]):
    """``target_branch`` and ``target_commit`` are what Cloud calls the destination."""

    created_on: datetime
    updated_on: datetime
    state: State = "OPEN"
    close_source_branch: bool = False
    reason: str = ""
    closed_by: User | None = None
    participants: Participants[User, Participant] = field(default_factory=lambda: Participants(Participant))
    comments: dict[int, Comment] = field(default_factory=dict)

    @property
    def reviewers(self) -> list[User]:
        """The people asked to review."""
        return [participant.user for participant in self.participants.reviewers()]


@dataclass(eq=False)
class Hook(Subscription):
    """A webhook subscription; the secret never leaves it. ``subject`` of None is the workspace."""

    uuid: str
    subject: Repository | None
    created_at: datetime

    @property
    def name(self) -> str:
        """What Cloud calls the description."""
        return str(self.settings["description"])
