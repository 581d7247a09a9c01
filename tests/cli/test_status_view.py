"""What ``status`` makes of what it read: resyncs in every state, and dead letters of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from bitbucket_port.cli.dead_letters import SHOWN, dead_letters, what_is
from bitbucket_port.cli.stack_status import Queue, StackStatus
from bitbucket_port.cli.status_view import ago, show
from bitbucket_port.delivery_notes import LastFailure
from bitbucket_port.resync.store import Run

NOW = 1782898200.0


def status(**more: Any) -> StackStatus:
    return StackStatus("stack", "cloud", "acme", NOW, **more)


def told(one: StackStatus) -> tuple[str, list[str]]:
    console = Console(width=120)
    with console.capture() as captured:
        bad = show(console, one)
    return captured.get(), bad


def report(outcome: str, **more: Any) -> dict[str, Any]:
    counts = {"kinds": {"project": {"listed": 1}}, "requests": {}, "failures": [], "protected": {}, "notes": []}
    return {**counts, "status": outcome, "ended": NOW - 60, "duration": 5.0, **more}


def run(until: float) -> Run:
    return Run("r", "full", 1, "listing", "hash", NOW - 600, "interval", until)


def test_a_new_stack_has_nothing_to_look_at() -> None:
    text, bad = told(status())
    assert "No resync was complete yet." in text
    assert "Set-up left no report." in text
    assert bad == []


def test_a_run_that_goes_on_and_one_that_stopped() -> None:
    text, bad = told(status(run=run(NOW + 600)))
    assert "A full resync goes on (listing) since 2026-07-01 09:20 UTC (10 minutes ago)." in text
    assert bad == []
    assert "has stopped" in told(status(run=run(NOW - 1)))[0]


@pytest.mark.parametrize(
    ("outcome", "bad"),
    [("partial", ["the last resync was partial"]), ("dead", ["the last resync was dead"]), ("superseded", [])],
)
def test_a_last_run_that_was_not_complete(outcome: str, bad: list[str]) -> None:
    text, found = told(status(complete=report("complete"), last=report(outcome)))
    assert f"The last one ended {outcome}" in text
    assert found == bad


def test_dead_letters_count_although_nobody_knows_why() -> None:
    text, bad = told(status(queues=[Queue("PushQueue", 0, 0), Queue("PushDeadLetters", 1, 2)]))
    assert [line.split() for line in text.splitlines() if line.startswith(" Push")] == [["Push", "0", "0", "3"]]
    assert bad == ["3 dead letters"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (90, "90 s ago"),
        (7_199, "119 minutes ago"),
        (7_200, "2 hours ago"),
        (10 * 86_400, "10 days ago"),
    ],
)
def test_how_long_ago_it_was(seconds: float, words: str) -> None:
    assert ago(NOW - seconds, NOW).endswith(f"({words})")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"eventKey": "repo:push", "id": "d-1"}, "repo:push d-1"),
        ({"job": "phase", "run": "r-1"}, "job phase of run r-1"),
        ({"job": "children", "run": ""}, "job children"),
        ({"other": 1}, "no message of this project"),
        ([1], "no message of this project"),
    ],
)
def test_what_a_message_is(body: Any, words: str) -> None:
    assert what_is(json.dumps(body)) == words
    assert what_is("{") == "no message of this project"


class Sqs:
    """A queue with many messages, each of which is hidden when it is received and shown again on demand."""

    def __init__(self, count: int) -> None:
        self.visible = [f"m-{number}" for number in range(count)]
        self.hidden: list[str] = []

    def receive_message(self, *, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        some, self.visible = self.visible[:MaxNumberOfMessages], self.visible[MaxNumberOfMessages:]
        self.hidden += some
        attributes = {"SentTimestamp": "1782898200000"}
        return {
            "Messages": [
                {"MessageId": name, "ReceiptHandle": name, "Body": "{}", "Attributes": attributes} for name in some
            ]
        }

    def change_message_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: Any) -> None:  # noqa: N803
        assert VisibilityTimeout == 0
        self.hidden.remove(ReceiptHandle)
        self.visible.append(ReceiptHandle)


@pytest.mark.parametrize("count", [3, 500])
def test_the_first_dead_letters_are_looked_at_and_all_are_left_where_they_are(count: int) -> None:
    sqs = Sqs(count)
    failure = LastFailure("Port answered 503", NOW, 500)
    found = dead_letters(sqs, {"PushDeadLetters": "url"}, lambda names: dict.fromkeys(list(names)[:1], failure))
    assert len(found) == min(count, SHOWN)
    assert [one.failure for one in found[:2]] == [failure, None]
    assert found[0].sent == NOW
    assert (len(sqs.visible), sqs.hidden) == (count, [])
