"""What a live event costs, counted by Bitbucket and Port themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from local.machine import Machine
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request


@dataclass
class Cost:
    """Requests that some webhooks led to."""

    bitbucket: int
    port: int


def cost(machine: Machine, webhooks: Sequence[Webhook]) -> Cost:
    bitbucket, port = len(machine.bitbucket.requests), len(machine.port.calls())
    machine.tell(webhooks)
    return Cost(len(machine.bitbucket.requests) - bitbucket, len(machine.port.calls()) - port)


@pytest.fixture(scope="module", params=["cloud", "server"])
def machine(request: pytest.FixtureRequest, deploy: Deploy) -> Machine:
    made: Machine = deploy(request.param)
    world: Any = made.bitbucket.world
    world.create_project("PAY", "Payments")
    made.tell(world.create_repository("PAY", "ledger", readme="# Ledger\n"))
    made.tell(world.push(name(made, "ledger"), "main", {"a.txt": "a"}))
    return made


def name(machine: Machine, slug: str) -> str:
    return slug if machine.product == "cloud" else f"PAY/{slug}"


def opened(machine: Machine, branch: str) -> tuple[Any, Any, Sequence[Webhook]]:
    world: Any = machine.bitbucket.world
    person = (
        world.create_user("Noor Haddad")
        if machine.product == "cloud"
        else world.create_user(f"noor-{branch}", "Noor Haddad")
    )
    events = world.open_pull_request(name(machine, "ledger"), branch, title=branch, reviewers=[person])
    return events.subject, person, events


def test_a_pull_request_event_of_a_known_repository_costs_bitbucket_nothing_and_port_one_request(
    machine: Machine,
) -> None:
    pull, _person, events = opened(machine, "one")
    world: Any = machine.bitbucket.world
    assert cost(machine, events) == Cost(bitbucket=0, port=1)
    assert cost(machine, world.update_pull_request(pull, title="Another title")) == Cost(bitbucket=0, port=1)
    assert cost(machine, [event for event in world.merge(pull) if event.event_key.startswith("p")]) == Cost(0, 1)
    assert_in_port(machine, entity_of(machine, "pull-request", pull_request(machine, pull)))


def test_an_event_that_changes_nothing_costs_port_nothing(machine: Machine) -> None:
    _, _, events = opened(machine, "two")
    machine.tell(events)
    assert cost(machine, events) == Cost(0, 0)


def test_a_review_that_leaves_the_version_as_it_was_costs_at_most_one_read(machine: Machine) -> None:
    pull, person, events = opened(machine, "three")
    world: Any = machine.bitbucket.world
    machine.tell(events)
    spent = cost(machine, world.approve(pull, person))
    assert spent.port == 1
    assert spent.bitbucket <= 1
    assert_in_port(machine, entity_of(machine, "pull-request", pull_request(machine, pull)))


def test_a_push_beside_the_main_branch_costs_nothing_where_nothing_mapped_can_change(server_machine: Machine) -> None:
    world = server_machine.server.world
    assert cost(server_machine, world.push("PAY/ledger", "main", {"b.txt": "b"})) == Cost(0, 0)


@pytest.fixture
def server_machine(machine: Machine) -> Machine:
    if machine.product != "server":
        pytest.skip("Cloud's updated_on moves with every push")
    return machine


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_in_webhook_only_mode_bitbucket_sees_no_request_at_all(deploy: Deploy, product: str) -> None:
    machine: Machine = deploy(product, BitbucketApi="none", BitbucketToken="-")
    world: Any = machine.bitbucket.world
    world.create_project("PAY", "Payments")
    steps: list[Callable[[], Sequence[Webhook]]] = [
        lambda: world.create_repository("PAY", "ledger", readme="# Ledger\n"),
        lambda: world.push(name(machine, "ledger"), "main", {"a.txt": "a"}),
        lambda: opened(machine, "blind")[2],
        lambda: world.rename_repository(name(machine, "ledger"), "books"),
    ]
    for step in steps:
        machine.tell(step())
    assert machine.bitbucket.requests == []
    assert any(blueprint.endswith("PullRequest") for blueprint, _ in machine.port.catalog())
