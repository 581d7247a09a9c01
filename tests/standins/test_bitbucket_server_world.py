"""The made-up Data Center sends what Bitbucket Data Center sends, and writes an object in three ways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.git import NO_COMMIT
from local.standins.server.pull_requests import ServerWorld
from local.standins.server.serialise import WebhookLinks
from local.standins.webhook import Webhook
from tests.standins.asking import ask, read

API = "/rest/api/latest"
LEDGER = f"{API}/projects/PAY/repos/ledger"
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def bitbucket() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=7)
    stand_in.start()
    stand_in.world.create_project("PAY", "Payments")
    stand_in.world.create_repository("PAY", "Ledger", readme="# Ledger\n")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def world(bitbucket: BitbucketServerStandIn) -> ServerWorld:
    return bitbucket.world


def keys(events: list[Webhook]) -> list[str]:
    return [event.event_key for event in events]


def without_links(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_links(part) for name, part in value.items() if name != "links"}
    return [without_links(part) for part in value] if isinstance(value, list) else value


def test_every_event_names_itself_its_time_in_seconds_and_its_actor(world: ServerWorld) -> None:
    world.now = lambda: NOON
    user = world.create_user("kim")
    (event,) = world.open_pull_request("PAY/ledger", "topic", author=user)
    assert event.payload["eventKey"] == event.event_key == "pr:opened"
    assert event.payload["date"] == "2026-03-01T12:00:00+0000"
    assert event.payload["actor"]["slug"] == "kim"


def test_creating_and_deleting_projects_and_repositories_is_silent(world: ServerWorld) -> None:
    assert world.create_project("OPS") == []
    assert world.create_repository("OPS", "Runner", readme="x") == []
    assert world.change_repository("OPS/runner", description="x", archived=True, default_branch="trunk") == []
    assert world.change_project("OPS", description="x") == []
    assert world.delete_repository("OPS/runner") == []
    assert world.delete_project("OPS") == []


def test_a_webhooks_copy_has_no_links_and_is_otherwise_the_single_object(
    world: ServerWorld, bitbucket: BitbucketServerStandIn
) -> None:
    payload = world.open_pull_request("PAY/ledger", "topic", description="Why")[0].payload["pullRequest"]
    single = read(bitbucket, f"{LEDGER}/pull-requests/1")
    assert payload == without_links(single)
    assert single["links"]["self"][0]["href"] == f"{bitbucket.url}/projects/PAY/repos/ledger/pull-requests/1"
    assert single["draft"] is False
    assert "closedDate" not in single


@pytest.mark.parametrize(
    ("style", "expected"),
    [("absent", None), ("empty", {}), ("null", {"self": [None]})],
)
def test_links_of_webhooks_are_written_as_the_version_does(
    world: ServerWorld, style: WebhookLinks, expected: object
) -> None:
    world.style.webhook_links = style
    payload = world.push("PAY/ledger")[0].payload
    assert payload["repository"].get("links") == expected
    assert payload["actor"].get("links") == expected


def test_a_list_item_has_counts_and_a_single_object_has_none(
    world: ServerWorld, bitbucket: BitbucketServerStandIn
) -> None:
    pull = world.open_pull_request("PAY/ledger", "topic").subject
    world.comment(pull, world.create_user("kim"), "Hm")
    (item,) = read(bitbucket, f"{LEDGER}/pull-requests")["values"]
    single = read(bitbucket, f"{LEDGER}/pull-requests/1")
    assert item["properties"]["commentCount"] == 1
    assert "properties" not in single
    assert {name: value for name, value in item.items() if name != "properties"} == single
    (bare,) = read(bitbucket, f"{LEDGER}/pull-requests", withProperties="false")["values"]
    assert bare == single


def test_a_merge_tells_its_commit_everywhere_and_closes(world: ServerWorld, bitbucket: BitbucketServerStandIn) -> None:
    pull = world.open_pull_request("PAY/ledger", "topic").subject
    events = world.merge(pull)
    merged = events[1].payload["pullRequest"]
    assert keys(events) == ["repo:refs_changed", "pr:merged"]
    assert merged["properties"]["mergeCommit"]["id"] == world.repository("PAY/ledger").git.branches["main"]
    assert read(bitbucket, f"{LEDGER}/pull-requests/1")["properties"] == merged["properties"]
    assert merged["closedDate"] == merged["updatedDate"]
    assert (merged["open"], merged["closed"], merged["version"]) == (False, True, 1)


@pytest.mark.parametrize(
    ("review", "key", "status"),
    [
        ("approve", "pr:reviewer:approved", "APPROVED"),
        ("needs_work", "pr:reviewer:needs_work", "NEEDS_WORK"),
        ("unapprove", "pr:reviewer:unapproved", "UNAPPROVED"),
    ],
)
def test_a_review_leaves_version_and_update_time(world: ServerWorld, review: str, key: str, status: str) -> None:
    reviewer = world.create_user("robin")
    pull = world.open_pull_request("PAY/ledger", "topic", reviewers=[reviewer]).subject
    before = (pull.version, pull.updated)
    world.now = lambda: before[1] + timedelta(minutes=5)
    (event,) = getattr(world, review)(pull, reviewer)
    written = event.payload["pullRequest"]
    assert event.event_key == key
    assert (event.payload["participant"]["status"], event.payload["previousStatus"]) == (status, "UNAPPROVED")
    assert written["reviewers"] == [event.payload["participant"]]
    assert (written["version"], written["updatedDate"]) == (0, written["createdDate"])
    assert (pull.version, pull.updated) == before


def test_an_approver_who_was_not_asked_is_a_participant(world: ServerWorld) -> None:
    pull = world.open_pull_request("PAY/ledger", "topic").subject
    written = world.approve(pull, world.create_user("passerby"))[0].payload["pullRequest"]
    assert written["reviewers"] == []
    assert [(one["role"], one["status"]) for one in written["participants"]] == [("PARTICIPANT", "APPROVED")]


def test_changes_move_version_and_update_time_and_comments_do_not(world: ServerWorld) -> None:
    user = world.create_user("kim")
    pull = world.open_pull_request("PAY/ledger", "topic", title="Old").subject
    world.create_branch("PAY/ledger", "release")
    comment = world.comment(pull, user, "Why?").subject
    edited = world.edit_comment(pull, comment, "Why so?")[0]
    assert (edited.payload["previousComment"], pull.version) == ("Why?", 0)
    assert keys(world.delete_comment(pull, comment)) == ["pr:comment:deleted"]
    assert pull.version == 0
    renamed = world.update_pull_request(pull, title="New")[0].payload
    assert (renamed["previousTitle"], renamed["pullRequest"]["title"]) == ("Old", "New")
    retargeted = world.retarget(pull, "release")[0]
    assert retargeted.event_key == "pr:modified"
    assert retargeted.payload["previousTarget"]["displayId"] == "main"
    assert retargeted.payload["pullRequest"]["toRef"]["displayId"] == "release"
    added = world.set_reviewers(pull, add=[user])[0].payload
    assert [one["slug"] for one in added["addedReviewers"]] == ["kim"]
    assert keys(world.decline(pull)) == ["pr:declined"]
    assert pull.version == 4


def test_a_push_to_a_pull_requests_branch_is_told_for_both(world: ServerWorld) -> None:
    pull = world.open_pull_request("PAY/ledger", "topic").subject
    before = pull.source_commit
    events = world.push("PAY/ledger", "topic")
    assert keys(events) == ["repo:refs_changed", "pr:from_ref_updated"]
    assert events[1].payload["previousFromHash"] == before
    assert events[1].payload["pullRequest"]["fromRef"]["latestCommit"] == pull.source_commit != before


def test_made_and_removed_refs_have_zeros(world: ServerWorld) -> None:
    made = world.create_branch("PAY/ledger", "fresh")[0].payload["changes"][0]
    removed = world.remove_branch("PAY/ledger", "fresh")[0].payload["changes"][0]
    tagged = world.create_tag("PAY/ledger", "v1")[0].payload["changes"][0]
    assert (made["type"], made["fromHash"], made["refId"]) == ("ADD", NO_COMMIT, "refs/heads/fresh")
    assert (removed["type"], removed["toHash"]) == ("DELETE", NO_COMMIT)
    assert (tagged["ref"]["type"], tagged["refId"]) == ("TAG", "refs/tags/v1")


def test_renamed_moved_and_rekeyed_things_answer_at_their_old_paths(
    world: ServerWorld, bitbucket: BitbucketServerStandIn
) -> None:
    repository = world.repository("PAY/ledger")
    (event,) = world.rename_repository(repository, "Bücher")
    assert event.event_key == "repo:modified"
    assert (event.payload["old"]["slug"], event.payload["new"]["slug"]) == ("ledger", "bucher")
    assert event.payload["old"]["id"] == event.payload["new"]["id"] == repository.id
    world.create_project("OPS")
    assert keys(world.move_repository(repository, "OPS")) == ["repo:modified"]
    (rekeyed,) = world.change_project("OPS", key="RUN")
    assert rekeyed.event_key == "project:modified"
    assert (rekeyed.payload["old"]["key"], rekeyed.payload["new"]["key"]) == ("OPS", "RUN")
    for path in ("PAY/repos/ledger", "PAY/repos/bucher", "OPS/repos/bucher", "RUN/repos/bucher"):
        answer = read(bitbucket, f"{API}/projects/{path}")
        assert (answer["id"], answer["slug"], answer["project"]["key"]) == (repository.id, "bucher", "RUN")
    taken = world.create_repository("PAY", "Ledger").subject
    assert read(bitbucket, LEDGER)["id"] == taken.id
    world.delete_repository(repository)
    assert ask(bitbucket, f"{API}/projects/OPS/repos/bucher").status_code == 404


def test_a_deleted_pull_request_is_told_and_its_number_is_not_used_again(
    world: ServerWorld, bitbucket: BitbucketServerStandIn
) -> None:
    pull = world.open_pull_request("PAY/ledger", "topic").subject
    (event,) = world.delete_pull_request(pull)
    assert (event.event_key, event.payload["pullRequest"]["id"]) == ("pr:deleted", 1)
    assert ask(bitbucket, f"{LEDGER}/pull-requests/1").status_code == 404
    assert world.open_pull_request("PAY/ledger", "again").subject.id == 2


def test_personal_projects_and_forks(world: ServerWorld, bitbucket: BitbucketServerStandIn) -> None:
    user = world.create_user("Jane", "Jane Roe")
    assert world.create_personal_project(user) == []
    (event,) = world.fork("PAY/ledger", "~jane", by=user)
    assert event.event_key == "repo:forked"
    assert event.payload["repository"]["project"] == event.payload["repository"]["project"] | {
        "key": "~jane",
        "type": "PERSONAL",
    }
    single = read(bitbucket, f"{API}/projects/~jane/repos/ledger")
    assert single["origin"]["project"]["key"] == "PAY"
    assert single["links"]["self"][0]["href"] == f"{bitbucket.url}/users/jane/repos/ledger/browse"


def test_times_are_milliseconds_in_the_api_and_text_in_webhooks_of_10(
    world: ServerWorld, bitbucket: BitbucketServerStandIn
) -> None:
    world.now = lambda: NOON
    classic = world.open_pull_request("PAY/ledger", "classic")[0].payload["pullRequest"]
    world.style.iso_times = True
    modern = world.open_pull_request("PAY/ledger", "modern")[0].payload["pullRequest"]
    world.style.iso_milliseconds = True
    precise = world.open_pull_request("PAY/ledger", "precise")[0].payload["pullRequest"]
    assert classic["createdDate"] == 1_772_366_400_250
    assert modern["createdDate"] == "2026-03-01T12:00:00+0000"
    assert precise["createdDate"] == "2026-03-01T12:00:00.250+0000"
    assert read(bitbucket, f"{LEDGER}/pull-requests/2")["createdDate"] == 1_772_366_400_250
    pushed = world.push("PAY/ledger")[0].payload
    assert pushed["toCommit"]["authorTimestamp"] == "2026-03-01T12:00:00.000Z"


def test_a_taken_name_is_refused_and_changes_nothing(world: ServerWorld) -> None:
    world.create_repository("PAY", "Other")
    with pytest.raises(ValueError, match="PAY/other already"):
        world.rename_repository("PAY/ledger", "Other")
    assert world.repository("PAY/ledger").name == "Ledger"
