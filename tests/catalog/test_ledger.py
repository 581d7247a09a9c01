"""What every ledger promises, whatever database it is in."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from bitbucket_port.catalog.items import UNKNOWN, Commit, EntityItem, Facts, Granted, Guard, Lease, ObjectItem, Refused
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.objects import Address, EntityKey, SourceKey
from tests.catalog.rig import START

SOURCE = "{workspace}"
KEY = SourceKey("repository", SOURCE, "{one}")
OTHER = SourceKey("repository", SOURCE, "{two}")
ENTITY = EntityKey("service", "one")
FACTS = Facts(Address("PROJ", "{one}"), "team/one", "PROJ", "main")


def item_of(ledger: Ledger, key: SourceKey = KEY) -> ObjectItem:
    return ledger.read([key])[key]


def lease(
    ledger: Ledger,
    token: str = "token",
    *,
    key: SourceKey = KEY,
    now: float = START,
    guard: Guard | None = None,
    intents: Collection[str] = (),
) -> Granted | Refused:
    item = item_of(ledger, key)
    return ledger.take_lease(item, token, now=now, until=now + 60, guard=guard or Guard(), intents=intents)


def committed(
    ledger: Ledger, *, key: SourceKey = KEY, version: int | None = 5, at: float = START, owns: Collection[str] = ()
) -> ObjectItem:
    assert isinstance(lease(ledger, "writer", key=key, now=at), Granted)
    result = Commit(dict.fromkeys(owns, "hash"), version, at, at, at, FACTS)
    assert ledger.commit(key, "writer", result, now=at)
    return item_of(ledger, key)


# --- reading -------------------------------------------------------------------------------------------------------


def test_an_object_nobody_wrote_comes_back_as_unknown(ledger: Ledger) -> None:
    assert ledger.read([KEY, OTHER]) == {KEY: ObjectItem(KEY), OTHER: ObjectItem(OTHER)}


def test_nothing_asked_for_is_nothing_read(ledger: Ledger) -> None:
    assert ledger.read([]) == {}


def test_what_was_committed_is_what_is_read(ledger: Ledger) -> None:
    lease(ledger, "writer")
    result = Commit({"service#one": "a", "ünï#…code": "b"}, 7, START + 1.25, START + 2, START + 3, FACTS, "a problem")
    assert ledger.commit(KEY, "writer", result, now=START + 4)
    assert item_of(ledger) == ObjectItem(
        KEY,
        known=True,
        version=7,
        read_at=START + 1.25,
        refreshed_at=START + 2,
        received=START + 3,
        owns={"service#one": "a", "ünï#…code": "b"},
        facts=FACTS,
        problem="a problem",
    )


def test_more_objects_than_fit_into_one_request_are_read_together(ledger: Ledger) -> None:
    keys = [SourceKey("pull-request", f"{SOURCE}/{{one}}", str(number)) for number in range(230)]
    for key in keys[::50]:
        committed(ledger, key=key)
    found = ledger.read(keys)
    assert list(found) == keys
    assert [key for key in keys if found[key].known] == keys[::50]


def test_times_are_kept_to_the_microsecond(ledger: Ledger) -> None:
    item = committed(ledger, at=START + 0.123456789)
    assert item.read_at == START + 0.123457


# --- leases --------------------------------------------------------------------------------------------------------


def test_a_first_lease_shows_an_object_nobody_knew(ledger: Ledger) -> None:
    granted = lease(ledger, "first", intents=["service#one"])
    assert granted == Granted(ObjectItem(KEY), "first", taken_over=False)
    item = item_of(ledger)
    assert item.lease == Lease("first", START + 60)
    assert item.owns == {"service#one": UNKNOWN}
    assert not item.applied


def test_a_second_writer_is_refused_as_long_as_the_lease_lives(ledger: Ledger) -> None:
    lease(ledger, "first")
    assert lease(ledger, "second", now=START + 59.999) == Refused(busy=True)
    taken = lease(ledger, "second", now=START + 60)
    assert isinstance(taken, Granted)
    assert taken.taken_over
    assert taken.item.lease == Lease("first", START + 60)


def test_a_lease_is_refused_to_who_read_the_object_before_it_was_known(ledger: Ledger) -> None:
    before = item_of(ledger)
    committed(ledger)
    assert ledger.take_lease(before, "late", now=START, until=START + 60, guard=Guard()) == Refused(busy=False)
    assert item_of(ledger).lease is None


def test_a_lease_is_refused_to_who_knew_an_object_that_is_forgotten(ledger: Ledger) -> None:
    remembered = ObjectItem(KEY, known=True, version=5, read_at=START)
    assert ledger.take_lease(remembered, "late", now=START, until=START + 60, guard=Guard()) == Refused(busy=False)
    assert not item_of(ledger).known


def test_intents_do_not_overwrite_what_is_known_of_an_entity(ledger: Ledger) -> None:
    committed(ledger, owns=["service#one"])
    lease(ledger, "next", intents=["service#one", "service#new"])
    assert item_of(ledger).owns == {"service#one": "hash", "service#new": UNKNOWN}


@pytest.mark.parametrize(
    ("guard", "granted"),
    [
        (Guard(), True),
        (Guard(version_below=6), True),
        (Guard(version_below=5), False),
        (Guard(version_below=4), False),
        (Guard(version_below=5, or_received_before=START + 1), True),
        (Guard(version_below=5, or_received_before=START), False),
        (Guard(version_below=4, or_received_before=START + 1), False),
        (Guard(read_before=START + 0.000001), True),
        (Guard(read_before=START), False),
        (Guard(version_below=6, read_before=START), False),
        (Guard(version_below=5, read_before=START + 1), False),
        (Guard(version_below=6, read_before=START + 1), True),
    ],
)
def test_a_lease_is_given_only_while_its_guard_is_true(ledger: Ledger, guard: Guard, granted: bool) -> None:
    before = committed(ledger, version=5, at=START)
    answer = lease(ledger, "guarded", now=START + 10, guard=guard)
    assert answer == (Granted(before, "guarded", taken_over=False) if granted else Refused(busy=False))


@pytest.mark.parametrize(
    "guard", [Guard(version_below=1), Guard(version_below=1, or_received_before=1.0), Guard(read_before=1.0)]
)
def test_a_guard_never_refuses_an_object_that_was_not_applied(ledger: Ledger, guard: Guard) -> None:
    lease(ledger, "gave-up")
    ledger.release(KEY, "gave-up", dirty=False)
    assert isinstance(lease(ledger, "guarded", guard=guard), Granted)


def test_a_guard_that_fails_under_a_living_lease_still_says_busy(ledger: Ledger) -> None:
    committed(ledger, version=5)
    lease(ledger, "first")
    assert lease(ledger, "second", guard=Guard(version_below=1)) == Refused(busy=True)


def test_as_many_entities_as_an_object_may_have_are_intended_and_forgotten(ledger: Ledger) -> None:
    texts = [f"service#{number:04}" for number in range(320)]
    committed(ledger)
    assert isinstance(lease(ledger, "writer", intents=texts[:160]), Granted)
    assert ledger.intend(item_of(ledger), "writer", texts[160:])
    assert dict(item_of(ledger).owns) == dict.fromkeys(texts, UNKNOWN)
    result = Commit(dict.fromkeys(texts, "hash"), 6, START, START, START, FACTS)
    assert ledger.commit(KEY, "writer", result, now=START)
    assert ledger.forget_hash(KEY, [EntityKey.parse(text) for text in texts[:-1]], now=START)
    assert dict(item_of(ledger).owns) == {**dict.fromkeys(texts, UNKNOWN), texts[-1]: "hash"}


def test_only_the_holder_adds_intents(ledger: Ledger) -> None:
    item = item_of(ledger)
    assert not ledger.intend(item, "token", ["service#one"])
    assert not item_of(ledger).known
    lease(ledger, "token", intents=["service#zero"])
    assert not ledger.intend(item, "another", ["service#one"])
    assert ledger.intend(item, "token", ["service#one", "service#zero"])
    assert item_of(ledger).owns == {"service#zero": UNKNOWN, "service#one": UNKNOWN}


def test_only_the_holder_commits(ledger: Ledger) -> None:
    result = Commit({}, 9, START, START, START, FACTS)
    assert not ledger.commit(KEY, "token", result, now=START)
    assert not item_of(ledger).known
    lease(ledger, "token")
    assert not ledger.commit(KEY, "another", result, now=START)
    assert ledger.commit(KEY, "token", result, now=START)
    assert not ledger.commit(KEY, "token", result, now=START)


def test_a_commit_replaces_what_is_owned_and_ends_lease_and_missing(ledger: Ledger) -> None:
    committed(ledger, owns=["service#one", "service#two"])
    lease(ledger, "looked")
    ledger.miss(KEY, "looked", since=START, dirty=False)
    assert item_of(ledger).missing_since == START
    item = committed(ledger, owns=["service#two"])
    assert (item.owns, item.lease, item.missing_since) == ({"service#two": "hash"}, None, None)


def test_a_commit_without_a_version_leaves_the_one_that_was(ledger: Ledger) -> None:
    committed(ledger, version=5)
    assert committed(ledger, version=None).version == 5
    assert committed(ledger, version=4).version == 4


def test_a_clean_release_leaves_no_lease_and_a_dirty_one_an_expired_one(ledger: Ledger) -> None:
    lease(ledger, "clean")
    ledger.release(KEY, "clean", dirty=False)
    assert item_of(ledger).lease is None
    lease(ledger, "dirty")
    ledger.release(KEY, "dirty", dirty=True)
    assert item_of(ledger).lease == Lease("dirty", 0.0)
    taken = lease(ledger, "next")
    assert isinstance(taken, Granted)
    assert taken.taken_over


@pytest.mark.parametrize("dirty", [True, False])
def test_nobody_else_gives_a_lease_up(ledger: Ledger, dirty: bool) -> None:
    lease(ledger, "mine")
    ledger.release(KEY, "another", dirty=dirty)
    ledger.miss(KEY, "another", since=START, dirty=dirty)
    item = item_of(ledger)
    assert (item.lease, item.missing_since) == (Lease("mine", START + 60), None)


@pytest.mark.parametrize("dirty", [True, False])
def test_giving_up_a_lease_on_nothing_makes_nothing(ledger: Ledger, dirty: bool) -> None:
    ledger.release(KEY, "token", dirty=dirty)
    ledger.miss(KEY, "token", since=START, dirty=dirty)
    assert not item_of(ledger).known


def test_the_first_miss_is_kept_with_the_lease_given_up(ledger: Ledger) -> None:
    lease(ledger, "looked")
    ledger.miss(KEY, "looked", since=START + 5, dirty=True)
    item = item_of(ledger)
    assert (item.missing_since, item.lease) == (START + 5, Lease("looked", 0.0))


# --- readings that change nothing ----------------------------------------------------------------------------------


def test_an_equal_reading_is_noted_after_a_first_writer_gave_up_before_it_read(ledger: Ledger) -> None:
    lease(ledger, "first")
    ledger.release(KEY, "first", dirty=False)
    assert ledger.move(item_of(ledger), version=5_000_000, read_at=START + 1, received=START)
    noted = item_of(ledger)
    assert (noted.version, noted.read_at) == (5_000_000, START + 1)


def test_an_equal_reading_is_not_noted_over_one_that_was_applied_meanwhile(ledger: Ledger) -> None:
    lease(ledger, "first")
    ledger.release(KEY, "first", dirty=False)
    seen = item_of(ledger)
    assert ledger.move(seen, version=None, read_at=START + 1, received=START)
    assert not ledger.move(seen, version=None, read_at=START + 2, received=START)
    now = item_of(ledger)
    assert ledger.move(now, version=None, read_at=START + 2, received=START)
    assert not ledger.move(now, version=None, read_at=START + 3, received=START)


def test_a_move_notes_the_reading_and_nothing_else(ledger: Ledger) -> None:
    before = committed(ledger, version=5, owns=["service#one"])
    assert ledger.move(before, version=6, read_at=START + 9, received=START + 8)
    after = item_of(ledger)
    assert (after.version, after.read_at, after.received) == (6, START + 9, START + 8)
    assert (after.owns, after.facts, after.refreshed_at) == (before.owns, before.facts, before.refreshed_at)


def test_a_move_ends_a_first_miss(ledger: Ledger) -> None:
    committed(ledger)
    lease(ledger, "looked")
    ledger.miss(KEY, "looked", since=START, dirty=False)
    assert ledger.move(item_of(ledger), version=None, read_at=START + 9, received=START)
    assert item_of(ledger).missing_since is None


def test_a_move_never_makes_the_version_older(ledger: Ledger) -> None:
    before = committed(ledger, version=5)
    assert not ledger.move(before, version=4, read_at=START + 9, received=START)
    assert ledger.move(before, version=5, read_at=START + 9, received=START)


@pytest.mark.parametrize("dirty", [True, False], ids=["expired", "living"])
def test_no_move_beside_any_lease(ledger: Ledger, dirty: bool) -> None:
    committed(ledger)
    lease(ledger, "writer")
    if dirty:
        ledger.release(KEY, "writer", dirty=True)
    assert not ledger.move(item_of(ledger), version=6, read_at=START + 9, received=START)


def test_no_move_of_an_object_nobody_knows(ledger: Ledger) -> None:
    assert not ledger.move(item_of(ledger), version=6, read_at=START + 9, received=START)
    assert not item_of(ledger).known


# --- what Port does not show as it was written -----------------------------------------------------------------------


def test_a_forgotten_entity_has_to_be_written_again_and_the_others_not(ledger: Ledger) -> None:
    before = committed(ledger, owns=["service#one", "service#two"])
    assert ledger.forget_hash(KEY, [ENTITY, EntityKey("service", "foreign")], now=START)
    after = item_of(ledger)
    assert after.owns == {"service#one": UNKNOWN, "service#two": "hash"}
    assert (after.version, after.read_at, after.lease) == (before.version, before.read_at, None)


def test_nothing_is_forgotten_under_a_living_lease(ledger: Ledger) -> None:
    committed(ledger, owns=["service#one"])
    lease(ledger, "writer")
    assert not ledger.forget_hash(KEY, [ENTITY], now=START + 59.999)
    assert item_of(ledger).owns == {"service#one": "hash"}
    assert ledger.forget_hash(KEY, [ENTITY], now=START + 60)
    item = item_of(ledger)
    assert (item.owns, item.lease) == ({"service#one": UNKNOWN}, Lease("writer", START + 60))


def test_forgetting_what_nobody_owns_changes_nothing(ledger: Ledger) -> None:
    assert ledger.forget_hash(KEY, [ENTITY], now=START)
    assert not item_of(ledger).known
    before = committed(ledger, owns=["service#two"])
    assert ledger.forget_hash(KEY, [ENTITY], now=START)
    assert ledger.forget_hash(KEY, [], now=START)
    assert item_of(ledger) == before


def test_entities_are_read_together_and_only_those_that_are_known(ledger: Ledger) -> None:
    identifiers = [str(number) for number in range(230)]
    for identifier in identifiers[::50]:
        ledger.join(EntityKey("service", identifier), KEY, now=START)
    ledger.join(EntityKey("another", "1"), KEY, now=START)
    ledger.settle_ownership(EntityKey("service", "50"), ours=True)
    ledger.mark_deleting(EntityKey("service", "100"), KEY, "token", now=START, until=START + 60)
    sources = frozenset({str(KEY)})
    assert ledger.entities("service", [*identifiers, "50"]) == {
        EntityKey("service", "0"): EntityItem(sources),
        EntityKey("service", "50"): EntityItem(sources, ours=True),
        EntityKey("service", "100"): EntityItem(sources, None, Lease("token", START + 60)),
        EntityKey("service", "150"): EntityItem(sources),
        EntityKey("service", "200"): EntityItem(sources),
    }
    assert ledger.entities("service", []) == {}


def test_how_port_shows_an_entity_is_kept_with_it_until_it_goes(ledger: Ledger) -> None:
    ledger.accept(ENTITY, "digest")
    assert ledger.entities("service", ["one"]) == {}
    ledger.join(ENTITY, KEY, now=START)
    ledger.accept(ENTITY, "digest")
    ledger.join(ENTITY, OTHER, now=START)
    sources = frozenset({str(KEY), str(OTHER)})
    assert ledger.entities("service", ["one"]) == {ENTITY: EntityItem(sources, accepted="digest")}
    ledger.leave(ENTITY, OTHER)
    ledger.mark_deleting(ENTITY, KEY, "token", now=START, until=START + 60)
    ledger.drop(ENTITY, "token")
    ledger.join(ENTITY, KEY, now=START)
    assert ledger.entities("service", ["one"]) == {ENTITY: EntityItem(frozenset({str(KEY)}))}


# --- entities ------------------------------------------------------------------------------------------------------


def test_the_first_to_join_sees_an_entity_nobody_knew(ledger: Ledger) -> None:
    assert ledger.join(ENTITY, KEY, now=START) == EntityItem()
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem(frozenset({str(KEY)}))
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem(frozenset({str(KEY), str(OTHER)}))


def test_ownership_is_decided_only_for_an_entity_that_is_known(ledger: Ledger) -> None:
    ledger.settle_ownership(ENTITY, ours=True)
    assert ledger.join(ENTITY, KEY, now=START) == EntityItem()
    for ours in (True, False):
        ledger.settle_ownership(ENTITY, ours=ours)
        assert ledger.join(ENTITY, KEY, now=START) == EntityItem(frozenset({str(KEY)}), ours)


def test_all_but_the_last_source_may_leave(ledger: Ledger) -> None:
    assert not ledger.leave(ENTITY, KEY)
    ledger.join(ENTITY, KEY, now=START)
    ledger.join(ENTITY, OTHER, now=START)
    assert ledger.leave(ENTITY, KEY)
    assert ledger.leave(ENTITY, KEY)
    assert not ledger.leave(ENTITY, OTHER)
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem(frozenset({str(OTHER)}))


def test_only_the_only_source_may_delete(ledger: Ledger) -> None:
    times = {"now": START, "until": START + 60}
    assert ledger.mark_deleting(ENTITY, KEY, "token", **times) == ("absent", EntityItem())
    ledger.join(ENTITY, OTHER, now=START)
    assert ledger.mark_deleting(ENTITY, KEY, "token", **times) == ("shared", EntityItem(frozenset({str(OTHER)})))
    ledger.join(ENTITY, KEY, now=START)
    both = EntityItem(frozenset({str(KEY), str(OTHER)}))
    assert ledger.mark_deleting(ENTITY, KEY, "token", **times) == ("shared", both)
    ledger.leave(ENTITY, OTHER)
    assert ledger.mark_deleting(ENTITY, KEY, "token", **times) == ("marked", EntityItem(frozenset({str(KEY)})))


def test_an_announced_deletion_keeps_everybody_out_until_it_ends(ledger: Ledger) -> None:
    ledger.join(ENTITY, KEY, now=START)
    ledger.mark_deleting(ENTITY, KEY, "token", now=START, until=START + 60)
    marked = EntityItem(frozenset({str(KEY)}), None, Lease("token", START + 60))
    assert ledger.join(ENTITY, OTHER, now=START + 59.999) is None
    assert ledger.mark_deleting(ENTITY, KEY, "next", now=START + 59.999, until=START + 90) == ("busy", marked)
    assert ledger.join(ENTITY, OTHER, now=START + 60) == marked
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem(frozenset({str(KEY), str(OTHER)}))


def test_an_announcement_that_ended_can_be_taken_over(ledger: Ledger) -> None:
    ledger.join(ENTITY, KEY, now=START)
    ledger.mark_deleting(ENTITY, KEY, "dead", now=START, until=START + 60)
    mark, _ = ledger.mark_deleting(ENTITY, KEY, "next", now=START + 60, until=START + 120)
    assert mark == "marked"
    ledger.drop(ENTITY, "dead")
    ledger.spare(ENTITY, "dead")
    assert ledger.join(ENTITY, OTHER, now=START + 60) is None


def test_an_entity_is_dropped_only_by_who_announced_it(ledger: Ledger) -> None:
    ledger.drop(ENTITY, "token")
    ledger.join(ENTITY, KEY, now=START)
    ledger.settle_ownership(ENTITY, ours=True)
    ledger.drop(ENTITY, "token")
    ledger.mark_deleting(ENTITY, KEY, "token", now=START, until=START + 60)
    ledger.drop(ENTITY, "another")
    assert ledger.join(ENTITY, OTHER, now=START) is None
    ledger.drop(ENTITY, "token")
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem()


def test_a_spared_entity_is_as_it_was(ledger: Ledger) -> None:
    ledger.spare(ENTITY, "token")
    ledger.join(ENTITY, KEY, now=START)
    ledger.settle_ownership(ENTITY, ours=False)
    ledger.mark_deleting(ENTITY, KEY, "token", now=START, until=START + 60)
    ledger.spare(ENTITY, "another")
    assert ledger.join(ENTITY, OTHER, now=START) is None
    ledger.spare(ENTITY, "token")
    assert ledger.join(ENTITY, OTHER, now=START) == EntityItem(frozenset({str(KEY)}), False)


# --- listings ------------------------------------------------------------------------------------------------------


def test_children_are_those_of_this_repository_in_the_order_of_their_ids(ledger: Ledger) -> None:
    here, elsewhere = KEY.children_container, OTHER.children_container
    for container, number in ((here, "10"), (here, "9"), (elsewhere, "1")):
        committed(ledger, key=SourceKey("pull-request", container, number), owns=[f"pr#{number}"])
    assert [(item.key.id, dict(item.owns)) for item in ledger.children(here)] == [
        ("10", {"pr#10": "hash"}),
        ("9", {"pr#9": "hash"}),
    ]
    assert list(ledger.children("nowhere")) == []


def test_what_is_in_a_source_is_told_apart_by_kind_and_source(ledger: Ledger) -> None:
    project = SourceKey("project", SOURCE, "{p}")
    for key in (KEY, OTHER, project, SourceKey("repository", "another", "{one}")):
        committed(ledger, key=key)
    assert [item.key for item in ledger.in_source("repository", SOURCE)] == [KEY, OTHER]
    assert [item.key for item in ledger.in_source("project", SOURCE)] == [project]


def test_objects_of_every_kind_are_listed_by_their_container(ledger: Ledger) -> None:
    user = SourceKey("user", SOURCE, "{u}")
    pull = SourceKey("pull-request", KEY.children_container, "1")
    for key in (KEY, OTHER, user, pull):
        committed(ledger, key=key)
    assert [item.key for item in ledger.objects("repository", SOURCE)] == [KEY, OTHER]
    assert [item.key for item in ledger.objects("user", SOURCE)] == [user]
    assert [item.key for item in ledger.objects("pull-request", KEY.children_container)] == [pull]
    assert list(ledger.objects("project", SOURCE)) == []


def test_a_long_listing_shows_everything_once_while_it_is_being_written(ledger: Ledger) -> None:
    numbers = sorted(str(number) for number in range(450))
    keys = [SourceKey("pull-request", KEY.children_container, number) for number in numbers]
    for key in keys:
        lease(ledger, "writer", key=key)
    shown = []
    for item in ledger.children(KEY.children_container):
        ledger.release(item.key, "writer", dirty=False)
        shown.append(item.key)
    assert shown == keys


# --- notes ---------------------------------------------------------------------------------------------------------


def test_a_note_is_what_was_kept_last(ledger: Ledger) -> None:
    assert ledger.noted("facts") == {}
    assert ledger.note("facts", {"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert ledger.note("facts", {"a": "3"}) == {"a": "3"}
    assert ledger.noted("facts") == {"a": "3"}
    assert ledger.noted("others") == {}


def test_the_first_to_note_wins_where_that_is_asked(ledger: Ledger) -> None:
    assert ledger.note("facts", {"a": "1"}, only_if_absent=True) == {"a": "1"}
    assert ledger.note("facts", {"a": "2"}, only_if_absent=True) == {"a": "1"}
    assert ledger.noted("facts") == {"a": "1"}
