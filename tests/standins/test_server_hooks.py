"""Webhooks of the stand-in for Bitbucket Data Center: versions, permissions, deliveries, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.server.pull_requests import ServerWorld
from local.standins.webhook import Webhook
from local.state import read_objects, write_objects
from tests.standins.asking import ask, read
from tests.standins.receiver import Receiver

API = "/rest/api/latest"
OF_PROJECT = f"{API}/projects/PAY/webhooks"
OF_LEDGER = f"{API}/projects/PAY/repos/ledger/webhooks"
BODY: dict[str, Any] = {
    "name": "catalog",
    "url": "https://hooks.example.com/x",
    "events": ["repo:refs_changed", "pr:opened"],
    "configuration": {"secret": "quiet"},
}


@pytest.fixture
def bitbucket() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=7)
    stand_in.start()
    for key in ("PAY", "OPS"):
        stand_in.world.create_project(key)
    stand_in.world.create_repository("PAY", "Ledger", readme="x")
    stand_in.world.create_repository("OPS", "Runner", readme="x", permission="REPO_WRITE")
    yield stand_in
    stand_in.stop()


@pytest.mark.parametrize(
    ("version", "told", "of_projects", "iso_times"),
    [
        ("7.21", "072100", False, False),
        ("8.7.5", "080705", False, False),
        ("8.8", "080800", True, False),
        ("8.19.3", "081903", True, False),
        ("9.4.2", "090402", True, False),
        ("10.2.0-rc1", "100200", True, True),
    ],
)
def test_a_version_has_and_lacks_what_the_real_one_does(
    bitbucket: BitbucketServerStandIn, version: str, told: str, of_projects: bool, iso_times: bool
) -> None:
    bitbucket.version = version
    properties = read(bitbucket, f"{API}/application-properties")
    assert (properties["version"], properties["buildNumber"]) == (version, told)
    assert ask(bitbucket, OF_PROJECT).status_code == (200 if of_projects else 404)
    renamed = ask(bitbucket, OF_LEDGER, method="POST", json=BODY | {"events": ["project:modified"]})
    assert renamed.status_code == (201 if of_projects else 400)
    assert ask(bitbucket, OF_LEDGER, method="POST", json=BODY).status_code == 201
    opened = bitbucket.world.open_pull_request("PAY/ledger", "topic", title="T")[0]
    assert isinstance(opened.payload["pullRequest"]["createdDate"], str if iso_times else int)


def test_a_project_without_webhooks_is_told_apart_from_no_project(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.version = "8.7.0"
    (lacking,) = ask(bitbucket, OF_PROJECT).json()["errors"]
    (missing,) = ask(bitbucket, f"{API}/projects/NONE").json()["errors"]
    assert lacking["exceptionName"] is None
    assert missing["exceptionName"].endswith("NoSuchProjectException")


def test_an_unknown_event_fails_the_whole_call_and_is_named(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.refuse_event("pr:opened")
    refused = ask(bitbucket, OF_PROJECT, method="POST", json=BODY)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"] == "The event pr:opened is unknown"
    assert bitbucket.hooks == []
    made = ask(bitbucket, OF_PROJECT, method="POST", json=BODY | {"events": ["repo:refs_changed"]}).json()
    assert ask(bitbucket, f"{OF_PROJECT}/{made['id']}", method="PUT", json=BODY).status_code == 400
    assert bitbucket.hooks[0].events == ("repo:refs_changed",)


def test_webhooks_need_their_subjects_administrator(bitbucket: BitbucketServerStandIn) -> None:
    runner = f"{API}/projects/OPS/repos/runner/webhooks"
    assert ask(bitbucket, runner).status_code == 403
    assert ask(bitbucket, runner, method="POST", json=BODY).status_code == 403
    hook = bitbucket.add_hook(subject="PAY")
    bitbucket.forbid_hooks("PAY")
    bitbucket.forbidden_status = 401
    for method, path in (("GET", OF_PROJECT), ("POST", OF_LEDGER), ("DELETE", f"{OF_PROJECT}/{hook.id}")):
        refused = ask(bitbucket, path, method=method, json=BODY if method == "POST" else None)
        assert refused.status_code == 401
        assert refused.headers["X-AUSERNAME"] == "admin"
    assert ask(bitbucket, f"{API}/projects/PAY").status_code == 200
    bitbucket.allow_hooks("PAY")
    assert ask(bitbucket, f"{OF_PROJECT}/{hook.id}", method="DELETE").status_code == 204


def test_a_webhook_is_read_with_its_secret_unless_the_instance_hides_it(bitbucket: BitbucketServerStandIn) -> None:
    made = ask(bitbucket, OF_PROJECT, method="POST", json=BODY).json()
    assert read(bitbucket, OF_PROJECT)["values"][0]["configuration"] == {"secret": "quiet"}
    bitbucket.world.style.secrets_shown = False
    assert "quiet" not in ask(bitbucket, OF_PROJECT).text
    without = {name: value for name, value in BODY.items() if name != "configuration"}
    assert ask(bitbucket, f"{OF_PROJECT}/{made['id']}", method="PUT", json=without).status_code == 200
    assert bitbucket.hooks[0].secret is None


def test_a_list_of_three_pages_is_followed_by_its_starts(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.add_foreign_hooks(5, "PAY")
    bitbucket.page_limit = 2
    found: list[int] = []
    start, pages = 0, 0
    while start is not None:
        page = read(bitbucket, OF_PROJECT, start=start, limit=1000)
        found += [hook["id"] for hook in page["values"]]
        start, pages = page["nextPageStart"], pages + 1
    assert (pages, found) == (3, [hook.id for hook in bitbucket.hooks])


def test_an_event_goes_through_the_webhooks_of_its_project_and_repository(
    bitbucket: BitbucketServerStandIn, receiver: Receiver
) -> None:
    events = ["repo:refs_changed", "project:modified", "pr:opened", "repo:modified", "repo:forked"]
    project = bitbucket.add_hook(f"{receiver.url}/project", events, subject="PAY", secret="one")
    ledger = bitbucket.add_hook(f"{receiver.url}/ledger", events, subject="PAY/ledger", secret="two")
    bitbucket.add_hook(f"{receiver.url}/ops", events, subject="OPS")
    bitbucket.add_hook(f"{receiver.url}/runner", events, subject="OPS/runner")
    world = bitbucket.world

    assert bitbucket.send_through_hooks(world.push("PAY/ledger")) == [(project, 202), (ledger, 202)]
    assert receiver.signed_with("one") == [True, False]
    assert receiver.signed_with("two") == [False, True]
    both = [(project, 202), (ledger, 202)]
    assert bitbucket.send_through_hooks(world.open_pull_request("PAY/ledger", "topic", title="T")) == both
    assert bitbucket.send_through_hooks(world.rename_repository("PAY/ledger", "Journal")) == both
    assert bitbucket.send_through_hooks(world.fork("PAY/journal", "OPS")) == both
    assert bitbucket.send_through_hooks(world.change_project("PAY", name="Pay")) == [(project, 202)]
    assert bitbucket.send_through_hooks(world.ping()) == []


def test_statistics_count_what_became_of_deliveries(bitbucket: BitbucketServerStandIn, receiver: Receiver) -> None:
    hook = bitbucket.add_hook(receiver.url, subject="PAY")
    path = f"{OF_PROJECT}/{hook.id}"
    assert ask(bitbucket, f"{path}/statistics/summary").status_code == 204
    assert ask(bitbucket, f"{path}/latest").status_code == 204
    for status in (202, 401, 503):
        receiver.statuses = [status]
        assert bitbucket.send_through_hooks(bitbucket.world.push("PAY/ledger")) == [(hook, status)]
    bitbucket.outgoing_blocked = True
    assert bitbucket.send_through_hooks(bitbucket.world.push("PAY/ledger")) == [(hook, None)]

    told = read(bitbucket, f"{path}/statistics/summary")
    assert {name: told["counts"][name] for name in ("successes", "failures", "errors")} == {
        "successes": 1,
        "failures": 2,
        "errors": 1,
    }
    assert told["lastFailure"]["result"] == {"outcome": "FAILURE", "description": "503"}
    assert told["lastError"]["result"]["outcome"] == "ERROR"
    assert told["lastSuccess"]["request"] == {"method": "POST", "url": receiver.url}
    assert read(bitbucket, f"{path}/statistics", event="pr:opened")["counts"]["successes"] == 0
    assert read(bitbucket, f"{path}/latest", outcome="SUCCESS")["event"] == "repo:refs_changed"
    assert ask(bitbucket, f"{path}/latest", params={"outcome": "GOOD"}).status_code == 400
    assert read(bitbucket, OF_PROJECT, statistics="true")["values"][0]["statistics"]["counts"]["errors"] == 1


def later(webhook: Webhook, seconds: float) -> Webhook:
    return Webhook(
        webhook.product,
        webhook.event_key,
        webhook.payload,
        webhook.delivery_id,
        webhook.sent_at + timedelta(seconds=seconds),
    )


def test_after_five_failures_a_webhook_is_skipped_for_longer_and_longer(
    bitbucket: BitbucketServerStandIn, receiver: Receiver
) -> None:
    hook = bitbucket.add_hook(receiver.url, subject="PAY")
    (pushed,) = bitbucket.world.push("PAY/ledger")
    receiver.statuses = [503]

    def sent_after(seconds: float) -> int | None:
        ((_, status),) = bitbucket.send_through_hooks([later(pushed, seconds)])
        return status

    assert [sent_after(number) for number in range(5)] == [503] * 5
    assert [sent_after(seconds) for seconds in (5, 13.9)] == [None, None]
    assert [sent_after(seconds) for seconds in (14, 33.9, 34)] == [503, None, 503]
    assert len(receiver.arrived) == 7
    assert "unhealthy" in read(bitbucket, f"{OF_PROJECT}/{hook.id}/statistics")["lastError"]["result"]["description"]
    receiver.statuses = [202]
    assert [sent_after(seconds) for seconds in (74, 75)] == [202, 202]


def test_an_unhealthy_webhook_can_be_made_without_sending(bitbucket: BitbucketServerStandIn) -> None:
    hook = bitbucket.add_hook(subject="PAY")
    bitbucket.record_deliveries(hook, 5, None)
    assert hook.skipped_until is not None
    assert read(bitbucket, f"{OF_PROJECT}/{hook.id}/statistics/summary")["counts"]["errors"] == 5


def test_the_connection_test_sends_a_ping_and_shows_the_answer(
    bitbucket: BitbucketServerStandIn, receiver: Receiver
) -> None:
    receiver.statuses = [200]
    target = f"{receiver.url}/webhooks?x=1"
    told = ask(bitbucket, f"{OF_PROJECT}/test", method="POST", params={"url": target})
    assert told.status_code == 200
    assert (told.json()["request"]["url"], told.json()["response"]["statusCode"]) == (target, 200)
    assert receiver.keys() == [("/webhooks?x=1", "diagnostics:ping")]
    assert "x-hub-signature" not in receiver.arrived[0][1]


@pytest.mark.parametrize(
    ("url", "blocked"), [("http://127.0.0.1:1/webhooks", False), ("", False), ("ftp://x", False), ("", True)]
)
def test_the_connection_test_tells_of_a_receiver_out_of_reach(
    bitbucket: BitbucketServerStandIn, receiver: Receiver, url: str, blocked: bool
) -> None:
    bitbucket.outgoing_blocked = blocked
    params = {"url": receiver.url if blocked else url}
    refused = ask(bitbucket, f"{OF_LEDGER}/test", method="POST", params=params)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"]
    assert receiver.arrived == []


def test_what_is_deleted_takes_its_webhooks_with_it(bitbucket: BitbucketServerStandIn) -> None:
    bitbucket.add_hook(subject="PAY/ledger")
    kept = bitbucket.add_hook(subject="PAY")
    bitbucket.world.delete_repository("PAY/ledger")
    assert bitbucket.hooks == [kept]
    bitbucket.world.create_repository("PAY", "Other")
    bitbucket.add_hook(subject="PAY/other")
    bitbucket.world.delete_project("PAY")
    assert bitbucket.hooks == []


def test_webhooks_are_remembered_with_their_deliveries(bitbucket: BitbucketServerStandIn, tmp_path: Path) -> None:
    hook = bitbucket.add_hook(subject="PAY/ledger", secret="quiet")
    bitbucket.record_deliveries(hook, 2, 503)
    write_objects(tmp_path / "world", bitbucket.world.memory())
    world = ServerWorld()
    world.recall(read_objects(tmp_path / "world"))
    (remembered,) = world.hooks
    assert (remembered.subject, remembered.secret) == (world.repository("PAY/ledger"), "quiet")
    assert remembered.invocations == hook.invocations
    assert "quiet" not in repr(remembered)
