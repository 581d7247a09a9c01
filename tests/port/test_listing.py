"""Everything that is ours is listed in as few requests as Port allows, with nothing but what is compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bitbucket_port.errors import TransientError
from bitbucket_port.objects import Entity
from bitbucket_port.port import listing, strays
from bitbucket_port.port.client import PortClient
from local.standins.http import Answer, Request
from local.standins.port import PortStandIn
from tests.port.blueprints import pull_request, repository
from tests.port.conftest import Connect

NAMES = ("title", "properties.size")
OCEAN = "port-ocean/bitbucket-cloud/0.48.12/orchard/exporter"


def fill(port: PortStandIn, count: int, datasource: str = OCEAN) -> None:
    for number in range(count):
        port.put_entity("repository", f"r{number:04}", properties={"size": number, "note": "x"}, datasource=datasource)


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (7, 1), (8, 2), (21, 3)])
def test_a_listing_costs_one_search_for_each_full_page(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch, count: int, pages: int
) -> None:
    monkeypatch.setattr(listing, "MOST_LISTED", 7)
    fill(port, count)
    found = [one["identifier"] for page in listing.list_ours(client, "repository", NAMES) for one in page.entities]
    assert found == [f"r{number:04}" for number in range(count)]
    assert len(port.calls()) == pages


def test_pages_hold_as_many_entities_as_port_gives() -> None:
    assert listing.MOST_LISTED == 1000


def test_a_listing_goes_on_from_any_page(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_LISTED", 4)
    fill(port, 10)
    first = next(listing.list_ours(client, "repository", NAMES))
    rest = [one for page in listing.list_ours(client, "repository", NAMES, cursor=first.next) for one in page.entities]
    assert [one["identifier"] for one in rest] == [f"r{number:04}" for number in range(4, 10)]


def test_only_what_is_ours_and_what_was_asked_for_comes(port: PortStandIn, client: PortClient) -> None:
    client.upsert([repository("mine", title="Mine", size=1)], merge=True, create_missing=True)
    fill(port, 1)
    port.put_entity("repository", "theirs", datasource="port-ocean/bitbucket-cloud/1.0/vineyard/exporter")
    port.put_entity("repository", "by-hand")
    (page,) = listing.list_ours(client, "repository", NAMES)
    mine, left = page.entities
    assert (mine["identifier"], mine["title"], mine["properties"]) == ("mine", "Mine", {"size": 1})
    assert mine["updatedAt"] == port.entities("repository")["mine"]["updatedAt"]
    assert (left["identifier"], left["properties"]) == ("r0000", {"size": 0})


def test_fields_that_the_blueprint_lacks_are_left_out_and_asked_for_once(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_LISTED", 2)
    fill(port, 5)
    names = (*NAMES, "properties.invented", "relations.invented", "team")
    found = [one for page in listing.list_ours(client, "repository", names) for one in page.entities]
    assert [one["properties"]["size"] for one in found] == [0, 1, 2, 3, 4]
    assert [call.method for call in port.calls()] == ["POST", "GET", "POST", "POST", "POST"]


def test_a_blueprint_that_is_not_there_has_no_entities(client: PortClient) -> None:
    assert [page.entities for page in listing.list_ours(client, "invented", NAMES)] == [[]]
    assert listing.look(client, "invented", ["a"], NAMES) == {}


def test_a_cursor_that_leads_back_is_an_error_and_no_endless_loop(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Iterator[str] = iter(["a", "b", "a", "b"])

    def search(_: Request) -> Answer:
        return Answer(200, {"ok": True, "entities": [], "next": next(answers)})

    monkeypatch.setattr(port, "search_blueprint", search)
    with pytest.raises(TransientError, match="circle"):
        list(listing.list_ours(client, "repository", NAMES))


def test_an_answer_without_entities_is_no_empty_catalog(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "search_blueprint", lambda _: Answer(200, {"ok": True}))
    with pytest.raises(TransientError, match="without entities"):
        list(listing.list_ours(client, "repository", NAMES))


def test_a_look_finds_entities_whoever_wrote_them_last(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 3)
    fill(port, 4, datasource="somebody")
    wanted = ["r0000", "r0001", "r0002", "r0003", "absent"]
    found = listing.look(client, "repository", wanted, NAMES)
    assert sorted(found) == wanted[:4]
    assert found["r0003"]["properties"] == {"size": 3}
    assert len(port.calls()) == 2
    assert listing.look(client, "repository", [], NAMES) == {}


def test_what_another_installation_with_our_identifier_wrote_is_told_apart(port: PortStandIn, connect: Connect) -> None:
    mine, other, unmarked = connect(installation="one"), connect(installation="another"), connect()
    for client, name in ((mine, "mine"), (other, "others"), (unmarked, "unmarked")):
        client.upsert([repository(name)], merge=True, create_missing=True)
    port.put_entity("repository", "oceans", datasource=OCEAN)
    everything = ["mine", "others", "unmarked", "oceans", "absent"]
    shown = {one["identifier"] for page in listing.list_ours(mine, "repository", ()) for one in page.entities}
    assert shown == {"mine", "others", "unmarked", "oceans"}
    assert listing.elsewhere(mine, "repository", everything) == {"others"}
    assert listing.elsewhere(other, "repository", everything) == {"mine"}
    assert listing.elsewhere(unmarked, "repository", everything) == {"mine", "others"}


def test_an_installation_is_marked_by_a_digest_that_no_release_changes(port: PortStandIn, connect: Connect) -> None:
    connect(installation="table/of one:stack").upsert([repository("a")], merge=True, create_missing=True)
    source = port.entities("repository")["a"]["$datasource"]
    mark = listing.installation_mark("table/of one:stack")
    assert source == f"port-ocean/bitbucket-cloud/1.2.3{mark}/orchard/exporter"
    assert "/" not in mark


def test_entities_that_others_relate_to_are_needed(port: PortStandIn, client: PortClient) -> None:
    entities: list[Entity] = [repository("a"), repository("b"), pull_request("p", "a")]
    client.upsert(entities, merge=True, create_missing=True)
    assert client.needed("repository", ["a", "b", "absent"]) == {"a"}
    assert client.needed("pull_request", ["p"]) == set()
    assert client.needed("repository", []) == set()


def test_what_is_related_to_or_another_stacks_is_spared(connect: Connect) -> None:
    mine, other = connect(installation="one"), connect(installation="another")
    pulls = [pull_request("p", "stub")]
    mine.upsert([*pulls, repository("left")], merge=True, create_missing=True)
    other.upsert([repository("theirs")], merge=True, create_missing=True)
    spared = strays.spared(mine, "repository", ["stub", "left", "theirs"])
    assert spared == {
        "stub": "another entity relates to it",
        "theirs": "another stack with this IntegrationIdentifier wrote it last",
    }


def test_nothing_unclaimed_costs_no_request(port: PortStandIn, client: PortClient) -> None:
    assert strays.spared(client, "repository", []) == {}
    assert port.calls() == []
