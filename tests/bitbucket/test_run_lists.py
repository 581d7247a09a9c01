"""What a run gets of Bitbucket's lists: entries for the catalog, with files read only where something moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

import pytest

from bitbucket_port.bitbucket.client import Bitbucket
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.bitbucket.enrich import TROUBLES_IN_A_ROW, Enricher, UnreadableError
from bitbucket_port.catalog.facts import with_main_branch
from bitbucket_port.catalog.items import Facts
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.errors import CredentialsRefusedError, PermanentError, TransientError
from bitbucket_port.http import Deadline
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address, JsonObject, Kind, Product
from bitbucket_port.reading import PIECE, BitbucketReader, RefusedCredentials
from bitbucket_port.resync.plan import Listing, RepositorySelection
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn

REPOSITORIES = Listing("repository")
USERS = Listing("user")
COUNT = 2 * PIECE + 1


class NoNotes:
    """A ledger in which no credentials were refused."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        return values

    def noted(self, name: str) -> Mapping[str, str]:
        return {}


def reader_of(
    bitbucket: Bitbucket,
    wants: Wants = Wants(),  # noqa: B008 - it cannot be changed
    *,
    mapping_hash: str | None = "mapping 1",
    people: Callable[[], list[str]] | None = None,
) -> BitbucketReader:
    return BitbucketReader(
        bitbucket,
        source=lambda: "source",
        wants=lambda kind: wants,
        refused=RefusedCredentials(NoNotes()),
        version=lambda: "1",
        mapping_hash=None if mapping_hash is None else lambda: mapping_hash,
        people=people,
    )


@pytest.fixture
def cloud_world() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn(seed=3)
    stand_in.start()
    world = stand_in.world
    world.create_project("FRUIT", "Fruit")
    for number in range(COUNT - 1):
        role: Any = "admin" if number % 2 else "member"
        world.create_repository("FRUIT", f"Press {number}", readme=f"# Press {number}\n", role=role)
    world.create_repository("FRUIT", "Empty")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def server_world() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=3)
    stand_in.start()
    world = stand_in.world
    world.create_project("FRUIT", "Fruit")
    for number in range(COUNT - 1):
        world.create_repository("FRUIT", f"Press {number}", readme=f"# Press {number}\n")
    world.create_repository("FRUIT", "Empty")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def cloud(cloud_world: BitbucketCloudStandIn) -> Bitbucket:
    return connect(
        "cloud", cloud_world.api_url, lambda: cloud_world.token, deadline=Deadline.after(60), workspace="northwind"
    )


@pytest.fixture
def server(server_world: BitbucketServerStandIn) -> Bitbucket:
    return connect("server", server_world.api_url, lambda: server_world.token, deadline=Deadline.after(60))


def entries(reader: BitbucketReader, listing: Listing = REPOSITORIES) -> dict[str, PageEntry]:
    """By the object's name; nothing may have failed."""
    pages = list(reader.list(listing))
    assert not any(page.failed for page in pages)
    assert [page.next is None for page in pages] == [False] * (len(pages) - 1) + [True]
    found = [entry for page in pages for entry in page.entries]
    return {entry.reading.object.get("name") or entry.reading.object["display_name"]: entry for entry in found}


def read_of(entry: PageEntry) -> JsonObject:
    assert entry.enrich is not None
    return entry.enrich().object


def state(entry: PageEntry) -> tuple[str, str]:
    return entry.reading.facts.listed, entry.reading.facts.commit


# --- plain lists


def test_a_list_becomes_entries_with_key_version_and_facts(
    cloud: Bitbucket, cloud_world: BitbucketCloudStandIn
) -> None:
    found = entries(reader_of(cloud))
    press = cloud_world.world.repository("press-3")
    entry = found["Press 3"]
    assert (len(found), cloud.requests) == (COUNT, 1)
    assert str(entry.key) == f"repository#source#{press.uuid}"
    assert entry.reading.facts.full_name == "northwind/press-3"
    assert entry.reading.version is not None
    assert entry.reading.parent is not None
    assert entry.enrich is None
    assert state(entry) == ("", "")


@pytest.mark.parametrize("kind", ["project", "user"])
def test_every_kind_is_listed_with_an_address_to_look_at_it_by_itself(
    cloud: Bitbucket, server: Bitbucket, kind: Kind
) -> None:
    for bitbucket in (cloud, server):
        reader = reader_of(bitbucket)
        for entry in entries(reader, Listing(kind)).values():
            assert entry.reading.facts.address is not None
            assert reader.read(entry.key, entry.reading.facts.address).object == entry.reading.object


def test_pull_requests_are_listed_below_their_repository(
    server: Bitbucket, server_world: BitbucketServerStandIn
) -> None:
    server_world.world.open_pull_request("FRUIT/press-1", "topic")
    (page,) = reader_of(server).list(Listing("pull-request"), container=Address("FRUIT", "press-1"))
    assert [entry.key.id for entry in page.entries] == ["1"]
    assert page.entries[0].key.container == f"source/{server_world.world.repository('FRUIT/press-1').id}"


def test_an_object_without_an_identity_is_reported_and_the_others_go_on(
    cloud: Bitbucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cloud.list

    def spoilt(listing: Listing, **options: Any) -> Iterator[Any]:
        for page in real(listing, **options):
            yield replace(page, values=({"name": "nameless"}, *page.values))

    monkeypatch.setattr(cloud, "list", spoilt)
    for wants in (Wants(), Wants(included_files=("README.md",))):
        pages = list(reader_of(cloud, wants).list(REPOSITORIES))
        assert sum(len(page.entries) for page in pages) == COUNT
        ((key, reason),) = [failure for page in pages for failure in page.failed]
        assert key is None
        assert "without an id" in reason


# --- files


def test_cloud_repositories_listed_as_before_cost_no_further_request(
    cloud: Bitbucket, cloud_world: BitbucketCloudStandIn
) -> None:
    reader = reader_of(cloud, Wants(included_files=("README.md", "CODEOWNERS")))
    before = entries(reader)
    assert cloud.requests == 1
    cloud_world.world.push("press-3", "main", {"README.md": "# Pressed\n"})
    after = entries(reader)
    assert cloud.requests == 2
    assert [name for name in before if state(before[name]) != state(after[name])] == ["Press 3"]
    assert read_of(after["Press 3"])["__includedFiles"] == {"README.md": "# Pressed\n", "CODEOWNERS": None}
    assert cloud.requests == 2 + 1 + 2  # the head of the main branch, two files


def test_the_data_center_is_asked_for_each_head_and_for_one_file_where_it_moved(
    server: Bitbucket, server_world: BitbucketServerStandIn
) -> None:
    reader = reader_of(server, Wants(readme=True, latest_commit=True))
    before = entries(reader)
    assert server.requests == 1 + COUNT
    server_world.world.push("FRUIT/press-3", "main", {"README.md": "# Pressed\n"})
    after = entries(reader)
    assert server.requests == 2 * (1 + COUNT)
    assert [name for name in before if state(before[name]) != state(after[name])] == ["Press 3"]
    read = read_of(after["Press 3"])
    assert server.requests == 2 * (1 + COUNT) + 1
    assert read["__readme"] == "# Pressed\n"
    assert read["__latestCommit"]["id"] == after["Press 3"].reading.facts.commit


def test_an_empty_repository_has_no_files_and_no_head(cloud: Bitbucket, server: Bitbucket) -> None:
    on_cloud = entries(reader_of(cloud, Wants(included_files=("README.md",))))["Empty"]
    on_server = entries(reader_of(server, Wants(readme=True, latest_commit=True)))["Empty"]
    assert read_of(on_cloud)["__includedFiles"] == {"README.md": None}
    found = read_of(on_server)
    assert (found["__readme"], found["__latestCommit"]) == (None, None)


@pytest.mark.parametrize(
    ("product", "wants"),
    [
        ("cloud", Wants(included_files=("README.md", "nowhere.md"))),
        ("server", Wants(readme=True)),
        ("server", Wants(latest_commit=True)),
        ("server", Wants(readme=True, latest_commit=True)),
    ],
)
def test_a_repository_of_a_list_carries_what_it_carries_when_read_by_itself(
    product: Product, wants: Wants, cloud: Bitbucket, server: Bitbucket
) -> None:
    reader = reader_of(cloud if product == "cloud" else server, wants)
    entry = entries(reader)["Press 3"]
    assert entry.reading.facts.address is not None
    alone = reader.read(entry.key, entry.reading.facts.address).object
    alone.pop("__defaultBranch", None)
    assert read_of(entry) == alone


def test_what_was_read_for_another_mapping_does_not_count(cloud: Bitbucket) -> None:
    wants = Wants(included_files=("README.md",))
    first = entries(reader_of(cloud, wants, mapping_hash="mapping 1"))["Press 3"]
    second = entries(reader_of(cloud, wants, mapping_hash="mapping 2"))["Press 3"]
    assert state(first) != state(second)
    assert state(entries(reader_of(cloud, wants, mapping_hash=None))["Press 3"]) == ("", "")


def test_pages_come_in_pieces_that_are_begun_again_no_further_back(cloud: Bitbucket) -> None:
    reader = reader_of(cloud, Wants(included_files=("README.md",)))
    pages = list(reader.list(REPOSITORIES))
    assert [len(page.entries) for page in pages] == [PIECE, PIECE, 1]
    again = list(reader.list(REPOSITORIES, cursor=pages[0].next))
    assert [entry.key for page in again for entry in page.entries] == [
        entry.key for page in pages for entry in page.entries
    ]


def test_a_repository_whose_files_may_not_be_read_is_reported_and_the_others_go_on(
    cloud: Bitbucket, cloud_world: BitbucketCloudStandIn
) -> None:
    press = quote(cloud_world.world.repository("press-3").uuid)
    cloud_world.forbidden.add(f"/repositories/northwind/{press}/refs")
    found = entries(reader_of(cloud, Wants(included_files=("README.md",))))
    with pytest.raises(PermanentError):
        read_of(found["Press 3"])
    assert read_of(found["Press 4"])["__includedFiles"] == {"README.md": "# Press 4\n"}


class FailingHeads:
    """A Data Center that fails to tell heads, in turn as ``failures`` says (None: it tells)."""

    product: Product = "server"

    def __init__(self, *failures: Exception | None) -> None:
        self._failures = list(failures)

    def head(self, repository: JsonObject) -> JsonObject | None:
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure
        return None


def outcomes(*failures: Exception | None) -> list[str]:
    enricher = Enricher(cast(Bitbucket, FailingHeads(*failures)), Wants(latest_commit=True), "mapping")
    found = []
    for _ in failures:
        try:
            enricher.look({"id": 1})
            found.append("told")
        except UnreadableError:
            found.append("unreadable")
        except TransientError:
            found.append("stopped")
    return found


def test_one_repository_in_trouble_stops_nothing_but_all_of_them_do() -> None:
    trouble = TransientError("500")
    assert outcomes(trouble, None, trouble, trouble, None) == ["unreadable", "told", "unreadable", "unreadable", "told"]
    assert outcomes(*[trouble] * TROUBLES_IN_A_ROW)[-1] == "stopped"


def test_a_limit_on_requests_and_refused_credentials_stop_at_once() -> None:
    assert outcomes(TransientError("429", retry_after=60.0)) == ["stopped"]
    assert outcomes(CredentialsRefusedError("401")) == ["stopped"]


def test_the_main_branchs_name_stays_known_while_it_has_the_head_we_saw() -> None:
    listed = Facts(commit="c1")
    assert with_main_branch(listed, Facts(main_branch="main", commit="c1")).main_branch == "main"
    assert with_main_branch(listed, Facts(main_branch="main")).main_branch == "main"
    assert with_main_branch(listed, Facts(main_branch="main", commit="c0")).main_branch == ""
    assert with_main_branch(Facts(main_branch="trunk"), Facts(main_branch="main")).main_branch == "trunk"


# --- questions


def test_a_role_is_asked_for_all_repositories_at_once(cloud: Bitbucket, cloud_world: BitbucketCloudStandIn) -> None:
    ask = reader_of(cloud).asker(REPOSITORIES)
    answers = {
        one.slug: ask(Question("repository", one.uuid, one.slug, role="admin"))
        for one in cloud_world.world.repositories
    }
    assert cloud.requests == 1
    assert answers == {one.slug: one.role == "admin" for one in cloud_world.world.repositories}


def test_what_bitbucket_refuses_to_answer_is_asked_once(cloud: Bitbucket) -> None:
    ask = reader_of(cloud).asker(REPOSITORIES)
    for number in range(5):
        with pytest.raises(PermanentError):
            ask(Question("repository", f"{{{number}}}", q='colour = "red"'))
    assert cloud.requests == 1


def test_what_the_list_says_already_costs_nothing(cloud: Bitbucket) -> None:
    ask = reader_of(cloud).asker(Listing("repository", "member"))
    assert ask(Question("repository", "{any}", role="member")) is True
    assert cloud.requests == 0


def test_one_repositorys_pull_requests_ask_about_it_once(cloud: Bitbucket, cloud_world: BitbucketCloudStandIn) -> None:
    press = cloud_world.world.repository("press-3")
    ask = reader_of(cloud).asker(Listing("pull-request", repositories=((RepositorySelection("admin"), True),)))
    question = Question("repository", press.uuid, press.slug, role="owner")
    assert [ask(question) for _ in range(3)] == [False] * 3
    assert ask(Question("repository", press.uuid, press.slug, role="admin")) is True
    assert cloud.requests == 1


# --- people


def test_members_who_are_users_of_port_get_their_address(cloud: Bitbucket, cloud_world: BitbucketCloudStandIn) -> None:
    cloud_world.world.create_user("Ann", email="ann@example.com")
    cloud_world.world.create_user("Ben", email="ben@example.com")
    reader = reader_of(cloud, Wants(email=True), people=lambda: ["ann@example.com", "zoe@example.com"])
    found = entries(reader, USERS)
    assert found["Ann"].reading.object["email"] == "ann@example.com"
    assert found["Ben"].reading.object["email"] is None
    assert cloud.requests == 2
    alone = reader.read(found["Ann"].key, found["Ann"].reading.facts.address or Address())
    assert alone.object == found["Ann"].reading.object
    assert cloud.requests == 3


def test_without_users_of_port_or_the_wish_nobody_asks_for_addresses(cloud: Bitbucket) -> None:
    entries(reader_of(cloud, Wants(email=True), people=list), USERS)
    entries(reader_of(cloud, Wants(), people=lambda: ["ann@example.com"]), USERS)
    entries(reader_of(cloud, Wants(email=True)), USERS)
    assert cloud.requests == 3


def test_members_are_listed_where_their_addresses_are_refused(
    cloud: Bitbucket, cloud_world: BitbucketCloudStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    cloud_world.email_allowed = False
    found = entries(reader_of(cloud, Wants(email=True), people=lambda: ["ann@example.com"]), USERS)
    assert [entry.reading.object["email"] for entry in found.values()] == [None]
    assert "no member's e-mail address is known" in caplog.text
    assert "ann@example.com" not in caplog.text
