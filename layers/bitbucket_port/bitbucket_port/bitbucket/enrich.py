"""What the mapping wants of repositories beyond their list, read only where something moved.

On Cloud a push moves a repository's ``updated_on`` (seen live in 2026), so a repository that is listed exactly as
before has the same files: that costs no request. The Data Center's lists carry no time: there the head of the main
branch is asked for, one request, and files are read when it is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bitbucket_port.bitbucket.client import Bitbucket
from bitbucket_port.errors import CredentialsRefusedError, PermanentError, TransientError
from bitbucket_port.mapping.model import Wants
from bitbucket_port.objects import JsonObject, digest

TROUBLES_IN_A_ROW = 3
"""So many repositories in a row that cannot be read now are no trouble of theirs, but of the server or the network."""

Read = TypeVar("Read")


class UnreadableError(PermanentError):
    """This one repository cannot be read now; says nothing about the others, and the next run tries again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A repository as listed, and what tells whether its files moved since: to be kept with its facts.

    ``listed`` is a digest of what the list showed and of the mapping it is read for; ``commit`` the head of the main
    branch, where it had to be asked for.
    """

    repository: JsonObject
    listed: str
    commit: str = ""
    head: JsonObject | None = None


class Enricher:
    """For one listing of repositories. Without ``mapping_hash`` nothing counts as seen before.

    Both methods raise as reading does. A transient failure becomes UnreadableError, so that the other repositories go
    on, unless it says how long to wait or comes again and again.
    """

    def __init__(self, bitbucket: Bitbucket, wants: Wants, mapping_hash: str | None) -> None:
        self._bitbucket = bitbucket
        self._wants = wants
        self._mapping_hash = mapping_hash
        self._troubles = 0

    def look(self, repository: JsonObject) -> Seen:
        """What can be told of a listed repository: for nothing on Cloud, with one request on the Data Center."""
        listed = digest([self._mapping_hash, repository]) if self._mapping_hash else ""
        if self._bitbucket.product == "cloud":
            return Seen(repository, listed)
        head = self._guarded(lambda: self._bitbucket.head(repository))
        return Seen(repository, listed, str((head or {}).get("id") or ""), head)

    def enriched(self, seen: Seen) -> JsonObject:
        """The repository with all that is wanted of it."""

        def read() -> JsonObject:
            head = self._bitbucket.head(seen.repository) if self._bitbucket.product == "cloud" else seen.head
            whole = dict(seen.repository)
            self._bitbucket.enrich(whole, self._wants, head)
            return whole

        return self._guarded(read)

    def _guarded(self, read: Callable[[], Read]) -> Read:
        try:
            found = read()
        except CredentialsRefusedError:
            raise
        except TransientError as error:
            self._troubles += 1
            if error.retry_after is not None or self._troubles >= TROUBLES_IN_A_ROW:
                raise
            raise UnreadableError(str(error)) from error
        self._troubles = 0
        return found
