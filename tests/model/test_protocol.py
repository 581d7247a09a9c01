"""The protocol of the ledger: right in every interleaving, and wrong as soon as any measure is missing."""

from __future__ import annotations

import pytest

from tests.model import stories
from tests.model.explorer import Exploration, explore
from tests.model.protocol import ProtocolModel
from tests.model.rules import Setup
from tests.model.state import Measure
from tests.model.stories import STORIES, Story

ONE_OBJECT = [story for story in STORIES if len(story.objects) == 1]
TWO_OBJECTS = [story for story in STORIES if len(story.objects) == 2]

ONE_KILL = Setup()
TWO_KILLS = Setup(kills=2, copies=2)
REFRESH = Setup(mode="refresh")
WEBHOOK_ONLY = Setup(mode="webhook-only", kills=2, copies=2, page=False)
NO_PAGE = Setup(page=False)
NO_PAGE_REFRESH = Setup(mode="refresh", page=False)
NO_KILL = Setup(kills=0)
STALLS = Setup(stalls=True)


def run(story: Story, setup: Setup, *without: Measure) -> Exploration:
    return explore(ProtocolModel(story, setup, frozenset(without)))


def named(story: Story) -> str:
    return story.name


# --- right in every interleaving


@pytest.mark.parametrize("story", ONE_OBJECT, ids=named)
def test_kills_copies_and_a_page_never_break_a_story_of_one_object(story: Story) -> None:
    found = run(story, ONE_KILL if story is stories.LOST_FOR_GOOD else TWO_KILLS)
    assert found.violation is None, str(found)


@pytest.mark.parametrize("story", ONE_OBJECT, ids=named)
def test_the_same_where_every_delivery_makes_us_ask_bitbucket(story: Story) -> None:
    found = run(story, REFRESH)
    assert found.violation is None, str(found)


@pytest.mark.parametrize("setup", [NO_KILL, NO_PAGE, NO_PAGE_REFRESH], ids=["page", "kill", "kill, asking"])
@pytest.mark.parametrize("story", TWO_OBJECTS, ids=named)
def test_an_identifier_may_pass_from_one_object_to_another(story: Story, setup: Setup) -> None:
    found = run(story, setup)
    assert found.violation is None, str(found)


@pytest.mark.parametrize(
    ("story", "setup"),
    [
        (stories.RECREATE, ONE_KILL),
        (stories.RECREATE, REFRESH),
        (stories.SWAP, ONE_KILL),
        (stories.LATE_SWAP, ONE_KILL),
    ],
    ids=["recreate", "recreate, asking", "swap", "late swap"],
)
def test_even_with_a_page_and_a_kill_at_once(story: Story, setup: Setup) -> None:
    found = run(story, setup)
    assert found.violation is None, str(found)


@pytest.mark.parametrize("story", [story for story in STORIES if not story.needs_bitbucket], ids=named)
def test_webhooks_alone_are_enough_when_each_event_has_its_own_time(story: Story) -> None:
    found = run(story, WEBHOOK_ONLY)
    assert found.violation is None, str(found)


@pytest.mark.parametrize("story", ONE_OBJECT, ids=named)
def test_a_writer_that_loses_its_lease_before_its_commit_does_no_harm(story: Story) -> None:
    found = run(story, STALLS)
    assert found.violation is None, str(found)


def test_exploring_reaches_more_than_one_end() -> None:
    """Otherwise the tests above would hold for a model in which nothing happens."""
    found = run(stories.UPDATE, ONE_KILL)
    assert found.states > 1000
    assert found.ends > 1


# --- wrong without any single measure

NEEDED_BY: dict[Measure, tuple[Story, Setup]] = {
    Measure.INTENTS: (stories.RENAME, ONE_KILL),
    Measure.DIRTY_IS_NO_NOOP: (stories.REVERT, ONE_KILL),
    Measure.TAKEOVER_REWRITES: (stories.REVERT, ONE_KILL),
    Measure.TAKEOVER_REJOINS: (stories.LOST_FOR_GOOD, NO_PAGE),
    Measure.FAILURE_KEEPS_MARK: (stories.REVERT, ONE_KILL),
    Measure.INHERITED_MARK: (stories.REVERT, Setup(kills=2)),
    Measure.SOURCES: (stories.SWAP, NO_PAGE),
    Measure.LEAVE_IF_SHARED: (stories.PASS_ON, NO_PAGE),
    Measure.DELETING_MARK: (stories.SWAP, NO_PAGE),
    Measure.WAKE: (stories.LATE_SWAP, Setup(kills=0, page=False)),
    Measure.NOOP_MOVES_VERSION: (stories.REVERT, ONE_KILL),
    Measure.NOOP_TOUCHES: (stories.TIE_BACK, ONE_KILL),
    Measure.MOVE_IF_UNCHANGED: (stories.REVERT, ONE_KILL),
    Measure.PAGE_FENCE: (stories.UPDATE, ONE_KILL),
    Measure.PAGE_FENCE_UNDER_LEASE: (stories.UPDATE, ONE_KILL),
    Measure.VERSION_UNDER_LEASE: (stories.UPDATE, ONE_KILL),
    Measure.TIE_REFRESHES: (stories.TIE, ONE_KILL),
    Measure.REFRESH_UNDER_LEASE: (stories.UPDATE, REFRESH),
    Measure.SHORTCUT_IN_ORDER: (stories.COMMENTS, ONE_KILL),
    Measure.REFRESHED_APART: (stories.PUSH, ONE_KILL),
    Measure.COMMIT_NEWEST: (stories.COMMENTS, ONE_KILL),
    Measure.COMMIT_NEEDS_LEASE: (stories.UPDATE, STALLS),
    Measure.TIMEOUT_BELOW_LEASE: (stories.UPDATE, ONE_KILL),
    Measure.TWO_LOOKS: (stories.LAG, ONE_KILL),
    Measure.ERROR_IS_NOT_ABSENCE: (stories.PUSH, ONE_KILL),
    Measure.LIST_IS_NOT_ABSENCE: (stories.SLIDE, ONE_KILL),
    Measure.DELETE_LOOKS: (stories.DELETE, ONE_KILL),
    Measure.TOMBSTONE_IS_NEW: (stories.DELETE, ONE_KILL),
    Measure.TOMBSTONE: (stories.DELETE, WEBHOOK_ONLY),
}
"""Which story goes wrong, under which circumstances, when the measure is taken away."""


@pytest.mark.parametrize("measure", list(Measure), ids=lambda measure: measure.name)
def test_without_any_single_measure_some_interleaving_goes_wrong(measure: Measure) -> None:
    story, setup = NEEDED_BY[measure]
    found = run(story, setup, measure)
    assert found.violation is not None
    assert not found.violation.startswith("stuck"), "a catalog that is wrong, not a model that does not end"
    assert run(story, setup).violation is None, "the measure alone must make the difference"


def test_a_tombstone_is_needed_even_where_bitbucket_can_be_asked() -> None:
    assert run(stories.DELETE, ONE_KILL, Measure.TOMBSTONE).violation is not None


def test_letting_the_first_reader_go_first_hides_nothing() -> None:
    """The explorer may let a writer that nobody can disturb go first; a full exploration comes to the same verdict."""
    for story in (stories.UPDATE, stories.DELETE, stories.RENAME, stories.SHRINK, stories.TIE_BACK):
        thorough = ProtocolModel(story, ONE_KILL, reduced=False)
        assert explore(thorough).violation is None
        assert explore(thorough).states > run(story, ONE_KILL).states
