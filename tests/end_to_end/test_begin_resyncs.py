"""What makes a resync begin on a deployed stack: the schedule, the clock, or somebody who asks."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from bitbucket_port.cli.main import main
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from local.aws import Moto
from local.machine import Machine
from local.page import Page
from local.page.stacks import described
from tests.end_to_end.conftest import Deploy

MINUTE, HOUR = 60.0, 3600.0


def reports(machine: Machine) -> list[JsonObject]:
    """Reports of the runs so far, the first one first."""
    stack = machine.stack
    return DynamoDBRunStore(stack.dynamodb, stack.table, clock=stack.clock.now).last_reports(50)[::-1]


def begun(machine: Machine) -> list[tuple[str, str, str]]:
    """Kind, reason and status of the runs so far."""
    machine.stack.settle()
    return [(report["kind"], report["reason"], report["status"]) for report in reports(machine)]


def ask(machine: Machine, wanted: str) -> Any:
    """What the output ResyncCommand does."""
    return machine.stack.functions["ResyncStart"].invoke({"resync": wanted})


@pytest.fixture(scope="module")
def resynced(deploy: Deploy) -> Machine:
    """A stack as it is some minutes after it was deployed."""
    machine = deploy("cloud", ScheduledResyncInterval="360", ListInterval="0")
    machine.stack.pass_time(10 * MINUTE)
    return machine


def test_the_first_tick_fills_the_catalog_and_the_next_ones_leave_it_alone(resynced: Machine) -> None:
    assert begun(resynced) == [("full", "interval", "complete")]
    assert resynced.stack.functions["ResyncStart"].invocations >= 10


def test_status_shows_the_local_stack(resynced: Machine, moto: Moto, capsys: pytest.CaptureFixture[str]) -> None:
    machine = resynced
    machine.cloud.world.create_project("PAY", "Pay")
    machine.tell(machine.cloud.world.create_repository("PAY", "payments"))
    page = Page([machine.stack], machine.port, moto.clock, machine=partial(described, [machine.stack], moto))
    url = page.start(0)
    try:
        capsys.readouterr()
        status = main(["status", "--local", url])
    finally:
        page.stop()
    told = capsys.readouterr().out

    assert "The last complete resync ended" in told
    assert "repo:created" in told
    assert "could not be read" not in told
    assert status == 0


def test_each_interval_is_kept_and_a_full_resync_lists_too(deploy: Deploy) -> None:
    machine = deploy("cloud", ScheduledResyncInterval="120", ListInterval="45")
    machine.stack.pass_time(4 * HOUR - MINUTE)

    assert [kind for kind, _, _ in begun(machine)] == ["full", "list", "list", "full", "list", "list"]
    starts = [report["started"] for report in reports(machine)]
    minutes = [round((later - starts[0]) / MINUTE) for later in starts]
    assert minutes == [0, 45, 90, 120, 165, 210]


def test_data_center_is_listed_every_quarter_of_an_hour_unless_told_otherwise(deploy: Deploy) -> None:
    machine = deploy("server", ScheduledResyncInterval="360", ListInterval="auto")
    machine.stack.pass_time(32 * MINUTE)

    assert [kind for kind, _, _ in begun(machine)] == ["full", "list", "list"]


def test_with_both_intervals_off_only_who_asks_gets_a_resync(deploy: Deploy) -> None:
    machine = deploy("cloud", ScheduledResyncInterval="0", ListInterval="0")
    machine.stack.pass_time(HOUR)
    assert machine.stack.functions["ResyncStart"].invocations == 0

    answer = ask(machine, "full")

    assert (answer["did"], answer["kind"]) == ("began", "full")
    assert begun(machine) == [("full", "asked for", "complete")]
    assert ask(machine, "list")["kind"] == "list"
    assert begun(machine)[1:] == [("list", "asked for", "complete")]


def test_asked_for_twice_during_a_run_one_follows(deploy: Deploy) -> None:
    machine = deploy("cloud", ScheduledResyncInterval="1440", ListInterval="0")
    machine.stack.pass_time(10 * MINUTE)
    assert len(begun(machine)) == 1

    machine.bitbucket.fail_next(3, 429, lambda request: request.path.endswith("/repositories/acme"))
    answers = [ask(machine, wanted) for wanted in ("full", "list", "full")]
    machine.stack.pass_time(20 * MINUTE)

    assert answers[0]["did"] == "began"
    assert begun(machine)[1:] == [("full", "asked for", "complete")] * 2


def test_bitbucket_that_may_not_be_asked_is_not(deploy: Deploy) -> None:
    machine = deploy("server", BitbucketApi="none", BitbucketToken="-", ListInterval="15")
    machine.stack.pass_time(HOUR)
    assert machine.stack.functions["ResyncStart"].invocations == 0

    assert ask(machine, "full")["did"] == "nothing"
    assert begun(machine) == []
