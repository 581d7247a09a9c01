"""A resync through the queues: the catalog equals what objects and mapping say, and costs exactly what was promised."""

from __future__ import annotations

import pytest

from local.machine import Machine, Product
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.promises import checks, listings
from tests.resync_end_to_end.rig import Place, Run, writes
from tests.resync_end_to_end.worlds import WHOLE

CASES: list[tuple[Product, str]] = [
    ("cloud", "default"),
    ("server", "default"),
    ("cloud", "ocean"),
    ("server", "ocean"),
]
MOST_SECONDS = 1200.0


class Resynced:
    """A place and its first two runs."""

    def __init__(self, place: Place, preset: str) -> None:
        self.place, self.preset = place, preset
        self.first: Run = place.resync(timeout=MOST_SECONDS)
        self.catalog, self.right, self.wrong = place.port.catalog(), place.right(), place.wrong()
        place.machine.stack.pass_time(120.0)  # What was just read is left alone, as if a live event had been there.
        self.second: Run = place.resync(timeout=MOST_SECONDS)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def resynced(request: pytest.FixtureRequest, found: Found) -> Resynced:
    product, preset = request.param
    return Resynced(found(product, preset, size=WHOLE, prepare=_let_port_know_people), preset)


def _let_port_know_people(machine: Machine) -> None:
    if machine.product == "cloud":
        emails = [user.email for user in machine.cloud.world.users if user.email]
        machine.port.user_emails = [*emails[::3], "nobody@example.com"]


def test_the_catalog_is_what_objects_and_mapping_say(resynced: Resynced) -> None:
    assert resynced.wrong == []
    assert len(resynced.right) > 1000
    assert not any(resynced.place.machine.stack.dead_letters().values())


def test_a_second_run_writes_nothing(resynced: Resynced) -> None:
    assert writes(resynced.second) == []
    assert resynced.place.port.catalog() == resynced.catalog


def test_bitbucket_is_asked_exactly_what_was_promised(resynced: Resynced) -> None:
    if resynced.preset != "default":
        pytest.skip("the promise is about the default mapping")
    promised = listings(resynced.place, resynced.right)
    assert resynced.first.kinds_of_requests() == promised
    assert resynced.second.kinds_of_requests() == promised


def test_what_is_unchanged_costs_port_the_check_alone(resynced: Resynced) -> None:
    if resynced.preset != "default":
        pytest.skip("the promise is about the default mapping")
    searches, promised = resynced.second.searches(), checks(resynced.right)
    # Who left is in the catalog only because somebody relates to them: that is looked at before they are spared.
    with_empty = {key[0] for key, entity in resynced.right.items() if entity["title"] is None}
    assert {name: count for name, count in searches.items() if name not in with_empty} == {
        name: count for name, count in promised.items() if name not in with_empty
    }
    assert all(searches[name] <= promised[name] + 2 for name in with_empty)


def test_the_report_counts_what_there_is(resynced: Resynced) -> None:
    made = {key for key, entity in resynced.right.items() if entity["title"] is not None}
    created = sum(counts.get("created", 0) for counts in resynced.first.report["kinds"].values())
    unchanged = sum(counts.get("unchanged", 0) for counts in resynced.second.report["kinds"].values())
    assert (created, unchanged) == (len(made), len(made))
    assert resynced.first.report["requests"]["bitbucket"] == len(resynced.first.bitbucket)
