"""What every store of a run promises, whatever database it is in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bitbucket_port.objects import Address, EntityKey, SourceKey
from bitbucket_port.resync.store import Candidate, OpenJob, Planned, Request, Run, RunStore, Seen, State
from tests.resync.stores import dynamodb_store, sqlite_store

START = 1_800_000_000.0
RUN = Run(
    "run-1",
    "full",
    1,
    "listing",
    "hash",
    START,
    "schedule",
    START + 900,
    kinds=("project", "repository"),
    phase_began=START,
)
LIST_RUN = replace(RUN, id="run-l", kind="list", number=0, started=START + 10, until=START + 910)
JOBS = [("projects", "message 1"), ("repositories", "message 2")]
PULL = SourceKey("pull-request", "{workspace}/{one}", "7")
REPOSITORY = SourceKey("repository", "{workspace}", "{one}")


@pytest.fixture(params=["dynamodb", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    if request.param == "sqlite":
        return sqlite_store(tmp_path)
    return dynamodb_store(request.getfixturevalue("dynamodb"))


# --- the run itself ------------------------------------------------------------------------------------------------


def test_before_the_first_run_nothing_is_going_on(store: RunStore) -> None:
    assert store.state() == State()
    assert store.last_reports(5) == []


def test_a_run_that_began_is_the_open_one_with_its_jobs(store: RunStore) -> None:
    assert store.begin(RUN, JOBS)
    assert store.state() == State(RUN, None, last_full=START, number=1, mapping_hash="hash")
    assert store.open_job("run-1", "projects") == OpenJob("projects", "message 1")
    assert store.open_job("run-1", "repositories") == OpenJob("repositories", "message 2")


def test_no_second_run_begins_while_the_lease_of_the_first_lives(store: RunStore) -> None:
    store.begin(RUN, JOBS)
    next_run = replace(RUN, id="run-2", number=2, started=START + 899.999999)
    assert not store.begin(next_run, [("users", "message")])
    assert store.state().run == RUN
    assert not store.any_open("run-2")
    dead_since = replace(next_run, started=START + 900)
    assert store.begin(dead_since, [("users", "message")])
    assert store.state().run == dead_since


def test_a_list_run_leaves_the_full_ones_as_they_were(store: RunStore) -> None:
    store.begin(RUN, JOBS)
    store.close("run-1", "complete", {}, START + 5)
    assert store.begin(LIST_RUN, JOBS)
    assert store.state() == State(LIST_RUN, None, START, START + 10, 1, "hash")


def test_a_run_takes_the_request_it_answers(store: RunStore) -> None:
    store.request(Request("list", "interval", START - 1))
    store.begin(RUN, JOBS)
    assert store.state().requested is None


def test_a_list_run_does_not_pass_for_a_full_one_that_was_requested(store: RunStore) -> None:
    store.request(Request("full", "button", START))
    assert not store.begin(LIST_RUN, JOBS)
    assert store.state() == State(None, Request("full", "button", START))
    assert not store.any_open("run-l")
    assert store.begin(RUN, JOBS)


def test_requests_become_one_and_a_full_one_counts_more(store: RunStore) -> None:
    store.request(Request("list", "first", START))
    store.request(Request("list", "second", START + 1))
    assert store.state().requested == Request("list", "first", START)
    store.request(Request("full", "third", START + 2))
    store.request(Request("full", "fourth", START + 3))
    store.request(Request("list", "fifth", START + 4))
    assert store.state().requested == Request("full", "third", START + 2)


def test_a_request_during_a_run_waits_for_its_end(store: RunStore) -> None:
    store.begin(RUN, JOBS)
    store.request(Request("full", "button", START + 1))
    store.close("run-1", "complete", {}, START + 5)
    assert store.state() == State(None, Request("full", "button", START + 1), START, 0.0, 1, "hash")


def test_the_lease_only_grows_and_only_for_the_open_run(store: RunStore) -> None:
    assert not store.extend("run-1", START + 5000)
    store.begin(RUN, JOBS)
    assert not store.extend("another", START + 5000)
    assert store.extend("run-1", START + 1000)
    assert store.extend("run-1", START + 950)
    run = store.state().run
    assert run is not None
    assert run.until == START + 1000
    store.close("run-1", "complete", {}, START + 5)
    assert not store.extend("run-1", START + 5000)


def test_a_phase_begins_once(store: RunStore) -> None:
    assert not store.advance("run-1", "listing", "port", START + 5, [("port", "message")])
    store.begin(RUN, [])
    assert not store.advance("another", "listing", "port", START + 5, [("port", "message")])
    assert not store.any_open("another")
    assert store.advance("run-1", "listing", "port", START + 5, [("port", "message")])
    assert store.open_job("run-1", "port") == OpenJob("port", "message")
    assert not store.advance("run-1", "listing", "port", START + 6, [("again", "message")])
    assert store.open_job("run-1", "again") is None
    assert store.state().run == replace(RUN, phase="port", phase_began=START + 5)
    assert store.advance("run-1", "port", "look", START + 7, [])
    assert store.state().run == replace(RUN, phase="look", phase_began=START + 7)


def test_a_closed_run_leaves_its_report_and_room_for_the_next(store: RunStore) -> None:
    assert not store.close("run-1", "complete", {"a": 1}, START)
    assert store.last_reports(5) == []
    store.begin(RUN, JOBS)
    assert not store.close("another", "complete", {"a": 1}, START)
    assert store.close("run-1", "partial", {"a": 2}, START + 5)
    assert not store.close("run-1", "complete", {"a": 3}, START + 6)
    assert store.last_reports(5) == [{"a": 2, "status": "partial"}]
    assert store.state() == State(None, None, START, 0.0, 1, "hash")
    assert not store.advance("run-1", "listing", "port", START + 6, [])
    assert store.begin(replace(RUN, id="run-2", number=2, started=START + 1), JOBS)


def test_the_last_reports_come_newest_first(store: RunStore) -> None:
    for number in range(1, 5):
        run = replace(RUN, id=f"run-{9 - number}", number=number, started=START + number)
        assert store.begin(run, [])
        assert store.close(run.id, "complete", {"number": number}, START + number)
    assert [report["number"] for report in store.last_reports(3)] == [4, 3, 2]


# --- its jobs ------------------------------------------------------------------------------------------------------


def test_jobs_are_open_until_each_is_done(store: RunStore) -> None:
    assert not store.any_open("run-1")
    assert store.put_jobs("run-1", JOBS) == ["projects", "repositories"]
    assert store.any_open("run-1")
    assert not store.any_open("run-2")
    assert store.done("run-1", "projects", {"listed": 3})
    assert store.open_job("run-1", "projects") is None
    assert store.any_open("run-1")
    assert store.done("run-1", "repositories", {"listed": 4})
    assert not store.any_open("run-1")


def test_a_job_is_done_once_and_keeps_the_report_of_that(store: RunStore) -> None:
    assert not store.done("run-1", "projects", {"listed": 1})
    assert list(store.reports("run-1")) == []
    store.put_jobs("run-1", JOBS)
    assert store.done("run-1", "projects", {"listed": 2})
    assert not store.done("run-1", "projects", {"listed": 3})
    assert list(store.reports("run-1")) == [("projects", {"listed": 2})]


def test_a_job_that_was_done_is_not_opened_again(store: RunStore) -> None:
    store.put_jobs("run-1", JOBS)
    store.done("run-1", "projects", {})
    assert store.put_jobs("run-1", [*JOBS, ("users", "message 3")]) == ["repositories", "users"]
    assert store.open_job("run-1", "projects") is None
    assert store.put_jobs("run-2", JOBS) == ["projects", "repositories"]


def test_many_jobs_are_opened_together(store: RunStore) -> None:
    jobs = [(f"pull requests of {number}", f"message {number}") for number in range(230)]
    assert store.put_jobs("run-1", jobs) == [name for name, _ in jobs]
    assert store.put_jobs("run-1", []) == []
    assert store.open_job("run-1", "pull requests of 229") == OpenJob("pull requests of 229", "message 229")


def test_names_of_any_length_and_script_stay_apart(store: RunStore) -> None:
    names = ["ü" * 1000 + "a", "ü" * 1000 + "b", "a" * 900, "a" * 901, "with # and / and …"]
    store.put_jobs("run-1", [(name, name[-1]) for name in names])
    assert [store.open_job("run-1", name) for name in names] == [OpenJob(name, name[-1]) for name in names]
    for name in names:
        assert store.done("run-1", name, {"name": name})
    assert dict(store.reports("run-1")) == {name: {"name": name} for name in names}


def test_all_open_jobs_are_shown_once_with_what_is_known_of_them(store: RunStore) -> None:
    assert list(store.open_jobs("run-1")) == []
    jobs = [(f"pull requests of {number:03}", f"message {number}") for number in range(230)]
    store.put_jobs("run-1", jobs)
    store.put_jobs("run-2", JOBS)
    store.waited("run-1", "pull requests of 001")
    store.done("run-1", "pull requests of 000", {})
    expected = [OpenJob(name, message) for name, message in jobs[1:]]
    expected[0] = replace(expected[0], waits=1)
    assert list(store.open_jobs("run-1")) == expected


def test_how_often_a_job_was_put_off_is_counted_while_it_is_open(store: RunStore) -> None:
    store.waited("run-1", "projects")
    assert store.open_job("run-1", "projects") is None
    store.put_jobs("run-1", JOBS)
    store.waited("run-1", "projects")
    store.waited("run-1", "projects")
    assert store.open_job("run-1", "projects") == OpenJob("projects", "message 1", waits=2)
    assert store.open_job("run-1", "repositories") == OpenJob("repositories", "message 2")


# --- what it found out ---------------------------------------------------------------------------------------------


def test_the_parts_of_a_listing_are_seen_together(store: RunStore) -> None:
    assert store.seen("run-1", "listing") == Seen()
    store.put_seen("run-1", "listing", 1, {"b", "c"}, began=START + 5, complete=False)
    assert store.seen("run-1", "listing") == Seen(frozenset("bc"), complete=False, began=START + 5)
    store.put_seen("run-1", "listing", 0, ["a", "b"], began=START + 4, complete=False)
    store.put_seen("run-1", "listing", 2, [], began=START + 6, complete=True)
    assert store.seen("run-1", "listing") == Seen(frozenset("abc"), complete=True, began=START + 4)
    assert store.seen("run-1", "listing#2") == Seen()
    assert store.seen("run-2", "listing") == Seen()


def test_a_part_put_twice_is_there_once(store: RunStore) -> None:
    for _ in range(2):
        store.put_seen("run-1", "listing", 0, {"a", "b"}, began=START, complete=True)
    assert store.seen("run-1", "listing") == Seen(frozenset("ab"), complete=True, began=START)


def test_a_listing_of_many_ids_in_many_parts_is_seen_whole(store: RunStore) -> None:
    ids = [f"{{{number:036}}}" for number in range(7000)]
    store.put_seen("run-1", "listing", 0, ids[:6500], began=START, complete=False)
    for part, number in enumerate(range(6500, 7000, 20)):
        store.put_seen("run-1", "listing", part + 1, ids[number : number + 20], began=START, complete=number == 6980)
    assert store.seen("run-1", "listing") == Seen(frozenset(ids), complete=True, began=START)


def test_candidates_come_in_the_order_of_their_keys_each_once(store: RunStore) -> None:
    first = Candidate(PULL, Address("P", "{one}", 7), "vanished")
    second = Candidate(REPOSITORY, Address("P", "{one}"), "out of scope")
    user = Candidate(SourceKey("user", "{workspace}", "{ü}"), Address(), "vanished")
    store.put_candidates("run-1", [user, second])
    store.put_candidates("run-1", [first, replace(second, reason="vanished"), second])
    store.put_candidates("run-1", [])
    assert list(store.candidates("run-1")) == [first, second, user]
    assert list(store.candidates("run-2")) == []


def test_many_candidates_are_shown_once_while_more_are_put(store: RunStore) -> None:
    keys = [SourceKey("pull-request", "{workspace}/{one}", f"{number:04}") for number in range(450)]
    store.put_candidates("run-1", [Candidate(key, Address(), "vanished") for key in keys])
    shown = []
    for candidate in store.candidates("run-1"):
        store.put_candidates("run-1", [candidate])
        shown.append(candidate.key)
    assert shown == keys


def test_planned_removals_are_kept_whole_and_by_kind(store: RunStore) -> None:
    pull = Planned(PULL, Address("P", "{one}", 7), (EntityKey("pull", "7"), EntityKey("x", "ü#1")), "gone", aged=True)
    repository = Planned(
        REPOSITORY, Address("P", "{one}"), (EntityKey("service", "one"),), "out of scope", below={"pull": 3}
    )
    unclaimed = Planned(None, Address(), (EntityKey("service", "left over"),), "unclaimed")
    other = replace(unclaimed, entities=(EntityKey("service", "other"),))
    store.put_planned("run-1", [unclaimed, pull, other])
    store.put_planned("run-1", [repository, replace(pull, aged=False), pull])
    assert list(store.planned("run-1")) == [pull, repository, unclaimed, other]
    assert list(store.planned("run-2")) == []


def test_protected_containers_bear_the_last_reason(store: RunStore) -> None:
    assert store.protected("run-1") == {}
    store.protect("run-1", str(REPOSITORY), "answered 403")
    store.protect("run-1", "user", "half read")
    store.protect("run-1", "user", "not read")
    assert store.protected("run-1") == {str(REPOSITORY): "answered 403", "user": "not read"}
    assert store.protected("run-2") == {}


def test_reports_of_jobs_and_others_are_kept_side_by_side(store: RunStore) -> None:
    store.put_jobs("run-1", JOBS)
    store.done("run-1", "projects", {"listed": 1})
    store.put_report("run-1", "blocked#service", {"blocked": 5})
    store.put_report("run-1", "blocked#service", {"blocked": 6, "text": "ü"})
    assert list(store.reports("run-1")) == [
        ("blocked#service", {"blocked": 6, "text": "ü"}),
        ("projects", {"listed": 1}),
    ]
    assert list(store.reports("run-2")) == []


# --- from run to run -----------------------------------------------------------------------------------------------


def test_unclaimed_entities_are_those_of_just_that_run(store: RunStore) -> None:
    assert store.unclaimed("service", 1) == frozenset()
    store.put_unclaimed("service", 1, ["a", "b"])
    store.put_unclaimed("service", 2, ["b"])
    store.put_unclaimed("other", 1, ["c"])
    assert store.unclaimed("service", 1) == {"a", "b"}
    assert store.unclaimed("service", 2) == {"b"}
    assert store.unclaimed("service", 3) == frozenset()
    assert store.unclaimed("other", 1) == {"c"}


def test_what_is_unclaimed_is_no_part_of_any_run(store: RunStore) -> None:
    store.put_unclaimed("service", 1, ["a"])
    assert store.seen("run-1", "service") == Seen()
    assert list(store.reports("run-1")) == []


def test_a_claim_is_won_once_in_each_run(store: RunStore) -> None:
    assert [store.claim("run-1", name) for name in ("a#1", "a#1", "b", "a#1")] == [True, False, True, False]
    assert store.claim("run-2", "a#1")
