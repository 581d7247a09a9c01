"""A function that dies amid its work loses nothing: in every story, at every call to the outside, the catalog is right.

The calls come from a recording of the story, so that a new one is covered without touching this file (``kills``: what
counts as a death, and which are alike). Deliveries are shuffled and come twice; those that follow a death meet what the
dead one left when its lease has run out, or, every sixth time, the lease itself (then they all wait and try again).

Every story is played with one product, the next one with the other where it has both. Of deaths that are alike one is
met alone, whichever product's story has it, and no story meets more than one; and every story has a run with a death in
each of its functions at once. With the variable EVERY_KILL set, every story of both products meets each of its own
alone, which takes an hour.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from itertools import count

import pytest

from local.aws import Moto
from local.machine import Machine, Product
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.kills import Death, Recorder
from tests.end_to_end.right_catalog import differences, right_catalog, shown_catalog
from tests.end_to_end.stories import STORIES, Stage, Story

EVERY = bool(os.environ.get("EVERY_KILL"))
PLAYED = [
    pytest.param(product, story, id=f"{story.name}-{product}")
    for number, story in enumerate(STORIES)
    for product in (story.products if EVERY else [story.products[number % len(story.products)]])
]
AT_ONCE_SECONDS = 3.0
"""How long to wait for a death before the other deliveries come."""
STEPS, STEP_SECONDS = 45, 2.0
"""How far to put the clock forward for a death that needs it: beyond a second look, in simulated seconds."""
LEASE_AND_MORE = 331.0
"""Simulated seconds after which no lease is left: a job's are the longest."""
MOST_ALONE = 1
"""Deaths met alone in one story; those that are left are met in the next stories that have them, too."""
TRIES = 3
"""A death may be missed, when functions took turns otherwise than in the recording; then the story is told again."""


class Theatre:
    """One product's stack, on which stories are played again and again; ``met`` are the deaths that were met alone."""

    def __init__(self, machine: Machine, moto: Moto, met: set[tuple[str, ...]]) -> None:
        self.machine = machine
        self.recorder = Recorder(machine, moto)
        self.outside = self.recorder.outside
        self.numbers, self.turns = count(1), count()
        self.met = met
        self.kills = 0

    def begin(self, story: Story) -> tuple[Stage, list[Webhook]]:
        """The story as it is before any delivery, and the deliveries: the same order each time."""
        stage = Stage(self.machine, next(self.numbers))
        self.machine.tell(stage.prepare(story))
        deliveries = [webhook for webhooks in story.act(stage) for webhook in webhooks] * 2
        random.Random(story.name).shuffle(deliveries)
        return stage, deliveries

    def record(self, story: Story) -> list[Death]:
        """Every different death of a story."""
        stage, deliveries = self.begin(story)
        found: list[Death] = []
        for number, delivery in enumerate(deliveries):
            self.outside.forget()
            self.machine.tell([delivery])
            found += self.recorder.deaths(number)
        assert wrong(stage) == []
        assert found
        return list({(death.function, death.changes): death for death in reversed(found)}.values())[::-1]

    def not_met(self, deaths: list[Death]) -> list[Death]:
        """One of each kind that no story had so far, as many as one story takes."""
        new = {death.kind: death for death in reversed(deaths) if death.kind not in self.met}
        chosen = random.Random(self.machine.product).sample(sorted(new), min(len(new), MOST_ALONE))
        self.met.update(chosen)
        return [new[kind] for kind in chosen]

    def play(self, story: Story, *deaths: Death) -> int:
        """Tell the story with these deaths; returns how many came about."""
        stage, deliveries = self.begin(story)
        first = min(death.delivery for death in deaths)
        for delivery in deliveries[:first]:
            self.machine.tell([delivery])
        for death in deaths:
            self.outside.fault(death.fault)
        try:
            assert set(self.machine.send(deliveries[first : first + 1])) == {202}
            self._wait(deaths[0].later)
            self.machine.stack.clock.advance(LEASE_AND_MORE if next(self.turns) % 6 else 0.0)
            self.machine.tell(deliveries[first + 1 :])
            struck = len(deaths) - len(self.outside.faults_left())
        finally:
            self.outside.clear_faults()
        assert wrong(stage) == [], f"{story.name} after {deaths}"
        self.kills += struck
        return struck

    def _wait(self, later: bool) -> None:
        """Until the deaths came about, or it is clear that they need what is still to be delivered."""
        if later:
            for _ in range(STEPS):
                if not self.outside.faults_left():
                    break
                self.machine.stack.pass_time(STEP_SECONDS)
            return
        end = time.monotonic() + AT_ONCE_SECONDS
        while self.outside.faults_left() and time.monotonic() < end:
            time.sleep(0.02)


def wrong(stage: Stage) -> list[str]:
    right = right_catalog(stage.machine, token=stage.token)
    return differences(right, shown_catalog(stage.machine, token=stage.token))


@pytest.fixture(scope="module")
def theatres(deploy: Deploy, moto: Moto) -> Iterator[dict[Product, Theatre]]:
    met: set[tuple[str, ...]] = set()
    products: tuple[Product, ...] = ("cloud", "server")
    made = {product: Theatre(deploy(product), moto, met) for product in products}
    yield made
    print({product: theatre.kills for product, theatre in made.items()})


@pytest.mark.parametrize(("product", "story"), PLAYED)
def test_a_death_anywhere_in_a_story_changes_nothing_in_the_end(
    theatres: dict[Product, Theatre], product: Product, story: Story
) -> None:
    theatre = theatres[product]
    deaths = theatre.record(story)
    alone = deaths if EVERY else theatre.not_met(deaths)
    for _ in range(TRIES):
        alone = [death for death in alone if not theatre.play(story, death)]
    assert alone == [], "these never came about"
    assert any(several(theatre, story, deaths, number) for number in range(TRIES)), "no function died"
    assert not any(theatre.machine.stack.dead_letters().values())


def several(theatre: Theatre, story: Story, deaths: list[Death], number: int) -> int:
    """One death in each function at once, some of which may keep others from coming about.

    Which ones depends on the ``number`` of the try. Returns how many came about.
    """
    chance = random.Random(f"{story.name} {number}")
    by_function: dict[str, list[Death]] = {}
    for death in deaths:
        by_function.setdefault(death.function, []).append(death)
    return theatre.play(story, *(chance.choice(one) for one in by_function.values()))
