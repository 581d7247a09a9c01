"""What Cloud deliveries mean, fact by fact."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.bitbucket.address import version_of
from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.webhooks import cloud
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.event_keys import CLOUD_KEYS
from tests.webhooks.bodies import REPOSITORY_UUID, SOURCE, cloud_pull_request, cloud_repository
from tests.webhooks.doubles import NOW, delivery
from tests.webhooks.test_delivery import ANY_JSON, ANY_OBJECT

REPOSITORY_KEY = SourceKey("repository", SOURCE, REPOSITORY_UUID)
OTHER = "{5e1f3c80-0000-4000-8000-00000000000f}"
PULL_REQUEST_KEYS = [key for key in CLOUD_KEYS if key.startswith("pullrequest:")]


def micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def only(event_key: str, payload: dict[str, Any], source: str = SOURCE, **more: Any) -> Change:
    (change,) = cloud.changes(delivery(event_key, payload, **more), source=source)
    return change


def pull_request_event(event_key: str = "pullrequest:updated", **payload: Any) -> Change:
    return only(event_key, {"repository": cloud_repository(), "pullrequest": cloud_pull_request(), **payload})


@pytest.mark.parametrize("event_key", PULL_REQUEST_KEYS)
def test_every_pull_request_event_is_a_change_of_the_pull_request(event_key: str) -> None:
    change = pull_request_event(event_key)
    assert change.key == SourceKey("pull-request", f"{SOURCE}/{REPOSITORY_UUID}", "7")
    assert (change.kind, change.action, change.received) == ("pull-request", "upsert", NOW)
    assert change.address == Address("PAY", REPOSITORY_UUID, 7)
    assert change.container == (REPOSITORY_KEY, Address("PAY", REPOSITORY_UUID))
    assert change.object == cloud_pull_request()
    assert not change.reduced


def test_without_a_review_the_version_is_the_update_time() -> None:
    change = pull_request_event()
    assert change.version == change.event_time == micros("2026-11-20T09:00:00.123456+00:00")


@pytest.mark.parametrize(
    ("event_key", "extra"),
    [
        ("pullrequest:approved", {"approval": {"date": "2026-11-20T09:30:00.5+00:00"}}),
        ("pullrequest:unapproved", {"approval": {"date": "2026-11-20T10:30:00.5+01:00"}}),
        ("pullrequest:changes_request_created", {"changes_request": {"date": "2026-11-20T09:30:00.5Z"}}),
        ("pullrequest:comment_created", {"comment": {"created_on": "2026-11-20T09:30:00.5+00:00"}}),
        (
            "pullrequest:comment_updated",
            {"comment": {"created_on": "2026-11-20T09:01:00+00:00", "updated_on": "2026-11-20T09:30:00.5+00:00"}},
        ),
        (
            "pullrequest:comment_resolved",
            {
                "comment": {
                    "created_on": "2026-11-20T09:01:00+00:00",
                    "resolution": {"created_on": "2026-11-20T09:30:00.5+00:00"},
                }
            },
        ),
    ],
)
def test_a_review_or_comment_is_newer_than_the_update_time_it_does_not_move(
    event_key: str, extra: dict[str, Any]
) -> None:
    change = pull_request_event(event_key, **extra)
    assert change.version == change.event_time == micros("2026-11-20T09:30:00.5+00:00")


def test_the_event_time_is_the_reviews_own_even_when_the_update_is_newer() -> None:
    change = pull_request_event("pullrequest:approved", approval={"date": "2026-11-20T08:00:00+00:00"})
    assert change.event_time == micros("2026-11-20T08:00:00+00:00")
    assert change.version == micros("2026-11-20T09:00:00.123456+00:00")


def test_a_participants_time_counts_for_the_version_as_it_does_in_rest() -> None:
    participant = {"approved": True, "participated_on": "2026-11-20T09:20:00+00:00"}
    pull_request = cloud_pull_request(participants=[participant])
    change = pull_request_event(pullrequest=pull_request)
    assert change.version == micros("2026-11-20T09:20:00+00:00")
    assert change.version == version_of("cloud", "pull-request", pull_request)


def test_a_pull_request_from_a_fork_belongs_to_its_target() -> None:
    fork = {"branch": {"name": "topic"}, "repository": {"uuid": OTHER, "full_name": "sam/api"}}
    change = pull_request_event(pullrequest=cloud_pull_request(source=fork))
    assert change.container == (REPOSITORY_KEY, Address("PAY", REPOSITORY_UUID))
    assert not change.foreign


@pytest.mark.parametrize("source", [None, {"branch": None, "repository": None}])
def test_a_pull_request_from_a_deleted_fork_is_understood(source: Any) -> None:
    assert pull_request_event(pullrequest=cloud_pull_request(source=source)).key.id == "7"


def test_the_deliverys_repository_stands_in_where_the_pull_requests_copy_has_no_uuid() -> None:
    bare = {"branch": {"name": "main"}, "repository": {"full_name": "acme/api", "uuid": None}}
    for destination in (bare, {"branch": {"name": "main"}}, None):
        change = pull_request_event(pullrequest=cloud_pull_request(destination=destination))
        assert change.key.container == f"{SOURCE}/{REPOSITORY_UUID}"


def test_captures_without_uuid_and_workspace_are_named_by_their_full_name() -> None:
    old = {"full_name": "Acme/API", "name": "API"}
    change = only("repo:push", {"repository": old, "push": {"changes": []}})
    assert change.key == SourceKey("repository", SOURCE, "full_name:acme/api")
    assert change.address == Address(None, "API")
    assert not change.foreign


@given(name=st.text(min_size=1), slug=st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True))
def test_a_rename_changes_no_key(name: str, slug: str) -> None:
    renamed = cloud_repository(full_name=f"acme/{slug}", name=name)
    pull_request = cloud_pull_request(destination={"branch": {"name": "main"}, "repository": renamed})
    assert only("repo:updated", {"repository": renamed}).key == REPOSITORY_KEY
    assert pull_request_event(pullrequest=pull_request, repository=renamed).key == pull_request_event().key
    project = {**cloud_repository()["project"], "key": slug.upper(), "name": name}
    assert only("project:updated", {"project": project}).key.id == cloud_repository()["project"]["uuid"]


def test_a_rename_tells_where_the_repository_was() -> None:
    changes = {"name": {"old": "Old Api", "new": "api"}, "full_name": {"old": "acme/old-api", "new": "acme/api"}}
    change = only("repo:updated", {"repository": cloud_repository(), "changes": changes})
    assert change.previous == Address(None, "old-api")
    assert change.address == Address("PAY", REPOSITORY_UUID)


def test_a_move_to_another_project_tells_the_old_one() -> None:
    changes = {"project": {"old": {"key": "OLD"}, "new": {"key": "PAY"}}}
    assert only("repo:updated", {"repository": cloud_repository(), "changes": changes}).previous == Address("OLD")


@pytest.mark.parametrize("changes", [None, {}, [], {"description": {"old": "a", "new": "b"}}, {"full_name": None}])
def test_an_update_that_is_no_rename_has_no_previous_address(changes: Any) -> None:
    assert only("repo:updated", {"repository": cloud_repository(), "changes": changes}).previous is None


def test_an_update_of_nothing_but_the_time_has_that_time_as_its_version() -> None:
    changes = {"updated_on": {"old": "2026-11-20T08:00:00+00:00", "new": "2026-11-20T09:00:00+00:00"}}
    change = only("repo:updated", {"repository": cloud_repository(), "changes": changes})
    assert change.version == micros("2026-11-20T09:00:00+00:00")
    # Most events of a repository tell no time: they are ordered as they arrive, and never by a mixture of both.
    assert change.event_time is None


def test_a_repository_whose_copy_has_no_time_has_no_version() -> None:
    assert only("repo:created", {"repository": cloud_repository()}).version is None


def test_a_deleted_repository_is_a_delete_without_an_object() -> None:
    change = only("repo:deleted", {"repository": cloud_repository()})
    assert (change.action, change.object, change.key) == ("delete", None, REPOSITORY_KEY)


def test_a_transfer_out_of_the_workspace_is_foreign_and_has_to_be_read() -> None:
    moved = cloud_repository(full_name="globex/api", workspace={"slug": "globex", "uuid": OTHER})
    change = only("repo:transfer", {"repository": moved, "previous_owner": {"uuid": SOURCE}})
    assert (change.foreign, change.action, change.object, change.key) == (True, "upsert", None, REPOSITORY_KEY)


def test_a_transfer_into_the_workspace_is_ours() -> None:
    change = only("repo:transfer", {"repository": cloud_repository(), "previous_owner": {"uuid": OTHER}})
    assert (change.foreign, change.object) == (False, None)


@pytest.mark.parametrize(
    ("owner", "previous_owner", "foreign"),
    [
        ({"type": "team", "uuid": OTHER}, {"uuid": SOURCE}, True),
        ({"type": "team", "uuid": SOURCE}, {"uuid": OTHER}, False),
        (None, {"uuid": SOURCE.upper().strip("{}")}, True),
        (None, None, False),
    ],
)
def test_an_old_capture_tells_a_transfer_by_its_owners(owner: Any, previous_owner: Any, foreign: bool) -> None:
    repository = cloud_repository(workspace=None, owner=owner)
    assert only("repo:transfer", {"repository": repository, "previous_owner": previous_owner}).foreign == foreign


def test_a_fork_within_the_workspace_is_a_new_repository() -> None:
    fork = cloud_repository(uuid=OTHER, full_name="acme/api-fork", parent={"uuid": REPOSITORY_UUID})
    change = only("repo:fork", {"repository": cloud_repository(), "fork": fork})
    assert (change.key.id, change.object) == (OTHER, fork)


def test_a_fork_into_another_workspace_is_none_of_our_business() -> None:
    fork = cloud_repository(uuid=OTHER, full_name="globex/api", workspace={"slug": "globex", "uuid": OTHER})
    assert cloud.changes(delivery("repo:fork", {"repository": cloud_repository(), "fork": fork}), source=SOURCE) == []


def test_with_a_slug_as_source_the_slug_decides_what_is_foreign() -> None:
    moved = cloud_repository(full_name="globex/api", workspace=None)
    assert only("repo:updated", {"repository": moved}, source="acme").foreign
    assert not only("repo:updated", {"repository": cloud_repository()}, source="Acme").foreign


def branch(name: str, kind: str = "branch") -> dict[str, Any]:
    return {"type": kind, "name": name, "target": {"hash": "a" * 40}}


@pytest.mark.parametrize(
    ("pushed", "branches"),
    [
        ([{"old": branch("main"), "new": branch("main")}], {"main"}),
        ([{"old": None, "new": branch("topic")}], {"topic"}),
        ([{"old": branch("topic"), "new": None}], set()),
        ([{"old": None, "new": branch("v1", "tag")}, {"old": None, "new": branch("v2", "annotated_tag")}], set()),
        ([{"old": None, "new": branch("a")}, {"old": branch("b"), "new": branch("b")}], {"a", "b"}),
        ([{"old": branch("main"), "new": branch("main"), "truncated": True}], None),
        ([], None),
        (None, None),
        ([{}], None),
        (["not an object"], None),
        ([{"new": {"type": "branch"}}], None),
    ],
)
def test_a_push_tells_which_branches_moved(pushed: Any, branches: set[str] | None) -> None:
    change = only("repo:push", {"repository": cloud_repository(), "push": {"changes": pushed}})
    assert change.main_branch_candidates == (None if branches is None else frozenset(branches))
    assert (change.kind, change.key, change.only_if_needed) == ("repository", REPOSITORY_KEY, frozenset())


def test_a_changed_project_key_tells_the_old_one() -> None:
    payload = {"project": cloud_repository()["project"], "changes": {"key": {"old": "OLD", "new": "PAY"}}}
    change = only("project:updated", payload)
    assert (change.kind, change.address, change.previous) == ("project", Address("PAY"), Address("OLD"))


def test_a_change_made_of_a_reduced_delivery_says_so() -> None:
    assert only("repo:updated", {"repository": cloud_repository()}, reduced=True).reduced


@pytest.mark.parametrize(
    ("payload", "workspace"),
    [
        ({"repository": cloud_repository()}, ("acme", SOURCE)),
        ({"repository": cloud_repository(workspace=None)}, ("acme", None)),
        ({"repository": {"full_name": "acme/api", "owner": {"type": "team", "uuid": SOURCE}}}, ("acme", SOURCE)),
        ({"repository": {"full_name": "acme/api", "owner": {"type": "user", "uuid": OTHER}}}, ("acme", None)),
        ({"project": {"key": "PAY", "workspace": {"slug": "acme", "uuid": SOURCE}}}, ("acme", SOURCE)),
        ({"repository": {"full_name": "strange"}}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_delivery_names_its_workspace(payload: dict[str, Any], workspace: tuple[str | None, str | None]) -> None:
    assert cloud.workspace_of(delivery("repo:updated", payload)) == workspace


@pytest.mark.parametrize(
    ("event_key", "payload", "missing"),
    [
        ("repo:push", {}, "repository"),
        ("repo:created", {"repository": {}}, "id"),
        ("repo:fork", {"repository": cloud_repository()}, "fork"),
        ("project:updated", {"project": []}, "project"),
        ("pullrequest:created", {"repository": cloud_repository()}, "pullrequest"),
        ("pullrequest:created", {"pullrequest": {"id": 7}}, "target repository"),
        ("pullrequest:created", {"pullrequest": cloud_pull_request(id="7")}, "numeric id"),
        ("issue:created", {}, "event key"),
    ],
)
def test_a_malformed_payload_is_named_for_good(event_key: str, payload: dict[str, Any], missing: str) -> None:
    with pytest.raises(PermanentError) as caught:
        cloud.changes(delivery(event_key, payload), source=SOURCE)
    assert "delivery-1" in str(caught.value)
    assert event_key in str(caught.value)
    assert missing in str(caught.value)


INNER_NAMES = (
    "uuid id key slug full_name workspace project destination repository changes new old owner date "
    "name updated_on type participants truncated created_on resolution"
)
OUTER_NAMES = "repository pullrequest project fork push changes approval changes_request comment previous_owner"
INNER = st.dictionaries(st.sampled_from(INNER_NAMES.split()), ANY_JSON, max_size=6)
SEEDED = st.dictionaries(st.sampled_from(OUTER_NAMES.split()), INNER | ANY_JSON)


@given(event_key=st.sampled_from(CLOUD_KEYS), payload=ANY_OBJECT | SEEDED)
def test_any_json_is_understood_or_named_for_good(event_key: str, payload: dict[str, Any]) -> None:
    sent = delivery(event_key, payload)
    cloud.workspace_of(sent)
    try:
        changes = cloud.changes(sent, source=SOURCE)
    except PermanentError as error:
        assert event_key in str(error)
    else:
        assert all(isinstance(change, Change) and change.key.id for change in changes)
