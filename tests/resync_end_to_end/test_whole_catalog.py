"""A resync through the queues: the catalog equals what objects and mapping say, and costs exactly what was promised.

Here there is as much as it takes for several pages of everything. With the variable WHOLE_SIZE set there is as much as
``test_command`` always has on Cloud, which takes some minutes for each case.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from local.machine import Machine, Product
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.oracle import differences, shown
from tests.resync_end_to_end.promises import (
    SERVER_PAGE,
    STUB_CHECKS,
    checks,
    file_reads,
    listings,
    reads_of_files,
    reads_of_one,
    source_is_asked,
)
from tests.resync_end_to_end.rig import Place, Run, writes
from tests.resync_end_to_end.worlds import MEDIUM, WHOLE

CROWDED = replace(MEDIUM, pull_requests=220, crowd=100)
"""With one repository whose pull requests in scope fill more than a page."""
CASES: list[tuple[Product, str]] = [
    ("cloud", "default"),
    ("server", "default"),
    ("cloud", "ocean"),
    ("server", "ocean"),
]
PAGE_LIMIT = 10
"""What the smaller Data Center grants whoever asks for a thousand."""
EVERYTHING = bool(os.environ.get("WHOLE_SIZE"))
MOST_SECONDS = 3000.0
EMAILS_ARE_OLD = 700.0
"""Seconds after which a function asks for e-mail addresses again, and what was just read is no news any more."""


class Resynced:
    """A place and its first two runs."""

    def __init__(self, place: Place) -> None:
        self.place, self.preset = place, place.preset
        self.first: Run = place.resync(timeout=MOST_SECONDS)
        self.catalog, self.right = place.port.catalog(), place.right()
        place.machine.stack.pass_time(EMAILS_ARE_OLD)
        self.second: Run = place.resync(timeout=MOST_SECONDS)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def resynced(request: pytest.FixtureRequest, found: Found) -> Resynced:
    product, preset = request.param
    if EVERYTHING:
        return Resynced(found(product, preset, size=WHOLE, prepare=_let_port_know_people))
    return Resynced(found(product, preset, size=CROWDED, prepare=_grant_small_pages))


def _let_port_know_people(machine: Machine) -> None:
    if machine.product == "cloud":
        emails = [user.email for user in machine.cloud.world.users if user.email]
        machine.port.user_emails = [*emails[::3], "nobody@example.com"]


def _grant_small_pages(machine: Machine) -> None:
    _let_port_know_people(machine)
    machine.server.page_limit = PAGE_LIMIT


def test_the_catalog_is_what_objects_and_mapping_say(resynced: Resynced) -> None:
    assert differences(shown(resynced.catalog), resynced.right) == []
    assert len(resynced.right) > resynced.first.count("pull-request", "created") > 50
    assert not any(resynced.place.machine.stack.dead_letters().values())


def test_a_second_run_writes_nothing(resynced: Resynced) -> None:
    assert writes(resynced.second) == []
    assert resynced.place.port.catalog() == resynced.catalog


def test_bitbucket_is_asked_exactly_what_was_promised(resynced: Resynced) -> None:
    lists = promised(resynced.place)
    for run, is_first in ((resynced.first, True), (resynced.second, False)):
        files = file_reads(resynced.place, is_first=is_first)
        assert run.kinds_of_requests() + Counter() == lists + others(run)
        assert reads_of_files(run) == files
        # A first run asks which workspace this is where an earlier mapping may have been about more kinds.
        assert others(run).total() - files.total() == (is_first and source_is_asked(resynced.place))
        assert run.report["requests"]["bitbucket"] == len(run.bitbucket)


def test_what_is_unchanged_costs_port_the_check_alone(resynced: Resynced) -> None:
    if resynced.preset != "default":
        pytest.skip("the promise is about the default mapping")
    # Who left is in the catalog only because somebody relates to them: that is looked at before they are spared.
    empty = {key[0] for key, entity in resynced.right.items() if entity["title"] is None}
    assert resynced.second.searches() == checks(resynced.right) + Counter(dict.fromkeys(empty, STUB_CHECKS))


def test_the_report_counts_what_there_is(resynced: Resynced) -> None:
    made = {key for key, entity in resynced.right.items() if entity["title"] is not None}
    # What somebody related to before it was listed itself was there already, empty.
    created = sum(
        counts.get("created", 0) + counts.get("updated", 0) for counts in resynced.first.report["kinds"].values()
    )
    unchanged = sum(counts.get("unchanged", 0) for counts in resynced.second.report["kinds"].values())
    assert (created, unchanged) == (len(made), len(made))


def test_what_moved_or_vanished_costs_its_own_requests_and_no_others(resynced: Resynced) -> None:
    place = resynced.place
    place.machine.stack.pass_time(EMAILS_ARE_OLD)
    moved, gone = [one for one in place.world.repositories if one.name.startswith("repo-") and one.git.branches][1:3]
    place.world.push(moved, moved.base_branch, {"README.md": "# Moved"})
    place.world.delete_repository(gone)
    run = place.resync(timeout=MOST_SECONDS)
    place.assert_right(run)
    before = file_reads(place, is_first=False)
    assert reads_of_files(run) == before + reads_of_one(place)
    lists = promised(place)
    # Two looks at what vanished, and one at whether its source answers at all.
    assert len(run.bitbucket) == lists.total() + reads_of_files(run).total() + 2 + 1


def promised(place: Place) -> Counter[str]:
    """How many requests list what there is."""
    now, granted = place.machine.stack.clock.now(), min(SERVER_PAGE, place.machine.server.page_limit)
    return listings(place.world, place.mapping, now, emails=place.port.user_emails, granted=granted)


def others(run: Run) -> Counter[str]:
    """Requests that list nothing, by path."""
    return Counter({kind: count for kind, count in run.kinds_of_requests().items() if kind.startswith("/")})
