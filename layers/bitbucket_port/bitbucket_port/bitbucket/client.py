"""What the rest of the package asks of Bitbucket, whichever product it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bitbucket_port.bitbucket.address import key_of
from bitbucket_port.errors import NotFoundError, TransientError
from bitbucket_port.http import Deadline, HttpClient
from bitbucket_port.objects import Address, JsonObject, Kind, Product

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Wants
    from bitbucket_port.mapping.scope import Question
    from bitbucket_port.resync.plan import Listing

FULL_NAME_ID = "full_name:"
PROJECT_KEY_ID = "key:"
START = "start"
"""The cursor of a list's first page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: objects in their list shape, and when it was asked for (epoch seconds, our clock).

    ``next`` is the cursor of the page after it; None when the list ends here. ``cursor`` is its own.
    """

    values: tuple[JsonObject, ...]
    asked_at: float
    next: str | None = None
    cursor: str = START


class Bitbucket(Protocol):
    """Reads one Cloud workspace or one Data Center.

    Every method may raise: NotFoundError (404: the thing itself, or what contains it), CredentialsRefusedError,
    ForbiddenError, PermanentError, and TransientError (also for an answer that is not what the API promises, so that a
    broken proxy never looks like an empty Bitbucket).
    """

    @property
    def product(self) -> Product:
        """Which of the two it is."""
        ...

    @property
    def requests(self) -> int:
        """How many HTTP requests have been sent so far, tries that failed included."""
        ...

    @property
    def deadline(self) -> Deadline:
        """How long the calls that follow may take."""
        ...

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None: ...

    def source(self) -> str:
        """The prefix of all source keys: the Cloud workspace's uuid (asked once), the Data Center's base URL."""
        ...

    def check_source(self) -> None:
        """Ask for the workspace or the server itself; raises (NotFoundError included) unless it answers us."""
        ...

    def read_project(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """The project; NotFoundError when another one (by ``SourceKey.id``) answers at this address."""
        ...

    def read_repository(self, address: Address, wants: Wants, *, expected_id: str | None = None) -> JsonObject:
        """The repository with what the mapping wants added; NotFoundError when another one answers at this address.

        Cloud adds ``__includedFiles`` (path as configured to text, or None where there is no such file), Data Center
        ``__readme`` and ``__latestCommit`` (None where there is none), and with them ``__defaultBranch``, the name of
        the branch they are from (absent where there is none). What cannot be read raises: it is not absent.
        """
        ...

    def read_pull_request(self, address: Address, *, expected_repository: str | None = None) -> JsonObject:
        """The pull request; NotFoundError when its target repository is another one than ``expected_repository``."""
        ...

    def read_user(self, address: Address, *, expected_id: str | None = None) -> JsonObject:
        """The user (Cloud: as a member of the workspace); NotFoundError when another one answers at this address."""
        ...

    def emails(self, addresses: Collection[str]) -> dict[str, str]:
        """Which Cloud members have these e-mail addresses, as uuid → address; the Data Center says so itself.

        Bitbucket Cloud tells only workspace administrators and workspace access tokens: ForbiddenError for others.
        """
        ...

    def head(self, repository: JsonObject) -> JsonObject | None:
        """The newest commit of the main branch of a listed repository, None in an empty one: one request at most."""
        ...

    def enrich(self, repository: JsonObject, wants: Wants, commit: JsonObject | None) -> None:
        """Add to a listed repository what the mapping wants, as ``read_repository`` does, from ``commit``."""
        ...

    def matches(self, question: Question) -> bool:
        """What only Bitbucket Cloud can answer: is this object in its own list with that role and query?"""
        ...

    def matching(self, question: Question) -> frozenset[str]:
        """The uuids of all Cloud repositories of which ``matches`` would say yes to the same role and query."""
        ...

    def list(self, listing: Listing, *, container: Address | None = None, cursor: str | None = None) -> Iterator[Page]:
        """The pages of a listing from ``cursor`` (None: from its start) to its end, the largest the server grants.

        ``container`` is the repository of a list of pull requests. Repositories come as the list gives them, without
        what the mapping wants added; Cloud users are the members' accounts. A list that was not read to its end ends
        in an exception, never without one.
        """
        ...

    def open_pull_requests(self, repository: Address) -> Iterator[Page]:
        """The open pull requests of a repository, with reviewers and participants, page by page."""
        ...

    def repositories_of(self, project: Address) -> Iterator[Page]:
        """All repositories of a project, archived ones included, page by page."""
        ...


class Reader:
    """What both adapters do in the same way over their HTTP client."""

    def __init__(self, http: HttpClient, *, now: Callable[[], float] = time.time) -> None:
        self.http = http
        self.now = now

    @property
    def requests(self) -> int:
        """How many HTTP requests have been sent so far."""
        return self.http.sent

    @property
    def deadline(self) -> Deadline:
        """How long the calls that follow may take."""
        return self.http.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self.http.deadline = deadline

    def get(self, path_or_url: str, params: Mapping[str, Any] | None = None) -> JsonObject:
        """The JSON object at that place; TransientError when the answer is anything else."""
        answer = self.http.request("GET", path_or_url, params=params, ok=(200,)).json()
        if not isinstance(answer, dict):
            raise TransientError(f"{self.http.name} answered with something that is not a JSON object")
        return answer

    def file(self, path: str, params: Mapping[str, Any] | None = None) -> str | None:
        """The text of a file; None when the server says 404."""
        try:
            return self.http.request("GET", path, params=params, ok=(200,)).text
        except NotFoundError:
            return None

    def only(self, value: object, what: str) -> JsonObject:
        """The JSON object that an answer holds; TransientError when there is none."""
        if not isinstance(value, dict):
            raise TransientError(f"{self.http.name} answered without {what}")
        return value

    def values(self, page: JsonObject) -> tuple[JsonObject, ...]:
        """The objects of a page; TransientError when it is no page, since that is not an empty one."""
        values = page.get("values")
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise TransientError(f"{self.http.name} answered with something that is not a page of a list")
        return tuple(values)


def check_identity(product: Product, kind: Kind, obj: JsonObject, expected_id: str | None) -> None:
    """Raises NotFoundError when the object is not the one we mean: an address can have passed to another object.

    ``expected_id`` is the id of a source key, in any of the forms that ``key_of`` makes.
    """
    if expected_id is None:
        return
    if expected_id.startswith(FULL_NAME_ID):
        found = FULL_NAME_ID + str(obj.get("full_name")).lower()
    elif expected_id.startswith(PROJECT_KEY_ID):
        found = PROJECT_KEY_ID + str(obj.get("key"))
    else:
        found = key_of(product, kind, obj, "").id
    if found != expected_id:
        raise NotFoundError(f"the {kind} {expected_id} is not at its address any more: {found} is there now")
