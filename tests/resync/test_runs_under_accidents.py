"""A run whose jobs come twice, in any order, meet failures and die: it ends, and what exists is never deleted."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitbucket_port.errors import TransientError
from bitbucket_port.objects import EntityKey
from bitbucket_port.resync.store import Request
from tests.resync.rig import START, Killed, Rig, Waiting, World, entity_of, pull_request, repository


def changed(rig: Rig) -> None:
    """What happens in Bitbucket and Port between two runs."""
    world = rig.world
    for key in [key for key in world.objects if "r0" in str(key)]:
        del world.objects[key]
    del world.objects[pull_request("r1", 1)]
    world.hidden = {pull_request("r1", 2)}
    world.objects[pull_request("r1", 3)] = "another title"
    world.objects[repository("new")] = "a new repository"
    world.objects[pull_request("new", 1)] = "its pull request"
    rig.port[EntityKey("repository", "r2")] = "edited by hand"
    rig.port.pop(EntityKey("pull-request", "r2/1"), None)


class Accidents:
    """After the calls with a number of ``kills`` the function is dead; some of the others fail."""

    def __init__(self, rig: Rig, *, kills: set[int], share: float, seed: int) -> None:
        self._kills, self._share, self._random = kills, share, random.Random(seed)
        self._rig, self._calls = rig, 0
        self._standing = set(rig.world.expected()) & set(rig.port)
        self.wrongly_deleted: set[EntityKey] = set()

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        self._calls += 1
        if self._random.random() < self._share and self._calls < 3000:
            wait = self._random.choice([None, 30.0])
            raise TransientError(f"{name} failed", retry_after=wait)
        result = call()
        self.wrongly_deleted |= self._standing - set(self._rig.port)
        if self._calls in self._kills:
            raise Killed
        return result


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    kills=st.sets(st.integers(1, 900), max_size=12),
    share=st.sampled_from([0.0, 0.02, 0.1]),
    most_pages=st.sampled_from([None, 1]),
)
def test_a_run_ends_right_whatever_happens_to_its_jobs(
    seed: int, kills: set[int], share: float, most_pages: int | None
) -> None:
    rig = Rig(World().fill(3, 4))
    rig.full()
    changed(rig)
    dealer = random.Random(seed)
    rig.now += 3600
    rig.begin()
    rig.most_pages = most_pages
    accidents = Accidents(rig, kills=kills, share=share, seed=seed)
    rig.gate = accidents
    report = rig.run(lambda ready: deal(dealer, rig, ready))
    assert accidents.wrongly_deleted == set()
    assert report["status"] in ("complete", "partial")
    if report["status"] == "complete" or not share:
        assert rig.port == rig.world.expected()
    rig.gate, rig.most_pages = lambda name, call: call(), None
    assert rig.full()["status"] == "complete"
    assert rig.port == rig.world.expected()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), kills=st.sets(st.integers(1, 900), max_size=12))
def test_a_run_that_was_asked_for_meanwhile_is_carried_out_whoever_dies(seed: int, kills: set[int]) -> None:
    rig = Rig(World().fill(3, 4), follows_up=True)
    rig.full()
    changed(rig)
    dealer = random.Random(seed)
    rig.now += 3600
    rig.begin()
    rig.real_store.request(Request("list", "by hand", rig.now))
    accidents = Accidents(rig, kills=kills, share=0.0, seed=seed)
    rig.gate = accidents
    report = rig.run(lambda ready: deal(dealer, rig, ready))
    assert (report["kind"], report["status"]) == ("list", "complete")
    assert rig.real_store.state().requested is None
    assert accidents.wrongly_deleted == set()
    assert rig.port == rig.world.expected()


def deal(dealer: random.Random, rig: Rig, ready: list[Waiting]) -> Waiting:
    """Any of the messages, and now and then a second copy of it."""
    chosen = dealer.choice(ready)
    if dealer.random() < 0.1:
        rig.queue.append(Waiting(chosen.message, rig.now + dealer.choice([0, 5, 300])))
    return chosen


def test_every_single_call_may_be_the_last_of_its_function() -> None:
    total = calls_of_a_run()
    for number in range(1, total + 1, 2):
        rig = prepared()
        accidents = Accidents(rig, kills={number}, share=0.0, seed=0)
        rig.gate = accidents
        rig.run()
        assert rig.port == rig.world.expected(), f"killed at call {number}"
        assert accidents.wrongly_deleted == set()


def prepared() -> Rig:
    rig = Rig(World().fill(3, 2))
    rig.full()
    changed(rig)
    rig.now += 3600
    rig.begin()
    return rig


def calls_of_a_run() -> int:
    rig = prepared()
    rig.calls.clear()
    rig.run()
    return len(rig.calls)


def test_two_at_once_do_a_job_twice_and_the_report_counts_it_once() -> None:
    rig = prepared()
    inside = False

    def twice(name: str, call: Callable[[], Any]) -> Any:
        nonlocal inside
        if name == "store.done" and not inside:
            inside = True
            try:
                rig.worker.handle(rig_message[0], 1)
            finally:
                inside = False
        return call()

    rig_message: list[str] = []
    rig.gate = twice

    def choose(ready: list[Waiting]) -> Waiting:
        rig_message[:] = [ready[0].message]
        return ready[0]

    report = rig.run(choose)
    assert rig.port == rig.world.expected()
    assert report["kinds"]["repository"]["listed"] == 3


def test_what_was_started_but_never_sent_is_sent_by_a_later_tick() -> None:
    rig = Rig(World().fill(1, 1))

    def dead_before_sending(name: str, call: Callable[[], Any]) -> Any:
        if name == "send":
            raise Killed
        return call()

    rig.gate = dead_before_sending
    with pytest.raises(Killed):
        rig.tick()
    rig.gate = lambda name, call: call()
    assert rig.tick().did == "goes on"
    rig.now += 180
    assert rig.tick().did == "sent again"
    rig.run()
    assert rig.port == rig.world.expected()


def test_a_lease_that_the_table_rounded_up_still_counts_as_the_first() -> None:
    rig = Rig(World().fill(1, 1))
    run = rig.tick().run
    assert run is not None
    rig.queue.clear()
    assert rig.real_store.extend(run.id, run.until + 5e-7)
    rig.now += 180
    assert rig.tick().did == "sent again"


def test_a_dead_run_makes_room_for_the_next() -> None:
    rig = Rig(World().fill(1, 1))
    assert rig.tick().did == "began"
    rig.queue.clear()
    rig.now += 3 * 3600
    assert rig.tick().did == "began"
    assert rig.real_store.last_reports(1)[0]["status"] == "dead"
    rig.run()
    assert rig.port == rig.world.expected()


def test_jobs_of_a_run_that_is_over_do_nothing() -> None:
    rig = prepared()
    late = list(rig.queue)
    rig.run()
    before = rig.world.requests
    rig.queue = late
    rig.run()
    assert rig.world.requests == before


def test_triggers_during_a_run_become_one_run_that_follows() -> None:
    rig = prepared()
    for kind in ("list", "full", "list"):
        rig.real_store.request(Request(kind, "asked for", rig.now))
        assert rig.tick().did == "goes on"
    rig.run()
    began = rig.tick()
    assert (began.did, began.run and began.run.kind) == ("began", "full")
    rig.run()
    assert rig.tick().did == "nothing"


def test_two_ticks_at_once_begin_one_run() -> None:
    rig = Rig(World().fill(1, 1))
    state = rig.real_store.state()
    did = [rig.starter().begin("full", "interval", state).did for _ in range(2)]
    assert did == ["began", "lost"]
    assert len(rig.queue) == 1


def test_intervals_decide_what_is_due() -> None:
    rig = Rig(World().fill(1, 1))
    assert rig.starter(full=0, list=0).tick().did == "nothing"
    kinds = []
    for _ in range(int(2 * 360 / 15)):
        tick = rig.starter(full=360, list=60).tick()
        if tick.run:
            kinds.append((tick.run.kind, round((rig.now - START) / 60)))
            rig.run()
        rig.now = START + (round((rig.now - START) / 900) + 1) * 900
    assert [at for kind, at in kinds if kind == "full"] == [0, 360]
    assert [at for kind, at in kinds if kind == "list"] == [60, 120, 180, 240, 300, 420, 480, 540, 600, 660]


def test_nothing_is_left_in_the_world_that_the_checks_would_not_see() -> None:
    rig = prepared()
    assert entity_of(pull_request("r1", 1), "").key in rig.port
    assert rig.port != rig.world.expected()
