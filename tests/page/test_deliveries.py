"""What became of a delivery, from what the front door saw and the functions logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.page.deliveries import Deliveries, shown
from local.page.logs import LogFiles
from tests.page.fakes import NOON, FakeStack


class Watched:
    """A stack and everything that was read of it so far."""

    def __init__(self, stack: FakeStack) -> None:
        self.stack = stack
        self.deliveries = Deliveries()
        self.logs = LogFiles(stack.logs_folder)

    def rows(self, dead: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        self.deliveries.take_requests(self.stack.received)
        self.deliveries.take_lines(self.logs.new_lines())
        return [shown(one, "local-1", dead) for one in self.deliveries.all()]

    def row(self, **given: Any) -> dict[str, Any]:
        rows = self.rows(**given)
        assert len(rows) == 1, rows
        return rows[0]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(FakeStack(tmp_path))


def test_a_delivery_waits_until_a_process_function_speaks_of_it(watched: Watched) -> None:
    watched.stack.stored("d1")
    assert (watched.row()["label"], watched.row()["took"]) == ("Waiting", None)

    watched.stack.applied("d1", at=NOON + 1.5, written=1)
    row = watched.row()
    assert (row["state"], row["label"]) == ("done", "Written")
    assert row["reason"] == "Repository: 1 entity, after asking Bitbucket"
    assert row["took"] == pytest.approx(1.5)
    assert (row["id"], row["event"], row["attempts"]) == ("d1", "repo:push", 1)


def test_time_taken_ends_with_the_last_object_and_does_not_grow_with_a_second_copy(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", at=NOON + 1, written=1)
    watched.stack.applied("d1", at=NOON + 2, key="project#{a}#{c}", written=1)
    watched.stack.stored("d1", at=NOON + 60)
    watched.stack.applied("d1", "unchanged", at=NOON + 61, reading="none")
    row = watched.row()
    assert row["took"] == pytest.approx(2.0)
    assert (row["label"], row["attempts"], len(row["objects"])) == ("Written", 2, 2)


@pytest.mark.parametrize(
    ("result", "fields", "label", "reason"),
    [
        ("unchanged", {"reading": "payload"}, "No change", "Repository: the catalog says so already"),
        ("unchanged", {"reading": "none"}, "No change", "Repository: a later reading had it already"),
        ("stale", {"reading": "payload"}, "Outdated", "Repository: something newer is in the catalog already"),
        ("not needed", {"reading": "none"}, "Not needed", "Repository: nothing the mapping uses can have changed"),
        ("absent", {}, "Already gone", "Repository: it is neither in Bitbucket nor in the catalog"),
        ("deleting", {}, "Deleting", "Repository: what hangs below it is deleted first"),
        ("applied", {"renamed": 1}, "Renamed", "Repository: 1 entity, after asking Bitbucket"),
        ("deleted", {"deleted": 2}, "Deleted", "Repository: 2 entities, after asking Bitbucket"),
    ],
)
def test_says_why_something_was_or_was_not_written(
    watched: Watched, result: str, fields: dict[str, Any], label: str, reason: str
) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", result, **fields)
    row = watched.row()
    assert (row["label"], row["reason"]) == (label, reason)


def test_a_pull_request_is_called_by_its_number(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", key="pull-request#http://127.0.0.1:1/5#17", written=1, reading="payload")
    assert watched.row()["reason"] == "Pull request 17: 1 entity, from the event itself"


def test_problems_are_told_and_ask_for_a_look(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", problems=["the property size is not in the blueprint"], written=1)
    row = watched.row()
    assert row["state"] == "problem"
    assert "the property size is not in the blueprint" in row["reason"]


def test_a_failed_try_is_told_with_its_reason_until_a_later_one_succeeds(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.failed("d1", "tried again in 5 s: Port answered 503")
    row = watched.row()
    assert (row["state"], row["label"], row["took"]) == ("problem", "Trying again", None)
    assert (row["reason"], row["again"]) == ("Port answered 503", NOON + 1 + 5)

    watched.stack.applied("d1", at=NOON + 7, written=1)
    row = watched.row()
    assert (row["state"], row["failures"], row["took"]) == ("done", 1, pytest.approx(7.0))


def test_the_words_of_an_unexpected_exception_are_shown_and_its_trace_is_not(watched: Watched) -> None:
    watched.stack.stored("d1")
    trace = "Traceback (most recent call last):\n  File \"/opt/x.py\", line 1\nKeyError: 'links'"
    watched.stack.failed("d1", "unexpected failure, tried again", exception=trace)
    assert watched.row()["reason"] == "unexpected failure, tried again: KeyError: 'links'"


def test_what_is_given_up_is_no_longer_tried(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.failed("d1", "given up: the message is not JSON")
    row = watched.row()
    assert (row["state"], row["label"], row["reason"]) == ("failed", "Given up", "the message is not JSON")


def test_a_dead_letter_keeps_the_reason_of_its_last_try(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.failed("d1", "tried again in 600 s: Port answered 500", message_id="m1")
    row = watched.row(dead=("d1",))
    assert (row["label"], row["reason"], row["again"]) == ("Dead letter", "Port answered 500", None)
    assert watched.deliveries.failures["m1"].reason == "Port answered 500"


@pytest.mark.parametrize(
    ("outcome", "status", "label"),
    [("refused", 401, "Refused"), ("malformed", 400, "Refused"), ("unavailable", 503, "Not stored")],
)
def test_a_request_that_was_not_stored_is_shown_with_the_reason_from_the_log(
    watched: Watched, outcome: str, status: int, label: str
) -> None:
    watched.stack.answered(outcome, status, reason="because of this")
    row = watched.row()
    assert (row["label"], row["reason"], row["status"]) == (label, "because of this", status)


def test_a_request_that_reached_no_function_is_explained_by_its_status(watched: Watched) -> None:
    stack = watched.stack
    stack.answered("refused", 401, event_key="pr:opened")
    stack.received[-1:] = [type(stack.received[0])(NOON, "d1", "repo:push", "/nowhere", 404)]
    (stack.logs_folder / "PushReceive.log").unlink()
    assert watched.row()["reason"] == "the API has no such path"


def test_an_unsigned_request_cannot_speak_for_a_delivery_whose_id_it_names(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", written=1)
    watched.stack.answered("refused", 401, at=NOON + 5, reason="the signature is missing or wrong")
    watched.stack.received[-1] = type(watched.stack.received[-1])(NOON + 5, "d1", "repo:push", "/webhooks/push", 401)
    assert [row["label"] for row in watched.rows()] == ["Refused", "Written"]


def test_it_does_not_matter_whether_log_or_front_door_speaks_first(watched: Watched) -> None:
    watched.stack.answered("refused", 401, reason="the signature is missing or wrong")
    late = watched.stack.received.pop()
    assert watched.row()["label"] == "Refused"
    watched.stack.received.append(late)
    row = watched.row()
    assert (row["reason"], row["path"], row["attempts"]) == ("the signature is missing or wrong", "/webhooks/push", 1)


def test_an_ignored_event_says_so(watched: Watched) -> None:
    watched.stack.answered("ignored", 202, event_key="repo:fork")
    assert (watched.row()["label"], watched.row()["state"]) == ("Ignored", "idle")


def test_a_delivery_without_a_word_is_done_once_the_queues_were_empty_after_it(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.rows()
    watched.deliveries.nothing_waits(NOON)  # Before it was stored: means nothing for it.
    assert watched.row()["label"] == "Waiting"
    watched.deliveries.nothing_waits(NOON + 3)
    assert (watched.row()["label"], watched.row()["state"]) == ("Not needed", "idle")


def test_newest_first_and_from_the_logs_alone_after_a_restart(watched: Watched) -> None:
    watched.stack.stored("d1", at=NOON)
    watched.stack.stored("d2", at=NOON + 10)
    watched.stack.received.clear()
    assert [row["id"] for row in watched.rows()] == ["d2", "d1"]


def test_lines_are_taken_once_and_only_when_complete(watched: Watched) -> None:
    log = watched.stack.logs_folder / "PushProcess.log"
    watched.stack.stored("d1")
    watched.stack.applied("d1", written=1)
    whole = log.read_text()
    log.write_text('{"_aws":{"Timestamp":1}}\nSTART RequestId: 1\n' + whole[:60])
    assert watched.row()["label"] == "Waiting"
    with log.open("a") as file:
        file.write(whole[60:])
    assert watched.row()["reason"] == "Repository: 1 entity, after asking Bitbucket"
    assert watched.row()["reason"] == "Repository: 1 entity, after asking Bitbucket"
