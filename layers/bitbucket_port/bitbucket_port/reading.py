"""Bitbucket as the catalog asks it: objects with their version and facts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from bitbucket_port.bitbucket.address import address_of, key_of, version_of
from bitbucket_port.bitbucket.client import Bitbucket, Page, Reader
from bitbucket_port.bitbucket.enrich import Enricher
from bitbucket_port.catalog.facts import facts_of
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.errors import CredentialsRefusedError, ForbiddenError, PermanentError
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address, JsonObject, Kind, SourceKey
from bitbucket_port.resync.children import ListedPage

if TYPE_CHECKING:
    from bitbucket_port.http import HttpClient
    from bitbucket_port.mapping.engine import Ask
    from bitbucket_port.resync.plan import Listing

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 300.0
PIECE = 20
"""Repositories whose files are read before they go into the catalog: a throttled job begins no further back."""
EMAILS_KEPT_SECONDS = 600.0


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

    ``version`` tells the version of the secret with Bitbucket's token. ``mapping_hash`` tells the mapping that objects
    are read for: with it, what was read once of a repository's files is not read again until they move. ``people``
    gives the e-mail addresses of Port's users, by which Cloud tells those of its members; without it nobody has one.
    """

    def __init__(
        self,
        bitbucket: Bitbucket,
        *,
        source: Callable[[], str],
        wants: Callable[[Kind], Wants],
        refused: RefusedCredentials,
        version: Callable[[], str],
        mapping_hash: Callable[[], str] | None = None,
        people: Callable[[], Iterable[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bitbucket = bitbucket
        self._source = source
        self._wants = wants
        self._refused = refused
        self._version = version
        self._mapping_hash = mapping_hash
        self._people = people
        self._clock = clock
        self._emails: dict[str, str] = {}
        self._emails_at = -EMAILS_KEPT_SECONDS

    def source(self) -> str:
        """The prefix of source keys, asked of Bitbucket."""
        with self._admitted():
            return self._bitbucket.source()

    def asked(self, ask: Callable[[HttpClient], Answer]) -> Answer:
        """What ``ask`` gets with the client itself: for requests that are about no object of the catalog.

        Raises what ``ask`` raises; nothing is asked with a token that was refused, as everywhere.
        """
        client = cast("Reader", self._bitbucket).http
        with self._admitted():
            return ask(client)

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

    # --- the lists of a run ------------------------------------------------------------------------------------------

    def list(
        self, listing: Listing, *, container: Address | None = None, cursor: str | None = None
    ) -> Iterator[ListedPage]:
        """The pages of a listing from ``cursor`` (None: its start), each as soon as it was read.

        The listing is complete when a page's ``next`` is None, and only then. Repositories of which the mapping wants
        more than a list tells come in pieces of a page, each with the cursor to go on from when it was the last to be
        applied, and with ``enrich`` to read the rest of them.
        """
        pages = self._bitbucket.list(listing, container=container, cursor=cursor)
        wants = self._wants(listing.kind)
        enricher = Enricher(self._bitbucket, wants, self._mapping_hash() if self._mapping_hash else None)
        while True:
            with self._admitted():
                page = next(pages, None)
            if page is None:
                return
            if listing.kind == "repository" and wants.anything:
                yield from self._enriched(page, enricher)
            else:
                yield self._listed(listing.kind, page)
            if page.next is None:
                return  # No request follows, for which the ledger would have to be asked whether it may be sent.

    def asker(self, listing: Listing) -> Ask:
        """Answers questions about the objects of a listing, with the fewest requests: for the time of one job."""
        asked: dict[Question, frozenset[str] | bool | PermanentError] = {}

        def once(about: Question, answer: Callable[[Question], frozenset[str] | bool]) -> frozenset[str] | bool:
            if about not in asked:
                try:
                    asked[about] = answer(about)
                except PermanentError as error:
                    asked[about] = error
            found = asked[about]
            if isinstance(found, PermanentError):
                raise found
            return found

        def ask(question: Question) -> bool:
            told = listing.answers(question)
            if told is not None:
                return told
            if listing.kind == "repository" and question.kind == "repository" and question.repository:
                matching = once(Question("repository", role=question.role, q=question.q), self._matching)
                return question.repository in cast("frozenset[str]", matching)
            return cast(bool, once(question, self.ask))

        return ask

    def _matching(self, question: Question) -> frozenset[str]:
        with self._admitted():
            return self._bitbucket.matching(question)

    def _listed(self, kind: Kind, page: Page) -> ListedPage:
        listed = ListedPage([], page.asked_at, page.next)
        if kind == "user" and page.values and self._bitbucket.product == "cloud":
            self._add_emails(page.values)
        for value in page.values:
            try:
                listed.entries.append(self._entry(kind, value))
            except PermanentError as error:
                listed.failed.append((None, str(error)))
        return listed

    def _enriched(self, page: Page, enricher: Enricher) -> Iterator[ListedPage]:
        for start in range(0, max(len(page.values), 1), PIECE):
            is_last = start + PIECE >= len(page.values)
            piece = ListedPage([], page.asked_at, page.next if is_last else page.cursor)
            for value in page.values[start : start + PIECE]:
                key: SourceKey | None = None
                try:
                    key = self._key("repository", value)
                    piece.entries.append(self._to_enrich(key, value, enricher))
                except PermanentError as error:
                    piece.failed.append((key, str(error)))
            yield piece

    def _to_enrich(self, key: SourceKey, repository: JsonObject, enricher: Enricher) -> PageEntry:
        """An entry whose files are read when it turns out that they moved."""
        with self._admitted():
            seen = enricher.look(repository)

        def with_facts(obj: JsonObject) -> Reading:
            reading = self._reading("repository", obj)
            return replace(reading, facts=replace(reading.facts, listed=seen.listed, commit=seen.commit))

        def enrich() -> Reading:
            with self._admitted():
                return with_facts(enricher.enriched(seen))

        return PageEntry(key, with_facts(repository), enrich)

    def _add_emails(self, users: Iterable[JsonObject]) -> None:
        """The addresses of those who are users of Port, too; Bitbucket tells no others."""
        if self._people is None or not self._wants("user").email:
            return
        if self._clock() - self._emails_at >= EMAILS_KEPT_SECONDS:
            try:
                people = [*self._people()]
                with self._admitted():
                    self._emails = self._bitbucket.emails(people)
            except PermanentError as error:
                _log.warning("no member's e-mail address is known", extra={"reason": str(error)})
                self._emails = {}
            self._emails_at = self._clock()
        for user in users:
            user["email"] = self._emails.get(str(user.get("uuid")))

    # --- from what Bitbucket says to what the catalog takes ----------------------------------------------------------

    def _key(self, kind: Kind, obj: JsonObject) -> SourceKey:
        return key_of(self._bitbucket.product, kind, obj, self._source())

    def _entry(self, kind: Kind, obj: JsonObject) -> PageEntry:
        return PageEntry(self._key(kind, obj), self._reading(kind, obj))

    def _object(self, key: SourceKey, address: Address) -> JsonObject:
        if key.kind == "project":
            return self._bitbucket.read_project(address, expected_id=key.id)
        if key.kind == "repository":
            return self._bitbucket.read_repository(address, self._wants("repository"), expected_id=key.id)
        if key.kind == "pull-request":
            repository = key.container.removeprefix(self._source() + "/")
            return self._bitbucket.read_pull_request(address, expected_repository=repository)
        user = self._bitbucket.read_user(address, expected_id=key.id)
        if self._bitbucket.product == "cloud":
            self._add_emails([user])
        return user

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
        return self._key("project", project), Address(project=str(project["key"]))

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
