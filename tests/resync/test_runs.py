"""Whole runs over a small world: what ends up in Port, and what the report says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bitbucket_port.catalog.held import failed
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.errors import BusyError, CredentialsRefusedError, ForbiddenError, NotFoundError, TransientError
from bitbucket_port.lambda_worker import LEASE_SECONDS as LONGEST_LEASE_SECONDS
from bitbucket_port.objects import EntityKey, SourceKey
from bitbucket_port.resync.store import Request
from bitbucket_port.resync.worker import MOST_TRIES
from tests.resync.rig import Killed, Rig, Waiting, World, entity_of, mapping, project, pull_request, repository
from tests.resync.stores import dynamodb_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def rig() -> Rig:
    return Rig(World().fill(4, 5))


def counts(report: dict[str, Any], kind: str) -> dict[str, int]:
    return dict(report["kinds"].get(kind, {}))


def test_a_first_run_makes_the_catalog_equal_to_bitbucket(rig: Rig) -> None:
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert report["status"] == "complete"
    assert counts(report, "pull-request") == {"listed": 20, "mapped": 20, "created": 20}
    assert counts(report, "repository") == {"listed": 4, "mapped": 4, "created": 4}


def test_a_run_kept_in_dynamodb_goes_the_same_way(dynamodb: DynamoDBClient) -> None:
    rig = Rig(World().fill(4, 5), store=dynamodb_store(dynamodb))
    rig.most_pages = 1
    rig.full()
    for key in [key for key in rig.world.objects if "r0" in str(key)]:
        del rig.world.objects[key]
    rig.port[EntityKey("repository", "r1")] = "edited by hand"
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert report["status"] == "complete"
    assert counts(report, "pull-request")["deleted"] == 5
    assert counts(report, "repository") == {
        "listed": 3,
        "mapped": 3,
        "unchanged": 3,
        "candidates": 1,
        "deleted": 1,
        "healed": 1,
    }


def test_the_second_run_asks_for_every_page_once_and_changes_nothing(rig: Rig) -> None:
    rig.full()
    before = rig.world.requests
    report = rig.full()
    pages = 1 + 2 + 4 * 2  # one of projects, two of repositories, two of each repository's pull requests
    assert rig.world.requests - before == pages
    assert report["requests"]["bitbucket"] == report["estimate"]["bitbucket_requests"] == pages
    assert counts(report, "pull-request") == {"listed": 20, "mapped": 20, "unchanged": 20}


def test_what_a_complete_listing_did_not_show_goes_after_two_looks(rig: Rig) -> None:
    rig.full()
    del rig.world.objects[pull_request("r1", 2)]
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert counts(report, "pull-request")["deleted"] == 1
    assert report["status"] == "complete"
    assert report["duration"] >= 60


def test_a_repository_that_is_gone_takes_its_pull_requests_with_it(rig: Rig) -> None:
    rig.full()
    for key in [repository("r2"), *(pull_request("r2", number) for number in range(1, 6))]:
        del rig.world.objects[key]
    before = rig.world.requests
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert counts(report, "repository")["deleted"] == 1
    assert counts(report, "pull-request")["deleted"] == 5
    assert rig.world.requests - before == 1 + 1 + 3 * 2 + 2, "two looks at the repository, none at what is below it"


def test_what_the_mapping_does_not_select_any_more_goes(rig: Rig) -> None:
    rig.full()
    rig.world.hidden = {pull_request("r0", 1), repository("r3")}
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert counts(report, "pull-request")["filtered"] == 1
    assert counts(report, "pull-request")["deleted"] == 1


def test_nothing_goes_that_answers_when_it_is_asked_for(rig: Rig) -> None:
    rig.full()
    before = dict(rig.port)
    hidden_from_lists = pull_request("r1", 2)
    title = rig.world.objects.pop(hidden_from_lists)
    page = rig._page

    def shown_without_it(*args: Any) -> Any:
        rig.world.objects.pop(hidden_from_lists, None)
        listed = page(*args)
        rig.world.objects[hidden_from_lists] = title
        return listed

    rig._page = cast("Any", shown_without_it)  # type: ignore[method-assign]
    report = rig.full()
    assert rig.port == before
    assert report["status"] == "complete"
    assert counts(report, "pull-request")["candidates"] == 1


def test_more_than_the_threshold_is_blocked_and_told_loudly() -> None:
    rig = Rig(World().fill(4, 5), threshold=0.25)
    rig.full()
    before = dict(rig.port)
    for number in range(1, 6):
        for name in ("r0", "r1"):
            rig.world.objects.pop(pull_request(name, number), None)
    del rig.world.objects[project("P")]
    report = rig.full()
    assert rig.port == before
    assert report["status"] == "partial"
    assert report["blueprints"]["pull-request"]["blocked"] == 10
    assert any("entityDeletionThreshold" in note for note in report["notes"])


def test_a_repository_is_blocked_when_too_much_hangs_below_it() -> None:
    rig = Rig(World().fill(8, 1), threshold=0.25)
    rig.full()
    for number in range(2, 6):
        rig.world.objects[pull_request("r0", number)] = "another"
    rig.full()
    before = dict(rig.port)
    for key in [key for key in rig.world.objects if "r0" in str(key)]:
        del rig.world.objects[key]
    report = rig.full()
    assert rig.port == before
    assert report["blueprints"]["pull-request"]["blocked"] == 5


def test_what_only_aged_out_counts_for_no_threshold() -> None:
    rig = Rig(World().fill(2, 5), threshold=0.1)
    rig.full()
    old = {pull_request(name, number) for name in ("r0", "r1") for number in range(1, 5)}
    rig.world.hidden, rig.world.aged = old, old
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert (counts(report, "pull-request")["aged"], counts(report, "pull-request")["deleted"]) == (8, 8)


def test_what_left_for_another_reason_than_its_age_is_not_counted_as_aged(rig: Rig) -> None:
    rig.full()
    rig.world.hidden = {pull_request("r0", 1)}
    report = counts(rig.full(), "pull-request")
    assert (report.get("aged"), report["deleted"]) == (None, 1)


def test_what_a_page_left_to_somebody_else_is_looked_at_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.full()
    busy, apply_page = pull_request("r0", 2), rig.catalog.apply_page
    rig.world.objects[busy] = "another title"
    rig.world.objects[pull_request("r0", 3)] = "another title"

    def left(entries: Any, **more: Any) -> list[Outcome]:
        told = {one.key: one for one in apply_page([one for one in entries if one.key != busy], **more)}
        return [told.get(entry.key) or Outcome(entry.key, "left", "page", mapped=1) for entry in entries]

    monkeypatch.setattr(rig.catalog, "apply_page", left)
    requests = rig.world.requests
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert report["status"] == "complete"
    assert (counts(report, "pull-request")["left"], counts(report, "pull-request")["updated"]) == (1, 2)
    assert rig.world.requests - requests == report["requests"]["listing"] + 1


REFUSED = ForbiddenError("not for us")


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ({"project": REFUSED, "repository": REFUSED}, "failed"),
        ({"project": REFUSED}, "partial"),
        ({"project": REFUSED, "repository 3": REFUSED}, "partial"),
    ],
)
def test_a_run_is_failed_only_when_no_list_could_be_begun(rig: Rig, trouble: dict[Any, Exception], status: str) -> None:
    rig.full()
    before = dict(rig.port)
    rig.world.trouble = trouble
    del rig.world.objects[project("P")]
    assert rig.full()["status"] == status
    assert rig.port == before


def test_a_run_whose_lists_could_not_be_ordered_protects_everything_of_which_it_knows_nothing(rig: Rig) -> None:
    stray = EntityKey("repository", "stray")
    rig.port[stray] = "from elsewhere"

    def fail(name: str, call: Any) -> Any:
        if name == "store.put_jobs":
            raise TransientError("DynamoDB cannot be reached")
        return call()

    for _ in range(3):
        rig.gate = fail
        report = rig.full()
        assert (report["status"], set(report["protected"])) == ("failed", {"project", "repository"})
    assert stray in rig.port


# --- runs that were asked for meanwhile


def following(rig: Rig) -> Rig:
    rig.now += 3600
    rig.begin()
    rig.real_store.request(Request("list", "by hand", rig.now))
    return rig


def test_whoever_ends_a_run_begins_the_one_that_was_asked_for_meanwhile() -> None:
    rig = following(Rig(World().fill(2, 2), follows_up=True))
    rig.run()
    second, first = rig.real_store.last_reports(2)
    assert (first["kind"], second["kind"], second["reason"]) == ("full", "list", "by hand")
    assert rig.real_store.state().requested is None
    assert len(rig.real_store.last_reports(5)) == 2


def test_a_run_nobody_asked_to_follow_begins_none(rig: Rig) -> None:
    rig.follows_up = True
    rig.worker = rig._worker()
    rig.full()
    assert rig.real_store.state().run is None
    assert len(rig.real_store.last_reports(5)) == 1


@pytest.mark.parametrize("dies_after", ["store.close", "store.begin", "send"])
def test_who_dies_while_he_begins_it_is_followed_by_another_try_of_the_same_message(dies_after: str) -> None:
    rig = following(Rig(World().fill(2, 2), follows_up=True))
    dead: list[str] = []

    def die(name: str, call: Any) -> Any:
        call()
        if name == dies_after and not dead and rig.real_store.last_reports(1):
            dead.append(name)
            raise Killed
        return True

    def gate(name: str, call: Any) -> Any:
        return die(name, call) if name == dies_after else call()

    rig.gate = gate
    rig.run()
    assert dead == [dies_after]
    last, *_, first = rig.real_store.last_reports(5)
    assert (first["kind"], last["kind"], last["status"]) == ("full", "list", "complete")
    assert rig.real_store.state().run is None
    assert rig.real_store.state().requested is None


def test_a_superseded_run_is_followed_at_once_by_one_with_the_new_mapping() -> None:
    rig = Rig(World().fill(2, 2), follows_up=True)
    rig.now += 3600
    rig.begin()
    rig.mapping = mapping(hash="mapping-2")
    rig.worker = rig._worker()
    rig.run()
    second, first = rig.real_store.last_reports(2)
    assert (first["status"], second["status"], second["mapping"]) == ("superseded", "complete", "mapping-2")
    assert rig.port == rig.world.expected()


@pytest.mark.parametrize(
    "trouble", [ForbiddenError("not for us"), TransientError("answered 500"), CredentialsRefusedError("401")]
)
def test_a_repository_that_refuses_protects_its_own_pull_requests_only(rig: Rig, trouble: Exception) -> None:
    rig.full()
    before = dict(rig.port)
    del rig.world.objects[pull_request("r0", 1)]
    del rig.world.objects[pull_request("r1", 1)]
    rig.world.trouble[repository("r0")] = trouble
    report = rig.full()
    gone = entity_of(pull_request("r1", 1), "").key
    assert rig.port == {key: title for key, title in before.items() if key != gone}
    assert report["status"] == "partial"
    assert list(report["protected"]) == [str(repository("r0"))]
    assert counts(report, "pull-request")["protected"] == 1


def test_a_page_that_always_fails_protects_its_listing_and_the_rest_goes_on() -> None:
    rig = Rig(World().fill(7, 2))
    rig.full()
    before = dict(rig.port)
    rig.world.trouble["repository 3"] = TransientError("answered 500")
    del rig.world.objects[repository("r0")]
    rig.world.objects[pull_request("r1", 9)] = "new"
    report = rig.full()
    assert rig.port == {**before, EntityKey("pull-request", "r1/9"): "new"}
    assert report["protected"] == {"repository": "answered 500"}
    assert report["failures"] == [{"kind": "repository", "what": "repository", "reason": "answered 500"}]


@pytest.mark.parametrize("trouble", [NotFoundError("no workspace"), CredentialsRefusedError("401")])
def test_a_source_that_does_not_answer_loses_nothing(rig: Rig, trouble: Exception) -> None:
    rig.full()
    before = dict(rig.port)
    for what in ("project", "repository"):
        rig.world.trouble[what] = trouble
    report = rig.full()
    assert rig.port == before
    assert report["status"] == "failed"
    assert set(report["protected"]) == {"project", "repository"}


def test_an_empty_answer_of_the_workspace_deletes_nothing(rig: Rig) -> None:
    rig.full()
    before = dict(rig.port)
    rig._page = lambda *args: type(page)([], rig.now)  # type: ignore[method-assign]
    page = Rig(World())._page("project", None, 0)
    rig.full()
    assert rig.port == before


def test_a_long_listing_goes_on_where_the_time_ended(rig: Rig) -> None:
    rig.most_pages = 1
    rig.full()
    assert rig.port == rig.world.expected()
    del rig.world.objects[repository("r0")], rig.world.objects[pull_request("r1", 4)]
    for number in range(1, 6):
        del rig.world.objects[pull_request("r0", number)]
    before = rig.world.requests
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert counts(report, "repository")["candidates"] == 1, "what earlier turns showed was not forgotten"
    assert report["requests"]["bitbucket"] == rig.world.requests - before


def test_a_limit_costs_no_tries_and_its_time_is_told(rig: Rig) -> None:
    limits = iter([TransientError("limited", retry_after=1800.0)] * 30)

    def limited(name: str, call: Any) -> Any:
        if name == "list" and (error := next(limits, None)):
            raise error
        return call()

    rig.gate = limited
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert report["status"] == "complete"
    assert report["throttled"] == 30 * 1800
    assert report["duration"] >= 1800


def test_a_limit_of_hours_leaves_the_messages_where_they_are_and_the_run_alive(rig: Rig) -> None:
    rig.now += 3600
    rig.begin()
    began, until = rig.now, rig.now + 11 * 3600

    def limited(name: str, call: Any) -> Any:
        if name == "list" and rig.now < until:
            raise TransientError("limited", retry_after=until - rig.now)
        return call()

    rig.gate = limited
    rig.step(rig.queue[0])
    waiting = {one.message for one in rig.queue}
    assert len(waiting) == 2, "the lists of projects and of repositories"
    while rig.now < until - 60:
        for one in [one for one in rig.queue if one.visible <= rig.now]:
            rig.step(one)
        rig.now += 60
        assert rig.tick().did == "goes on"
    assert {one.message for one in rig.queue} == waiting
    assert [one.receives for one in rig.queue] == [1, 1], "nobody looked before the time"
    report = rig.run()
    assert rig.port == rig.world.expected()
    assert (report["status"], report["reason"]) == ("complete", "test")
    assert report["throttled"] == pytest.approx(2 * 11 * 3600, abs=1)
    assert report["ended"] - began >= 11 * 3600


def test_what_meets_a_limit_on_a_later_page_goes_on_from_there_and_its_time_is_told(rig: Rig) -> None:
    limits = iter([TransientError("limited", retry_after=600.0)])

    def limited(name: str, call: Any) -> Any:
        if name == "list" and rig._pages == 1 and (error := next(limits, None)):
            raise error
        return call()

    rig.gate = limited
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert report["throttled"] == 601
    assert report["requests"]["bitbucket"] == 11, "no page was asked for twice"


def test_somebody_who_keeps_an_object_busy_is_no_limit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.full()
    busy = pull_request("r1", 2)
    title = rig.world.objects.pop(busy)
    looked = rig.catalog.look_all
    tries = 0

    def look_all(changes: Any, **more: Any) -> list[Outcome]:
        nonlocal tries
        told = {one.key: one for one in looked([one for one in changes if one.key != busy], **more)}
        if busy in {one.key for one in changes}:
            tries += 1
            told[busy] = failed(busy, BusyError("somebody is writing it", retry_after=5.0), "refresh")
        return [told[one.key] for one in changes]

    monkeypatch.setattr(rig.catalog, "look_all", look_all)
    report = rig.full()
    assert tries == MOST_TRIES
    assert report["throttled"] == 0
    assert report["duration"] > LONGEST_LEASE_SECONDS, "whoever is busy has had his time"
    assert report["failures"] == [{"kind": "pull-request", "what": str(busy), "reason": "somebody is writing it"}]
    assert entity_of(busy, title).key in rig.port


def test_what_a_try_did_is_counted_although_another_had_to_follow(rig: Rig) -> None:
    failures = iter([TransientError("SQS cannot be reached"), TransientError("Port answered 500")])
    calls: list[str] = []

    def fail(name: str, call: Any) -> Any:
        calls.append(name)
        unsent = name == "send" and calls.count("list") == 2  # The first page of repositories was written.
        unhealed = name == "port" and "read" in calls and calls.count("read") == 3
        if (unsent or unhealed) and (error := next(failures, None)):
            raise error
        return call()

    rig.gate = fail
    report = rig.full()
    assert counts(report, "repository")["created"] == 4
    rig.gate = lambda name, call: call()
    rig.port.clear()
    calls.clear()
    rig.gate = fail
    report = rig.full()
    assert next(failures, None) is None, "both came about"
    assert sum(counts(report, kind)["healed"] for kind in ("project", "repository", "pull-request")) == 25
    assert rig.port == rig.world.expected()


def test_a_job_of_a_newer_release_waits_for_it_and_the_run_with_it(rig: Rig) -> None:
    rig.now += 3600
    rig.begin()
    (first,) = rig.queue
    ours, first.message = first.message, first.message.replace('"v": 1', '"v": 2')
    for _ in range(3):
        rig.now = first.visible
        rig.step(first)
    assert first.visible - rig.now == 600
    first.message = ours
    assert rig.run()["status"] == "complete"
    assert rig.port == rig.world.expected()


def test_a_catalog_emptied_by_hand_is_whole_after_one_run(rig: Rig) -> None:
    rig.full()
    rig.port.clear()
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert sum(counts(report, kind).get("healed", 0) for kind in ("project", "repository", "pull-request")) == 25
    assert report["blueprints"]["pull-request"]["missing"] == 20


def test_what_somebody_changed_in_port_is_right_after_one_run(rig: Rig) -> None:
    rig.full()
    rig.port[EntityKey("repository", "r1")] = "edited by hand"
    before = rig.world.requests
    report = rig.full()
    assert rig.port == rig.world.expected()
    assert counts(report, "repository")["healed"] == 1
    assert rig.world.requests - before == 11 + 1


def test_unclaimed_entities_go_after_two_complete_runs(rig: Rig) -> None:
    rig.port[EntityKey("repository", "left-behind")] = "by an earlier integration"
    report = rig.full()
    assert report["blueprints"]["repository"]["unclaimed"] == 1
    assert EntityKey("repository", "left-behind") in rig.port
    rig.full()
    assert rig.port == rig.world.expected()


def test_an_unclaimed_entity_that_somebody_needs_stays(rig: Rig) -> None:
    rig.port[EntityKey("repository", "left-behind")] = "by an earlier integration"
    rig.spared = {"left-behind"}
    for _ in range(3):
        report = rig.full()
    assert EntityKey("repository", "left-behind") in rig.port
    assert any("it is needed" in note for note in report["notes"])


def test_unclaimed_entities_stay_when_a_listing_was_not_complete(rig: Rig) -> None:
    rig.port[EntityKey("pull-request", "left-behind")] = "by an earlier integration"
    rig.world.trouble[repository("r0")] = ForbiddenError("not for us")
    for _ in range(3):
        rig.full()
    assert EntityKey("pull-request", "left-behind") in rig.port


def test_unclaimed_entities_stay_while_it_is_not_known_what_some_object_makes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = EntityKey("repository", "left-behind")
    rig.port[left] = "by an earlier integration, and perhaps what the mapping fails to make"
    plain = rig.catalog.apply_page

    def failing(entries: Any, **more: Any) -> Any:
        return [replace(one, incomplete=one.key == repository("r0")) for one in plain(entries, **more)]

    with monkeypatch.context() as broken:
        broken.setattr(rig.catalog, "apply_page", failing)
        for _ in range(3):
            report = rig.full()
    assert left in rig.port
    assert "what 1 of them make is not known" in report["notes"][0]
    rig.full()
    assert left in rig.port
    rig.full()
    assert left not in rig.port


def test_a_light_run_lists_projects_and_repositories_only(rig: Rig) -> None:
    rig.full()
    rig.world.objects[repository("new")] = "new"
    del rig.world.objects[repository("r3")]
    for number in range(1, 6):
        del rig.world.objects[pull_request("r3", number)]
    rig.world.objects[pull_request("r0", 9)] = "not looked at"
    before = rig.world.requests
    rig.now += 3600
    rig.begin("list")
    report = rig.run()
    del rig.world.objects[pull_request("r0", 9)]
    assert rig.port == rig.world.expected()
    assert report["kind"] == "list"
    assert rig.world.requests - before == 1 + 2 + 2


def test_a_light_run_in_which_nothing_vanished_asks_port_nothing(rig: Rig) -> None:
    rig.full()
    rig.calls.clear()
    rig.now += 3600
    rig.begin("list")
    rig.run()
    assert "port" not in rig.calls


def test_a_changed_mapping_ends_the_run_and_asks_for_the_next(rig: Rig) -> None:
    rig.full()
    del rig.world.objects[pull_request("r0", 1)]
    before = dict(rig.port)
    rig.now += 3600
    rig.begin()
    rig.mapping = mapping(hash="mapping-2")
    rig.worker = rig._worker()
    report = rig.run()
    assert report["status"] == "superseded"
    assert rig.port == before
    assert rig.real_store.state().requested == Request("full", "the mapping changed", rig.now)
    assert rig.tick().did == "began"
    rig.run()
    assert rig.port == rig.world.expected()


def removing(rig: Rig) -> Waiting:
    """Work a run off until the job that removes what hangs below a repository that is gone is the next."""
    for key in [key for key in rig.world.objects if "r2" in str(key)]:
        del rig.world.objects[key]
    rig.now += 3600
    rig.begin()
    while not (found := [one for one in rig.queue if '"children"' in one.message]):
        ready = min(rig.queue, key=lambda one: one.visible)
        rig.now = max(rig.now, ready.visible) + 0.01
        rig.step(ready)
    return found[0]


def test_what_hangs_below_something_gone_is_removed_although_the_run_is_superseded(rig: Rig) -> None:
    rig.full()
    job = removing(rig)
    rig.mapping = mapping(hash="mapping-2")
    rig.worker = rig._worker()
    rig.now += 1
    rig.step(job)
    assert rig.port == rig.world.expected()
    assert rig.run()["status"] == "superseded"


def test_what_a_given_up_removal_left_behind_is_found_by_the_next_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.full()
    before = dict(rig.port)
    remove = rig.catalog.remove

    def refused(key: SourceKey, *, version: int | None) -> Outcome:
        if key.kind == "pull-request":
            raise TransientError("Port answered 500")
        return remove(key, version=version)

    with monkeypatch.context() as patch:
        patch.setattr(rig.catalog, "remove", refused)
        removing(rig)
        report = rig.run()
    assert (report["status"], rig.port) == ("partial", before)
    assert report["failures"] == [{"kind": "repository", "what": str(repository("r2")), "reason": "Port answered 500"}]
    assert rig.full()["status"] == "complete"
    assert rig.port == rig.world.expected()


@pytest.mark.parametrize("job", ["children", "heal"])
def test_what_a_job_opened_before_it_died_is_sent_by_its_next_try(
    rig: Rig, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.full()
    for key in [key for key in rig.world.objects if "r2" in str(key)]:
        del rig.world.objects[key]
    edited = EntityKey("repository", "r1")
    rig.port[edited] = "edited by hand"
    dead: list[str] = []

    def die(name: str, call: Any) -> Any:
        if name == "send" and not dead and f'"job": "{job}"' in call.args[0].message:
            dead.append(job)
            if job == "heal":
                rig.catalog.rewrite(repository("r1"))  # By a live event: the next try finds nothing to heal.
            raise Killed
        return call()

    rig.gate = die
    monkeypatch.setattr(rig, "tick", lambda: pytest.fail("the run stands still"))
    report = rig.full()
    assert dead == [job]
    assert report["status"] == "complete"
    assert rig.port == rig.world.expected()


def test_what_is_being_removed_at_the_moment_is_left_to_whoever_removes_it(rig: Rig) -> None:
    rig.full()
    rig.queue.remove(removing(rig))
    run = rig.real_store.state().run
    assert run is not None
    rig.real_store.close(run.id, "dead", {}, rig.now)
    rig.now += 60
    rig.begin("list")
    assert counts(rig.run(), "repository").get("candidates") is None


def test_what_is_left_of_a_kind_that_is_not_mapped_any_more_goes_without_a_request(rig: Rig) -> None:
    rig.full()
    rig.mapping = mapping(resources=mapping().resources[:2], hash="mapping-2")
    rig.worker = rig._worker()
    before = rig.world.requests
    rig.full()
    assert rig.port == {key: title for key, title in rig.world.expected().items() if key.blueprint != "pull-request"}
    assert rig.world.requests - before == 3


def test_a_job_that_was_done_costs_nothing_when_it_comes_again(rig: Rig) -> None:
    rig.now += 3600
    rig.begin()
    while rig.queue:
        waiting = min(rig.queue, key=lambda one: one.visible)
        rig.now = max(rig.now, waiting.visible)
        rig.step(waiting)
        before = rig.world.requests
        rig.worker.handle(waiting.message, 2)
        assert rig.world.requests == before
    assert rig.port == rig.world.expected()
