"""Every object has one stable key, one current address and one version, whatever shape it came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.bitbucket.address import address_of, key_of, microseconds, version_of
from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, SourceKey

WORKSPACE = "{11111111-aaaa-4aaa-8aaa-111111111111}"
REPOSITORY_UUID = "{22222222-bbbb-4bbb-8bbb-222222222222}"
PROJECT_UUID = "{33333333-cccc-4ccc-8ccc-333333333333}"
SERVER = "https://code.example.com"

CLOUD_REPOSITORY = {
    "uuid": REPOSITORY_UUID,
    "full_name": "orchard/Press-Tool",
    "name": "Press Tool",
    "project": {"key": "FRUIT", "uuid": PROJECT_UUID},
    "updated_on": "2026-03-01T10:00:00.000001+00:00",
}
SERVER_REPOSITORY = {"id": 41, "slug": "press", "name": "Press", "project": {"key": "~grower", "id": 7}}


def test_a_cloud_repository_is_named_by_its_uuid_and_asked_for_by_it() -> None:
    assert key_of("cloud", "repository", CLOUD_REPOSITORY, WORKSPACE) == SourceKey(
        "repository", WORKSPACE, REPOSITORY_UUID
    )
    assert address_of("cloud", "repository", CLOUD_REPOSITORY) == Address("FRUIT", REPOSITORY_UUID)


def test_an_old_cloud_capture_without_uuid_is_named_by_its_full_name_and_asked_for_by_its_slug() -> None:
    old = {"full_name": "orchard/Press-Tool", "name": "Press Tool"}
    assert key_of("cloud", "repository", old, WORKSPACE).id == "full_name:orchard/press-tool"
    assert address_of("cloud", "repository", old) == Address(None, "Press-Tool")


def test_a_cloud_project_is_named_by_its_uuid_or_else_its_key() -> None:
    assert key_of("cloud", "project", {"uuid": PROJECT_UUID, "key": "FRUIT"}, WORKSPACE).id == PROJECT_UUID
    assert key_of("cloud", "project", {"key": "FRUIT"}, WORKSPACE).id == "FRUIT"
    assert address_of("cloud", "project", {"uuid": PROJECT_UUID, "key": "FRUIT"}) == Address("FRUIT")


def test_a_cloud_pull_request_lives_in_the_repository_it_is_aimed_at_not_in_the_fork_it_comes_from() -> None:
    pull_request = {
        "id": 5,
        "source": {"repository": {"uuid": "{fork}"}},
        "destination": {"repository": CLOUD_REPOSITORY},
    }
    assert key_of("cloud", "pull-request", pull_request, WORKSPACE) == SourceKey(
        "pull-request", f"{WORKSPACE}/{REPOSITORY_UUID}", "5"
    )
    assert address_of("cloud", "pull-request", pull_request) == Address("FRUIT", REPOSITORY_UUID, 5)


def test_a_server_object_is_named_by_its_number_and_asked_for_by_project_and_slug() -> None:
    pull_request = {"id": 9, "toRef": {"repository": SERVER_REPOSITORY}, "fromRef": {"repository": {"id": 99}}}
    assert key_of("server", "repository", SERVER_REPOSITORY, SERVER).id == "41"
    assert address_of("server", "repository", SERVER_REPOSITORY) == Address("~grower", "press")
    assert key_of("server", "pull-request", pull_request, SERVER) == SourceKey("pull-request", f"{SERVER}/41", "9")
    assert address_of("server", "pull-request", pull_request) == Address("~grower", "press", 9)


def test_a_server_project_without_a_number_is_named_by_its_key() -> None:
    assert key_of("server", "project", {"key": "FRUIT", "id": 7}, SERVER).id == "7"
    assert key_of("server", "project", {"key": "FRUIT"}, SERVER).id == "key:FRUIT"


def test_users_are_named_by_what_survives_a_rename_where_there_is_such_a_thing() -> None:
    assert key_of("cloud", "user", {"uuid": "{u}", "account_id": "557:x"}, WORKSPACE).id == "{u}"
    assert key_of("cloud", "user", {"account_id": "557:x"}, WORKSPACE).id == "557:x"
    assert key_of("server", "user", {"id": 3, "slug": "grower"}, SERVER).id == "3"
    assert key_of("server", "user", {"slug": "grower"}, SERVER).id == "slug:grower"


@pytest.mark.parametrize(
    ("product", "kind", "obj", "missing"),
    [
        ("cloud", "repository", {"name": "Press"}, "without an id"),
        ("cloud", "pull-request", {"id": 1, "destination": {"repository": None}}, "target repository"),
        ("cloud", "pull-request", {"id": 1}, "target repository"),
        ("cloud", "pull-request", {"destination": {"repository": CLOUD_REPOSITORY}}, "numeric id"),
        ("server", "repository", {"id": True, "slug": "press"}, "without an id"),
        ("server", "pull-request", {"id": "1", "toRef": {"repository": SERVER_REPOSITORY}}, "numeric id"),
        ("server", "project", {}, "no fields"),
    ],
)
def test_an_object_without_an_identity_is_refused_by_saying_what_it_lacks(
    product: Any, kind: Any, obj: dict[str, Any], missing: str
) -> None:
    with pytest.raises(PermanentError, match=missing):
        key_of(product, kind, obj, "source")


@pytest.mark.parametrize(
    ("product", "kind", "obj"),
    [
        ("cloud", "repository", {"name": "Press"}),
        ("cloud", "project", {"uuid": PROJECT_UUID}),
        ("server", "repository", {"id": 41, "slug": "press"}),
        ("server", "repository", {"id": 41, "project": {"key": "FRUIT"}}),
        ("cloud", "user", {"display_name": "Ann"}),
        ("server", "user", {"id": 5}),
    ],
)
def test_an_object_without_an_address_is_refused(product: Any, kind: Any, obj: dict[str, Any]) -> None:
    with pytest.raises(PermanentError):
        address_of(product, kind, obj)


def test_a_refusal_names_fields_but_never_shows_their_content() -> None:
    with pytest.raises(PermanentError) as refused:
        key_of("cloud", "repository", {"description": "the vault code is 1234"}, WORKSPACE)
    assert "description" in str(refused.value)
    assert "vault" not in str(refused.value)


def test_a_cloud_pull_request_is_as_new_as_its_newest_review() -> None:
    pull_request = {
        "updated_on": "2026-03-01T10:00:00.000001+00:00",
        "participants": [
            {"participated_on": "2026-03-01T10:00:00.000003+00:00"},
            {"participated_on": None},
            {"participated_on": "2026-03-01T10:00:00.000002+00:00"},
        ],
    }
    assert version_of("cloud", "pull-request", pull_request) == microseconds("2026-03-01T10:00:00.000003Z")
    pull_request["participants"] = []
    assert version_of("cloud", "pull-request", pull_request) == microseconds("2026-03-01T10:00:00.000001Z")


def test_a_server_pull_request_has_the_version_of_its_update_in_either_notation() -> None:
    in_rest = version_of("server", "pull-request", {"updatedDate": 1_772_359_200_123})
    in_payload = version_of("server", "pull-request", {"updatedDate": "2026-03-01T12:00:00.123+0200"})
    assert in_rest == in_payload == 1_772_359_200_123_000


@pytest.mark.parametrize(
    ("product", "kind", "obj"),
    [
        ("server", "repository", {"id": 41, "updated_on": "2026-03-01T10:00:00Z"}),
        ("server", "project", {"id": 7}),
        ("cloud", "project", {"key": "FRUIT"}),
        ("cloud", "pull-request", {"updated_on": "yesterday", "participants": "none"}),
    ],
)
def test_what_carries_no_time_has_no_version(product: Any, kind: Any, obj: dict[str, Any]) -> None:
    assert version_of(product, kind, obj) is None


@given(
    moment=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),
    hours=st.integers(min_value=-12, max_value=14),
    colon=st.booleans(),
)
def test_a_time_means_the_same_in_every_offset(moment: datetime, hours: int, colon: bool) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = there.isoformat(timespec="microseconds")
    if not colon:
        text = text[:-3] + text[-2:]
    expected = (there.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert microseconds(text) == expected


@pytest.mark.parametrize("value", [None, True, "", "soon", 1.5, [], {}])
def test_what_is_not_a_time_is_none(value: Any) -> None:
    assert microseconds(value) is None


@pytest.mark.parametrize("value", [10**15, -(10**15), pytest.param(10**400, id="huge")])
def test_a_number_outside_all_calendars_is_no_time(value: int) -> None:
    assert microseconds(value) is None


@pytest.mark.parametrize("wrong", ["", "z" * 251, "\ud800", 5, ["a"]])
def test_what_the_ledger_could_not_take_as_a_key_is_no_name(wrong: Any) -> None:
    named_by_its_path = {"uuid": wrong, "full_name": "orchard/press"}
    assert key_of("cloud", "repository", named_by_its_path, WORKSPACE).id == "full_name:orchard/press"
    with pytest.raises(PermanentError):
        key_of("cloud", "repository", {"uuid": wrong, "full_name": wrong}, WORKSPACE)
    with pytest.raises(PermanentError):
        address_of("server", "repository", {**SERVER_REPOSITORY, "slug": wrong})


@pytest.mark.parametrize("wrong", [-1, 2**63, pytest.param(10**400, id="huge"), True, "9"])
def test_a_number_bitbucket_could_not_have_given_is_no_id(wrong: Any) -> None:
    with pytest.raises(PermanentError, match="without a numeric id"):
        key_of("server", "pull-request", {"id": wrong, "toRef": {"repository": SERVER_REPOSITORY}}, SERVER)
    with pytest.raises(PermanentError, match="without an id"):
        key_of("server", "repository", {**SERVER_REPOSITORY, "id": wrong}, SERVER)
