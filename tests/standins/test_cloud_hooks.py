"""Webhook subscriptions of the stand-in for Bitbucket Cloud: who may make them, what they say and deliver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from tests.standins.asking import ask, read
from tests.standins.receiver import Receiver

OF_WORKSPACE = "/workspaces/northwind/hooks"
OF_LEDGER = "/repositories/northwind/ledger/hooks"
BODY: dict[str, Any] = {"url": "https://hooks.example.com/x", "events": ["repo:push", "pullrequest:created"]}


@pytest.fixture
def bitbucket() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn(seed=7)
    stand_in.start()
    world = stand_in.world
    world.create_project("PAY")
    world.create_repository("PAY", "Ledger", readme="x")
    world.create_project("OPS")
    world.create_repository("OPS", "Runner", readme="x", role="contributor")
    yield stand_in
    stand_in.stop()


def test_every_answer_tells_the_scopes_granted_and_accepted(bitbucket: BitbucketCloudStandIn) -> None:
    told = ask(bitbucket, OF_WORKSPACE).headers
    assert told["X-OAuth-Scopes"] == "account, project, pullrequest, repository, webhook"
    assert told["X-Accepted-OAuth-Scopes"] == "webhook"
    assert "X-OAuth-Scopes" not in ask(bitbucket, OF_WORKSPACE, token="wrong").headers
    bitbucket.scopes = None
    answer = ask(bitbucket, OF_WORKSPACE)
    assert answer.status_code == 200
    assert "X-OAuth-Scopes" not in answer.headers


def test_without_the_scope_for_webhooks_none_is_seen_or_made(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.scopes = {"repository", "pullrequest"}
    for path in (OF_WORKSPACE, OF_LEDGER):
        for answer in (ask(bitbucket, path), ask(bitbucket, path, method="POST", json=BODY)):
            assert answer.status_code == 403
            error = answer.json()["error"]
            assert error["message"] == "Your credentials lack one or more required privilege scopes."
            assert error["detail"] == {"granted": ["pullrequest", "repository"], "required": ["webhook"]}
    assert ask(bitbucket, "/repositories/northwind/ledger").status_code == 200
    assert bitbucket.hooks == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", OF_WORKSPACE, "read:webhook:bitbucket"),
        ("POST", OF_WORKSPACE, "write:webhook:bitbucket"),
        ("DELETE", OF_WORKSPACE + "/{hook}", "delete:webhook:bitbucket"),
        ("GET", "/repositories/northwind", "read:repository:bitbucket"),
        ("GET", "/repositories/northwind/ledger/pullrequests", "read:pullrequest:bitbucket"),
        ("GET", "/workspaces/northwind/projects", "read:project:bitbucket"),
        ("GET", "/workspaces/northwind", "read:workspace:bitbucket"),
    ],
)
def test_an_api_token_needs_a_scope_for_each_thing(
    bitbucket: BitbucketCloudStandIn, method: str, path: str, scope: str
) -> None:
    things = ("repository", "pullrequest", "project", "workspace", "webhook")
    everything = {f"read:{thing}:bitbucket" for thing in things}
    everything |= {"write:webhook:bitbucket", "delete:webhook:bitbucket"}
    path = path.format(hook=bitbucket.add_hook().uuid)
    bitbucket.scopes = everything - {scope}
    refused = ask(bitbucket, path, method=method, json=BODY if method == "POST" else None)
    assert refused.status_code == 403
    assert scope in refused.json()["error"]["detail"]["required"]
    bitbucket.scopes = everything
    assert ask(bitbucket, path, method=method, json=BODY if method == "POST" else None).status_code < 300


def test_a_subscription_needs_the_scope_of_each_event_it_names(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.scopes = {"webhook", "repository"}
    refused = ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY)
    assert refused.status_code == 403
    assert refused.json()["error"]["detail"]["required"] == ["pullrequest", "repository"]
    assert ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY | {"events": ["repo:push"]}).status_code == 201


def test_only_owners_administer_the_workspaces_subscriptions(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.workspace_owner = False
    assert ask(bitbucket, OF_WORKSPACE).status_code == 403
    assert ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY).status_code == 403
    assert ask(bitbucket, OF_LEDGER, method="POST", json=BODY).status_code == 201


def test_a_repositorys_subscriptions_need_its_administrator(bitbucket: BitbucketCloudStandIn) -> None:
    runner = "/repositories/northwind/runner/hooks"
    assert ask(bitbucket, runner).status_code == 403
    assert ask(bitbucket, runner, method="POST", json=BODY).status_code == 403
    bitbucket.forbid_hooks("PAY")
    assert ask(bitbucket, OF_LEDGER, method="POST", json=BODY).status_code == 403
    assert ask(bitbucket, "/repositories/northwind/ledger").status_code == 200
    bitbucket.allow_hooks("PAY")
    assert ask(bitbucket, OF_LEDGER, method="POST", json=BODY).status_code == 201


def test_an_unknown_event_fails_the_whole_call_and_is_named(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.refuse_event("repo:push")
    refused = ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY)
    assert refused.status_code == 400
    assert refused.json()["error"]["fields"] == {"events": ["repo:push is not a valid webhook event."]}
    assert bitbucket.hooks == []
    made = ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY | {"events": ["pullrequest:created"]})
    assert made.status_code == 201
    changed = ask(bitbucket, f"{OF_WORKSPACE}/{made.json()['uuid']}", method="PUT", json=BODY)
    assert changed.status_code == 400
    assert bitbucket.hooks[0].events == ("pullrequest:created",)


def test_a_repository_takes_fifty_subscriptions(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.add_foreign_hooks(49, "ledger")
    made = ask(bitbucket, OF_LEDGER, method="POST", json=BODY)
    assert made.status_code == 201
    assert made.headers["Location"].endswith(f"{OF_LEDGER}/{made.json()['uuid']}")
    refused = ask(bitbucket, OF_LEDGER, method="POST", json=BODY)
    assert refused.status_code == 400
    assert "50" in refused.json()["error"]["message"]
    assert ask(bitbucket, OF_WORKSPACE, method="POST", json=BODY).status_code == 201


def test_a_list_of_three_pages_is_followed_by_next(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.add_foreign_hooks(5)
    bitbucket.hook_page_size = 2
    found, url = [], f"{bitbucket.api_url}{OF_WORKSPACE}?pagelen=100"
    pages = 0
    while url:
        page = read(bitbucket, url.removeprefix(bitbucket.api_url))
        found += [hook["uuid"] for hook in page["values"]]
        url, pages = page.get("next", ""), pages + 1
    assert (pages, found) == (3, [hook.uuid for hook in bitbucket.hooks])


def test_an_event_goes_through_every_subscription_that_covers_it(
    bitbucket: BitbucketCloudStandIn, receiver: Receiver
) -> None:
    events = ["repo:push", "project:updated"]
    of_workspace = bitbucket.add_hook(f"{receiver.url}/workspace", events, secret="one")
    of_ledger = bitbucket.add_hook(f"{receiver.url}/ledger?all", events, subject="ledger", secret="two")
    bitbucket.add_hook(f"{receiver.url}/runner", events, subject="runner")
    bitbucket.add_hook(f"{receiver.url}/inactive", events, active=False)
    bitbucket.add_hook(f"{receiver.url}/others", ["repo:fork"])

    sent = bitbucket.send_through_hooks(bitbucket.world.push("ledger"))

    assert sent == [(of_workspace, 202), (of_ledger, 202)]
    assert receiver.keys() == [("/workspace", "repo:push"), ("/ledger?all", "repo:push")]
    assert receiver.signed_with("one") == [True, False]
    assert receiver.signed_with("two") == [False, True]
    headers = [headers for _, headers, _ in receiver.arrived]
    assert [one["x-hook-uuid"] for one in headers] == [hook.uuid.strip("{}") for hook in (of_workspace, of_ledger)]
    assert len({one["x-request-uuid"] for one in headers}) == 2
    assert bitbucket.send_through_hooks(bitbucket.world.change_project("PAY", name="Pay")) == [(of_workspace, 202)]


def test_the_same_event_sent_again_has_the_same_delivery_id(
    bitbucket: BitbucketCloudStandIn, receiver: Receiver
) -> None:
    bitbucket.add_hook(receiver.url)
    pushed = bitbucket.world.push("ledger")
    bitbucket.send_through_hooks(pushed)
    bitbucket.send_through_hooks(pushed)
    first, second = (headers["x-request-uuid"] for _, headers, _ in receiver.arrived)
    assert first == second


def test_edits_by_hand_show_and_change_what_is_delivered(bitbucket: BitbucketCloudStandIn, receiver: Receiver) -> None:
    hook = bitbucket.add_hook(f"{receiver.url}/a", secret="one")
    bitbucket.change_hook_secret(hook, None)
    bitbucket.change_hook_url(hook, f"{receiver.url}/b")
    bitbucket.send_through_hooks(bitbucket.world.push("ledger"))
    assert receiver.keys() == [("/b", "repo:push")]
    assert "x-hub-signature" not in receiver.arrived[0][1]
    assert read(bitbucket, f"{OF_WORKSPACE}/{hook.uuid}")["secret_set"] is False
    bitbucket.change_hook_events(hook, ["repo:fork"])
    assert bitbucket.send_through_hooks(bitbucket.world.push("ledger")) == []
    bitbucket.change_hook_events(hook, ["repo:push"])
    bitbucket.disable_hook(hook)
    assert read(bitbucket, f"{OF_WORKSPACE}/{hook.uuid}")["active"] is False
    assert bitbucket.send_through_hooks(bitbucket.world.push("ledger")) == []
    bitbucket.remove_hook(hook)
    assert ask(bitbucket, f"{OF_WORKSPACE}/{hook.uuid}").status_code == 404


def test_what_is_too_large_or_held_back_gets_no_answer(bitbucket: BitbucketCloudStandIn, receiver: Receiver) -> None:
    hook = bitbucket.add_hook(receiver.url, ["pullrequest:created"])
    opened = bitbucket.world.open_pull_request("ledger", "topic", title="Large", description="x" * 300_000)
    assert bitbucket.send_through_hooks(opened) == [(hook, None)]
    bitbucket.outgoing_blocked = True
    opened = bitbucket.world.open_pull_request("ledger", "other", title="Small")
    assert bitbucket.send_through_hooks(opened) == [(hook, None)]
    assert receiver.arrived == []


def test_a_deleted_repository_takes_its_subscriptions_with_it(bitbucket: BitbucketCloudStandIn) -> None:
    bitbucket.add_hook(subject="ledger")
    kept = bitbucket.add_hook()
    bitbucket.world.delete_repository("ledger")
    assert bitbucket.hooks == [kept]
