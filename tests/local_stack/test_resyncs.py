"""A stack's resyncs seen from outside, and the timer that begins them, over a ledger as the functions keep it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.store import Request, Run, RunKind
from local.clock import Clock
from local.functions import FunctionError
from local.resyncs import RUNNING, WEBHOOK_ONLY, Due, RefusedError, Resyncs, Timer
from local.stack import Stack
from tests.catalog.ledgers import new_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HOUR = 3600.0
SETTINGS = {
    "BITBUCKET_WORKSPACE": "acme",
    "BITBUCKET_TOKEN_SECRET_ARN": "token",
    "PORT_CLIENT_ID": "client",
    "PORT_CLIENT_SECRET_SECRET_ARN": "secret",
    "LEDGER_TABLE": "ledger",
    "RESYNC_JOBS_QUEUE_URL": "queue",
}


class StartFunction:
    """A ``ResyncStart`` that begins a run when it is asked to, and on a tick what ``due`` says."""

    def __init__(self, store: DynamoDBRunStore, clock: Clock, environment: dict[str, str]) -> None:
        self._store, self._clock = store, clock
        self.environment = environment
        self.due = False
        self.events: list[JsonObject] = []
        self.error: FunctionError | None = None
        self.enter, self.leave = threading.Event(), threading.Event()
        self.leave.set()

    def invoke(self, event: JsonObject) -> JsonObject:
        self.events.append(event)
        self.enter.set()
        assert self.leave.wait(20)
        if self.error:
            raise self.error
        if not (event or self.due):
            return {"did": "nothing"}
        began = self._store.begin(run("full", self._clock.now()), [])
        return {"did": "began" if began else "goes on"}


class Small:
    """A stack that has only what resyncs need."""

    def __init__(self, dynamodb: DynamoDBClient, folder: Path) -> None:
        self.clock = Clock(folder / "clock")
        self.table = new_table(dynamodb)
        self.store = DynamoDBRunStore(dynamodb, self.table, clock=self.clock.now)
        self.function = StartFunction(self.store, self.clock, dict(SETTINGS))
        self.nudged = 0
        self._dynamodb = dynamodb

    def resyncs(self, *, every: float = 0.0) -> Resyncs:
        stack = SimpleNamespace(
            product="cloud",
            clock=self.clock,
            dynamodb=self._dynamodb,
            table=self.table,
            functions={"ResyncStart": self.function},
            nudge=self._nudge,
        )
        return Resyncs(cast("Stack", stack), every=every)

    def _nudge(self) -> None:
        self.nudged += 1

    def ran(self, kind: RunKind, started: float, **report: Any) -> None:
        """A run that is over."""
        done = run(kind, started)
        assert self.store.begin(done, [])
        assert self.store.close(done.id, "complete", {"kind": kind, "started": started, **report}, started + 1)


def run(kind: RunKind, started: float) -> Run:
    return Run(f"{started:.0f}-{kind}", kind, 1, "listing", "hash", started, "asked for", started + HOUR)


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb", "eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def small(dynamodb: DynamoDBClient, tmp_path: Path) -> Small:
    return Small(dynamodb, tmp_path)


# --- what there is to see --------------------------------------------------------------------------------------------


def test_before_the_first_one_there_is_nothing_but_the_possibility(small: Small) -> None:
    look = small.resyncs().look()

    assert (look.run, look.jobs, look.so_far, look.last, look.due, look.refusal) == (None, 0, None, None, None, "")


def test_a_run_is_seen_with_its_open_jobs_and_what_its_jobs_counted(small: Small) -> None:
    going = run("full", small.clock.now())
    small.store.begin(going, [("a", "{}"), ("b", "{}"), ("c", "{}")])
    small.store.done(going.id, "a", {"kinds": {"project": {"listed": 2}}})
    small.store.done(going.id, "b", {"kinds": {"project": {"listed": 3}, "user": {"listed": 1}}})
    small.store.put_jobs(going.id, [("d", "{}")])
    small.store.request(Request("full", "asked for", small.clock.now()))

    look = small.resyncs().look()

    assert look.run is not None
    assert (look.run.id, look.run.phase, look.jobs, look.requested) == (going.id, "listing", 2, True)
    assert look.so_far is not None
    assert look.so_far["kinds"] == {"project": {"listed": 5}, "user": {"listed": 1}}
    assert look.refusal == RUNNING


def test_more_jobs_than_an_answer_of_dynamodb_holds_are_all_counted(small: Small) -> None:
    going = run("full", small.clock.now())
    small.store.begin(going, [])
    small.store.put_jobs(going.id, [(f"job {number}", "x" * 30_000) for number in range(60)])  # An answer: 1 MB.

    assert small.resyncs().look().jobs == 60


def test_the_last_report_and_the_last_full_one_are_told_apart(small: Small) -> None:
    now = small.clock.now()
    small.ran("full", now - 3 * HOUR, found="everything")
    small.ran("list", now - 2 * HOUR)
    small.ran("list", now - HOUR, found="little")

    look = small.resyncs().look()

    assert look.last is not None
    assert look.last_full is not None
    assert (look.last["found"], look.last_full["found"]) == ("little", "everything")


@pytest.mark.parametrize(
    ("full", "lists", "every", "due"),
    [
        ("auto", "auto", 0.0, Due(HOUR, "list")),
        ("30", "auto", 0.0, Due(HOUR / 2, "full")),
        ("60", "60", 0.0, Due(HOUR, "full")),
        ("360", "0", 0.0, Due(6 * HOUR, "full")),
        ("0", "0", 90.0, Due(90.0, "full")),
        ("360", "60", 90.0, Due(90.0, "full")),
        ("0", "0", 0.0, None),
    ],
)
def test_the_next_one_is_the_first_that_any_interval_wants(
    small: Small, full: str, lists: str, every: float, due: Due | None
) -> None:
    small.function.environment |= {"SCHEDULED_RESYNC_INTERVAL": full, "LIST_INTERVAL": lists}
    began = round(small.clock.now())
    small.ran("full", began)

    found = small.resyncs(every=every).look().due

    assert found == (due and Due(began + due.at, due.kind))


# --- another one -----------------------------------------------------------------------------------------------------


def test_one_that_is_started_is_asked_for_in_full_and_its_queue_looked_at_soon(small: Small) -> None:
    small.resyncs().start("somebody")

    assert small.function.events == [{"resync": "full", "reason": "somebody"}]
    assert small.nudged == 1


def test_none_is_started_while_one_goes_on(small: Small) -> None:
    small.store.begin(run("list", small.clock.now()), [])

    with pytest.raises(RefusedError, match=RUNNING):
        small.resyncs().start("somebody")

    assert small.function.events == []


def test_two_who_start_one_at_once_start_one(small: Small) -> None:
    resyncs = small.resyncs()
    small.function.leave.clear()
    first = threading.Thread(target=resyncs.start, args=("first",))
    first.start()
    assert small.function.enter.wait(20)

    with pytest.raises(RefusedError, match=RUNNING):
        resyncs.start("second")

    small.function.leave.set()
    first.join(20)
    assert [event["reason"] for event in small.function.events] == ["first"]


def test_a_function_that_fails_is_a_refusal_with_its_reason_and_no_obstacle_to_the_next(small: Small) -> None:
    small.function.error = FunctionError("no execution left")
    resyncs = small.resyncs()

    with pytest.raises(RefusedError, match="ResyncStart failed: no execution left"):
        resyncs.start("somebody")

    small.function.error = None
    resyncs.start("somebody")
    assert resyncs.look().run is not None


def test_without_leave_to_ask_bitbucket_none_begins(small: Small) -> None:
    small.function.environment["BITBUCKET_API"] = "none"
    resyncs = small.resyncs(every=60.0)

    assert (resyncs.look().refusal, resyncs.look().due) == (WEBHOOK_ONLY, None)
    with pytest.raises(RefusedError, match="BITBUCKET_API"):
        resyncs.start("somebody")
    with pytest.raises(RefusedError, match="BITBUCKET_API"):
        resyncs.begin("somebody", always=True)
    assert small.function.events == []


@pytest.mark.parametrize("always", [True, False])
def test_what_is_due_begins_as_by_the_schedule(small: Small, always: bool) -> None:
    small.function.due = True

    assert small.resyncs().begin("somebody", always=always)

    assert small.function.events == [{}]


def test_where_nothing_is_due_one_begins_only_if_it_has_to(small: Small) -> None:
    assert not small.resyncs().begin("somebody", always=False)
    assert small.resyncs().begin("somebody", always=True)

    assert small.function.events == [{}, {}, {"resync": "full", "reason": "somebody"}]


# --- again and again -------------------------------------------------------------------------------------------------


def until(happened: Any) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def timed(small: Small, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """With a timer of an hour."""
    monkeypatch.setattr("local.resyncs.LOOK_EVERY", 0.01)
    timer = Timer([small.resyncs(every=HOUR)], small.clock)
    timer.start()
    yield small
    timer.stop()


def end(small: Small) -> None:
    """The run that goes on is over."""
    going = small.store.state().run
    assert going is not None
    small.store.close(going.id, "complete", {"kind": going.kind, "started": going.started}, small.clock.now())


def test_the_timer_begins_one_whenever_its_time_is_over(timed: Small) -> None:
    for count in (1, 2, 3):
        timed.clock.advance(HOUR)
        until(lambda wanted=count: len(timed.function.events) == wanted and timed.store.state().run)
        end(timed)

    assert {event["resync"] for event in timed.function.events} == {"full"}


def test_the_timer_counts_from_one_that_somebody_else_began(timed: Small) -> None:
    timed.clock.advance(HOUR / 2)
    timed.ran("full", timed.clock.now())
    timed.clock.advance(HOUR / 2 + 60)
    time.sleep(0.2)
    assert timed.function.events == []

    timed.clock.advance(HOUR / 2)
    until(lambda: len(timed.function.events) == 1)


def test_the_timer_waits_for_one_that_goes_on_and_for_a_function_that_fails(timed: Small) -> None:
    timed.store.begin(run("list", timed.clock.now()), [])
    timed.clock.advance(HOUR + 1)
    time.sleep(0.2)
    assert timed.function.events == []

    timed.function.error = FunctionError("no execution left")
    end(timed)
    timed.clock.advance(10)
    until(lambda: len(timed.function.events) == 1)
    timed.function.error = None
    timed.clock.advance(10)
    until(lambda: timed.store.state().run)
    assert len(timed.function.events) == 2
