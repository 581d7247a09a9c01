"""When a webhook's copy of an object gives the same entity as the object read from Bitbucket, and when it may not."""

from __future__ import annotations

import copy
from typing import Any

import jq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.mapping import payload_safe
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.expressions import compile_fault
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.payload_facts import FACTS
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Kind, Product
from tests.mapping.sample import (
    NOW,
    cloud_pull_request,
    engine,
    entry,
    server_pull_request,
    server_repository,
    without,
)

PRESETS = ("default", "ocean")


def shipped(product: Product, preset: str) -> MappingEngine:
    return MappingEngine(parse(load(product, preset), product=product, file=preset), now=lambda: NOW)


def gaps(expression: str, obj: JsonObject, product: Product = "cloud", kind: Kind = "pull-request") -> list[str]:
    return engine(entry(kind, title=expression, identifier=".id"), product=product).payload_gaps(kind, obj)


MERGED_ON_SERVER: JsonObject = {
    "state": "MERGED",
    "closedDate": int(NOW * 1000),
    "properties": {"mergeCommit": {"id": "ef" * 20, "displayId": "efefefefefe"}},
}


class TestShippedMappings:
    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize(
        "obj",
        [
            cloud_pull_request(),
            cloud_pull_request(draft=True, reviewers=[], participants=[], author=None),
            cloud_pull_request(state="MERGED", merge_commit={"hash": "0123456789ab"}),
            cloud_pull_request(state="DECLINED"),
            without(cloud_pull_request(), "merge_commit"),
        ],
    )
    def test_are_safe_for_todays_cloud_webhooks(self, preset: str, obj: JsonObject) -> None:
        assert shipped("cloud", preset).payload_gaps("pull-request", obj) == []

    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize(
        "obj",
        [
            server_pull_request(),
            server_pull_request(draft=True, reviewers=[]),
            server_pull_request(**MERGED_ON_SERVER),
            server_pull_request(state="DECLINED", closedDate=int(NOW * 1000)),
        ],
    )
    def test_are_safe_for_todays_data_center_webhooks(self, preset: str, obj: JsonObject) -> None:
        assert shipped("server", preset).payload_gaps("pull-request", obj) == []

    @pytest.mark.parametrize(
        ("product", "lacking"),
        [
            ("cloud", "draft"),
            ("cloud", "participants[].approved"),
            ("cloud", "participants"),
            ("cloud", "author.uuid"),
            ("cloud", "destination.repository.full_name"),
            ("server", "draft"),
            ("server", "reviewers[].status"),
            ("server", "author.user.slug"),
            ("server", "links"),
        ],
    )
    def test_a_webhook_that_lacks_what_they_read_is_not_enough(self, product: Product, lacking: str) -> None:
        obj = without(cloud_pull_request() if product == "cloud" else server_pull_request(), lacking)
        found = shipped(product, "default").payload_gaps("pull-request", obj)
        assert found
        assert any(lacking.rsplit(".", maxsplit=1)[-1] in gap for gap in found)

    def test_an_old_capture_with_accounts_as_participants_is_not_enough(self) -> None:
        obj = cloud_pull_request(participants=[{"display_name": "Robin Muster", "uuid": "{1}"}])
        assert shipped("cloud", "default").payload_gaps("pull-request", obj)
        assert shipped("cloud", "ocean").payload_gaps("pull-request", obj)

    def test_a_merge_without_its_commit_is_not_enough(self) -> None:
        for commit in ({"merge_commit": None}, {}):
            obj = {**without(cloud_pull_request(state="MERGED"), "merge_commit"), **commit}
            assert shipped("cloud", "default").payload_gaps("pull-request", obj)
        obj = server_pull_request(**{**MERGED_ON_SERVER, "properties": {}})
        assert shipped("server", "default").payload_gaps("pull-request", obj)

    @pytest.mark.parametrize("kind", ["project", "repository"])
    def test_clouds_copies_of_repositories_and_projects_are_never_enough(self, kind: Kind) -> None:
        assert shipped("cloud", "default").payload_gaps(
            kind, {"uuid": "{1}", "full_name": "a/b", "key": "A", "name": "a"}
        )

    def test_data_centers_copies_are_enough_when_they_carry_what_is_read(self) -> None:
        made = engine(entry(properties={"a": ".slug", "b": ".project.key", "c": ".description"}), product="server")
        assert made.payload_gaps("repository", server_repository(description="Lifts")) == []
        (gap,) = made.payload_gaps("repository", server_repository())
        assert "description" in gap


class TestReasons:
    def test_a_gap_names_resource_and_field(self) -> None:
        (gap,) = gaps(".description", cloud_pull_request(description="x"))
        assert gap.startswith(
            "resources[0] (pull-request): title: it reads description, which is not known to be equal"
        )

    def test_a_missing_field_says_so(self) -> None:
        (gap,) = gaps(".draft", without(cloud_pull_request(), "draft"))
        assert gap.endswith("it reads draft, which this webhook does not carry")

    def test_an_entry_the_object_is_out_of_scope_of_is_not_counted(self) -> None:
        assert gaps(".description", cloud_pull_request(state="DECLINED")) == []

    def test_a_query_on_a_field_that_may_differ_is_a_gap(self) -> None:
        made = engine(entry("pull-request", selector={"pullRequestQuery": "comment_count > 3"}))
        assert "pullRequestQuery" in made.payload_gaps("pull-request", cloud_pull_request(comment_count=5))[0]
        assert made.payload_gaps("pull-request", cloud_pull_request()) == []

    def test_a_query_on_what_is_equal_is_none(self) -> None:
        query = 'state="OPEN" AND reviewers.uuid = "{1}" AND author.nickname != "kim"'
        made = engine(entry("pull-request", selector={"pullRequestQuery": query}))
        assert made.payload_gaps("pull-request", cloud_pull_request()) == []

    def test_a_list_taken_apart_is_not_judged(self) -> None:
        made = engine(entry("pull-request", itemsToParse=".reviewers", identifier=".item.uuid"))
        assert "itemsToParse" in made.payload_gaps("pull-request", cloud_pull_request())[0]

    def test_the_leaves_of_a_search_query_count(self) -> None:
        rule = {"property": '"a"', "operator": '"="', "value": ".description"}
        made = engine(entry("pull-request", relations={"r": {"combinator": '"and"', "rules": [rule]}}))
        assert "relations.r" in made.payload_gaps("pull-request", cloud_pull_request())[0]


SAFE = [
    ".title",
    '"constant"',
    ".author.display_name // .author.nickname",
    'if .author.uuid then (.author.uuid | ltrimstr("{") | rtrimstr("}")) else null end',
    '[.reviewers[]?.uuid | select(. != null) | ltrimstr("{")]',
    "[.participants[]? | select(.approved == true)] | length",
    'any(.participants[]?; .state == "changes_requested")',
    ".participants | map(.approved) | all",
    '.destination.repository.full_name | split("/") | first',
    '"\\(.title) #\\(.id)"',
    ".reviewers | length",
    ".reviewers[0].display_name",
    '.["title"], ."title"',
    ".title[0:3]",
    ".merge_commit.hash",
    ".merge_commit != null",
    '{a: .title, "b": [.id]} | .a',
    ".reviewers as $r | $r[0].uuid",
    '.title | sub("(?<a>x)"; .a) | test("y"; "i")',
    "[.reviewers[].user.display_name]",
    ".author | .uuid",
    '.id > 5 and (.state == "OPEN" or .draft | not)',
    "-.id * 2 % 7",
    ".title # a comment (",
]
UNSAFE = [
    ".",
    ".author",
    ".links",
    "keys",
    "to_entries",
    "..",
    ".[]",
    "now",
    "input",
    "$ENV.A",
    "$__loc__",
    ".[.title]",
    ".author | keys",
    ".author | length",
    "tostring",
    "[.reviewers[]]",
    "paths",
    "getpath(['title'])".replace("'", '"'),
    "reduce .reviewers[] as $r (0; . + 1)",
    "try .title catch .id",
    "def f: .title; f",
    ". as {title: $t} | $t",
    "label $out | .title, break $out",
    ".title |= 5",
    "del(.title)",
    "@base64",
    ".summary.raw",
    ".author.unknown",
    "first(.author)",
    "{(.title): 1}",
    "limit(1; .title)",
    'splits("a")',
]


class TestAllowList:
    @pytest.mark.parametrize("expression", SAFE)
    def test_what_is_understood_and_known_is_safe(self, expression: str) -> None:
        assert compile_fault(expression) is None
        obj = cloud_pull_request(state="MERGED", merge_commit={"hash": "0123456789ab"})
        made = engine(entry("pull-request", title=expression, selector={"pullRequestQuery": 'state="MERGED"'}))
        assert made.payload_gaps("pull-request", obj) == []

    @pytest.mark.parametrize("expression", UNSAFE)
    def test_everything_else_is_not(self, expression: str) -> None:
        assert compile_fault(expression) is None
        assert gaps(
            expression, cloud_pull_request(description="x", author={"unknown": 1, **cloud_pull_request()["author"]})
        )

    def test_no_nesting_is_too_deep_to_be_answered(self) -> None:
        for expression in (
            "(" * 500 + ".id" + ")" * 500,
            "-" * 3000 + "1",
            "if .id then 1 " + "elif .id then 1 " * 400 + "end",
        ):
            reads = payload_safe.reads_of(expression)
            assert reads.fault is not None or reads.values

    @given(st.text('.[]{}()|,;:?"\\$@#-+ abif', max_size=30))
    def test_any_text_is_judged_or_refused(self, text: str) -> None:
        payload_safe.reads_of(text)


# The same pull request as a webhook carries it and as the API gives it: whatever the facts do not call equal differs.
PAYLOAD = cloud_pull_request(description="short", comment_count=1)
REST: JsonObject = copy.deepcopy(PAYLOAD)
REST.update(description="long", comment_count=2, summary={"raw": "long"}, task_count=4, type="other")
REST["author"].update(type="app_user", has_2fa_enabled=None)
REST["links"].update(self={"href": "https://api.bitbucket.test/7"}, diff={"href": "x"})
REST["participants"][0]["participated_on"] = "2026-11-20T08:00:00+00:00"
REST["destination"]["repository"]["project"] = {"key": "HBR"}
PATHS = [
    ".title", ".id", ".state", ".draft", ".author", ".author.uuid", ".author.type", ".links", ".links.html.href",
    ".links.self.href", ".description", ".comment_count", ".summary.raw", ".reviewers", ".reviewers[].display_name",
    ".reviewers[0].user", ".participants[]", ".participants[].approved", ".participants[0].participated_on",
    ".merge_commit.hash", ".destination.repository.project.key", ".destination.repository.name", ".type", ".",
]  # fmt: skip
EXPRESSIONS = st.recursive(
    st.sampled_from([*PATHS, "1", '"a"', "null", "true", "$v"]),
    lambda inner: (
        st.builds("({} | {})".format, inner, inner)
        | st.builds("({}, {})".format, inner, inner)
        | st.builds("({} // {})".format, inner, inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from(["+", "==", "!=", "and", "or", "<"]), inner)
        | st.builds("[{}]".format, inner)
        | st.builds("{{k: {}, v: 1}}".format, inner)
        | st.builds("(if {} then {} else {} end)".format, inner, inner, inner)
        | st.builds("({} as $v | {})".format, inner, inner)
        | st.builds("[{}[]? | select({})]".format, inner, inner)
        | st.builds("any({}; {})".format, inner, inner)
        | st.builds('"<\\({})>"'.format, inner)
        | st.builds(
            "({} | {})".format,
            inner,
            st.sampled_from(
                ["length", "type", "keys", "tostring", "first", "not", "add", 'has("uuid")', ".k", ".uuid", "values",
                 'join(",")', "map(.uuid)", "sort", "flatten", 'test("a")', "empty", "any", "last", "tojson"]
            ),
        )
    ),
    max_leaves=6,
)  # fmt: skip


def outcome(expression: str, obj: JsonObject) -> Any:
    return jq.compile(f'try [first(({expression}))] catch "failed"').input_value(obj).first()


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS.map(lambda expression: f"null as $v | {expression}"))
def test_what_is_called_safe_gives_the_same_for_the_payload_and_for_the_object_read(expression: str) -> None:
    reads = payload_safe.reads_of(expression)
    if not payload_safe.gaps(reads, FACTS["cloud", "pull-request"], PAYLOAD):
        assert outcome(expression, PAYLOAD) == outcome(expression, REST)
