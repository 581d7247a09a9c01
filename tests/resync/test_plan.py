"""Every list of Bitbucket's is read once for all entries of a mapping, and says all it can about what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.scope import Question
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.resync.plan import MOST_SELECTIONS, Listing, Plan, plan

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
PRESS = {"uuid": "{press}", "full_name": "orchard/press", "name": "Press", "project": {"key": "FRUIT"}}


def entry(kind: str, **selector: Any) -> JsonObject:
    mapped = {"identifier": ".name", "blueprint": '"thing"'}
    return {"kind": kind, "selector": {"query": "true", **selector}, "port": {"entity": {"mappings": mapped}}}


def planned(product: Product, *entries: JsonObject, kind: Any = "full") -> Plan:
    mapping = parse({"resources": list(entries)}, product=product, file="mapping")
    assert not [problem for problem in mapping.problems if problem.field != "selector.repoQuery"]
    return plan(mapping, product, kind)


def kinds(found: Plan) -> list[str]:
    return [listing.kind for listing in found.listings]


def nothing_asked(question: Question) -> bool:
    raise AssertionError(f"asked {question}")


# --- which lists


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_the_default_mapping_takes_one_list_of_each_kind(product: Product) -> None:
    found = plan(parse(load(product, "default"), product=product, file="default"), product)
    assert kinds(found) == ["project", "repository", "user", "pull-request"]
    assert [found.listings[root].kind for root in found.roots] == ["project", "repository", "user"]
    assert all(listing == Listing(listing.kind) for listing in found.listings[:3])


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_light_run_lists_projects_and_repositories_only(product: Product) -> None:
    found = plan(parse(load(product, "default"), product=product, file="default"), product, "list")
    assert kinds(found) == ["project", "repository"]
    assert found.below(PRESS, nothing_asked) is None


def test_a_kind_the_mapping_does_not_have_is_not_listed() -> None:
    assert kinds(planned("cloud", entry("project"))) == ["project"]
    assert kinds(planned("cloud", entry("pull-request"))) == ["repository", "pull-request"]
    assert kinds(planned("cloud", entry("pull-request"), kind="list")) == []


def test_repositories_are_listed_once_for_all_that_select_the_same() -> None:
    chosen = {"userRole": "member", "repoQuery": 'project.key="FRUIT"'}
    found = planned("cloud", entry("repository", **chosen), entry("pull-request", **chosen))
    assert found.listings[0] == Listing("repository", "member", 'project.key="FRUIT"')
    assert kinds(found) == ["repository", "pull-request"]


@pytest.mark.parametrize(
    ("first", "second", "role"),
    [
        ({"repoQuery": 'name="a"'}, {"repoQuery": 'name="b"'}, None),
        ({"userRole": "admin", "repoQuery": 'name="a"'}, {"userRole": "admin"}, "admin"),
        ({"userRole": "admin"}, {"userRole": "member"}, None),
        ({}, {"userRole": "member"}, None),
    ],
)
def test_entries_that_select_differently_share_the_list_of_everything_they_may_want(
    first: JsonObject, second: JsonObject, role: Any
) -> None:
    found = planned("cloud", entry("repository", **first), entry("pull-request", **second))
    assert [one for one in found.listings if one.kind == "repository"] == [Listing("repository", role)]


def test_equal_mappings_give_equal_plans_and_different_listings_different_names() -> None:
    entries = [
        entry("repository", userRole="member"),
        entry("pull-request"),
        entry("pull-request", repoQuery='name="a"'),
    ]
    assert planned("cloud", *entries) == planned("cloud", *entries)
    names = [listing.key for listing in planned("cloud", *entries).listings]
    assert len(set(names)) == len(names)


# --- what is listed of pull requests


def test_cloud_pull_requests_are_asked_for_as_the_scope_judges_them() -> None:
    found = planned("cloud", entry("pull-request", closedWithinDays=30))
    closed = '(state = "DECLINED" OR state = "MERGED" OR state = "SUPERSEDED")'
    assert found.listings[-1].query(NOW) == (
        f'(state="OPEN") OR ({closed} AND updated_on >= 2026-12-16T08:00:00+00:00)'
    )


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        ({}, 'state="OPEN"'),
        ({"pullRequestQuery": 'author.nickname = "ann"', "closedWithinDays": 30}, 'author.nickname = "ann"'),
        ({"pullRequestQuery": 'state = "MERGED"', "closedWithinDays": 30}, 'state = "MERGED"'),
        ({"pullRequestQuery": "state=", "closedWithinDays": 30}, "state="),
    ],
)
def test_what_a_window_adds_nothing_to_is_asked_for_as_it_stands(selector: JsonObject, query: str) -> None:
    mapping = parse({"resources": [entry("pull-request", **selector)]}, product="cloud", file="mapping")
    assert plan(mapping, "cloud").listings[-1].query(NOW) == query


def test_what_the_query_says_beside_the_state_holds_for_closed_ones_too() -> None:
    chosen = {"pullRequestQuery": 'state="OPEN" AND destination.branch.name="main"', "closedWithinDays": 1}
    query = planned("cloud", entry("pull-request", **chosen)).listings[-1].query(NOW)
    assert query.endswith('updated_on >= 2027-01-14T08:00:00+00:00 AND (destination.branch.name = "main"))')


def test_pull_requests_that_two_entries_want_are_listed_once() -> None:
    found = planned("cloud", entry("pull-request"), entry("pull-request", pullRequestQuery='state="MERGED"'))
    assert found.listings[-1].query(NOW) == '(state="OPEN") OR (state="MERGED")'
    assert kinds(found) == ["repository", "pull-request"]


@pytest.mark.parametrize(
    ("selectors", "state"),
    [
        ([{}], "OPEN"),
        ([{"state": "MERGED", "closedWithinDays": 3}], "MERGED"),
        ([{"closedWithinDays": 3}], "ALL"),
        ([{"state": "OPEN"}, {"state": "DECLINED"}], "ALL"),
        ([{"state": "ALL"}], "ALL"),
    ],
)
def test_the_data_center_is_asked_for_the_narrowest_state_that_shows_all_of_them(
    selectors: list[JsonObject], state: str
) -> None:
    found = planned("server", *(entry("pull-request", **selector) for selector in selectors))
    assert found.listings[-1].state == state


# --- below which repositories


def test_pull_requests_are_listed_only_below_repositories_some_entry_wants() -> None:
    found = planned("cloud", entry("pull-request", repoQuery='project.key="FRUIT"'))
    below = found.below(PRESS, nothing_asked)
    assert below is not None
    assert found.listings[below].kind == "pull-request"
    assert found.below({**PRESS, "project": {"key": "WINE"}}, nothing_asked) is None


def test_personal_repositories_of_the_data_center_are_not_asked_for_their_pull_requests() -> None:
    personal = {"id": 1, "slug": "notes", "project": {"key": "~ann", "type": "PERSONAL"}}
    assert planned("server", entry("pull-request")).below(personal, nothing_asked) is None
    assert planned("server", entry("pull-request", includePersonal=True)).below(personal, nothing_asked) == 1


def test_a_repository_gets_the_list_that_covers_exactly_the_entries_it_is_in() -> None:
    found = planned(
        "cloud",
        entry("pull-request", repoQuery='project.key="FRUIT"'),
        entry("pull-request", userRole="admin", pullRequestQuery='state="MERGED"'),
    )

    def query(project: str, *, admin: bool) -> str | None:
        below = found.below({**PRESS, "project": {"key": project}}, lambda question: admin)
        return None if below is None else found.listings[below].query(NOW)

    assert query("FRUIT", admin=True) == '(state="OPEN") OR (state="MERGED")'
    assert query("FRUIT", admin=False) == 'state="OPEN"'
    assert query("WINE", admin=True) == 'state="MERGED"'
    assert query("WINE", admin=False) is None


def test_a_selection_that_bitbucket_refuses_does_not_take_the_others_with_it() -> None:
    def refuse(question: Question) -> bool:
        raise PermanentError("no such field")

    both = planned("cloud", entry("pull-request"), entry("pull-request", userRole="admin"))
    assert both.below(PRESS, refuse) is not None
    with pytest.raises(PermanentError, match="no such field"):
        planned("cloud", entry("pull-request", userRole="admin")).below(PRESS, refuse)


def test_a_question_that_cannot_be_answered_now_is_not_a_no() -> None:
    def fail(question: Question) -> bool:
        raise TransientError("busy")

    with pytest.raises(TransientError):
        planned("cloud", entry("pull-request", userRole="admin")).below(PRESS, fail)


def test_very_many_selections_share_one_list_and_ask() -> None:
    queries = [f'name = "{number}"' for number in range(MOST_SELECTIONS + 1)]
    found = planned("cloud", *(entry("pull-request", repoQuery=query) for query in queries))
    assert kinds(found) == ["repository", "pull-request"]
    below = found.below({**PRESS, "name": "3"}, nothing_asked)
    assert below == 1
    assert found.listings[below].answers(Question("repository", "{press}", q=queries[3])) is None


# --- what a list answers


def test_being_in_a_list_answers_the_question_the_list_was_made_from() -> None:
    listing = Listing("repository", "member", 'x = "1"')
    assert listing.answers(Question("repository", "{press}", role="member", q='x = "1"')) is True
    assert listing.answers(Question("repository", "{press}", role="member")) is True
    assert listing.answers(Question("repository", "{press}", q='x = "1"')) is True
    assert listing.answers(Question("repository", "{press}", role="admin")) is None
    assert listing.answers(Question("repository", "{press}", role="member", q='x = "2"')) is None
    assert Listing("repository").answers(Question("repository", "{press}", role="member")) is None
    assert Listing("project").answers(Question("repository", "{press}", role="member")) is None


def test_a_list_of_pull_requests_knows_what_its_repository_was_found_to_be() -> None:
    found = planned(
        "cloud",
        entry("pull-request", userRole="admin"),
        entry("pull-request", userRole="member", repoQuery='name ~ "P"'),
    )
    below = found.below(PRESS, lambda question: question.role == "member")
    assert below is not None
    listing = found.listings[below]
    assert listing.answers(Question("repository", "{press}", role="admin")) is False
    assert listing.answers(Question("repository", "{press}", role="member")) is True
    assert listing.answers(Question("repository", "{press}", role="member", q='name ~ "P"')) is True
    assert listing.answers(Question("repository", "{press}", role="owner")) is None


def test_a_list_of_one_query_answers_for_its_pull_requests_and_a_shared_one_does_not() -> None:
    question = Question("pull-request", "{press}", number=1, q='title ~ "x"')
    one = planned("cloud", entry("pull-request", pullRequestQuery='title ~ "x"')).listings[-1]
    two = planned("cloud", entry("pull-request", pullRequestQuery='title ~ "x"'), entry("pull-request")).listings[-1]
    assert one.answers(question) is True
    assert two.answers(question) is None
