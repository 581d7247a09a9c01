"""How many runs there are when Port requests a resync for every one of our own writes: as many as are due or wanted."""

from __future__ import annotations

import copy

import pytest

from bitbucket_port.objects import JsonObject
from tests.mapping_source.buttons import HOUR, IDENTIFIER, MINUTE, Stack
from tests.mapping_source.conftest import StartPort


def deployed(stack: Stack) -> Stack:
    """A stack after its first deployment and its first run."""
    stack.set_up()
    stack.tick()
    stack.work()
    assert [run.kind for run in stack.began] == ["full"]
    return stack


def edited(stack: Stack, title: str = ".slug") -> JsonObject:
    """The mapping as the Data sources page would save it after an edit of one title."""
    integration = stack.stand_in.integration(IDENTIFIER)
    assert integration is not None
    config: JsonObject = copy.deepcopy(integration["config"])
    config["resources"][2]["port"]["entity"]["mappings"]["title"] = title
    return config


@pytest.mark.parametrize(
    ("late", "told_counts", "documented"),
    [(0.0, True, False), (4.0, True, False), (4.0, False, False), (0.0, True, True), (4.0, True, True)],
    ids=["at once", "a moment later", "not for states", "hidden", "hidden, a moment later"],
)
def test_our_own_writes_start_no_run(start_port: StartPort, late: float, told_counts: bool, documented: bool) -> None:
    stack = Stack(start_port(late, told_counts=told_counts))
    deployed(stack)
    stack.stand_in.documented_only = documented
    while len(stack.began) < 11:
        if len(stack.began) in (3, 6):
            stack.set_up()  # The same version is deployed again.
            stack.tick()
        if len(stack.began) == 8:
            stack.version = "1.1.0"  # The upgrade's PATCH is one that Port certainly answers with a request.
        stack.set_up()
        stack.tick()
        stack.tick(after=2 * HOUR)
        stack.work()
    integration = stack.stand_in.integration(IDENTIFIER)
    assert integration is not None
    assert integration["version"] == "1.1.0"
    reasons = [run.reason for run in stack.began]
    assert reasons == ["interval"] * 11
    assert stack.now - stack.began[0].started > 10 * 6 * HOUR - MINUTE


def test_a_tick_without_news_costs_one_request(stack: Stack) -> None:
    deployed(stack)
    before = stack.requests()
    for _ in range(5):
        stack.tick()
    assert stack.requests() - before == {f"GET /v1/integration/{IDENTIFIER}/resync-request": 5}


def test_a_tick_without_news_costs_one_request_also_where_requests_are_hidden(stack: Stack) -> None:
    stack.stand_in.documented_only = True
    stack.stand_in.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=stack.mapping.packaged())
    deployed(stack)
    before = stack.requests()
    for _ in range(5):
        stack.tick()
    assert stack.requests() - before == {f"GET /v1/integration/{IDENTIFIER}": 5}


def test_the_button_starts_one_run(stack: Stack) -> None:
    deployed(stack)
    stack.stand_in.press()
    assert stack.tick().did == "began"
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "asked for in Port"]


@pytest.mark.parametrize("told_counts", [True, False])
def test_the_button_pressed_during_a_run_starts_one_after_it(start_port: StartPort, told_counts: bool) -> None:
    stack = deployed(Stack(start_port(told_counts=told_counts)))
    stack.tick(after=6 * HOUR)
    for _ in range(3):
        stack.wait(20)
        stack.stand_in.press()
        assert stack.tick().did != "began"
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "interval", "asked for in Port"]


@pytest.mark.parametrize("late", [0.0, 4.0], ids=["at once", "a moment later"])
def test_the_button_pressed_in_the_last_minute_of_a_run_is_not_covered_up_by_its_end(
    start_port: StartPort, late: float
) -> None:
    stack = deployed(Stack(start_port(late)))
    stack.tick(after=6 * HOUR)
    stack.tick()
    stack.wait(30)
    stack.stand_in.press()
    stack.wait(5)
    stack.end()
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "interval", "asked for in Port"]


def test_the_button_pressed_right_after_a_run_counts_where_port_requests_nothing_for_what_it_is_told(
    start_port: StartPort,
) -> None:
    stack = deployed(Stack(start_port(told_counts=False)))
    stack.tick(after=6 * HOUR)
    stack.tick()
    stack.end()
    stack.wait(1)
    stack.stand_in.press()
    assert stack.tick().did == "began"
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "interval", "asked for in Port"]


def test_an_edit_of_the_mapping_counts_at_once_and_starts_one_run(stack: Stack) -> None:
    deployed(stack)
    before = stack.hash()
    stack.stand_in.edit(edited(stack))
    tick = stack.tick()
    assert stack.hash() != before
    assert tick.did == "began"
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "the mapping changed"]
    assert stack.began[-1].mapping_hash == stack.hash()


def test_an_edit_in_the_last_minute_of_a_run_starts_one_run(stack: Stack) -> None:
    deployed(stack)
    stack.tick(after=6 * HOUR)
    stack.tick()
    stack.stand_in.edit(edited(stack))
    stack.end()
    stack.work()
    for _ in range(3):
        stack.tick()
    stack.work()
    assert [run.reason for run in stack.began] == ["interval", "interval", "the mapping changed"]
    assert stack.began[-1].mapping_hash == stack.hash()


def test_an_edit_starts_a_run_also_where_none_is_scheduled(start_port: StartPort) -> None:
    stack = Stack(start_port(), full=0)
    stack.set_up()
    first = stack.starter(stack.intervals).first()
    assert first.run is not None
    stack.begin(first.run)
    stack.work()
    stack.stand_in.edit(edited(stack))
    stack.tick()
    stack.work()
    assert [run.reason for run in stack.began] == ["the first deployment", "the mapping changed"]


def test_the_first_deployment_begins_one_run_however_often_it_is_repeated(stack: Stack) -> None:
    assert stack.starter(stack.intervals).first().did == "began"
    assert stack.starter(stack.intervals).first().did == "nothing"
    stack.end()
    assert stack.starter(stack.intervals).first().did == "nothing"


def test_port_being_down_stops_no_run(stack: Stack) -> None:
    deployed(stack)
    stack.stand_in.fail_next(1000, 503, "/v1/integration")
    stack.stand_in.press()
    assert stack.tick(after=6 * HOUR).did == "began"
    assert stack.warnings


def test_what_was_asked_for_before_a_stack_looked_for_the_first_time_is_answered_by_its_first_run(
    start_port: StartPort,
) -> None:
    stack = Stack(start_port())
    stack.stand_in.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=stack.mapping.packaged())
    stack.stand_in.press()
    stack.wait(MINUTE)
    deployed(stack)


def test_where_no_integration_is_registered_a_tick_says_so_and_begins_what_is_due(stack: Stack) -> None:
    (finding,) = stack.poll.look()
    assert (finding.outcome, "not registered" in finding.text) == ("warning", True)
    assert stack.starter(stack.intervals).tick().did == "began"
