"""What Data Center deliveries mean, fact by fact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.webhooks import server
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.event_keys import SERVER_KEYS
from tests.webhooks.bodies import (
    BASE,
    personal_project,
    server_project,
    server_pull_request,
    server_repository,
)
from tests.webhooks.doubles import NOW, delivery
from tests.webhooks.test_delivery import ANY_JSON, ANY_OBJECT

REPOSITORY_KEY = SourceKey("repository", BASE, "84")
PULL_REQUEST_KEYS = [key for key in SERVER_KEYS if key.startswith("pr:")]
DATE = "2026-11-20T10:05:00+0100"
DATE_MICROS = 1_795_165_500_000_000
ZEROS = "0" * 40


def only(event_key: str, payload: dict[str, Any], base_url: str | None = BASE, **more: Any) -> Change:
    body = {"eventKey": event_key, "date": DATE, **payload}
    (change,) = server.changes(delivery(event_key, body, "server", **more), source=BASE, base_url=base_url)
    return change


def shaped(pull_request: dict[str, Any], base_url: str | None = BASE) -> dict[str, Any]:
    found = only("pr:modified", {"pullRequest": pull_request}, base_url).object
    assert found is not None
    return found


@pytest.mark.parametrize("event_key", PULL_REQUEST_KEYS)
def test_every_pull_request_event_is_a_change_of_the_pull_request(event_key: str) -> None:
    change = only(event_key, {"pullRequest": server_pull_request()})
    assert change.key == SourceKey("pull-request", f"{BASE}/84", "7")
    assert change.address == Address("PAY", "api", 7)
    assert change.container == (REPOSITORY_KEY, Address("PAY", "api"))
    assert (change.version, change.event_time) == (1_795_165_500_123_000, DATE_MICROS)
    assert change.received == NOW
    assert change.action == ("delete" if event_key == "pr:deleted" else "upsert")
    assert (change.object is None) == (event_key == "pr:deleted")


def test_an_event_without_a_date_has_no_event_time() -> None:
    assert only("pr:opened", {"pullRequest": server_pull_request(), "date": None}).event_time is None


@given(
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    offset=st.integers(-12 * 60, 14 * 60),
    colon=st.booleans(),
)
def test_times_mean_the_same_as_epoch_milliseconds_and_as_iso_text(moment: datetime, offset: int, colon: bool) -> None:
    aware = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    epoch = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    local = aware.astimezone(timezone(timedelta(minutes=offset)))
    text = local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03}" + local.strftime("%z")
    text = f"{text[:-2]}:{text[-2:]}" if colon else text
    times = {"createdDate": epoch, "updatedDate": epoch, "closedDate": epoch}
    as_text = dict.fromkeys(times, text)
    new = only("pr:merged", {"pullRequest": server_pull_request(**as_text), "date": text})
    old = only("pr:merged", {"pullRequest": server_pull_request(**times), "date": epoch})
    assert new == old
    assert old.version == epoch * 1000


@pytest.mark.parametrize("text", ["2026-11-20T11:05:00+0200", "2026-11-20T09:05:00.000Z", "2026-11-20T09:05:00+0000"])
def test_the_spellings_of_version_ten_are_read(text: str) -> None:
    assert shaped(server_pull_request(updatedDate=text))["updatedDate"] == DATE_MICROS // 1000


def test_what_is_no_time_stays_as_it_is() -> None:
    pull_request = server_pull_request(closedDate="soon", updatedDate=None)
    assert shaped(pull_request)["closedDate"] == "soon"
    assert only("pr:modified", {"pullRequest": pull_request}).version is None


EMPTY_LINKS: list[Any] = [
    {"self": [None]},
    {"self": []},
    {"self": None},
    {"self": [{}]},
    {},
    None,
    "none",
]


@pytest.mark.parametrize("links", EMPTY_LINKS)
def test_links_that_the_payload_lacks_are_made_from_the_base_url(links: Any) -> None:
    repository = server_repository(links=links, project=server_project(links=links))
    ref = {"id": "refs/heads/main", "displayId": "main", "repository": repository}
    user = {"name": "kim", "slug": "kim", "links": links}
    pull_request = server_pull_request(
        links=links, toRef=ref, reviewers=[{"user": user, "status": "APPROVED"}], author={"user": user}
    )
    found = shaped(pull_request)

    def href(value: dict[str, Any]) -> str:
        return str(value["links"]["self"][0]["href"])

    assert href(found) == f"{BASE}/projects/PAY/repos/api/pull-requests/7"
    assert href(found["toRef"]["repository"]) == f"{BASE}/projects/PAY/repos/api/browse"
    assert href(found["toRef"]["repository"]["project"]) == f"{BASE}/projects/PAY"
    assert href(found["reviewers"][0]["user"]) == href(found["author"]["user"]) == f"{BASE}/users/kim"


def test_links_that_are_there_stay() -> None:
    links = {"self": [{"href": "https://elsewhere.example/pr/7"}]}
    assert shaped(server_pull_request(links=links))["links"] == links


def test_other_links_survive_the_filling_in() -> None:
    clone = [{"href": "ssh://git@bitbucket.acme.example/pay/api.git", "name": "ssh"}]
    change = only("repo:modified", {"new": server_repository(links={"clone": clone, "self": [None]})})
    assert change.object is not None
    assert change.object["links"] == {"clone": clone, "self": [{"href": f"{BASE}/projects/PAY/repos/api/browse"}]}


def test_without_a_base_url_no_links_are_made() -> None:
    assert shaped(server_pull_request(), base_url=None)["links"] == {"self": [None]}


def test_a_personal_projects_links_are_those_of_its_user() -> None:
    repository = server_repository(project=personal_project())
    ref = {"id": "refs/heads/main", "displayId": "main", "repository": repository}
    change = only("pr:opened", {"pullRequest": server_pull_request(toRef=ref)})
    assert change.address == Address("~sam", "api", 7)
    assert change.object is not None
    assert change.object["links"]["self"][0]["href"] == f"{BASE}/users/sam/repos/api/pull-requests/7"
    project = change.object["toRef"]["repository"]["project"]
    assert project["links"]["self"][0]["href"] == f"{BASE}/users/sam"


def test_a_personal_project_whose_key_lost_its_tilde_is_still_found() -> None:
    change = only("repo:modified", {"new": server_repository(project=personal_project(key="sam"))})
    assert change.address == Address("~sam", "api")


def test_the_payload_itself_is_left_alone() -> None:
    pull_request = server_pull_request(updatedDate="2026-11-20T09:05:00.000Z")
    before = server_pull_request(updatedDate="2026-11-20T09:05:00.000Z")
    shaped(pull_request)
    assert pull_request == before


def test_what_is_in_rest_shape_already_is_not_changed() -> None:
    once = shaped(server_pull_request())
    assert shaped(once) == once


def test_a_pull_request_from_a_fork_belongs_to_its_target() -> None:
    fork = {"displayId": "topic", "repository": server_repository(id=99, project=personal_project())}
    change = only("pr:opened", {"pullRequest": server_pull_request(fromRef=fork)})
    assert change.container == (REPOSITORY_KEY, Address("PAY", "api"))


def test_a_renamed_repository_tells_where_it_was() -> None:
    change = only("repo:modified", {"old": server_repository(slug="old-api"), "new": server_repository()})
    assert (change.key, change.address, change.previous) == (
        REPOSITORY_KEY,
        Address("PAY", "api"),
        Address("PAY", "old-api"),
    )
    assert change.version == change.event_time == DATE_MICROS


def test_a_moved_repository_tells_its_old_project() -> None:
    old = server_repository(project=server_project(key="OLD", id=11))
    assert only("repo:modified", {"old": old, "new": server_repository()}).previous == Address("OLD", "api")


@pytest.mark.parametrize("old", [None, {}, {"name": "api"}, server_repository(name="API")])
def test_a_change_that_moves_nothing_has_no_previous_address(old: Any) -> None:
    assert only("repo:modified", {"old": old, "new": server_repository()}).previous is None


@pytest.mark.parametrize("event_key", ["project:modified"])
def test_a_project_is_named_by_its_number(event_key: str) -> None:
    change = only(event_key, {"old": server_project(key="OLD"), "new": server_project()})
    assert change.key == SourceKey("project", BASE, "12")
    assert (change.address, change.previous) == (Address("PAY"), Address("OLD"))


@given(name=st.text(min_size=1), slug=st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), key=st.text(min_size=1))
def test_a_rename_changes_no_key(name: str, slug: str, key: str) -> None:
    renamed = server_repository(slug=slug, name=name, project=server_project(key=key, name=name))
    ref = {"id": "refs/heads/main", "displayId": "main", "repository": renamed}
    assert only("repo:modified", {"new": renamed}).key == REPOSITORY_KEY
    assert only("pr:opened", {"pullRequest": server_pull_request(toRef=ref)}).key.container == f"{BASE}/84"
    assert only("project:modified", {"new": renamed["project"]}).key.id == "12"


def test_a_fork_is_a_new_repository() -> None:
    fork = server_repository(id=85, project=personal_project(), origin=server_repository())
    change = only("repo:forked", {"repository": fork})
    assert (change.key.id, change.address) == ("85", Address("~sam", "api"))
    assert change.object is not None
    assert change.object["origin"]["id"] == 84


def pushed(ref: str, to: str = "b" * 40, kind: str = "UPDATE") -> dict[str, Any]:
    return {"ref": {"id": ref, "type": "BRANCH"}, "refId": ref, "fromHash": "a" * 40, "toHash": to, "type": kind}


@pytest.mark.parametrize(
    ("changes", "branches"),
    [
        ([pushed("refs/heads/main")], {"main"}),
        ([{**pushed("refs/heads/topic/one"), "fromHash": ZEROS, "type": "ADD"}], {"topic/one"}),
        ([pushed("refs/heads/topic", ZEROS, "DELETE")], set()),
        ([pushed("refs/heads/topic", ZEROS)], set()),
        ([pushed("refs/tags/v1")], set()),
        ([pushed("refs/heads/a"), pushed("refs/heads/b")], {"a", "b"}),
        ([{"refId": "refs/heads/main", "toHash": "b" * 40}], {"main"}),
        ([{"toHash": "b" * 40}], None),
        (["not an object"], None),
        ([], None),
        (None, None),
    ],
)
def test_a_push_tells_which_branches_moved(changes: Any, branches: set[str] | None) -> None:
    change = only("repo:refs_changed", {"repository": server_repository(), "changes": changes})
    assert change.main_branch_candidates == (None if branches is None else frozenset(branches))
    assert change.only_if_needed == {"__readme", "__latestCommit"}
    assert (change.key, change.version) == (REPOSITORY_KEY, DATE_MICROS)


def test_a_truncated_push_may_have_moved_any_branch() -> None:
    payload = {"repository": server_repository(), "changes": [pushed("refs/heads/topic")], "truncated": True}
    assert only("repo:refs_changed", payload).main_branch_candidates is None


@pytest.mark.parametrize(
    ("event_key", "payload", "missing"),
    [
        ("pr:opened", {}, "pullRequest"),
        ("pr:opened", {"pullRequest": {"id": 7}}, "target repository"),
        ("pr:opened", {"pullRequest": server_pull_request(id=None)}, "numeric id"),
        ("repo:modified", {"old": server_repository()}, "new"),
        ("repo:modified", {"new": server_repository(id="84")}, "id"),
        ("repo:refs_changed", {"repository": server_repository(project=None)}, "project.key"),
        ("repo:forked", {"repository": []}, "repository"),
        ("project:modified", {"new": {"id": 12}}, "key"),
        ("mirror:repo_synchronized", {}, "event key"),
    ],
)
def test_a_malformed_payload_is_named_for_good(event_key: str, payload: dict[str, Any], missing: str) -> None:
    with pytest.raises(PermanentError) as caught:
        server.changes(delivery(event_key, payload, "server"), source=BASE, base_url=BASE)
    assert "delivery-1" in str(caught.value)
    assert event_key in str(caught.value)
    assert missing in str(caught.value)


INNER_NAMES = (
    "id key slug name project toRef fromRef repository origin owner type links author reviewers "
    "participants updatedDate createdDate refId toHash ref user"
)
OUTER_NAMES = "repository pullRequest project old new changes date truncated"
INNER = st.dictionaries(st.sampled_from(INNER_NAMES.split()), ANY_JSON, max_size=6)
SEEDED = st.dictionaries(st.sampled_from(OUTER_NAMES.split()), INNER | ANY_JSON)


@given(event_key=st.sampled_from(SERVER_KEYS), payload=ANY_OBJECT | SEEDED, value=ANY_JSON, data=st.data())
def test_any_json_is_understood_or_named_for_good(
    event_key: str, payload: dict[str, Any], value: Any, data: st.DataObject
) -> None:
    broken = server_pull_request()
    broken[data.draw(st.sampled_from(sorted(broken)))] = value
    for body in (payload, {"pullRequest": broken, "repository": {**server_repository(), **payload}}):
        try:
            changes = server.changes(delivery(event_key, body, "server"), source=BASE, base_url=BASE)
        except PermanentError as error:
            assert event_key in str(error)
        else:
            assert all(isinstance(change, Change) and change.key.id for change in changes)
