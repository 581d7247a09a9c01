"""The catalog's code goes through the stories of the protocol's model, over real conditional writes.

Whatever happens at whichever outside call, Port shows in the end what one undisturbed run in order shows. The calls
come from recording a run, so that a new call is covered without touching these tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count, permutations
from typing import TYPE_CHECKING, Any

import pytest

from tests.catalog.rig import ReadMode, Rig, kill, lose_answer, refuse
from tests.exhaustive import EXHAUSTIVE
from tests.model import stories
from tests.model.stories import STORIES, Story

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NewRig = Callable[..., Rig]
BLIND = [story for story in STORIES if not story.needs_bitbucket]
ASKING = [
    stories.REVERT,
    stories.DELETE,
    stories.SHORT_LIFE,
    stories.THERE_AND_BACK,
    stories.SHRINK,
    stories.TIE_BACK,
    stories.LAG,
    stories.SWAP,
]
"""Enough for what asking does otherwise than a payload: every way through a refresh is in them."""


NUMBERS = count()
"""The table is shared: every run has names of its own."""


@pytest.fixture
def new_rig(dynamodb: DynamoDBClient) -> NewRig:
    def make(story: Story, mode: ReadMode = "payload", *, one_blueprint: bool = True) -> Rig:
        name = f"{story.name.replace(' ', '-')}-{mode}-{next(NUMBERS)}"
        return Rig(dynamodb, story, name, mode=mode, one_blueprint=one_blueprint)

    return make


def named(story: Story) -> str:
    return story.name


def each_call(make: Callable[[], Rig], go: Callable[[Rig], None], *accidents: Callable[..., Any]) -> None:
    """Record one run, then run again once for each of its calls with an accident there (of several kinds in turn)."""
    recorded = make()
    go(recorded)
    recorded.check()
    assert recorded.gate.calls
    for number in range(len(recorded.gate.calls)):
        rig, accident = make(), accidents[number % len(accidents)]
        rig.gate.at, rig.gate.accident = number, accident
        rig.log.append(f"{accident.__name__} at call {number}, {recorded.gate.calls[number]}")
        go(rig)
        rig.check()


def as_it_happens(rig: Rig) -> None:
    """Each delivery comes before the next change; a page asked for at first is written at last."""
    if rig.mode != "webhook-only":
        rig.ask_page()
    rig.finish()


def all_late(rig: Rig) -> None:
    """All deliveries come after the last change, in order."""
    rig.all_worlds()
    rig.finish()


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_a_kill_at_any_call_changes_nothing_in_the_end(new_rig: NewRig, story: Story) -> None:
    each_call(lambda: new_rig(story), all_late, kill)


@pytest.mark.parametrize("story", ASKING, ids=named)
def test_nor_where_every_delivery_asks_bitbucket(new_rig: NewRig, story: Story) -> None:
    each_call(lambda: new_rig(story, "refresh", one_blueprint=False), as_it_happens, kill)


@pytest.mark.parametrize("story", BLIND, ids=named)
def test_nor_where_webhooks_are_all_there_is(new_rig: NewRig, story: Story) -> None:
    each_call(lambda: new_rig(story, "webhook-only"), all_late, kill)


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_nor_does_a_call_that_fails_or_an_answer_that_is_lost(new_rig: NewRig, story: Story) -> None:
    each_call(lambda: new_rig(story, one_blueprint=False), all_late, refuse, lose_answer)


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_another_delivery_in_the_middle_of_one_changes_nothing_in_the_end(new_rig: NewRig, story: Story) -> None:
    """At each call of each order, the last delivery of that order is handled by a second function.

    At every other call, beginning with the first and the second in turn, unless everything is tried.
    """
    step = 1 if EXHAUSTIVE else 2
    for place, order in enumerate(orders(story, len(late(new_rig(story)).queue))):
        for number in count(place % step, step):
            rig = late(new_rig(story))
            rig.queue = [rig.queue[which] for which in order]
            intruder = rig.queue.pop()

            def intrude(name: str, call: Callable[[], Any], rig: Rig = rig, intruder: Any = intruder) -> Any:
                rig.log.append(f"second function before {name}")
                rig.deliver(intruder)
                return call()

            rig.gate.at, rig.gate.accident = number, intrude
            rig.finish()
            if len(rig.gate.calls) <= number:
                break
            rig.check()


def orders(story: Story, deliveries: int) -> list[tuple[int, ...]]:
    """Every order; for the deliveries of one object only which of them is the last, the others stay in order."""
    found = list(permutations(range(deliveries)))
    return [order for order in found if len(story.objects) > 1 or order[:-1] == tuple(sorted(order[:-1]))]


def late(rig: Rig) -> Rig:
    rig.all_worlds()
    return rig


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("story", STORIES, ids=named)
def test_doubled_and_shuffled_with_a_kill_and_a_page_somewhere(new_rig: NewRig, story: Story, seed: int) -> None:
    chance = random.Random(f"{story.name} {seed}")
    rig = new_rig(story, chance.choice(["payload", "refresh"]), one_blueprint=chance.random() < 0.5)
    rig.gate.at, rig.gate.accident = chance.randrange(40), chance.choice([kill, lose_answer, refuse])
    shuffle(rig, chance)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("story", BLIND, ids=named)
def test_doubled_and_shuffled_webhooks_are_enough(new_rig: NewRig, story: Story, seed: int) -> None:
    chance = random.Random(f"{story.name} {seed}")
    rig = new_rig(story, "webhook-only", one_blueprint=chance.random() < 0.5)
    rig.gate.at, rig.gate.accident = chance.randrange(40), chance.choice([kill, lose_answer, refuse])
    shuffle(rig, chance)


def shuffle(rig: Rig, chance: random.Random) -> None:
    """Changes, deliveries (each twice) and the page's two moments in any order."""
    paged = rig.mode == "webhook-only"
    for _ in range(12):
        moves: list[Callable[[], None]] = []
        if rig.world < len(rig.story.worlds) - 1:
            moves.append(rig.next_world)
        if rig.queue:
            moves.append(rig.deliver_next)
        if rig.page is not None:
            moves.append(rig.write_page)
        elif not paged:
            moves.append(rig.ask_page)
        if not moves:
            break
        move = chance.choice(moves)
        paged = paged or move == rig.ask_page
        before = len(rig.queue)
        move()
        if move == rig.next_world:
            rig.queue += rig.queue[before:]
        chance.shuffle(rig.queue)
        rig.wait(chance.choice([0, 1, 5]))
    rig.finish()
    rig.check()


# --- interleavings the explorer found


def test_a_burst_ends_with_the_newest_version_known(new_rig: NewRig) -> None:
    """A delivery that another's refresh has covered must still keep older payloads out."""
    rig = late(new_rig(stories.COMMENTS))
    hint, payload, covered = rig.queue
    rig.wait(10)
    for change in (hint, covered, payload):
        rig.deliver(change)
    rig.queue.clear()
    rig.check()


def test_a_refresh_covers_nothing_once_an_older_payload_came_after_it(new_rig: NewRig) -> None:
    rig = late(new_rig(stories.COMMENTS))
    hint, payload, covered = rig.queue
    rig.wait(10)
    for change in (hint, payload, covered):
        rig.deliver(change)
    rig.queue.clear()
    rig.check()


def test_a_new_object_that_bitbucket_does_not_show_yet_is_looked_for_again(new_rig: NewRig) -> None:
    rig = late(new_rig(stories.LAG))
    rig.deliver_next()
    assert rig.queue, "the first look must not end the delivery"
    rig.finish()
    rig.check()


def test_a_page_asked_for_before_a_delivery_of_the_same_version_does_not_come_after_it(new_rig: NewRig) -> None:
    """Approved, listed, withdrawn: the delivery changes nothing, but the page must know that it is the older one."""
    rig = new_rig(stories.TIE_BACK)
    rig.next_world()
    rig.wait(100)
    rig.ask_page()
    rig.next_world()
    approved, withdrawn = rig.queue
    rig.deliver(withdrawn)
    rig.write_page()
    rig.deliver(approved)
    rig.queue.clear()
    rig.check()
