"""Threads that carry jobs out, and what ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bitbucket_port.cli.engine import MOST_FAULTS, Engine, backoff
from bitbucket_port.cli.queue import JobQueue
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.resync.worker import MOST_RECEIVES


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def skip(self, seconds: float) -> None:
        self.now += seconds


class Place:
    """A workplace that does what it is told."""

    def __init__(self, handle: Callable[[str, int], None]) -> None:
        self._handle = handle
        self.handled: list[tuple[str, int]] = []
        self.hurried = threading.Event()

    def enter(self) -> None:
        """Nobody asks."""

    def handle(self, message: str, receives: int, *, seconds: float) -> None:
        self.handled.append((message, receives))
        self._handle(message, receives)

    def hurry(self) -> None:
        self.hurried.set()


class Watching:
    def __init__(self) -> None:
        self.done_messages: list[str] = []
        self.waited: list[tuple[str, float]] = []

    def done(self, message: str) -> None:
        self.done_messages.append(message)

    def waits(self, reason: str, seconds: float) -> None:
        self.waited.append((reason, seconds))


def queue_of(*messages: str) -> tuple[JobQueue, Time]:
    time = Time()
    queue = JobQueue(time, skip=time.skip)
    queue.send(messages)
    return queue, time


def failing(error: Exception, times: int) -> Callable[[str, int], None]:
    def handle(message: str, receives: int) -> None:
        if receives <= times:
            raise error

    return handle


def test_all_jobs_are_done() -> None:
    queue, _ = queue_of("one", "two", "three")
    places, watching = [Place(failing(ValueError(), 0)) for _ in range(2)], Watching()
    assert Engine(queue, places, watching).run().why == "done"
    assert sorted(watching.done_messages) == ["one", "three", "two"]


def test_a_job_that_is_throttled_comes_again_when_its_time_has_come() -> None:
    queue, time = queue_of("job")
    watching = Watching()
    error = TransientError("the limit is reached", retry_after=7200.0)
    assert Engine(queue, [Place(failing(error, 1))], watching).run().why == "done"
    assert time.now == 1000.0 + 7200.0
    assert watching.waited == [("the limit is reached", 7200.0)]


def test_pauses_after_failures_grow_up_to_a_minute() -> None:
    assert [backoff(receives) for receives in (1, 2, 3, 4, 5, 6, 60)] == [5, 10, 20, 40, 60, 60, 60]
    queue, time = queue_of("job")
    Engine(queue, [Place(failing(TransientError("no answer"), 3))], Watching()).run()
    assert time.now == 1000.0 + 5 + 10 + 20


@pytest.mark.parametrize("error", [CredentialsRefusedError("refused (401)"), SettingsError("refused (401)")])
def test_what_nobody_can_mend_ends_everything_at_once(error: BitbucketPortError) -> None:
    queue, time = queue_of("one", "two")
    place = Place(failing(error, 100))
    ending = Engine(queue, [place], Watching()).run()
    assert (ending.why, ending.reason) == ("given up", "refused (401)")
    assert place.handled == [("one", 1)]
    assert time.now == 1000.0


def test_what_is_no_job_is_passed_over() -> None:
    queue, _ = queue_of("nonsense")
    assert Engine(queue, [Place(failing(PermanentError("no job"), 100))], Watching()).run().why == "done"


def test_a_fault_of_ours_costs_one_job_which_the_run_gives_up() -> None:
    """The worker gives a job up that was received too often: that is how it is reported."""
    queue, _ = queue_of("job")
    place = Place(failing(ValueError("a fault"), MOST_FAULTS))
    assert Engine(queue, [place], Watching()).run().why == "done"
    assert [receives for _, receives in place.handled] == [1, 2, 3, MOST_RECEIVES + 1]


def test_a_fault_that_giving_up_does_not_help_ends_everything() -> None:
    queue, _ = queue_of("job", "other")
    ending = Engine(queue, [Place(failing(ValueError("a fault"), 10_000))], Watching()).run()
    assert ending.why == "given up"


def test_the_time_limit_stops_work_that_is_going_on() -> None:
    queue, _ = queue_of("job", "never begun")
    place = Place(lambda message, receives: None)
    place._handle = lambda message, receives: _until(place.hurried)
    ending = Engine(queue, [place], Watching(), seconds=0.3).run()
    assert ending.why == "time limit"
    assert place.handled == [("job", 1)]


def _until(event: threading.Event) -> None:
    assert event.wait(30)
