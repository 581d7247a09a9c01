"""Which requests to Bitbucket's lists cover everything a mapping is about, each sent once for all resources.

A run's jobs name a listing by its index in ``Plan.listings``; equal mappings give equal plans.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product as combinations
from typing import TYPE_CHECKING, Literal

from bitbucket_port.errors import PermanentError
from bitbucket_port.mapping.model import Mapping, PullRequestState, Resource, Selector, UserRole
from bitbucket_port.mapping.scope import Question, Scope, listed_query
from bitbucket_port.objects import JsonObject, Kind, Product, digest

if TYPE_CHECKING:
    from bitbucket_port.mapping.engine import Ask

_log = logging.getLogger(__name__)

RunKind = Literal["full", "list"]
MOST_SELECTIONS = 4
"""Different selections of repositories in the pull-request entries of a mapping that get listings of their own: each
combination is one. With more of them all pull requests any entry could want are listed, and Bitbucket is asked."""


@dataclass(frozen=True, slots=True)
class RepositorySelection:
    """Which repositories an entry is about, as far as Bitbucket itself can tell: its selector without jq."""

    role: UserRole | None = None
    q: str | None = None
    projects: tuple[str, ...] = ()
    project_filter_regex: str | None = None
    include_personal: bool = False

    @classmethod
    def of(cls, selector: Selector) -> RepositorySelection:
        """The part of a selector that is about repositories."""
        return cls(
            selector.user_role,
            selector.repo_query,
            tuple(sorted(selector.projects)),
            selector.project_filter_regex,
            selector.include_personal,
        )

    def selector(self) -> Selector:
        """The same as a selector that judges repositories."""
        return Selector(
            user_role=self.role,
            repo_query=self.q,
            projects=self.projects,
            project_filter_regex=self.project_filter_regex,
            include_personal=self.include_personal,
        )


@dataclass(frozen=True, slots=True)
class PullRequestSelection:
    """Which pull requests of a repository an entry is about: Cloud by ``q`` (None: the open ones), server by state."""

    q: str | None = None
    state: PullRequestState = "OPEN"
    closed_within_days: float | None = None

    @classmethod
    def of(cls, selector: Selector) -> PullRequestSelection:
        """The part of a selector that is about pull requests."""
        return cls(selector.pull_request_query, selector.state, selector.closed_within_days)


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of Bitbucket's, read from its first page to its last.

    ``role`` and ``q`` restrict a list of Cloud repositories. A list of pull requests shows what any of
    ``pull_requests`` selects, in a repository of which ``repositories`` tells whether it is in each selection.
    """

    kind: Kind
    role: UserRole | None = None
    q: str | None = None
    pull_requests: tuple[PullRequestSelection, ...] = ()
    repositories: tuple[tuple[RepositorySelection, bool], ...] = ()

    @property
    def key(self) -> str:
        """The listing's name among those of a plan: as short as a digest, and stable while the mapping is."""
        return f"{self.kind}-{digest([repr(self)])[:12]}"

    def answers(self, question: Question) -> bool | None:
        """What an object's being in this list answers already; None when it takes a request to know it."""
        if self.kind == "repository" and question.kind == "repository":
            known = question.role in {None, self.role} and question.q in {None, self.q}
            return True if known else None
        if self.kind != "pull-request":
            return None
        if question.kind == "pull-request":
            return True if len(self.pull_requests) == 1 else None
        told = {
            inside
            for selection, inside in self.repositories
            if selection.role == question.role and question.q in {None, selection.q}
        }
        return None if not told else True in told

    def queries(self, now: float) -> tuple[str, ...]:
        """What to ask a list of Cloud pull requests for at that time (epoch seconds), each as a ``q`` of its own."""
        queries = (listed_query(one.q, one.closed_within_days, now) for one in self.pull_requests)
        return tuple(dict.fromkeys(queries))

    def query(self, now: float) -> str:
        """All the ``queries`` as one, so that each page is asked for once."""
        queries = self.queries(now)
        return queries[0] if len(queries) == 1 else " OR ".join(f"({query})" for query in queries)

    @property
    def state(self) -> PullRequestState:
        """``state`` for a list of pull requests of the Data Center, which has no filter by date."""
        states = {one.state if one.closed_within_days is None else "ALL" for one in self._with_closing()}
        return states.pop() if len(states) == 1 else "ALL"

    def _with_closing(self) -> Iterable[PullRequestSelection]:
        """As the scope judges: closed ones count only for entries about open ones."""
        for one in self.pull_requests:
            yield one if one.state == "OPEN" else PullRequestSelection(one.q, one.state)


@dataclass(frozen=True, slots=True)
class Plan:
    """The listings of one kind of run. ``roots`` are the indexes of those that hang below nothing."""

    product: Product
    listings: tuple[Listing, ...]
    roots: tuple[int, ...]
    selections: tuple[RepositorySelection, ...] = ()
    apart: bool = True

    def below(self, repository: JsonObject, ask: Ask) -> int | None:
        """The index of the listing of this repository's pull requests; None when no entry wants any of them.

        ``ask`` answers what the object does not tell. Its transient errors pass through; what Bitbucket refuses for
        good leaves out that selection, and is raised when no other one wants the pull requests.
        """
        if not self.selections:
            return None
        refused: PermanentError | None = None
        inside: list[bool] = []
        for selection in self.selections:
            try:
                inside.append(self._is_in(repository, selection, ask))
            except PermanentError as error:
                _log.info("a selection of repositories is left out", extra={"reason": str(error)})
                refused = error
                inside.append(False)
        if not any(inside):
            if refused is not None:
                raise refused
            return None
        if not self.apart:
            return next(at for at, listing in enumerate(self.listings) if listing.kind == "pull-request")
        known = tuple(zip(self.selections, inside, strict=True))
        return next(
            at
            for at, listing in enumerate(self.listings)
            if listing.kind == "pull-request" and listing.repositories == known
        )

    def _is_in(self, repository: JsonObject, selection: RepositorySelection, ask: Ask) -> bool:
        scope = Scope(selection.selector(), product=self.product, kind="repository", now=lambda: 0.0)
        judgement = scope.judge(repository)
        return judgement.in_scope is not False and all(ask(question) for question in judgement.questions)


def plan(mapping: Mapping, product: Product, kind: RunKind = "full") -> Plan:
    """The listings that cover all resources of the mapping; ``list``: only projects and repositories.

    Repositories are listed once for all entries about them or their pull requests. Entries that differ in what they
    select share the list of everything, so that one which Bitbucket refuses takes no other one with it.
    """
    kinds = {resource.kind for resource in mapping.resources}
    pull_requests = [one for one in mapping.resources if one.kind == "pull-request"] if kind == "full" else []
    roots: list[Listing] = []
    if "project" in kinds:
        roots.append(Listing("project"))
    repositories = [one for one in mapping.resources if one.kind == "repository"] + pull_requests
    if repositories:
        roots.append(_repositories(product, repositories))
    if "user" in kinds and kind == "full":
        roots.append(Listing("user"))
    selections = tuple(dict.fromkeys(RepositorySelection.of(one.selector) for one in pull_requests))
    apart = len(selections) <= MOST_SELECTIONS
    below = _apart(pull_requests, selections) if apart else [_pull_requests(pull_requests, ())]
    listings = (*roots, *below)
    return Plan(product, listings, tuple(range(len(roots))), selections, apart)


def _repositories(product: Product, resources: list[Resource]) -> Listing:
    if product == "server":
        return Listing("repository")
    asked = {(one.selector.user_role, one.selector.repo_query) for one in resources}
    if len(asked) == 1:
        role, q = asked.pop()
        return Listing("repository", role, q)
    roles = {role for role, _ in asked}
    return Listing("repository", roles.pop() if len(roles) == 1 else None)


def _apart(resources: list[Resource], selections: tuple[RepositorySelection, ...]) -> list[Listing]:
    """A listing for each combination of selections that a repository can be in."""
    listings = []
    for inside in combinations((True, False), repeat=len(selections)):
        chosen = {selection for selection, is_in in zip(selections, inside, strict=True) if is_in}
        wanting = [one for one in resources if RepositorySelection.of(one.selector) in chosen]
        if wanting:
            listings.append(_pull_requests(wanting, tuple(zip(selections, inside, strict=True))))
    return listings


def _pull_requests(resources: list[Resource], repositories: tuple[tuple[RepositorySelection, bool], ...]) -> Listing:
    wanted = tuple(dict.fromkeys(PullRequestSelection.of(one.selector) for one in resources))
    return Listing("pull-request", pull_requests=wanted, repositories=repositories)
