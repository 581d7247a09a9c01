"""Pages of several objects: all go through their stories at once, share the requests to Port, and never a fate."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_port.catalog.outcome import Removals
from tests.catalog.ledgers import sqlite_ledger
from tests.catalog.rig import Rig, kill, lose_answer, refuse
from tests.catalog.test_stories_on_moto import each_call
from tests.model import stories
from tests.model.stories import Shape, Story, World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NUMBERS = count()


def together(*several: Story) -> Story:
    """All stories at once; what has ended stays as it is."""

    def shape(story: Story, place: int, world: int, name: str) -> Shape | None:
        told = story.worlds[min(world, len(story.worlds) - 1)].get(name)
        if told is None:
            return None
        return told._replace(entities=tuple((f"{place}{entity}", content) for entity, content in told.entities))

    worlds: list[World] = [
        {
            f"{place}{name}": shape(story, place, world, name)
            for place, story in enumerate(several)
            for name in story.objects
        }
        for world in range(max(len(story.worlds) for story in several))
    ]
    return Story("together", "several objects at once", tuple(worlds))


CROWD = together(
    stories.UPDATE, stories.REVERT, stories.CREATE, stories.DELETE, stories.RENAME, stories.SHRINK, stories.SWAP
)
FEW = together(stories.UPDATE, stories.RENAME, stories.SHRINK)
LIVE = together(stories.UPDATE, stories.RENAME, stories.SHRINK, stories.DELETE)


def listed(rig: Rig, removals: Removals) -> None:
    while rig.world < len(rig.story.worlds) - 1:
        rig.next_world()
        rig.list_world(removals)


@pytest.mark.parametrize("one_blueprint", [True, False])
@pytest.mark.parametrize("removals", ["allow", "defer"])
@pytest.mark.parametrize("accident", [kill, lose_answer, refuse])
def test_pages_alone_bring_every_story_to_its_end_whatever_happens_at_any_call(
    tmp_path: Path, accident: Callable[..., Any], removals: Removals, one_blueprint: bool
) -> None:
    ledger = sqlite_ledger(tmp_path)

    def make() -> Rig:
        return Rig(ledger, CROWD, f"crowd-{next(NUMBERS)}", mode="payload", one_blueprint=one_blueprint)

    each_call(make, lambda rig: listed(rig, removals), accident)


def test_so_they_do_over_real_conditional_writes(dynamodb: DynamoDBClient) -> None:
    def make() -> Rig:
        return Rig(dynamodb, FEW, f"few-{next(NUMBERS)}", mode="payload", one_blueprint=True)

    each_call(make, lambda rig: listed(rig, "defer"), kill)


@pytest.mark.parametrize("accident", [kill, lose_answer, refuse])
def test_a_page_of_several_that_is_written_after_newer_deliveries_changes_nothing_in_the_end(
    tmp_path: Path, accident: Callable[..., Any]
) -> None:
    ledger = sqlite_ledger(tmp_path)

    def go(rig: Rig) -> None:
        rig.wait(100)
        rig.ask_page()
        rig.next_world()
        rig.deliver_next()
        rig.write_page()
        rig.finish()

    def make() -> Rig:
        return Rig(ledger, CROWD, f"late-{next(NUMBERS)}", mode="payload", one_blueprint=True)

    each_call(make, go, accident)


@pytest.mark.parametrize("who", range(len(LIVE.objects)))
def test_a_live_event_in_the_middle_of_a_page_wins(tmp_path: Path, who: int) -> None:
    """At each call of the page another function handles a delivery; the page is older than that."""
    ledger = sqlite_ledger(tmp_path)
    for number in count():
        rig = Rig(ledger, LIVE, f"live-{next(NUMBERS)}", mode="payload", one_blueprint=True)
        rig.next_world()
        rig.queue.clear()
        rig.wait(100)
        rig.ask_page()
        rig.next_world()
        intruder = rig.queue.pop(who)

        def intrude(name: str, call: Callable[[], Any], rig: Rig = rig, intruder: Any = intruder) -> Any:
            rig.log.append(f"live before {name}")
            rig.deliver(intruder)
            return call()

        rig.gate.at, rig.gate.accident = number, intrude
        rig.write_page()
        if len(rig.gate.calls) <= number:
            return
        rig.finish()
        rig.check()
