"""The stories of the protocol on a deployed stack: whatever order deliveries come in, the catalog is that of the world.

Every story is also told in order, and looked at before its last happening is delivered: the check must see that this
one is missing.
"""

from __future__ import annotations

import random
from itertools import count

import pytest

from local.machine import Machine, Product
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.right_catalog import differences, right_catalog, shown_catalog
from tests.end_to_end.stories import STORIES, Stage, Story
from tests.end_to_end.watching import no_dead_letters

NUMBERS = count(1)
PLAYED = [pytest.param(product, story, id=f"{story.name}-{product}") for story in STORIES for product in story.products]
BLIND = [
    pytest.param(product, story, id=f"{story.name}-{product}") for story in STORIES for product in story.by_payloads
]


@pytest.fixture(scope="module")
def machines(deploy: Deploy) -> dict[Product, Machine]:
    return {"cloud": deploy("cloud"), "server": deploy("server")}


@pytest.fixture(scope="module")
def blind_machines(deploy: Deploy) -> dict[Product, Machine]:
    blind = {"BitbucketApi": "none", "BitbucketToken": "-"}
    return {"cloud": deploy("cloud", **blind), "server": deploy("server", **blind)}


def wrong(stage: Stage, *, reads: bool = True) -> list[str]:
    """What the catalog shows of the story and should not, or the other way round."""
    right = right_catalog(stage.machine, reads=reads, token=stage.token)
    return differences(right, shown_catalog(stage.machine, token=stage.token))


def begin(machine: Machine, story: Story, *, reads: bool = True) -> Stage:
    stage = Stage(machine, next(NUMBERS))
    machine.tell(stage.prepare(story))
    if story.repositories:
        assert wrong(stage, reads=reads) == []
    return stage


def shuffled(stage: Stage, story: Story, chance: random.Random, *, apart: float = 0.0) -> None:
    """Everything happens, ``apart`` seconds between; each delivery comes twice, amid all that or after it."""
    waiting: list[Webhook] = []
    for webhooks in story.act(stage):
        stage.machine.stack.clock.advance(apart)
        waiting += [*webhooks, *webhooks]
        chance.shuffle(waiting)
        now = chance.randrange(len(waiting) + 1) if chance.random() < 0.5 else 0
        stage.machine.send(waiting[:now])
        del waiting[:now]
    stage.machine.tell(waiting)


@pytest.mark.parametrize(("product", "story"), PLAYED)
def test_a_story_told_in_order_ends_right_and_without_its_last_delivery_it_does_not(
    machines: dict[Product, Machine], product: Product, story: Story
) -> None:
    stage = begin(machines[product], story)
    seen_too_early: list[str] = []
    for webhooks in story.act(stage):
        seen_too_early = wrong(stage)
        stage.machine.tell(webhooks)
        assert wrong(stage) == []
    assert seen_too_early != []


@pytest.mark.parametrize(("product", "story"), PLAYED)
def test_shuffled_and_doubled_deliveries_end_right(
    machines: dict[Product, Machine], product: Product, story: Story
) -> None:
    stage = begin(machines[product], story)
    shuffled(stage, story, random.Random(f"{story.name} {product}"))
    assert wrong(stage) == []


@pytest.mark.parametrize(("product", "story"), BLIND)
def test_where_payloads_tell_enough_they_end_right_without_bitbucket(
    blind_machines: dict[Product, Machine], product: Product, story: Story
) -> None:
    """Data Center tells the times of its events in whole seconds, and nobody can be asked which came first."""
    stage = begin(blind_machines[product], story, reads=False)
    shuffled(stage, story, random.Random(f"{story.name} {product}"), apart=1.0)
    assert wrong(stage, reads=False) == []


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_no_story_leaves_a_trace_in_another_or_a_dead_letter(
    machines: dict[Product, Machine], blind_machines: dict[Product, Machine], product: Product
) -> None:
    """Runs after all of them; by itself it looks at nothing, which is right as well."""
    machine, blind = machines[product], blind_machines[product]
    assert differences(right_catalog(machine), shown_catalog(machine)) == []
    assert no_dead_letters(machine)
    assert no_dead_letters(blind)
