"""A stack stays what it was made for, and a renamed workspace is no other one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitbucket_port.errors import TransientError
from bitbucket_port.setup.identity import Identity, IdentityStore
from tests.setup_run.checking import Notes, settings_of

API = "https://api.bitbucket.org/2.0"
ACME, RENAMED = Identity("cloud", "acme", API), Identity("cloud", "acme-inc", API)
SERVER = Identity("server", "", "https://git.example.com")


def store(notes: Notes, uuid: str | Exception = "{1}") -> IdentityStore:
    def ask() -> str:
        if isinstance(uuid, Exception):
            raise uuid
        return uuid

    return IdentityStore(notes, ask)


@pytest.fixture
def notes() -> Notes:
    made = Notes()
    store(made).remember(ACME)
    return made


@pytest.mark.parametrize("same", [ACME, Identity("cloud", "ACME", "https://API.bitbucket.org/2.0")])
def test_the_same_place_is_accepted_without_asking(notes: Notes, same: Identity) -> None:
    assert store(notes, AssertionError("asked")).refusal(same, RENAMED) is None


def test_a_renamed_workspace_is_accepted_and_then_remembered_by_its_new_name(notes: Notes) -> None:
    assert store(notes, "{1}").refusal(RENAMED, ACME) is None
    store(notes, "{1}").remember(RENAMED)
    assert store(notes, AssertionError("asked")).refusal(RENAMED, None) is None


def test_with_a_renamed_workspace_the_integration_would_get_another_name(notes: Notes) -> None:
    renamed = settings_of(workspace="acme-inc", bitbucket_url=API, integration_identifier="bitbucket-cloud-acme-inc")
    finding = store(notes).renaming(renamed)
    assert finding is not None
    assert finding.fix == "To keep the integration's name, set IntegrationIdentifier to bitbucket-cloud-acme."
    assert store(notes).renaming(replace(renamed, integration_identifier="bitbucket-cloud-acme")) is None
    assert store(notes).renaming(settings_of()) is None
    assert store(Notes()).renaming(renamed) is None


def refused(notes: Notes, new: Identity, uuid: str | Exception = "{2}", old: Identity | None = None) -> str:
    finding = store(notes, uuid).refusal(new, old)
    assert finding is not None
    assert finding.outcome == "failed"
    assert "deploy a second stack" in finding.fix
    return finding.text


def test_another_workspace_product_or_server_is_refused_with_what_it_was(notes: Notes) -> None:
    assert refused(notes, RENAMED) == f"this stack is of {ACME}, and {RENAMED} is another one."
    assert "BitbucketProduct is 'server' now" in refused(notes, SERVER)
    servers = Notes()
    store(servers, AssertionError("asked")).remember(SERVER)
    other = Identity("server", "", "https://git2.example.com")
    assert refused(servers, other) == f"this stack is of {SERVER.url}, and BitbucketUrl is {other.url} now."


def test_what_cannot_be_told_is_refused_with_the_reason(notes: Notes) -> None:
    text = refused(notes, RENAMED, TransientError("Bitbucket Cloud answered 503"))
    assert text.endswith("cannot be told: Bitbucket Cloud answered 503.")
    unknown = Notes()
    store(unknown, TransientError("down")).remember(ACME)
    assert refused(unknown, RENAMED, "{1}").endswith("cannot be told: the uuid of the first was never seen.")


def test_a_uuid_that_was_not_known_at_first_is_found_out_later() -> None:
    notes = Notes()
    store(notes, TransientError("down")).remember(ACME)
    store(notes, "{1}").remember(ACME)
    assert store(notes, "{1}").refusal(RENAMED, None) is None
    sources = Notes()
    store(sources, TransientError("down")).remember(ACME)
    sources.note("source#acme", {"uuid": "{1}"})
    assert store(sources, "{1}").refusal(RENAMED, None) is None


@pytest.mark.parametrize("remembered", [True, False])
def test_the_way_back_from_a_refused_change_is_open(remembered: bool) -> None:
    notes = Notes()
    if remembered:
        store(notes).remember(ACME)
    refused(notes, SERVER, old=ACME)
    assert store(notes, AssertionError("asked")).refusal(ACME, SERVER) is None


def test_without_anything_to_compare_with_everything_is_accepted() -> None:
    assert store(Notes()).refusal(ACME, None) is None


@pytest.mark.parametrize(
    ("properties", "identity"),
    [
        ({"Product": "cloud", "Workspace": "acme", "BitbucketUrl": API + "/"}, ACME),
        ({"Product": "cloud", "Workspace": "acme"}, ACME),
        ({"Product": "server", "BitbucketUrl": SERVER.url}, SERVER),
    ],
)
def test_properties_of_the_custom_resource_name_a_place(properties: dict[str, str], identity: Identity) -> None:
    assert Identity.of_properties(properties) == identity
