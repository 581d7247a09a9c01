"""Something is written by its old name while what is above it gets a new one: nothing of the old name is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.machine import Machine, Product
from local.standins.http import Answer, Exchange
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.right_catalog import differences, right_catalog, shown_catalog
from tests.end_to_end.stories import Stage, Story
from tests.end_to_end.watching import until

LONGEST_SECONDS = 9.0
"""Real: a little less than the client waits for Port's answer."""


@contextmanager
def keeping_back(machine: Machine, path: str) -> Iterator[threading.Event]:
    """Keep the first write of entities below this path from being carried out, until the block ends.

    Gives the event that says that it came.
    """
    came, free = threading.Event(), threading.Event()

    def tap(exchange: Exchange) -> Answer:
        if exchange.request.method == "POST" and exchange.request.path.startswith(path) and not came.is_set():
            came.set()
            free.wait(LONGEST_SECONDS)
        return exchange.carry_out()

    machine.port.tap = tap
    try:
        yield came
    finally:
        free.set()
        machine.stack.settle()
        machine.port.tap = None


def rename(stage: Stage) -> list[Any]:
    """Another name of what the repository's name is made of; what Bitbucket tells of it."""
    if stage.cloud:
        return list(stage.world.rename_repository(stage.repositories[0], stage.name("renamed")))
    return list(stage.world.change_project(stage.project, key=stage.key("B")))


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_pull_request_that_is_written_meanwhile_leaves_no_repository_of_the_old_name(
    deploy: Deploy, product: Product
) -> None:
    machine = deploy(product)
    stage = Stage(machine, 1)
    machine.tell(stage.prepare(Story("renamed meanwhile", lambda _: iter(()), pulls=1)))
    blueprints = f"/v1/blueprints/bitbucket{product.title()}"
    before = set(machine.port.entities(f"bitbucket{product.title()}Repository"))
    told, renamed = list(stage.retitle("Second")), rename(stage)
    with keeping_back(machine, f"{blueprints}PullRequest/entities") as came:
        machine.send(told)
        assert came.wait(60)
        machine.send(renamed)
        until(lambda: not before & set(machine.port.entities(f"bitbucket{product.title()}Repository")))
    assert differences(right_catalog(machine), shown_catalog(machine)) == []
