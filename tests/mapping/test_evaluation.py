"""What an expression gives, and what becomes of one that gives nothing usable."""

from __future__ import annotations

from typing import Any

import jq
import pytest

from tests.mapping.sample import cloud_pull_request, engine, entry, mapped, parsed, properties_of


class TestValues:
    def test_the_first_output_counts_and_later_errors_are_not_reached(self) -> None:
        assert properties_of({"a": 1, "b": 2}, x=".a, .b", y='.a, error("late")') == {"x": 1, "y": 1}

    def test_an_expression_without_output_clears_the_property(self) -> None:
        assert properties_of({"ids": []}, x="empty", y=".ids[]") == {"x": None, "y": None}

    def test_a_null_clears_the_property_and_false_stays_false(self) -> None:
        assert properties_of({"no": False}, x=".missing", y=".no") == {"x": None, "y": False}

    def test_values_keep_their_type(self) -> None:
        obj = {"n": 5, "f": 1.5, "l": [1, "a"], "o": {"k": None}, "t": True}
        assert properties_of(obj, n=".n", f=".f", l=".l", o=".o", t=".t") == obj

    def test_an_error_leaves_the_property_out_and_is_reported(self) -> None:
        result = mapped({"id": "x", "a": 1}, properties={"bad": ".a.b", "good": ".a", "gone": ".b"})
        (entity,) = result.entities
        assert entity.fields["properties"] == {"good": 1, "gone": None}
        assert entity.failed == ("properties.bad",)
        (problem,) = result.problems
        assert (problem.resource, problem.kind, problem.field) == (0, "repository", "properties.bad")
        assert "Cannot index number" in problem.reason
        assert result.complete

    @pytest.mark.parametrize("thrown", ["error(null)", "error({a: 1})", "error"])
    def test_an_error_that_is_no_text_is_an_error_too(self, thrown: str) -> None:
        result = mapped({"id": "x"}, properties={"bad": thrown})
        assert result.entities[0].failed == ("properties.bad",)
        assert "no text" in result.problems[0].reason

    def test_a_report_does_not_quote_what_the_object_contains(self) -> None:
        result = mapped(
            {"id": "x", "o": {"secret": "hush (really)"}}, properties={"bad": '.o | test("a")', "b": ".o + 1"}
        )
        assert result.entities[0].failed == ("properties.bad", "properties.b")
        assert not any("hush" in problem.reason or "secret" in problem.reason for problem in result.problems)

    def test_half_a_surrogate_pair_in_a_text_spoils_only_that_letter(self) -> None:
        assert properties_of({"t": "a\ud800b"}, t=".t", u=".id") == {"t": "a\ufffdb", "u": "x"}

    def test_fields_the_mapping_does_not_name_are_not_sent(self) -> None:
        assert mapped({"id": "x"}).entities[0].fields == {}

    def test_title_and_icon_are_text(self) -> None:
        fields = mapped({"id": "x", "n": 5}, title=".n", icon='"Bitbucket"').entities[0].fields
        assert fields == {"title": "5", "icon": "Bitbucket"}

    def test_an_icon_that_is_a_list_costs_only_the_icon(self) -> None:
        result = mapped({"id": "x"}, icon="[]", title=".id")
        assert result.entities[0].fields == {"title": "x"}
        assert result.entities[0].failed == ("icon",)

    def test_team_is_a_name_names_or_a_search(self) -> None:
        search = {"combinator": '"and"', "rules": [{"property": '"name"', "operator": '"="', "value": ".id"}]}
        teams = [mapped({"id": "x"}, team=team).entities[0].fields["team"] for team in (".id", '["a","b"]', search)]
        rules = [{"property": "name", "operator": "=", "value": "x"}]
        assert teams == ["x", ["a", "b"], {"combinator": "and", "rules": rules}]


class TestWhatAnExpressionMayNotReach:
    @pytest.mark.parametrize("expression", ["env.HUSH", "$ENV.HUSH", '"\\(env.HUSH)"', "env | .HUSH", "$ENV | length"])
    def test_the_environment_looks_empty(self, monkeypatch: pytest.MonkeyPatch, expression: str) -> None:
        monkeypatch.setenv("HUSH", "credential")
        assert properties_of({}, x=expression)["x"] in (None, "null", 0)

    @pytest.mark.parametrize("expression", ["halt", "halt_error", "halt_error(1)", "inputs"])
    def test_ending_the_program_ends_only_the_field(self, expression: str) -> None:
        assert properties_of({"a": 1}, x=expression, y=".a") == {"x": None, "y": 1}

    def test_there_is_no_further_input(self) -> None:
        result = mapped({"id": "x"}, properties={"x": "input", "y": ".id"})
        assert result.entities[0].fields["properties"] == {"y": "x"}

    @pytest.mark.parametrize("expression", ["debug", 'debug("m")', "stderr"])
    def test_nothing_is_written_to_the_log(self, capfd: pytest.CaptureFixture[str], expression: str) -> None:
        assert properties_of({"id": "x"}, x=f".id | {expression}") == {"x": "x"}
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("ending", ["# note", "# note )", "# note ] }", "# continued \\"])
    def test_a_comment_at_the_end_swallows_no_bracket(self, ending: str) -> None:
        assert properties_of({"a": 1}, x=f".a {ending}", y=".a") == {"x": 1, "y": 1}

    def test_names_of_our_own_program_are_not_visible(self) -> None:
        mapping = parsed(entry(properties={"x": "$selected", "y": "$items", "z": "$object"}))
        assert [problem.field for problem in mapping.problems] == ["properties.x", "properties.y", "properties.z"]

    def test_what_an_expression_defines_stays_inside_it(self) -> None:
        assert properties_of({"a": 1}, x="def tostring: 9; .a | tostring", y=".a | tostring") == {"x": 9, "y": "1"}


class TestSelector:
    @pytest.mark.parametrize(("query", "entities"), [("true", 1), ("false", 0), (".id == 'x'", 1), (".id != 'x'", 0)])
    def test_true_selects_and_false_leaves_out(self, query: str, entities: int) -> None:
        result = engine(entry(selector={"query": query})).map("repository", {"id": "x"}, ask=None)
        assert (len(result.entities), result.complete, result.problems) == (entities, True, ())

    @pytest.mark.parametrize("query", ["null", '"true"', "1", "empty", '.id | error("x")', ".id.x"])
    def test_anything_but_a_boolean_makes_the_result_incomplete(self, query: str) -> None:
        result = engine(entry(selector={"query": query})).map("repository", {"id": "x"}, ask=None)
        assert (result.entities, result.complete) == ((), False)
        assert result.problems[0].field == "selector.query"


class TestIdentity:
    @pytest.mark.parametrize("identifier", ["null", '""', "false", "0", "[]", "{}", "empty", ".a.b", "true", "[1]"])
    def test_without_a_usable_identifier_there_is_no_entity_and_nothing_may_be_deleted(self, identifier: str) -> None:
        result = mapped({"a": 1}, identifier=identifier)
        assert (result.entities, result.complete) == ((), False)
        assert result.problems[0].field == "identifier"
        assert result.problems[0].fix

    @pytest.mark.parametrize("blueprint", ["null", '""', "false", "5", "empty", ".a.b"])
    def test_the_same_holds_for_the_blueprint(self, blueprint: str) -> None:
        result = mapped({"id": "x", "a": 1}, blueprint=blueprint)
        assert (result.entities, result.complete) == ((), False)
        assert result.problems[0].field == "blueprint"

    @pytest.mark.parametrize(("value", "identifier"), [(5, "5"), (5.0, "5"), (1.5, "1.5"), ("a", "a")])
    def test_a_number_becomes_text(self, value: Any, identifier: str) -> None:
        assert mapped({"id": value}).entities[0].identifier == identifier

    def test_an_identifier_port_would_refuse_is_named_with_a_way_out(self) -> None:
        result = mapped({"id": "{a b}"})
        assert (result.entities, result.complete) == ((), False)
        assert "port_identifier" in result.problems[0].fix

    def test_one_entry_that_fails_does_not_stop_the_next(self) -> None:
        result = engine(entry(identifier=".missing"), entry(identifier=".id")).map("repository", {"id": "x"}, ask=None)
        assert [entity.identifier for entity in result.entities] == ["x"]
        assert not result.complete

    def test_a_search_query_as_identifier_is_filled_in(self) -> None:
        rules = [{"property": '"$identifier"', "operator": "'='", "value": ".id", "extra": "dropped"}]
        (entity,) = mapped({"id": "x"}, identifier={"combinator": "'and'", "rules": rules}).entities
        filled = [{"property": "$identifier", "operator": "=", "value": "x"}]
        assert entity.identifier == {"combinator": "and", "rules": filled}

    def test_one_key_mapped_twice_is_one_entity_with_both_parts(self) -> None:
        first, second = entry(properties={"a": "1", "b": "1"}), entry(properties={"b": "2"}, title=".id")
        (entity,) = engine(first, second).map("repository", {"id": "x"}, ask=None).entities
        assert entity.fields == {"properties": {"a": 1, "b": 2}, "title": "x"}
        (replaced,) = engine(first, second, enableMergeEntity=False).map("repository", {"id": "x"}, ask=None).entities
        assert replaced.fields == {"properties": {"b": 2}, "title": "x"}


class TestRelations:
    def test_a_relation_is_an_identifier_a_list_or_null(self) -> None:
        relations = {"one": ".id", "many": "[.id, null, 5]", "none": "null"}
        found = mapped({"id": "x"}, relations=relations).entities[0].fields["relations"]
        assert found == {"one": "x", "many": ["x", "5"], "none": None}

    def test_a_search_query_keeps_a_null_value_and_nested_groups(self) -> None:
        group = {"combinator": '"or"', "rules": [{"property": '"a"', "operator": '"="', "value": ".missing"}]}
        query = {"combinator": '"and"', "rules": [group, {"property": '"b"', "operator": '"="', "value": 5}]}
        found = mapped({"id": "x"}, relations={"r": query}).entities[0].fields["relations"]["r"]
        assert found["rules"][0]["rules"] == [{"property": "a", "operator": "=", "value": None}]
        assert found["rules"][1]["value"] == 5

    def test_an_error_inside_a_search_query_fails_the_relation(self) -> None:
        rule = {"property": '"a"', "operator": '"="', "value": ".id.x"}
        result = mapped({"id": "x"}, relations={"r": {"combinator": '"and"', "rules": [rule]}})
        assert result.entities[0].failed == ("relations.r",)

    def test_a_target_port_would_refuse_costs_only_the_relation(self) -> None:
        result = mapped({"id": "x"}, relations={"bad": '"a b"', "good": ".id", "odd": "{}"})
        assert result.entities[0].fields["relations"] == {"good": "x"}
        assert result.entities[0].failed == ("relations.bad", "relations.odd")


class TestWithoutMerging:
    """Where leaving a field out would clear it, an entity with a failed field stays as it is."""

    def test_a_failed_field_fails_the_entity(self) -> None:
        made = engine(entry(properties={"bad": ".id.x"}), enableMergeEntity=False)
        result = made.map("repository", {"id": "x"}, ask=None)
        assert (result.entities, result.complete) == ((), False)
        assert [problem.field for problem in result.problems] == ["properties.bad", "enableMergeEntity"]

    def test_a_field_that_does_not_compile_fails_it_too(self) -> None:
        made = engine(entry(properties={"bad": "((", "good": ".id"}), enableMergeEntity=False)
        result = made.map("repository", {"id": "x"}, ask=None)
        assert (result.entities, result.complete) == ((), False)

    def test_a_null_does_not(self) -> None:
        made = engine(entry(properties={"gone": ".missing"}), enableMergeEntity=False)
        assert made.map("repository", {"id": "x"}, ask=None).entities[0].fields == {"properties": {"gone": None}}


class TestOneEvaluation:
    def test_an_object_costs_one_evaluation_whatever_the_mapping_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fed: list[str] = []
        compiled = jq.compile

        class Counting:
            def __init__(self, program: str) -> None:
                self._program = compiled(program)

            def input_text(self, text: str) -> Any:
                fed.append(text)
                return self._program.input_text(text)

        made = engine(
            entry("pull-request", properties={f"p{index}": ".title" for index in range(20)}),
            entry("pull-request", itemsToParse=".reviewers", identifier=".item.uuid | port_identifier"),
        )
        monkeypatch.setattr(jq, "compile", Counting)
        assert len(made.map("pull-request", cloud_pull_request(), ask=None).entities) == 2
        made.map("pull-request", cloud_pull_request(), ask=None)
        assert len(fed) == 2

    def test_an_object_out_of_scope_costs_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = engine(entry("pull-request"))
        monkeypatch.setattr(jq, "compile", pytest.fail)
        result = made.map("pull-request", cloud_pull_request(state="DECLINED"), ask=None)
        assert (result.entities, result.complete) == ((), True)


class TestBothShapesOfOneObject:
    def test_a_merge_commit_is_the_same_from_a_webhook_and_from_the_api(self) -> None:
        made = engine(
            entry("pull-request", selector={"pullRequestQuery": 'state="MERGED"'}, title=".merge_commit.hash")
        )
        results = [
            made.map("pull-request", cloud_pull_request(state="MERGED", merge_commit={"hash": full}), ask=None)
            for full in ("0123456789ab", "0123456789abcdef0123456789abcdef01234567")
        ]
        assert results[0] == results[1]
        assert results[0].entities[0].fields == {"title": "0123456789ab"}
