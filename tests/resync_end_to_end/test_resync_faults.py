"""Whatever goes wrong during a run: it ends, what can be reached is right, nothing that exists goes, and it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.start import SENT_AGAIN_SECONDS
from local.aws import Fault, Moto
from local.functions import FunctionError
from local.outside import Outside
from local.standins.http import Exchange
from tests.resync_end_to_end.accidents import (
    LITTLE,
    Dealt,
    Door,
    Guard,
    Life,
    Limited,
    Refusing,
    Shuffled,
    Weather,
    doors,
    run_through,
    tapped,
    trouble,
)
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.deaths import EVERY, Deaths, Reaper
from tests.resync_end_to_end.oracle import Key, differences, shown
from tests.resync_end_to_end.rig import Place

MOST_RUNS = 40 if EVERY else 14
PRODUCTS = ("cloud", "server")
on_cloud = pytest.mark.parametrize("theatre", PRODUCTS if EVERY else ("cloud",), indirect=True)
on_server = pytest.mark.parametrize("theatre", PRODUCTS if EVERY else ("server",), indirect=True)
"""For what has nothing to do with the product, one of them; with every kill, both."""
ALL_DEATHS = Deaths()
"""A death that came about on one product need not on the other."""


@dataclass(frozen=True)
class Theatre:
    """A place that is right, with everything known from a first run."""

    place: Place
    life: Life
    door: Door

    def calm(self) -> JsonObject:
        """A run without accidents; everything is right afterwards."""
        report = run_through(self.place)
        assert report["status"] == "complete", trouble(report)
        assert self.life.wrong() == []
        return report


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with doors() as made:
        yield made


@pytest.fixture(scope="module", params=PRODUCTS)
def theatre(
    request: pytest.FixtureRequest, found: Found, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> Theatre:
    place = found(request.param, size=LITTLE)
    # Of a few objects a quarter is soon gone.
    lenient = place.mapping.replace("entityDeletionThreshold: 0.25", "entityDeletionThreshold: 0.9")
    place.use_mapping(lenient, tmp_path_factory.mktemp("mappings"))
    life = Life(place, strangers=True)
    life.goes_on()
    made = Theatre(place, life, door)
    made.calm()
    return made


# --- deaths -----------------------------------------------------------------------------------------------------------


def test_a_death_at_any_call_of_any_job_changes_nothing_in_the_end(theatre: Theatre, moto: Moto) -> None:
    reaper = Reaper(theatre.place, moto, ALL_DEATHS)
    guarded = theatre.place.port.tap
    try:
        for number in range(MOST_RUNS):
            theatre.life.goes_on()
            guard = Guard(theatre.place.port, theatre.place.right(), guarded)
            theatre.place.port.tap = guard
            with theatre.door.kept_by(reaper):
                report = run_through(theatre.place)
            assert guard.gone == set()
            assert (report["status"], theatre.life.wrong()) == ("complete", []), trouble(report)
            if number and not reaper.left:
                break
        assert reaper.left == [], "these never came about"
        print(theatre.place.machine.product, number + 1, "runs", ALL_DEATHS.came_about, "deaths")
    finally:
        reaper.outside.unwatch(theatre.place.port)
        reaper.outside.unwatch(theatre.place.machine.bitbucket)
    assert ALL_DEATHS.came_about > 0
    assert not any(theatre.place.machine.stack.dead_letters().values())


@on_server
def test_whoever_begins_a_run_may_die_and_whoever_asks_next_finds_it_begun(theatre: Theatre, moto: Moto) -> None:
    start = theatre.place.machine.stack.functions["ResyncStart"]
    outside = Outside(moto, theatre.place.machine.stack.environments, functions=lambda: [start.name])
    outside.forget()
    theatre.calm()
    changes = [one for one in outside.calls() if one.action.startswith(("dynamodb:Tra", "dynamodb:Up", "sqs:"))]
    assert {one.service for one in changes} == {"dynamodb", "sqs"}
    for change in changes:
        theatre.life.goes_on()

        def begin(action: str = change.action) -> None:
            outside.fault(Fault("kill after", function=start.name, action=action))
            with pytest.raises(FunctionError):
                theatre.place.ask()
            theatre.place.machine.stack.clock.advance(SENT_AGAIN_SECONDS + 1)
            # What was sent before the death may be at work already.
            assert theatre.place.ask()["did"] in ("began", "sent again", *["goes on"] * action.startswith("sqs:"))

        report = run_through(theatre.place, begin)
        assert (report["status"], theatre.life.wrong()) == ("complete", [])
        assert outside.faults_left() == []
        outside.clear_faults()


# --- jobs -------------------------------------------------------------------------------------------------------------


@on_cloud
def test_jobs_that_come_twice_and_in_any_order_do_what_they_do_once(theatre: Theatre, moto: Moto) -> None:
    place = theatre.place
    theatre.life.goes_on()
    shuffled, guard = Shuffled(place, moto, place.machine.product), Guard(place.port, place.right())
    with twice(place, moto), theatre.door.kept_by(shuffled), tapped(place.port, guard):
        report = run_through(place)
    assert guard.gone == set()
    assert (report["status"], theatre.life.wrong()) == ("complete", []), trouble(report)
    assert min(shuffled.jobs.values()) > 1
    assert shuffled.put_back > 5
    assert report["kinds"]["repository"]["listed"] == len(place.world.repositories)


class twice:  # noqa: N801 - reads as what it does
    """Every job's message is sent twice."""

    def __init__(self, place: Place, moto: Moto) -> None:
        self._moto = moto
        self._functions = [place.machine.stack.functions[name].name for name in ("ResyncStart", "ResyncWorker")]

    def __enter__(self) -> None:
        for name in self._functions:
            self._moto.fault(Fault("duplicate", function=name, action="sqs:SendMessage*", times=None, by_service=False))

    def __exit__(self, *_: object) -> None:
        self._moto.clear_faults()


# --- the servers ------------------------------------------------------------------------------------------------------


def test_a_fifth_of_all_requests_failing_costs_nothing_but_time(theatre: Theatre, moto: Moto) -> None:
    place = theatre.place
    theatre.life.goes_on()
    shuffled = Shuffled(place, moto, f"bad weather {place.machine.product}")
    storm, rain = Weather(f"{place.machine.product} Bitbucket"), Weather(f"{place.machine.product} Port")
    guard = Guard(place.port, place.right(), rain)
    with (
        twice(place, moto),
        theatre.door.kept_by(shuffled),
        tapped(place.port, guard),
        tapped(place.machine.bitbucket, storm),
    ):
        report = run_through(place)
    assert guard.gone == set()
    assert storm.met.keys() | rain.met.keys() == {"429", "500", "reset before", "reset after", "no answer"}
    assert (report["status"], theatre.life.wrong()) == ("complete", []), trouble(report)


def test_a_limit_of_hours_is_waited_for_on_the_queue_and_the_run_outlives_it(theatre: Theatre) -> None:
    place, stack = theatre.place, theatre.place.machine.stack
    theatre.life.goes_on()
    limited, dealt = Limited(stack.clock, 5 * 3600.0, asks_for_pull_requests), Dealt()

    def begin() -> None:
        place.ask()
        stack.pass_time(4 * 3600.0)
        assert place.tick()["did"] == "goes on"

    with theatre.door.kept_by(dealt), tapped(place.machine.bitbucket, limited):
        report = run_through(place, begin)
    assert set(limited.refused.values()) == {1}, "nobody asks before the time"
    assert {len(messages) for messages in dealt.messages.values()} == {1}, "nothing was sent again"
    assert dealt.died == []
    assert (report["status"], theatre.life.wrong()) == ("complete", []), trouble(report)
    assert report["throttled"] > 4 * 3600
    assert report["duration"] > 5 * 3600


def asks_for_pull_requests(exchange: Exchange) -> bool:
    return exchange.operation.endswith(("/pullrequests", "/pull-requests"))


def test_a_repository_that_is_refused_protects_its_own_pull_requests_and_nothing_else(theatre: Theatre) -> None:
    place, life = theatre.place, theatre.life
    theatre.calm()
    life.untouched = repository = next(one for one in place.world.repositories if open_pulls(one))
    of_its_own = pull_requests_of(theatre, repository)
    assert of_its_own
    place.world.update_pull_request(open_pulls(repository)[0], title="Nobody may read this")
    place.world.open_pull_request(repository, "unreadable", title="Nor this")
    life.goes_on()
    before = place.port.catalog()
    refusing = Refusing(403, partial(asks_below, repository))
    guard = Guard(place.port, place.right())
    with tapped(place.machine.bitbucket, refusing), tapped(place.port, guard):
        report = run_through(place)
    assert guard.gone == set()
    assert refusing.refused > 0
    right = {key: one for key, one in place.right().items() if key not in pull_requests_of(theatre, repository)}
    right |= {key: one for key, one in shown(before).items() if key in of_its_own}
    known = {key: one for key, one in place.port.catalog().items() if not key[1].startswith("stranger-")}
    assert differences(shown(known), right) == []
    assert report["status"] == "partial"
    (protected,) = report["protected"]
    assert protected.startswith("repository#")
    assert [(one["kind"], one["what"]) for one in report["failures"]] == [("pull-request", protected)]
    assert "403" in report["failures"][0]["reason"]
    theatre.calm()
    theatre.calm()


def pull_requests_of(theatre: Theatre, repository: Any) -> set[Key]:
    """The entities of a repository's pull requests that must be in Port."""
    above = theatre.life.entity_of(repository)
    return {
        key
        for key, one in theatre.place.right().items()
        if key[0] == theatre.life.pull_requests and one["relations"].get("repository") == above
    }


def open_pulls(repository: Any) -> list[Any]:
    return [pull for pull in repository.pull_requests.values() if pull.state == "OPEN"]


def asks_below(repository: Any, exchange: Exchange) -> bool:
    return any(f"/{name}/" in unquote(exchange.request.path) + "/" for name in names_of(repository))


def names_of(repository: Any) -> tuple[str, ...]:
    """What stands for it in a path."""
    return (repository.slug, repository.uuid) if hasattr(repository, "uuid") else (repository.slug,)


def test_a_page_that_always_fails_protects_what_it_would_have_shown(theatre: Theatre) -> None:
    place, life = theatre.place, theatre.life
    place.machine.server.page_limit = 50
    crowded = place.world.create_repository(place.world.projects[0], "crowded", readme="# Crowd\n").subject
    life.untouched = crowded
    for number in range(55):
        place.world.open_pull_request(crowded, "crowd", title=f"Crowd {number}")
    theatre.calm()
    before = shown(place.port.catalog())
    for pull in open_pulls(crowded):
        place.world.update_pull_request(pull, title=f"Another title of {pull.id}")
    life.goes_on()
    refusing = Refusing(500, partial(asks_for_second_page, crowded))
    guard = Guard(place.port, place.right())
    with tapped(place.machine.bitbucket, refusing), tapped(place.port, guard):
        report = run_through(place)
    assert guard.gone == set()
    assert refusing.refused > 10
    crowd = pull_requests_of(theatre, crowded)
    catalog = shown(place.port.catalog())
    changed = {key for key in crowd if catalog[key]["title"] != before[key]["title"]}
    assert len(changed) == 50
    right = place.right() | {key: before[key] for key in crowd - changed}
    assert differences({key: one for key, one in catalog.items() if key not in life.strangers}, right) == []
    assert report["status"] == "partial"
    (protected,) = report["protected"]
    assert [(one["kind"], one["what"]) for one in report["failures"]] == [("pull-request", protected)]
    assert "500" in report["failures"][0]["reason"]
    theatre.calm()


def asks_for_second_page(repository: Any, exchange: Exchange) -> bool:
    request = exchange.request
    later = request.value("page", "1") != "1" or request.value("start", "0") != "0"
    return later and any(f"/{name}/pull" in unquote(request.path) for name in names_of(repository))
