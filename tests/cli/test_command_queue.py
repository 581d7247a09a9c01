"""The queue of a single process."""

from __future__ import annotations

import threading

from bitbucket_port.cli.queue import JobQueue


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def skip(self, seconds: float) -> None:
        self.now += seconds


def test_messages_come_in_order_and_delayed_ones_when_they_are_due() -> None:
    time = Time()
    queue = JobQueue(time, skip=time.skip)
    queue.send(["late"], 60)
    queue.send(["first", "second"])
    told = []
    while message := queue.take():
        told.append((message.text, time.now))
        queue.done(message)
    assert told == [("first", 1000.0), ("second", 1000.0), ("late", 1060.0)]


def test_a_message_that_comes_again_counts_its_receives() -> None:
    time = Time()
    queue = JobQueue(time, skip=time.skip)
    queue.send(["job"])
    receives = []
    while message := queue.take():
        receives.append(message.receives)
        if message.receives < 3:
            queue.again(message, 5.0)
        else:
            queue.done(message)
    assert receives == [1, 2, 3]
    assert time.now == 1010.0


def test_nobody_leaves_while_somebody_works_who_may_order_more() -> None:
    queue = JobQueue(Time())
    queue.send(["parent"])
    parent = queue.take()
    assert parent is not None
    found: list[str] = []

    def wait() -> None:
        while message := queue.take():
            found.append(message.text)
            queue.done(message)

    thread = threading.Thread(target=wait)
    thread.start()
    queue.send(["child"])
    queue.done(parent)
    thread.join(10)
    assert not thread.is_alive()
    assert found == ["child"]


def test_a_stopped_queue_hands_nothing_out() -> None:
    queue = JobQueue(Time())
    queue.send(["job"])
    queue.stop()
    assert queue.take() is None
