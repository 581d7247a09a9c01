"""Which objects an entry is about, told from the object where it can be and asked of Bitbucket where not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bitbucket_port.errors import NotFoundError, PermanentError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import JsonObject, Kind, Product
from tests.mapping.sample import (
    DAY,
    NOW,
    REPOSITORY_UUID,
    cloud_pull_request,
    engine,
    entry,
    server_pull_request,
    server_repository,
)

CLOUD_REPOSITORY: JsonObject = {
    "uuid": REPOSITORY_UUID,
    "full_name": "tidewater/harbour",
    "name": "harbour",
    "language": "python",
    "is_private": True,
    "project": {"key": "HBR"},
    "id": "x",
}


class Bitbucket:
    """Answers questions, and remembers them."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)
        self.questions: list[Question] = []

    def __call__(self, question: Question) -> bool:
        self.questions.append(question)
        return self._answers.pop(0)


def result_of(
    obj: JsonObject, kind: Kind, product: Product, ask: Any = None, answers: Any = None, **selector: Any
) -> Mapped:
    made = engine(entry(kind, selector=selector, identifier=".id"), product=product)
    return made.map(kind, obj, ask=ask, answers=answers)


def in_scope(obj: JsonObject, kind: Kind, product: Product, ask: Any = None, **selector: Any) -> bool:
    result = result_of(obj, kind, product, ask or pytest.fail, **selector)
    assert (result.complete, result.problems) == (True, ())
    return bool(result.entities)


class TestCloudPullRequests:
    @pytest.mark.parametrize(
        ("state", "expected"), [("OPEN", True), ("MERGED", False), ("DECLINED", False), ("OPEN|MERGED|DECLINED", False)]
    )
    def test_open_ones_unless_the_mapping_says_otherwise(self, state: str, expected: bool) -> None:
        assert in_scope(cloud_pull_request(state=state), "pull-request", "cloud") is expected
        assert in_scope(cloud_pull_request(state=state), "pull-request", "cloud", pullRequestQuery=" ") is expected

    def test_a_query_decides_alone(self) -> None:
        query = 'destination.branch.name = "main" AND created_on > 2026-10-01'
        assert in_scope(cloud_pull_request(state="MERGED"), "pull-request", "cloud", pullRequestQuery=query)

    def test_what_the_pull_request_does_not_tell_is_asked(self) -> None:
        bitbucket = Bitbucket(True)
        query = 'state = "OPEN" AND comment_count > 3'
        assert in_scope(cloud_pull_request(), "pull-request", "cloud", bitbucket, pullRequestQuery=query)
        assert bitbucket.questions == [
            Question("pull-request", repository=REPOSITORY_UUID, slug="harbour", number=7, q=query)
        ]

    def test_nothing_is_asked_that_is_decided_already(self) -> None:
        query = 'state = "MERGED" AND comment_count > 3'
        assert not in_scope(cloud_pull_request(), "pull-request", "cloud", pullRequestQuery=query)

    def test_nothing_is_asked_about_what_the_query_in_jq_leaves_out(self) -> None:
        query = "comment_count > 3"
        assert not in_scope(cloud_pull_request(), "pull-request", "cloud", query="false", pullRequestQuery=query)

    def test_a_query_that_is_not_understood_here_is_asked_as_it_stands(self) -> None:
        made = engine(entry("pull-request", selector={"pullRequestQuery": "id % 2"}))
        bitbucket = Bitbucket(False)
        assert made.map("pull-request", cloud_pull_request(), ask=bitbucket).entities == ()
        assert bitbucket.questions[0].params == {"q": "id % 2"}


class TestClosedWithinDays:
    @pytest.mark.parametrize("state", ["MERGED", "DECLINED", "SUPERSEDED"])
    @pytest.mark.parametrize(("days_ago", "expected"), [(1, True), (29.9, True), (30.1, False)])
    def test_on_cloud_the_update_counts_as_the_close(self, state: str, days_ago: float, expected: bool) -> None:
        updated = (NOW - days_ago * DAY) * 1000
        stamp = _iso(updated)
        obj = cloud_pull_request(state=state, updated_on=stamp)
        assert in_scope(obj, "pull-request", "cloud", closedWithinDays=30) is expected

    @pytest.mark.parametrize("state", ["MERGED", "DECLINED"])
    @pytest.mark.parametrize(("days_ago", "expected"), [(1, True), (29.9, True), (30.1, False)])
    def test_on_data_center_the_close_counts(self, state: str, days_ago: float, expected: bool) -> None:
        obj = server_pull_request(state=state, closedDate=int((NOW - days_ago * DAY) * 1000), updatedDate=0)
        assert in_scope(obj, "pull-request", "server", closedWithinDays=30) is expected

    def test_it_widens_only_what_would_match_if_it_were_open(self) -> None:
        merged = cloud_pull_request(state="MERGED")
        query = 'state="OPEN" AND destination.branch.name = "{}"'
        for branch, expected in (("main", True), ("release", False)):
            selector = {"pullRequestQuery": query.format(branch), "closedWithinDays": 30}
            assert in_scope(merged, "pull-request", "cloud", **selector) is expected

    def test_on_data_center_it_does_not_widen_a_state_that_is_not_open(self) -> None:
        declined = server_pull_request(state="DECLINED", closedDate=int(NOW * 1000))
        assert not in_scope(declined, "pull-request", "server", state="MERGED", closedWithinDays=30)

    def test_open_ones_are_in_scope_at_any_age(self) -> None:
        old = cloud_pull_request(updated_on="2001-01-01T00:00:00+00:00")
        assert in_scope(old, "pull-request", "cloud", closedWithinDays=1)

    def test_the_rest_of_the_query_is_asked_as_if_the_pull_request_were_open(self) -> None:
        bitbucket = Bitbucket(True)
        selector = {"pullRequestQuery": 'state="OPEN" AND comment_count > 3', "closedWithinDays": 30}
        assert in_scope(cloud_pull_request(state="MERGED"), "pull-request", "cloud", bitbucket, **selector)
        assert [question.q for question in bitbucket.questions] == ["comment_count > 3"]


class TestCloudRepositories:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ('language = "python" AND is_private = true', True),
            ('project.key = "OTHER"', False),
            ('slug = "harbour"', True),
            ('workspace.slug = "tidewater"', True),
        ],
    )
    def test_a_repository_tells_by_itself(self, query: str, expected: bool) -> None:
        assert in_scope(CLOUD_REPOSITORY, "repository", "cloud", repoQuery=query) is expected

    def test_a_role_is_asked_with_the_part_of_the_query_that_is_open(self) -> None:
        bitbucket = Bitbucket(True, True)
        place: dict[str, Any] = {"repository": REPOSITORY_UUID, "slug": "harbour", "project": "HBR"}
        assert in_scope(CLOUD_REPOSITORY, "repository", "cloud", bitbucket, userRole="admin", repoQuery='name ~ "h"')
        assert in_scope(CLOUD_REPOSITORY, "repository", "cloud", bitbucket, userRole="admin", repoQuery="size > 5")
        assert bitbucket.questions == [
            Question("repository", **place, role="admin"),
            Question("repository", **place, role="admin", q="size > 5"),
        ]

    def test_no_role_is_asked_for_a_repository_that_is_out_anyway(self) -> None:
        assert not in_scope(CLOUD_REPOSITORY, "repository", "cloud", userRole="admin", repoQuery='name = "other"')

    def test_a_pull_request_is_in_scope_with_its_repository(self) -> None:
        obj = cloud_pull_request()
        assert in_scope(obj, "pull-request", "cloud", repoQuery='full_name = "tidewater/harbour"')
        assert not in_scope(obj, "pull-request", "cloud", repoQuery='slug = "pier"')

    def test_what_a_pull_request_does_not_tell_of_its_repository_is_asked(self) -> None:
        bitbucket = Bitbucket(False)
        query = 'project.key = "HBR"'
        assert not in_scope(cloud_pull_request(), "pull-request", "cloud", bitbucket, repoQuery=query)
        assert bitbucket.questions == [Question("repository", repository=REPOSITORY_UUID, slug="harbour", q=query)]

    def test_the_repository_in_an_old_capture_is_not_believed_more_than_a_stub(self) -> None:
        obj = cloud_pull_request()
        obj["destination"]["repository"]["is_private"] = False
        bitbucket = Bitbucket(True)
        assert in_scope(obj, "pull-request", "cloud", bitbucket, repoQuery="is_private = true")


class TestAsking:
    def test_an_answer_given_before_is_not_asked_again(self) -> None:
        question = Question("repository", repository=REPOSITORY_UUID, slug="harbour", project="HBR", role="owner")
        for answer in (True, False):
            result = result_of(
                CLOUD_REPOSITORY, "repository", "cloud", pytest.fail, {question: answer}, userRole="owner"
            )
            assert bool(result.entities) is answer

    def test_without_anyone_to_ask_it_counts_as_in_scope_and_is_reported(self) -> None:
        result = result_of(CLOUD_REPOSITORY, "repository", "cloud", None, userRole="owner")
        assert (len(result.entities), result.complete) == (1, True)
        assert "owner" in result.problems[0].reason
        assert result.problems[0].field == "selector"

    def test_an_object_that_cannot_even_be_asked_about_counts_as_in_scope_and_is_reported(self) -> None:
        result = result_of({"id": "x"}, "repository", "cloud", pytest.fail, userRole="owner")
        assert (len(result.entities), len(result.problems)) == (1, 1)

    def test_a_failure_to_ask_is_a_failure_to_map(self) -> None:
        def unreachable(question: Question) -> bool:
            raise TransientError("Bitbucket does not answer.")

        with pytest.raises(TransientError):
            result_of(CLOUD_REPOSITORY, "repository", "cloud", unreachable, userRole="owner")

    def test_a_query_bitbucket_refuses_spoils_only_its_entry_and_deletes_nothing(self) -> None:
        def refusing(question: Question) -> bool:
            raise PermanentError("400: unknown field.")

        made = engine(entry(selector={"repoQuery": "colour = 1"}), entry(blueprint='"other"'))
        result = made.map("repository", CLOUD_REPOSITORY, ask=refusing)
        assert [entity.blueprint for entity in result.entities] == ["other"]
        assert not result.complete
        assert "colour = 1" in result.problems[0].reason

    def test_a_list_that_is_gone_does_not_mean_the_object_is(self) -> None:
        def gone(question: Question) -> bool:
            raise NotFoundError("404")

        with pytest.raises(TransientError):
            result_of(CLOUD_REPOSITORY, "repository", "cloud", gone, userRole="owner")


class TestDataCenter:
    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ({}, True),
            ({"projects": []}, True),
            ({"projects": ["HBR", "X"]}, True),
            ({"projects": ["hbr"]}, False),
            ({"projectFilterRegex": "H"}, True),
            ({"projectFilterRegex": "BR"}, False),
            ({"projectFilterRegex": "^H.R$"}, True),
            ({"projects": ["HBR"], "projectFilterRegex": "X"}, False),
        ],
    )
    def test_projects_are_chosen_by_key_and_by_expression(self, selector: JsonObject, expected: bool) -> None:
        assert in_scope({"key": "HBR", "id": 3, "type": "NORMAL"}, "project", "server", **selector) is expected
        assert in_scope(server_repository(), "repository", "server", **selector) is expected
        assert in_scope(server_pull_request(), "pull-request", "server", **selector) is expected

    @pytest.mark.parametrize(
        ("state", "wanted", "expected"),
        [
            ("OPEN", None, True),
            ("MERGED", None, False),
            ("MERGED", "ALL", True),
            ("MERGED", "MERGED", True),
            ("DECLINED", "MERGED", False),
        ],
    )
    def test_pull_requests_are_chosen_by_state(self, state: str, wanted: str | None, expected: bool) -> None:
        selector = {"state": wanted} if wanted else {}
        assert in_scope(server_pull_request(state=state), "pull-request", "server", **selector) is expected

    @pytest.mark.parametrize(("selector", "expected"), [({}, False), ({"includePersonal": True}, True)])
    def test_what_is_personal_is_in_scope_only_when_asked_for(self, selector: JsonObject, expected: bool) -> None:
        project = {"key": "~robin", "id": 4, "type": "PERSONAL"}
        assert in_scope(project, "project", "server", **selector) is expected
        assert in_scope(server_repository("~robin"), "repository", "server", **selector) is expected
        assert in_scope(server_pull_request("~robin"), "pull-request", "server", **selector) is expected

    def test_an_object_that_does_not_name_its_project_is_reported(self) -> None:
        result = result_of({"id": 1}, "repository", "server", pytest.fail, projects=["HBR"])
        assert (len(result.entities), len(result.problems)) == (1, 1)

    def test_users_have_no_scope(self) -> None:
        assert in_scope({"id": 1}, "user", "server")


def _iso(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


@pytest.mark.parametrize("state", [[], {"name": "MERGED"}, 5])
def test_a_state_that_is_no_text_is_not_known(state: Any) -> None:
    assert not in_scope(cloud_pull_request(state=state), "pull-request", "cloud", lambda _: False, closedWithinDays=30)
    unknown = result_of(server_pull_request(state=state), "pull-request", "server", closedWithinDays=30)
    assert unknown.entities
    assert ["state" in problem.reason for problem in unknown.problems] == [True]


def test_a_closing_time_of_any_size_is_compared() -> None:
    late = server_pull_request(state="MERGED", closedDate=10**400)
    early = server_pull_request(state="MERGED", closedDate=-(10**400))
    assert in_scope(late, "pull-request", "server", closedWithinDays=30)
    assert not in_scope(early, "pull-request", "server", closedWithinDays=30)


def test_a_question_names_a_repository_by_text_alone() -> None:
    ask = Bitbucket(True)
    assert in_scope({**CLOUD_REPOSITORY, "uuid": ["x"]}, "repository", "cloud", ask, userRole="admin")
    assert (ask.questions[0].repository, ask.questions[0].slug) == (None, "harbour")
