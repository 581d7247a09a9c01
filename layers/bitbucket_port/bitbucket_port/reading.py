"""Bitbucket as the catalog asks it: objects with their version and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from bitbucket_port.bitbucket.address import address_of, key_of, version_of
from bitbucket_port.bitbucket.client import Bitbucket, Page
from bitbucket_port.catalog.facts import facts_of
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.errors import CredentialsRefusedError, ForbiddenError, PermanentError
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address, JsonObject, Kind, SourceKey
from bitbucket_port.resync.children import ListedPage

TRY_AGAIN_SECONDS = 300.0


class Notes(Protocol):
    """The ledger's small facts, shared by all functions of a stack."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """Keep facts under a name."""

    def noted(self, name: str) -> Mapping[str, str]:
        """The facts under a name; empty when there are none."""


class RefusedCredentials:
    """Remembers, for all functions of the stack, that Bitbucket refused this version of the secret.

    A Data Center locks the account after a few wrong passwords, so the first definite refusal stops everybody. A new
    version of the secret clears it.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def check(self, version: str) -> None:
        """Raises CredentialsRefusedError when this version is known to be refused.

        Looked up before every request: a read of the ledger is cheap, and a locked account is not.
        """
        if self._notes.noted("refused#bitbucket").get("version") == version:
            raise CredentialsRefusedError(
                "Bitbucket refused this token before; nothing is sent with it until the secret gets a new version",
                retry_after=TRY_AGAIN_SECONDS,
            )

    def refused(self, version: str) -> None:
        """Note that this version was refused."""
        self._notes.note("refused#bitbucket", {"version": version})


class BitbucketReader:
    """Implements the catalog's ``Reader`` and the jobs' ``Lister`` over either product.

    ``version`` tells the version of the secret with Bitbucket's token.
    """

    def __init__(
        self,
        bitbucket: Bitbucket,
        *,
        source: Callable[[], str],
        wants: Callable[[Kind], Wants],
        refused: RefusedCredentials,
        version: Callable[[], str],
    ) -> None:
        self._bitbucket = bitbucket
        self._source = source
        self._wants = wants
        self._refused = refused
        self._version = version

    def source(self) -> str:
        """The prefix of source keys, asked of Bitbucket."""
        with self._admitted():
            return self._bitbucket.source()

    def read(self, key: SourceKey, address: Address) -> Reading:
        """See ``catalog.outside.Reader``."""
        with self._admitted():
            return self._reading(key.kind, self._object(key, address))

    def check_source(self) -> None:
        """See ``catalog.outside.Reader``."""
        with self._admitted():
            self._bitbucket.check_source()

    def ask(self, question: Question) -> bool:
        """See ``catalog.outside.Reader``."""
        with self._admitted():
            return self._bitbucket.matches(question)

    def below(self, kind: Kind, address: Address) -> Iterator[ListedPage]:
        """See ``resync.children.Lister``."""
        pages: Iterator[Page]
        if kind == "repository":
            below: Kind = "pull-request"
            pages = self._bitbucket.open_pull_requests(address)
        else:
            below = "repository"
            if self._wants(below).anything:
                return  # A list cannot give what the mapping wants of each repository: they are read one by one.
            pages = self._bitbucket.repositories_of(address)
        while True:
            with self._admitted():
                page = next(pages, None)
            if page is None:
                return
            yield ListedPage([self._entry(below, value) for value in page.values], page.asked_at)

    def _entry(self, kind: Kind, obj: JsonObject) -> PageEntry:
        return PageEntry(key_of(self._bitbucket.product, kind, obj, self._source()), self._reading(kind, obj))

    def _object(self, key: SourceKey, address: Address) -> JsonObject:
        if key.kind == "project":
            return self._bitbucket.read_project(address, expected_id=key.id)
        if key.kind == "repository":
            return self._bitbucket.read_repository(address, self._wants("repository"), expected_id=key.id)
        if key.kind == "pull-request":
            repository = key.container.removeprefix(self._source() + "/")
            return self._bitbucket.read_pull_request(address, expected_repository=repository)
        raise PermanentError(f"a {key.kind} cannot be read by itself")

    def _reading(self, kind: Kind, obj: JsonObject) -> Reading:
        product = self._bitbucket.product
        address = address_of(product, kind, obj)
        return Reading(
            obj,
            version_of(product, kind, obj),
            facts_of(product, kind, address, obj),
            self._project_of(obj) if kind == "repository" else None,
        )

    def _project_of(self, repository: JsonObject) -> tuple[SourceKey, Address] | None:
        project = repository.get("project")
        if not isinstance(project, dict) or not project.get("key"):
            return None
        key = key_of(self._bitbucket.product, "project", project, self._source())
        return key, Address(project=str(project["key"]))

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Ask nothing with a token that was refused, and remember a refusal."""
        version = self._version()
        self._refused.check(version)
        try:
            yield
        except CredentialsRefusedError as error:
            # Data Center answers 401 also for what these good credentials may not see (its OpenAPI document, on most
            # reads): one question that every user may ask tells the two apart.
            if self._bitbucket.product == "server" and self._are_good():
                raise ForbiddenError("Bitbucket does not show this to these credentials (401)") from error
            self._refused.refused(version)
            raise

    def _are_good(self) -> bool:
        try:
            self._bitbucket.check_source()
        except CredentialsRefusedError:
            return False
        return True
