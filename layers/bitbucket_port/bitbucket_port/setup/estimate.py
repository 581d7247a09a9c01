"""How many requests a first full resync will take, and how long that is under Bitbucket's limit.

Counting costs one request for each list on Cloud, whose pages tell the ``size`` of the whole list (optional by
Atlassian's OpenAPI document; without it the list is paged through), and the pages themselves on the Data Center.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitbucket_port.bitbucket.allowance import CLOUD, Limit, Told
from bitbucket_port.bitbucket.cloud import PAGE_LENGTH
from bitbucket_port.bitbucket.server import PAGE_LIMIT
from bitbucket_port.errors import TransientError
from bitbucket_port.http import Response, path_of
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Wants
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.resync.plan import Listing, plan
from bitbucket_port.setup.findings import Finding

ABOUT = "Resync estimate"
_HOUR = 3600.0

Get = Callable[[str, Mapping[str, Any]], Response]
"""A GET of Bitbucket's API: path (or the address of a next page) and parameters in, the answer out."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many objects the lists of a resync show; None: that list is not read. ``limit`` is what the answers told."""

    projects: int | None = None
    repositories: int | None = None
    users: int | None = None
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A resync of so much. ``per_repository``: requests for each one beside the lists of everything.

    ``limit`` is that of one token, None where there is none; ``interval`` the minutes between two resyncs, 0 for never.
    """

    sizes: Sizes
    product: Product
    per_repository: int
    limit: Limit | None
    tokens: int = 1
    interval: float = 0.0

    @property
    def requests(self) -> int:
        """Requests to Bitbucket: every page of every list, and what is asked for each repository."""
        largest = PAGE_LENGTH if self.product == "cloud" else PAGE_LIMIT
        lists = (self.sizes.projects, self.sizes.repositories, self.sizes.users)
        pages = sum(max(1, math.ceil(size / largest)) for size in lists if size is not None)
        return pages + self.per_repository * (self.sizes.repositories or 0)

    @property
    def seconds(self) -> float:
        """How long sending them takes when live events have their reserve; 0 without a limit."""
        if self.limit is None:
            return 0.0
        return self.requests / (self.limit.open_to(reserve=True) * self.tokens) * self.limit.seconds

    def finding(self) -> Finding:
        """The estimate as a sentence, with what to do when the interval is too short."""
        text = f"{self._sizes()}: about {_rounded(self.requests):,} {_noun(self.requests, 'request')}"
        if self.limit is None:
            return Finding(ABOUT, "ok", f"{text}; Bitbucket tells of no limit.")
        hourly = round(self.limit.requests * self.tokens * _HOUR / self.limit.seconds)
        text += f", {duration(self.seconds)} at {hourly:,} an hour with the live reserve"
        if not self.interval:
            return Finding(ABOUT, "ok", f"{text}; no resync is scheduled.")
        interval = duration(self.interval * 60)
        if self.seconds <= self.interval * 60:
            return Finding(ABOUT, "ok", f"{text}; your interval of {interval} is long enough.")
        needed = math.ceil(self.seconds / 3600) * 60
        fix = f"Set ScheduledResyncInterval to {needed} or more"
        fix += ", or add access tokens to BitbucketToken, separated by commas: each has its own limit."
        return Finding(ABOUT, "warning", f"{text}; your interval of {interval} is too short.", fix)

    def _sizes(self) -> str:
        named = (
            (self.sizes.projects, "project"),
            (self.sizes.repositories, "repository"),
            (self.sizes.users, "user"),
        )
        return ", ".join(f"{size:,} {_noun(size, name)}" for size, name in named if size is not None)


def per_repository(product: Product, wants: Wants, *, pull_requests: bool) -> int:
    """Requests for each repository of a first run: its pull requests, and what the mapping wants of its files."""
    count = int(pull_requests)
    if wants.anything:
        count += 1  # the head of the main branch
        count += len(wants.included_files) if product == "cloud" else int(wants.readme)
    return count


def estimate(engine: MappingEngine, workspace: str, get: Get, *, tokens: int, interval: float) -> Estimate:
    """The estimate for a mapping, asking Bitbucket how much there is; raises what ``get`` raises."""
    product = engine.mapping.product
    planned = plan(engine.mapping, product)
    counting = _Counting(product, workspace, get)
    counts = {listing.kind: counting.count(listing) for listing in (planned.listings[at] for at in planned.roots)}
    sizes = Sizes(counts.get("project"), counts.get("repository"), counts.get("user"), counting.limit)
    return Estimate(
        sizes,
        product,
        per_repository(product, engine.wants("repository"), pull_requests=bool(planned.selections)),
        counting.limit or (CLOUD if product == "cloud" else None),
        tokens,
        interval,
    )


@dataclass
class _Counting:
    product: Product
    workspace: str
    get: Get
    limit: Limit | None = field(default=None, init=False)

    def count(self, listing: Listing) -> int:
        if self.product == "server":
            paths = {"project": "/projects", "repository": "/repos", "user": "/users"}
            params = {"archived": "ALL"} if listing.kind == "repository" else {}
            return self._on_server(paths[listing.kind], params)
        path = path_of("workspaces", self.workspace, "projects" if listing.kind == "project" else "members")
        if listing.kind == "repository":
            path = path_of("repositories", self.workspace)
        restricted = {name: value for name, value in (("role", listing.role), ("q", listing.q)) if value}
        return self._on_cloud(path, restricted)

    def _on_cloud(self, path: str, params: Mapping[str, Any]) -> int:
        size = self._page(path, {**params, "pagelen": 1}).get("size")
        if isinstance(size, int):
            return size
        answer = self._page(path, {**params, "pagelen": PAGE_LENGTH})
        count, seen = len(answer["values"]), set[str]()
        while answer.get("next") and answer["next"] not in seen:
            seen.add(answer["next"])
            answer = self._page(answer["next"], {})
            count += len(answer["values"])
        return count

    def _on_server(self, path: str, params: Mapping[str, Any]) -> int:
        count, start = 0, 0
        while True:
            answer = self._page(path, {**params, "limit": PAGE_LIMIT, "start": start})
            count += len(answer["values"])
            following = answer.get("nextPageStart")
            if answer.get("isLastPage") is not False or not isinstance(following, int) or following <= start:
                return count
            start = following

    def _page(self, path: str, params: Mapping[str, Any]) -> JsonObject:
        answer = self.get(path, params)
        told = Told.by(answer.headers)
        self.limit = told.limit if told else self.limit
        page = answer.json()
        if not isinstance(page, dict) or not isinstance(page.get("values"), list):
            raise TransientError("Bitbucket answered with something that is not a page of a list")
        return page


def duration(seconds: float) -> str:
    """A time as people say it: ``3 h 50 min``, ``25 min``, ``less than a minute``."""
    minutes = round(seconds / 60)
    if not minutes:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours:,} h" if hours else "", f"{rest} min" if rest else "") if part)


def _rounded(count: int) -> int:
    """Up to three digits that mean something."""
    step = int(10 ** max(0, len(str(count)) - 3))
    return math.ceil(count / step) * step


def _noun(count: int, name: str) -> str:
    if count == 1:
        return name
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
