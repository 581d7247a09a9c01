"""Event source mappings as Lambda works them off, and settling as the clock jumps from one due moment to the next."""

from __future__ import annotations

import json
import time

import pytest

from tests.local_stack.conftest import Make
from tests.local_stack.small_stack import function, resources, said, send, stack


def test_messages_come_in_batches_of_the_size_in_the_template(make: Make) -> None:
    given = resources()
    given["Mapping"]["Properties"] |= {"BatchSize": 3, "Enabled": False}
    waiting = make(given)
    send(waiting, *({"number": number} for number in range(5)))
    waiting.settle()
    assert waiting.depths()["Queue"] == 5  # Nobody reads it.
    given["Mapping"]["Properties"] |= {"Enabled": True, "ScalingConfig": {"MaximumConcurrency": 2}}
    reading = stack(waiting._moto, given)
    try:
        reading.create()
        send(reading, *({"number": number} for number in range(5)))
        reading.start()
        reading.settle()
        assert sorted(len(batch) for batch in said(reading, "Worker", "batch")) == [2, 3]
    finally:
        reading.stop()


def test_only_what_the_function_names_comes_back_and_goes_to_the_dead_letters_in_the_end(make: Make) -> None:
    given = resources()
    given["Mapping"]["Properties"]["BatchSize"] = 2
    deployed = make(given)
    began = deployed.clock.now()
    send(deployed, {"do": "give back"}, {"do": "nothing"})
    deployed.settle()
    batches = said(deployed, "Worker", "batch")
    assert sum(batch.count({"do": "nothing"}) for batch in batches) == 1
    assert sum(batch.count({"do": "give back"}) for batch in batches) == 3
    # The clock was put forward by two visibility timeouts; nobody waited for them.
    assert deployed.clock.now() - began >= 360
    assert [json.loads(dead["body"]) for dead in deployed.dead_letters()["DeadLetters"]] == [{"do": "give back"}]


@pytest.mark.parametrize("order", ["raise", "name another"])
def test_a_batch_fails_as_a_whole_when_the_function_raises_or_talks_nonsense(make: Make, order: str) -> None:
    deployed = make(resources())
    send(deployed, {"do": order})
    deployed.settle()
    assert said(deployed, "Worker", "batch") == [[{"do": order}]] * 3
    assert len(deployed.dead_letters()["DeadLetters"]) == 1


def test_without_partial_failures_what_a_function_answers_does_not_count(make: Make) -> None:
    given = resources()
    del given["Mapping"]["Properties"]["FunctionResponseTypes"]
    deployed = make(given)
    send(deployed, {"do": "give back"})
    deployed.settle()
    assert said(deployed, "Worker", "batch") == [[{"do": "give back"}]]
    assert not any(deployed.depths().values())


def test_a_message_waits_for_its_visibility_timeout_before_it_is_tried_again(make: Make) -> None:
    given = resources()
    given["Queue"]["Properties"]["VisibilityTimeout"] = 600
    deployed = make(given)
    send(deployed, {"do": "raise"})
    deployed.settle()
    first, second, third = said(deployed, "Worker", "at")
    # The timeout begins when the message is taken, a cold start before the function says so.
    assert second - first > 590
    assert third - second > 590


def test_a_delayed_message_is_not_early(make: Make) -> None:
    given = resources()
    given["Queue"]["Properties"]["DelaySeconds"] = 300
    deployed = make(given)
    began = deployed.clock.now()
    send(deployed, {"do": "nothing"})
    deployed.settle()
    (at,) = said(deployed, "Worker", "at")
    assert at >= began + 300


def test_settling_names_what_is_left_when_the_simulated_time_given_is_over(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "raise"})
    with pytest.raises(TimeoutError, match=r"messages \{'Queue': 1\}"):
        deployed.settle(within=100)
    deployed.settle(within=600)


def test_time_passes_with_everything_done_that_falls_due(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "raise"})
    began = deployed.clock.now()
    deployed.pass_time(200)
    assert 200 <= deployed.clock.now() - began < 300
    assert len(said(deployed, "Worker", "batch")) == 2


def test_nobody_waits_for_a_function_that_only_sleeps(make: Make) -> None:
    given = resources()
    given["Worker"] = function("WorkerRole", Timeout=900)
    given["Queue"]["Properties"]["VisibilityTimeout"] = 5400
    deployed = make(given)
    began, really_began = deployed.clock.now(), time.monotonic()
    send(deployed, *({"do": "sleep", "seconds": 600 + number} for number in range(5)))
    deployed.settle()
    # Two at once: the third of them ends last, after three sleeps.
    assert 1800 <= deployed.clock.now() - began < 1900
    assert len(said(deployed, "Worker", "batch")) == 5
    assert not any(deployed.depths().values())
    assert time.monotonic() - really_began < 600


def test_a_function_that_sleeps_longer_than_it_may_is_stopped_without_waiting_for_it(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "sleep", "seconds": 1000})
    deployed.settle()
    assert len(said(deployed, "Worker", "batch")) == 3
    assert len(deployed.dead_letters()["DeadLetters"]) == 1
