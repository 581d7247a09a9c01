"""Data Center 10 writes the times of its webhooks as text, cut to a second; nothing may get lost by that."""

from __future__ import annotations

from local.machine import Machine
from local.standins.server.model import PullRequest
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request


def assert_right(machine: Machine, pull: PullRequest) -> None:
    assert_in_port(machine, entity_of(machine, "pull-request", pull_request(machine, pull)))


def test_reviews_in_the_second_of_the_last_update_arrive(deploy: Deploy) -> None:
    machine: Machine = deploy("server")
    world = machine.server.world
    world.style.iso_times = True
    world.create_project("PAY", "Payments")
    world.create_repository("PAY", "ledger", readme="# Ledger\n")
    machine.tell(world.push("PAY/ledger", "main", {"a.txt": "a"}))
    first, second = world.create_user("first"), world.create_user("second")
    events = world.open_pull_request("PAY/ledger", "topic", reviewers=[first, second])
    pull = events.subject
    machine.tell(events)
    machine.tell(world.approve(pull, first))
    assert_right(machine, pull)
    machine.tell(world.needs_work(pull, second))
    assert_right(machine, pull)
    machine.tell(world.unapprove(pull, first))
    assert_right(machine, pull)
    machine.tell(world.update_pull_request(pull, title="Another title"))
    assert_right(machine, pull)
    machine.tell(world.approve(pull, second))
    assert_right(machine, pull)
    machine.tell(world.merge(pull))
    assert_right(machine, pull)
