"""The headline: the worst there is to say, and nothing that is no longer so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.page.view import View
from tests.page.fakes import NOON, FakeStack, StoppedClock


class Watched:
    def __init__(self, folder: Path) -> None:
        self.stack = FakeStack(folder)
        self.view = View([self.stack], None, StoppedClock())

    def overview(self) -> dict[str, Any]:
        return self.view.read()["overview"]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.fixture(autouse=True)
def queues_are_always_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.page.view.QUEUES_EVERY", 0.0)


def test_tells_where_the_first_webhook_has_to_go(watched: Watched) -> None:
    overview = watched.overview()
    assert overview["level"] == "empty"
    assert "http://127.0.0.1:3000/webhooks (Bitbucket Cloud)" in overview["detail"]


def test_a_problem_is_told_until_the_same_object_comes_through_without_one(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", problems=["no such property"], written=1)
    overview = watched.overview()
    assert (overview["level"], overview["headline"]) == ("attention", "Up to date, with 1 problem to look at")
    assert overview["detail"] == "no such property"

    watched.stack.stored("d2", at=NOON + 10)
    watched.stack.applied("d2", at=NOON + 11, key="repository#{a}#{other}", written=1)
    assert watched.overview()["level"] == "attention"
    watched.stack.stored("d3", at=NOON + 20)
    watched.stack.applied("d3", at=NOON + 21, written=1)
    assert watched.overview()["level"] == "ok"


def test_what_was_given_up_stays_a_problem(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.failed("d1", "given up: the message is not JSON")
    watched.stack.stored("d2", at=NOON + 10)
    watched.stack.applied("d2", written=1)
    assert watched.overview()["detail"] == "the message is not JSON"


def test_a_dead_letter_outranks_another_try_and_that_outranks_what_waits(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.waiting = {"PushQueue": 2}
    assert watched.overview()["headline"] == "2 messages are on the way"
    watched.stack.failed("d1", "tried again in 5 s: Port answered 503", message_id="m1")
    assert watched.overview()["headline"] == "1 delivery is being tried again"
    watched.stack.bury("d1", "m1")
    overview = watched.overview()
    assert (overview["level"], overview["headline"]) == ("problem", "1 message could not be delivered")
    assert overview["detail"] == "Port answered 503"


def test_a_dead_letter_that_no_function_spoke_of_is_shown_too(watched: Watched) -> None:
    watched.stack.letters.append({"id": "m9", "body": "not JSON", "sent": NOON, "receives": 7})
    parts = watched.view.read()
    letter = parts["stack/local-1"]["letters"][0]
    assert (letter["queue"], letter["delivery"], letter["receives"]) == ("Push", None, 7)
    assert letter["reason"] == "no try of it left a word in the logs"


def test_a_refused_request_is_no_reason_to_doubt_the_catalog(watched: Watched) -> None:
    watched.stack.stored("d1")
    watched.stack.applied("d1", written=1)
    watched.stack.answered("refused", 401, at=NOON + 5, reason="the signature is missing or wrong")
    assert watched.overview()["level"] == "ok"


@pytest.mark.parametrize(("scale", "simulated"), [(1.0, False), (60.0, True)])
def test_says_when_the_machines_time_is_not_ours(tmp_path: Path, scale: float, simulated: bool) -> None:
    import time

    view = View([FakeStack(tmp_path)], None, StoppedClock(time.time(), scale))
    assert view.read()["clock"]["simulated"] is simulated
