"""The made-up Cloud workspace sends what Bitbucket Cloud sends, and writes an object in three ways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.cloud.model import Repository
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.webhook import Webhook
from tests.standins.asking import ask, read

PULLS = "/repositories/northwind/ledger/pullrequests"


@pytest.fixture
def bitbucket() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn(seed=7)
    stand_in.start()
    stand_in.world.create_project("PAY", "Payments")
    stand_in.world.create_repository("PAY", "Ledger", readme="# Ledger\n", description="Books", language="python")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def world(bitbucket: BitbucketCloudStandIn) -> CloudWorld:
    return bitbucket.world


def keys(events: list[Webhook]) -> list[str]:
    return [event.event_key for event in events]


def test_a_webhooks_copy_of_a_repository_lacks_what_only_the_api_tells(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    copy = world.push("ledger")[0].payload["repository"]
    whole = read(bitbucket, "/repositories/northwind/ledger")
    assert {name: whole[name] for name in ("uuid", "full_name", "name", "workspace", "owner", "is_private")} == {
        name: copy[name] for name in ("uuid", "full_name", "name", "workspace", "owner", "is_private")
    }
    missing = {"mainbranch", "updated_on", "created_on", "language", "description", "slug", "size"}
    assert not missing & set(copy)
    assert missing <= set(whole)
    assert whole["mainbranch"] == {"type": "branch", "name": "main"}


def test_a_list_item_of_a_pull_request_lacks_people_unless_they_are_asked_for(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    reviewer = world.create_user("Robin Reviewer")
    payload = world.open_pull_request("ledger", "topic", reviewers=[reviewer])[0].payload["pullrequest"]
    (item,) = read(bitbucket, PULLS)["values"]
    (asked,) = read(bitbucket, PULLS, fields="+values.participants,+values.reviewers")["values"]
    single = read(bitbucket, f"{PULLS}/1")
    assert not {"participants", "reviewers", "rendered"} & set(item)
    assert asked == item | {name: single[name] for name in ("participants", "reviewers")}
    assert single == payload
    assert [user["display_name"] for user in single["reviewers"]] == ["Robin Reviewer"]


def test_a_merge_commit_has_12_digits_in_a_webhook_and_40_in_the_api(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    events = world.merge(pull)
    digits = read(bitbucket, f"{PULLS}/1")["merge_commit"]["hash"]
    assert keys(events) == ["repo:push", "pullrequest:fulfilled"]
    assert events[1].payload["pullrequest"]["merge_commit"]["hash"] == digits[:12]
    assert len(digits) == 40
    assert read(bitbucket, PULLS, state="MERGED")["values"][0]["merge_commit"]["hash"] == digits


@pytest.mark.parametrize(
    ("review", "key", "part"),
    [
        ("approve", "pullrequest:approved", "approval"),
        ("unapprove", "pullrequest:unapproved", "approval"),
        ("request_changes", "pullrequest:changes_request_created", "changes_request"),
        ("withdraw_changes_request", "pullrequest:changes_request_removed", "changes_request"),
    ],
)
def test_a_review_has_its_own_time_and_leaves_updated_on(world: CloudWorld, review: str, key: str, part: str) -> None:
    reviewer = world.create_user("Robin Reviewer")
    pull = world.open_pull_request("ledger", "topic", reviewers=[reviewer]).subject
    before = pull.updated_on
    world.now = lambda: before + timedelta(minutes=5)
    (event,) = getattr(world, review)(pull, reviewer)
    assert event.event_key == key
    assert event.payload[part]["date"] == (before + timedelta(minutes=5)).isoformat(timespec="microseconds")
    assert event.payload["pullrequest"]["updated_on"] == before.isoformat(timespec="microseconds")
    assert pull.updated_on == before


def test_a_withdrawn_approval_puts_participated_on_back_to_the_last_comment(world: CloudWorld) -> None:
    reviewer = world.create_user("Robin Reviewer")
    pull = world.open_pull_request("ledger", "topic", reviewers=[reviewer]).subject
    world.approve(pull, reviewer)
    (event,) = world.unapprove(pull, reviewer)
    (participant,) = event.payload["pullrequest"]["participants"]
    assert participant == participant | {"approved": False, "state": None, "participated_on": None}


def test_an_approver_who_was_not_asked_is_a_participant_and_no_reviewer(world: CloudWorld) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    written = world.approve(pull, world.create_user("Passer By"))[0].payload["pullrequest"]
    assert written["reviewers"] == []
    assert [(one["role"], one["state"]) for one in written["participants"]] == [("PARTICIPANT", "approved")]


def test_comments_and_edits_move_updated_on(world: CloudWorld) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    user, seen = world.create_user("Kim"), [pull.updated_on]
    comment = world.comment(pull, user, "Why?").subject
    for change in (
        lambda: world.edit_comment(pull, comment, "Why so?"),
        lambda: world.resolve_comment(pull, comment, user),
        lambda: world.reopen_comment(pull, comment, user),
        lambda: world.delete_comment(pull, comment),
        lambda: world.update_pull_request(pull, title="Better"),
        lambda: world.set_reviewers(pull, add=[user]),
        lambda: world.decline(pull, reason="no"),
    ):
        seen.append(pull.updated_on)
        (event,) = change()
        assert event.payload["pullrequest"]["updated_on"] > seen[-1].isoformat(timespec="microseconds")
    assert event.event_key == "pullrequest:rejected"


def test_a_push_to_a_pull_requests_branch_is_told_for_both(world: CloudWorld) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    events = world.push("ledger", "topic")
    assert keys(events) == ["repo:push", "pullrequest:push", "pullrequest:updated"]
    head = pull.source.git.branches["topic"]
    assert events[2].payload["pullrequest"]["source"]["commit"]["hash"] == head[:12]


def test_a_push_to_the_destination_changes_a_pull_request_without_an_event(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    before = pull.updated_on
    assert keys(world.push("ledger", "main")) == ["repo:push"]
    single = read(bitbucket, f"{PULLS}/1")
    assert single["destination"]["commit"]["hash"] == pull.repository.git.branches["main"][:12]
    assert pull.updated_on == before


def test_pushes_tell_made_removed_and_long_changes(world: CloudWorld) -> None:
    made = world.create_branch("ledger", "fresh")[0].payload["push"]["changes"][0]
    removed = world.remove_branch("ledger", "fresh")[0].payload["push"]["changes"][0]
    tagged = world.create_tag("ledger", "v1")[0].payload["push"]["changes"][0]
    long = world.push("ledger", commits=6)[0].payload["push"]["changes"][0]
    assert (made["old"], made["new"]["name"], made["created"]) == (None, "fresh", True)
    assert (removed["old"]["name"], removed["new"], removed["closed"]) == ("fresh", None, True)
    assert tagged["new"]["type"] == "tag"
    assert (long["truncated"], len(long["commits"])) == (True, 5)


def test_a_rename_is_told_by_changes_and_the_old_path_is_gone(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    repository = world.repository("ledger")
    (event,) = world.rename_repository("ledger", "Bücher")
    changes = event.payload["changes"]
    assert event.event_key == "repo:updated"
    assert changes["full_name"] == {"old": "northwind/ledger", "new": "northwind/bucher"}
    assert changes["name"] == {"old": "Ledger", "new": "Bücher"}
    assert {"slug", "links", "updated_on"} <= set(changes)
    assert ask(bitbucket, "/repositories/northwind/ledger").status_code == 404
    assert read(bitbucket, f"/repositories/northwind/{repository.uuid}")["slug"] == "bucher"


def test_a_transferred_repository_is_foreign_and_gone(world: CloudWorld, bitbucket: BitbucketCloudStandIn) -> None:
    repository = world.repository("ledger")
    (event,) = world.transfer_repository(repository, "elsewhere")
    assert event.event_key == "repo:transfer"
    assert event.payload["repository"]["workspace"]["slug"] == "elsewhere"
    assert event.payload["repository"]["uuid"] == repository.uuid
    assert event.payload["previous_owner"]["username"] == "northwind"
    assert ask(bitbucket, f"/repositories/northwind/{repository.uuid}").status_code == 404
    bitbucket.sees_other_workspaces = True
    assert read(bitbucket, f"/repositories/northwind/{repository.uuid}")["full_name"] == "elsewhere/ledger"


def test_projects_have_one_event_and_only_for_changes(world: CloudWorld) -> None:
    assert world.create_project("OPS") == []
    (event,) = world.change_project("OPS", key="RUN", name="Running")
    assert event.event_key == "project:updated"
    assert event.payload["changes"]["key"] == {"old": "OPS", "new": "RUN"}
    assert world.delete_project("RUN") == []
    with pytest.raises(ValueError, match="still has repositories"):
        world.delete_project("PAY")


def test_a_fork_is_told_with_its_parent_and_a_deleted_fork_leaves_its_pull_request_without_source(
    world: CloudWorld,
) -> None:
    events = world.fork("ledger", "PAY", "Copy")
    fork: Repository = events.subject
    assert keys(events) == ["repo:fork", "repo:created"]
    assert events[0].payload["fork"]["parent"]["full_name"] == "northwind/ledger"
    pull = world.open_pull_request("ledger", "topic", source=fork).subject
    assert keys(world.delete_repository(fork)) == ["repo:deleted"]
    written = world.update_pull_request(pull, title="Orphan")[0].payload["pullrequest"]
    assert written["source"]["repository"] is None


def test_an_empty_repository_has_no_main_branch_until_the_first_push(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    world.create_repository("PAY", "Bare")
    assert read(bitbucket, "/repositories/northwind/bare")["mainbranch"] is None
    world.push("bare", "trunk")
    assert read(bitbucket, "/repositories/northwind/bare")["mainbranch"]["name"] == "trunk"


def test_times_have_microseconds_and_an_offset_and_a_settable_clock(
    world: CloudWorld, bitbucket: BitbucketCloudStandIn
) -> None:
    world.now = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
    world.push("ledger")
    assert read(bitbucket, "/repositories/northwind/ledger")["updated_on"] == "2026-03-01T12:00:00.000000+00:00"


def test_a_superseded_pull_request_has_no_event(world: CloudWorld, bitbucket: BitbucketCloudStandIn) -> None:
    pull = world.open_pull_request("ledger", "topic").subject
    assert world.supersede(pull) == []
    assert read(bitbucket, PULLS, state="SUPERSEDED")["values"][0]["id"] == pull.id


def test_subscribers_have_every_webhook_in_order(bitbucket: BitbucketCloudStandIn) -> None:
    seen: list[Webhook] = []
    bitbucket.subscribe(seen.append)
    events = [*bitbucket.world.push("ledger"), *bitbucket.world.create_repository("PAY", "Other")]
    assert seen == events
    assert len({event.delivery_id for event in seen}) == 2


def test_a_subscriber_may_ask_the_api_and_sees_the_change_complete(bitbucket: BitbucketCloudStandIn) -> None:
    states: list[str] = []
    pull = bitbucket.world.open_pull_request("ledger", "topic").subject
    bitbucket.subscribe(lambda _: states.append(read(bitbucket, f"{PULLS}/1")["state"]))
    bitbucket.world.merge(pull)
    assert states == ["MERGED", "MERGED"]


def test_a_taken_name_is_refused_and_changes_nothing(world: CloudWorld) -> None:
    world.create_repository("PAY", "Other")
    with pytest.raises(ValueError, match="other already"):
        world.rename_repository("ledger", "Other")
    assert world.repository("ledger").name == "Ledger"
