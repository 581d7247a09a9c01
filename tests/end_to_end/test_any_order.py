"""Same answer, any order: deliveries shuffled, doubled and handled side by side end where one in-order run ends."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.machine import Machine, TimeOfDay
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request
from tests.exhaustive import EXHAUSTIVE

REPOSITORIES = 5
ONE_REPOSITORY = {("cloud", "none"), ("server", "full")}
"""The product and mode of which fewer pull requests stand for all, unless everything is tried."""
PULL_REQUESTS_EACH = 10
AT_ONCE = 8
APART = {"full": 0.001, "none": 1.0}
"""Seconds between two changes, at least: a Data Center's payloads tell their time to the second, and without the API
nothing else tells which of two reviews was the later one."""


class Happened:
    """Fifty pull requests' lives, ten events each; nothing of it was delivered yet."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.world: Any = machine.bitbucket.world
        self.pulls: list[Any] = []
        self.webhooks: list[Webhook] = []
        self.reviewers = [self._person(number) for number in range(3)]
        self.world.create_project("PAY", "Payments")

    def repository(self, number: int) -> list[Webhook]:
        made = list(self.world.create_repository("PAY", f"service-{number}", readme="# Service\n"))
        # Data Center tells nobody of a new repository: the first push does.
        name = f"service-{number}" if self.machine.product == "cloud" else f"PAY/service-{number}"
        made += list(self.world.push(name, "main", {"a.txt": str(number)}))
        for index in range(PULL_REQUESTS_EACH):
            self._pull_request(name, index)
        return made

    def _pull_request(self, repository: str, index: int) -> None:
        first, second, third = self.reviewers
        events = self.world.open_pull_request(
            repository, f"branch-{index}", title=f"Change {index}", reviewers=self.reviewers
        )
        pull = events.subject
        self.pulls.append(pull)
        ask = self.world.request_changes if self.machine.product == "cloud" else self.world.needs_work
        self._told(events)
        self._told(self.world.approve(pull, first))
        self._told(self.world.unapprove(pull, first))
        self._told(self.world.approve(pull, first))
        if index % 3 == 0:
            self._told(self.world.update_pull_request(pull, title=f"Another title {index}"))
        for person in (second, third, first):
            self._told(ask(pull, person))
        if index % 3 == 0:
            self._told(self.world.comment(pull, second, "Please look again."))
        self._told(self.world.approve(pull, second))
        if index % 3 == 1:
            self._told(self._only_pull_request(self.world.merge(pull)))
        if index % 3 == 2:
            self._told(self._only_pull_request(self.world.decline(pull)))

    def _told(self, events: list[Webhook]) -> None:
        (webhook,) = events
        self.webhooks.append(webhook)

    def _only_pull_request(self, events: list[Webhook]) -> list[Webhook]:
        return [event for event in events if not event.event_key.startswith("repo:")]

    def _person(self, number: int) -> Any:
        if self.machine.product == "cloud":
            return self.world.create_user(f"Reviewer {number}")
        return self.world.create_user(f"reviewer{number}")


@pytest.mark.parametrize("api", ["full", "none"])
@pytest.mark.parametrize("product", ["cloud", "server"])
def test_shuffled_doubled_and_concurrent_deliveries_end_in_the_catalog_of_one_in_order_run(
    deploy: Deploy, product: str, api: str
) -> None:
    machine: Machine = deploy(product, BitbucketApi=api, **({"BitbucketToken": "-"} if api == "none" else {}))
    machine.bitbucket.world.now = TimeOfDay(machine.stack.clock, step=APART[api])
    happened = Happened(machine)
    few = (product, api) in ONE_REPOSITORY and not EXHAUSTIVE
    for number in range(1 if few else REPOSITORIES):
        machine.tell(happened.repository(number))
    assert len(happened.pulls) == (10 if few else 50)
    deliveries = happened.webhooks * 2
    random.Random(20261121).shuffle(deliveries)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        statuses = list(threads.map(lambda webhook: machine.send([webhook])[0], deliveries))
    assert set(statuses) == {202}
    machine.stack.settle(timeout=240)
    held = {key for key in machine.port.catalog() if key[0].endswith("PullRequest")}
    assert len(held) == len(happened.pulls)
    for pull in happened.pulls:
        assert_in_port(machine, entity_of(machine, "pull-request", pull_request(machine, pull)))
    assert not any(depth for name, depth in machine.stack.depths().items() if "DeadLetters" in name)
