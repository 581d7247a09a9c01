"""What a stack's objects are named after, and what happens to a token that Bitbucket refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.errors import CredentialsRefusedError, ForbiddenError, NotFoundError
from bitbucket_port.http import Deadline
from bitbucket_port.live import SourceName, server_source
from bitbucket_port.mapping.model import Wants
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.webhooks.delivery import Delivery
from local.standins.bitbucket_server import BitbucketServerStandIn

UUID = "{0f0e0d0c-0b0a-4908-8706-050403020100}"


class Notes:
    """The ledger's notes in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, str]] = {}

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        if not (only_if_absent and name in self.kept):
            self.kept[name] = values
        return self.kept[name]

    def noted(self, name: str) -> Mapping[str, str]:
        return self.kept.get(name, {})


def delivery(slug: str, uuid: str | None) -> Delivery:
    workspace = {"slug": slug, **({"uuid": uuid} if uuid else {})}
    repository = {"uuid": "{r}", "full_name": f"{slug}/ledger", "workspace": workspace}
    return Delivery("cloud", "id-1", "repo:push", 1.0, {"repository": repository, "push": {"changes": []}})


def source(notes: Notes, asked: list[str] | None) -> SourceName:
    def ask() -> str:
        assert asked is not None
        asked.append("asked")
        return "{from-bitbucket}"

    return SourceName(
        product="cloud",
        workspace="Acme",
        base_url="https://api.bitbucket.org/2.0",
        ledger=notes,  # type: ignore[arg-type]
        ask=ask if asked is not None else None,
    )


def test_a_payload_of_our_workspace_tells_its_uuid_and_no_request_is_needed() -> None:
    asked: list[str] = []
    assert source(Notes(), asked).of(delivery("acme", UUID)) == UUID
    assert asked == []


@pytest.mark.parametrize(
    "event", [delivery("elsewhere", "{other}"), delivery("acme", None), delivery("acme", "no uuid"), None]
)
def test_otherwise_bitbucket_is_asked_once_for_all_functions(event: Delivery | None) -> None:
    notes, asked = Notes(), list[str]()
    assert source(notes, asked).of(event) == "{from-bitbucket}"
    assert source(notes, asked).of(delivery("acme", UUID)) == "{from-bitbucket}"
    assert asked == ["asked"]


def test_without_bitbucket_the_slug_has_to_do() -> None:
    assert source(Notes(), None).of(delivery("elsewhere", "{other}")) == "acme"


def test_one_spelling_of_a_data_centers_address() -> None:
    assert server_source("HTTPS://Git.Example.com/Bitbucket/") == "https://git.example.com/Bitbucket"


@pytest.fixture
def bitbucket() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=1)
    stand_in.start()
    stand_in.world.create_project("PAY", "Payments")
    stand_in.world.create_repository("PAY", "ledger", readme="# Ledger\n")
    yield stand_in
    stand_in.stop()


def reader(stand_in: BitbucketServerStandIn, notes: Notes, token: str, version: str = "v1") -> BitbucketReader:
    adapter = connect("server", stand_in.url, lambda: token, deadline=Deadline.after(20))
    return BitbucketReader(
        adapter,
        source=adapter.source,
        wants=lambda kind: Wants(),
        refused=RefusedCredentials(notes),
        version=lambda: version,
    )


def repository_key(stand_in: BitbucketServerStandIn) -> SourceKey:
    repository = stand_in.world.repository("PAY/ledger")
    return SourceKey("repository", stand_in.url, str(repository.id))


def test_a_refused_token_is_sent_no_more_by_any_function_until_the_secret_changes(
    bitbucket: BitbucketServerStandIn,
) -> None:
    notes = Notes()
    key, address = repository_key(bitbucket), Address("PAY", "ledger")
    with pytest.raises(CredentialsRefusedError):
        reader(bitbucket, notes, "wrong").read(key, address)
    sent = len(bitbucket.requests)
    assert sent <= 2
    for _ in range(3):
        with pytest.raises(CredentialsRefusedError, match="new version"):
            reader(bitbucket, notes, "wrong").read(key, address)
    assert len(bitbucket.requests) == sent
    assert reader(bitbucket, notes, bitbucket.token, "v2").read(key, address).object["slug"] == "ledger"


@pytest.mark.parametrize("status", [401, 403])
def test_one_hidden_repository_is_forbidden_and_stops_nobody_else(
    bitbucket: BitbucketServerStandIn, status: int
) -> None:
    bitbucket.forbidden_status = status
    hidden = bitbucket.world.create_repository("PAY", "hidden", readme="# Hidden\n").subject
    bitbucket.world.set_permission(hidden, None)
    notes = Notes()
    one = reader(bitbucket, notes, bitbucket.token)
    with pytest.raises((ForbiddenError, NotFoundError)) as caught:
        one.read(SourceKey("repository", bitbucket.url, str(hidden.id)), Address("PAY", "hidden"))
    assert isinstance(caught.value, ForbiddenError)
    assert one.read(repository_key(bitbucket), Address("PAY", "ledger")).object["slug"] == "ledger"
    assert notes.kept == {}
