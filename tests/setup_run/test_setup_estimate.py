"""How long a resync takes, as a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bitbucket_port.bitbucket.allowance import CLOUD, Limit
from bitbucket_port.errors import TransientError
from bitbucket_port.http import Response
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import Product
from bitbucket_port.setup.estimate import Estimate, Sizes, duration, estimate, per_repository

ACME = Sizes(projects=4, repositories=3012)


def engine(product: Product = "cloud", **selectors: dict[str, Any]) -> MappingEngine:
    """The shipped mapping; ``selectors`` by kind replace those of its entries."""
    document = load(product, "default")
    for resource in document["resources"]:
        resource["selector"] |= selectors.get(resource["kind"].replace("-", "_"), {})
    return MappingEngine(parse(document, product=product, file="test"), now=lambda: 0.0)


class Lists:
    """Bitbucket's lists: path → how many there are in each page."""

    def __init__(self, pages: Mapping[str, list[int]], headers: Mapping[str, str] | None = None) -> None:
        self.pages = pages
        self.headers = headers or {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, params: Mapping[str, Any]) -> Response:
        self.asked.append((path, dict(params)))
        path, _, page = path.partition("?page=")
        sizes = self.pages[path]
        number = int(page or params.get("start", 0))
        body: dict[str, Any] = {"values": [{}] * sizes[number]}
        if params.get("pagelen") == 1:
            body["values"] = [{}]
        last = number + 1 == len(sizes)
        body |= {"isLastPage": last} if "limit" in params else {}
        if not last:
            body |= {"nextPageStart": number + 1, "next": f"{path}?page={number + 1}"}
        return Response(200, self.headers, json.dumps(body).encode())


class ListsWithSize(Lists):
    """As Cloud mostly answers: each page tells the size of the whole."""

    def get(self, path: str, params: Mapping[str, Any]) -> Response:
        body = super().get(path, params).json()
        return Response(200, self.headers, json.dumps(body | {"size": sum(self.pages[path])}).encode())


CLOUD_LISTS = {
    "/workspaces/acme/projects": [4],
    "/repositories/acme": [100, 100, 12],
    "/workspaces/acme/members": [30],
}


def test_a_sentence_says_what_there_is_how_much_it_costs_and_whether_the_interval_is_enough() -> None:
    finding = Estimate(ACME, "cloud", 1, CLOUD, interval=360).finding()
    assert finding.outcome == "ok"
    assert finding.text == (
        "4 projects, 3,012 repositories: about 3,050 requests, 3 h 23 min at 1,000 an hour with the live reserve; "
        "your interval of 6 h is long enough."
    )


def test_an_interval_that_is_too_short_is_a_warning_with_the_number_that_would_do() -> None:
    finding = Estimate(ACME, "cloud", 1, CLOUD, interval=180).finding()
    assert (finding.outcome, finding.text.endswith("your interval of 3 h is too short.")) == ("warning", True)
    assert "ScheduledResyncInterval to 240 or more" in finding.fix
    more = Estimate(ACME, "cloud", 1, CLOUD, tokens=2, interval=180).finding()
    assert (more.outcome, "at 2,000 an hour" in more.text) == ("ok", True)


def test_without_a_schedule_or_a_limit_there_is_nothing_to_compare() -> None:
    assert Estimate(ACME, "cloud", 1, CLOUD).finding().text.endswith("; no resync is scheduled.")
    free = Estimate(Sizes(1, 1), "server", 1, None, interval=1).finding()
    assert free.text == "1 project, 1 repository: about 3 requests; Bitbucket tells of no limit."


@pytest.mark.parametrize(
    ("seconds", "text"), [(20, "less than a minute"), (1500, "25 min"), (3600, "1 h"), (13800, "3 h 50 min")]
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_cloud_is_asked_once_for_each_list_that_tells_its_size() -> None:
    lists = ListsWithSize(CLOUD_LISTS, {"X-RateLimit-Limit": "2500"})
    found = estimate(engine(), "acme", lists.get, tokens=1, interval=60)
    assert (found.sizes.projects, found.sizes.repositories, found.sizes.users) == (4, 212, 30)
    assert found.limit == Limit(2500, 3600.0)
    assert found.requests == 1 + 3 + 1 + 212
    assert len(lists.asked) == 3


def test_cloud_that_does_not_tell_is_paged_through() -> None:
    lists = Lists(CLOUD_LISTS)
    assert estimate(engine(), "acme", lists.get, tokens=1, interval=60).sizes.repositories == 212
    assert ("/repositories/acme?page=2", {}) in lists.asked


def test_only_what_the_mapping_selects_is_counted() -> None:
    selector = {"userRole": "admin", "repoQuery": 'name ~ "shop"'}
    lists = ListsWithSize(CLOUD_LISTS)
    estimate(engine(repository=selector, pull_request=selector), "acme", lists.get, tokens=1, interval=60)
    asked = dict(lists.asked)
    assert asked["/repositories/acme"] == {"role": "admin", "q": 'name ~ "shop"', "pagelen": 1}


def test_the_data_center_is_paged_through_with_archived_repositories() -> None:
    lists = Lists({"/projects": [2], "/repos": [1000, 500], "/users": [7]})
    found = estimate(engine("server"), "", lists.get, tokens=1, interval=60)
    assert (found.sizes.projects, found.sizes.repositories, found.limit) == (2, 1500, None)
    assert ("/repos", {"archived": "ALL", "limit": 1000, "start": 1}) in lists.asked


def test_something_that_is_no_list_is_not_taken_for_an_empty_one() -> None:
    def get(path: str, params: Mapping[str, Any]) -> Response:
        return Response(200, {}, b'{"error": "maintenance"}')

    with pytest.raises(TransientError):
        estimate(engine(), "acme", get, tokens=1, interval=60)


def test_files_cost_requests_for_each_repository() -> None:
    assert per_repository("cloud", Wants(), pull_requests=False) == 0
    assert per_repository("cloud", Wants(included_files=("a", "b")), pull_requests=True) == 4
    assert per_repository("server", Wants(readme=True, latest_commit=True), pull_requests=True) == 3
    assert per_repository("server", Wants(latest_commit=True), pull_requests=True) == 2
