"""Lists are read with the fewest requests Bitbucket allows, from any page to the end, against strict stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from bitbucket_port.bitbucket.address import address_of
from bitbucket_port.bitbucket.client import START, Bitbucket, Page
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.errors import ForbiddenError, NotFoundError, PermanentError, TransientError
from bitbucket_port.http import Deadline
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.scope import Question
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import Address, Product
from bitbucket_port.resync.plan import Listing, PullRequestSelection, plan
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.bitbucket.answering import Answer, AnsweringServer, Clock

RECENT = PullRequestSelection(None, "OPEN", 30)
PULL_REQUESTS = Listing("pull-request", pull_requests=(RECENT,))
LONG_AGO = datetime.now(UTC) - timedelta(days=31)


def cloud_client(stand_in: BitbucketCloudStandIn) -> Bitbucket:
    return connect(
        "cloud", stand_in.api_url, lambda: stand_in.token, deadline=Deadline.after(60), workspace="northwind"
    )


def server_client(stand_in: BitbucketServerStandIn) -> Bitbucket:
    return connect("server", stand_in.api_url, lambda: stand_in.token, deadline=Deadline.after(60))


@pytest.fixture(scope="module")
def cloud() -> Iterator[BitbucketCloudStandIn]:
    """101 projects, 102 repositories, 101 members; one repository with 30 open and 73 closed pull requests."""
    stand_in = BitbucketCloudStandIn(seed=3)
    world = stand_in.world
    stand_in.start()
    for number in range(101):
        world.create_project(f"P{number}", f"Project {number}")
    for number in range(101):
        world.create_repository("P1", f"Repository {number}", role="member" if number % 2 else "admin")
    world.create_repository("P0", "Busy", readme="# Busy\n")
    people = [world.create_user(f"Person {number}", email=f"p{number}@example.com") for number in range(100)]
    for number in range(103):
        world.open_pull_request("busy", f"topic/{number}", reviewers=people[:1])
    for number in range(1, 74):
        world.merge(world.pull_request("busy", number))
    for number in range(52, 74):
        world.pull_request("busy", number).updated_on = LONG_AGO
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[BitbucketServerStandIn]:
    """12 projects, one of them personal; 23 repositories; 11 users; 25 pull requests in one repository, 20 closed."""
    stand_in = BitbucketServerStandIn(seed=3)
    world = stand_in.world
    stand_in.start()
    for number in range(11):
        world.create_project(f"P{number}", f"Project {number}")
    people = [world.create_user(f"person{number}") for number in range(10)]
    world.create_personal_project(people[0])
    for number in range(21):
        world.create_repository("P1", f"Repository {number}", archived=number == 5)
    world.create_repository("~person0", "Notes")
    world.create_repository("P0", "Busy", readme="# Busy\n")
    for number in range(25):
        world.open_pull_request("P0/busy", f"topic/{number}")
    for number in range(1, 21):
        world.merge(world.pull_request("P0/busy", number))
    yield stand_in
    stand_in.stop()


def read(bitbucket: Bitbucket, listing: Listing, container: Address | None = None) -> list[Page]:
    """All pages; checks that going on from each cursor gives the rest of them."""
    pages = list(bitbucket.list(listing, container=container))
    assert pages[-1].next is None
    assert all(page.next == following.cursor for page, following in pairwise(pages))
    return pages


def values(pages: list[Page]) -> list[Any]:
    return [value for page in pages for value in page.values]


# --- what a run costs


@pytest.mark.parametrize(("kind", "count", "requests"), [("project", 101, 2), ("repository", 102, 2), ("user", 101, 2)])
def test_cloud_lists_cost_a_request_for_a_hundred(
    cloud: BitbucketCloudStandIn, kind: str, count: int, requests: int
) -> None:
    client = cloud_client(cloud)
    listing = next(one for one in _default("cloud") if one.kind == kind)
    pages = read(client, listing)
    assert (len(values(pages)), client.requests) == (count, requests)


def test_cloud_pull_requests_cost_a_request_for_fifty_that_are_in_scope(cloud: BitbucketCloudStandIn) -> None:
    client = cloud_client(cloud)
    busy = cloud.world.repository("busy")
    found = values(read(client, _default("cloud")[-1], Address("P0", busy.uuid)))
    assert client.requests == 2  # 30 open and 51 closed within a month
    assert sorted(pull["id"] for pull in found) == [*range(1, 52), *range(74, 104)]
    assert all(pull["reviewers"] and pull["participants"] for pull in found)


def test_a_cloud_repository_without_pull_requests_costs_one_request(cloud: BitbucketCloudStandIn) -> None:
    client = cloud_client(cloud)
    quiet = cloud.world.repository("repository-7")
    assert values(read(client, PULL_REQUESTS, Address("P1", quiet.uuid))) == []
    assert client.requests == 1


@pytest.mark.parametrize(
    ("granted", "projects", "repositories", "users", "pull_requests"), [(1000, 1, 1, 1, 1), (10, 2, 3, 2, 3)]
)
def test_data_center_lists_cost_a_request_for_each_page_the_server_grants(
    server: BitbucketServerStandIn, granted: int, projects: int, repositories: int, users: int, pull_requests: int
) -> None:
    server.page_limit = granted
    try:
        client = server_client(server)
        counted = {}
        for listing in _default("server"):
            before = client.requests
            container = Address("P0", "busy") if listing.kind == "pull-request" else None
            counted[listing.kind] = (len(values(read(client, listing, container))), client.requests - before)
    finally:
        server.page_limit = 1000
    assert counted == {
        "project": (12, projects),
        "repository": (23, repositories),
        "user": (11, users),
        "pull-request": (25, pull_requests),
    }


def test_only_open_pull_requests_are_asked_of_the_data_center_where_no_closed_one_is_wanted(
    server: BitbucketServerStandIn,
) -> None:
    listing = Listing("pull-request", pull_requests=(PullRequestSelection(),))
    assert len(values(read(server_client(server), listing, Address("P0", "busy")))) == 5


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_whole_run_costs_what_the_documents_promise(
    cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn, product: Product
) -> None:
    mapping = parse(load(product, "default"), product=product, file="default")
    client = cloud_client(cloud) if product == "cloud" else server_client(server)
    run = plan(mapping, product)
    found = {run.listings[root].kind: values(read(client, run.listings[root])) for root in run.roots}
    listed = 0
    for repository in found["repository"]:
        below = run.below(repository, lambda question: False)
        if below is not None:
            listed += 1
            read(client, run.listings[below], address_of(product, "repository", repository))
    if product == "cloud":
        assert client.requests == 2 + 2 + 2 + (101 + 2)
    else:
        assert listed == 23 - 1  # not below the personal one
        assert client.requests == 1 + 1 + 1 + 22


def _default(product: Product) -> tuple[Listing, ...]:
    return plan(parse(load(product, "default"), product=product, file="default"), product).listings


@pytest.mark.parametrize("kind", ["project", "repository", "user"])
def test_a_list_tells_the_workspaces_uuid_on_the_way(cloud: BitbucketCloudStandIn, kind: Any) -> None:
    client = cloud_client(cloud)
    next(client.list(Listing(kind)))
    assert client.source() == cloud.world.workspace.uuid
    assert client.requests == 1


# --- queries that Bitbucket refuses

OPEN = PullRequestSelection('state="OPEN"')
REFUSED = PullRequestSelection('colour="red"')
OLD = PullRequestSelection(f"updated_on < {(LONG_AGO + timedelta(hours=1)).isoformat()}")


@pytest.mark.parametrize("selections", [(OPEN, REFUSED, OLD), (REFUSED, OPEN, OLD), (OPEN, OLD, REFUSED)])
def test_a_refused_query_spoils_no_other_and_the_list_does_not_count_as_read(
    cloud: BitbucketCloudStandIn, selections: tuple[PullRequestSelection, ...]
) -> None:
    listing = Listing("pull-request", pull_requests=selections)
    busy = Address("P0", cloud.world.repository("busy").uuid)
    pages, error = _until_it_fails(cloud_client(cloud), listing, busy)
    assert sorted(pull["id"] for pull in values(pages)) == [*range(52, 104)]
    assert isinstance(error, PermanentError)
    assert None not in [page.next for page in pages]
    for number, page in enumerate(pages):
        rest, error = _until_it_fails(cloud_client(cloud), listing, busy, page.next)
        assert values(rest) == values(pages[number + 1 :])
        assert isinstance(error, PermanentError)


def test_one_refused_query_is_asked_once(cloud: BitbucketCloudStandIn) -> None:
    client = cloud_client(cloud)
    listing = Listing("pull-request", pull_requests=(REFUSED,))
    with pytest.raises(PermanentError):
        next(client.list(listing, container=Address("P0", cloud.world.repository("busy").uuid)))
    assert client.requests == 1


def _until_it_fails(
    client: Bitbucket, listing: Listing, container: Address, cursor: str | None = None
) -> tuple[list[Page], Exception | None]:
    pages: list[Page] = []
    try:
        pages.extend(client.list(listing, container=container, cursor=cursor))
    except PermanentError as error:
        return pages, error
    return pages, None


# --- going on from a cursor


def test_a_list_goes_on_from_any_of_its_cursors(cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn) -> None:
    server.page_limit = 10
    try:
        for client in (cloud_client(cloud), server_client(server)):
            pages = read(client, Listing("repository"))
            assert len(pages) > 1
            for number, page in enumerate(pages):
                rest = list(client.list(Listing("repository"), cursor=page.cursor))
                assert values(rest) == values(pages[number:])
            assert values(list(client.list(Listing("repository"), cursor=START))) == values(pages)
    finally:
        server.page_limit = 1000


@pytest.mark.parametrize("cursor", ["-1", "1e3", "", "٣", "https://elsewhere.example/"])
def test_a_cursor_that_is_no_number_is_never_sent_to_the_data_center(
    server: BitbucketServerStandIn, cursor: str
) -> None:
    client = server_client(server)
    with pytest.raises(PermanentError):
        next(client.list(Listing("project"), cursor=cursor))
    assert client.requests == 0


def test_a_cursor_on_another_host_is_never_followed(
    cloud: BitbucketCloudStandIn, other_server: AnsweringServer
) -> None:
    with pytest.raises(PermanentError):
        next(cloud_client(cloud).list(Listing("project"), cursor=other_server.url + "/2.0/projects"))
    assert other_server.asked == []


@pytest.mark.parametrize("member", [{}, {"user": None}, {"user": []}])
def test_a_membership_without_an_account_is_not_an_absent_member(
    server_answering: AnsweringServer, member: dict[str, object]
) -> None:
    server_answering.give_json("/2.0/workspaces/orchard/members", {"values": [member]})
    client = connect(
        "cloud", server_answering.url + "/2.0", lambda: "plum", deadline=Deadline.after(9), workspace="orchard"
    )
    with pytest.raises(TransientError):
        next(client.list(Listing("user")))


@pytest.fixture
def server_answering() -> Iterator[AnsweringServer]:
    with AnsweringServer() as answering:
        yield answering


def test_a_list_that_breaks_off_ends_in_an_error(server_answering: AnsweringServer, clock: Clock) -> None:
    path = "/rest/api/latest/projects"
    first = {"values": [{"key": "A"}], "isLastPage": False, "nextPageStart": 1}
    server_answering.give(path, Answer(200, first), Answer(403))
    client = connect("server", server_answering.url, lambda: "plum", deadline=Deadline.after(9, clock))
    pages = client.list(Listing("project"))
    assert next(pages).next == "1"
    with pytest.raises(ForbiddenError):
        next(pages)


# --- people


def test_cloud_tells_the_addresses_of_its_members_ninety_at_a_time(cloud: BitbucketCloudStandIn) -> None:
    client = cloud_client(cloud)
    asked = [f"p{number}@example.com" for number in range(100)] + ["nobody@example.com", 'quo"te@example.com']
    found = client.emails([*asked, "p1@example.com"])
    assert client.requests == 2
    assert set(found.values()) == {f"p{number}@example.com" for number in range(100)}
    assert found[cloud.world.users[1].uuid] == "p0@example.com"
    assert client.emails([]) == {}


def test_members_come_without_address_unless_asked_by_it(cloud: BitbucketCloudStandIn) -> None:
    assert all("email" not in user for user in values(read(cloud_client(cloud), Listing("user"))))


def test_a_user_is_read_by_itself_and_gone_when_it_left(
    cloud: BitbucketCloudStandIn, server: BitbucketServerStandIn
) -> None:
    member = cloud.world.users[1]
    found = cloud_client(cloud).read_user(Address(user=member.uuid), expected_id=member.uuid)
    assert found["display_name"] == "Person 0"
    with pytest.raises(NotFoundError):
        cloud_client(cloud).read_user(Address(user="{nobody}"), expected_id="{nobody}")
    person = server.world.users[1]
    assert server_client(server).read_user(Address(user=person.slug), expected_id=str(person.id))["name"] == "person0"
    with pytest.raises(NotFoundError):
        server_client(server).read_user(Address(user=person.slug), expected_id="999999")


# --- questions


def test_one_list_tells_of_all_repositories_whether_they_match(cloud: BitbucketCloudStandIn) -> None:
    client = cloud_client(cloud)
    question = Question("repository", "{any}", role="admin")
    matching = client.matching(question)
    assert client.requests == 1
    assert matching == {one.uuid for one in cloud.world.repositories if one.role == "admin"}
    assert client.matching(Question("repository", "{any}", role="admin", q='name = "none"')) == frozenset()
