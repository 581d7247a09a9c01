"""A mapping with faults: each is named with file, entry, field, reason and fix, and everything else works."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Problem, Selector
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import KINDS, JsonObject, Product
from tests.mapping.sample import NOW, document, engine, entry, parsed, properties_of

PRODUCTS: tuple[Product, ...] = ("cloud", "server")


def only_problem(*entries: JsonObject, product: Product = "cloud", **options: Any) -> Problem:
    (problem,) = parsed(*entries, product=product, **options).problems
    return problem


class TestReports:
    def test_a_problem_names_file_entry_kind_field_reason_and_fix(self) -> None:
        problem = only_problem(entry(), entry("pull-request", properties={"url": ".links.["}))
        assert (problem.file, problem.resource, problem.kind, problem.field) == (
            "mapping.yaml",
            1,
            "pull-request",
            "properties.url",
        )
        assert "syntax error" in problem.reason
        assert problem.fix
        assert str(problem).startswith("mapping.yaml: resources[1] (pull-request): properties.url: ")

    def test_an_unquoted_word_gets_the_quotes_it_needs(self) -> None:
        problem = only_problem(entry(blueprint="service"))
        assert (problem.field, problem.fix) == (
            "blueprint",
            "Text needs quotes inside the quotes: blueprint: '\"service\"'.",
        )

    def test_a_faultless_mapping_has_no_problem(self) -> None:
        assert parsed(entry(title=".name", properties={"a": "1"}, relations={"r": ".id"})).problems == ()


class TestOptions:
    def test_the_defaults_are_those_of_port(self) -> None:
        mapping = parsed(entry())
        flags = (mapping.enable_merge, mapping.delete_dependents, mapping.create_missing, mapping.deletion_threshold)
        assert flags == (True, True, True, 0.9)

    def test_options_are_read(self) -> None:
        mapping = parsed(
            entry(),
            enableMergeEntity=False,
            deleteDependentEntities=False,
            createMissingRelatedEntities=False,
            entityDeletionThreshold=0,
        )
        flags = (mapping.enable_merge, mapping.delete_dependents, mapping.create_missing, mapping.deletion_threshold)
        assert flags == (False, False, False, 0.0)

    @pytest.mark.parametrize(
        ("option", "value"),
        [("enableMergeEntity", "yes"), ("deleteDependentEntities", 1), ("entityDeletionThreshold", 90), ("more", 1)],
    )
    def test_a_wrong_option_is_reported_and_takes_the_careful_value(self, option: str, value: Any) -> None:
        mapping = parsed(entry(), **{option: value})
        (problem,) = mapping.problems
        assert (problem.resource, problem.field) == (None, option)
        assert mapping.enable_merge
        assert mapping.delete_dependents == (option != "deleteDependentEntities")
        assert mapping.deletion_threshold == 0.9

    def test_equal_documents_have_equal_hashes_and_others_do_not(self) -> None:
        assert parsed(entry()).hash == parsed(entry()).hash
        assert parsed(entry()).hash != parsed(entry(title=".name")).hash
        assert parsed(entry()).hash != parsed(entry(), product="server").hash


class TestSelectors:
    def test_every_selector_of_cloud_is_read(self) -> None:
        selector = {
            "query": ".a",
            "userRole": "admin",
            "repoQuery": ' name ~ "x" ',
            "pullRequestQuery": 'state="MERGED"',
            "includedFiles": ["README.md"],
            "closedWithinDays": 30,
        }
        mapping = parsed(entry("pull-request", selector=selector))
        assert mapping.problems == ()
        assert mapping.resources[0].selector == Selector(
            ".a", "admin", 'name ~ "x"', 'state="MERGED"', ("README.md",), closed_within_days=30.0
        )

    def test_every_selector_of_data_center_is_read(self) -> None:
        selector = {
            "projects": ["HBR"],
            "projectFilterRegex": "^H",
            "state": "ALL",
            "closedWithinDays": 0.5,
            "includePersonal": True,
        }
        mapping = parsed(entry("pull-request", selector=selector), product="server")
        assert mapping.problems == ()
        assert mapping.resources[0].selector == Selector(
            projects=("HBR",), project_filter_regex="^H", state="ALL", closed_within_days=0.5, include_personal=True
        )

    @pytest.mark.parametrize(
        ("product", "kind", "selector"),
        [
            ("cloud", "pull-request", {"pullRequestQuery": "  ", "repoQuery": ""}),
            ("cloud", "repository", {"repoQuery": None, "userRole": None}),
            ("cloud", "repository", {"exportEnvVariables": ["A"]}),
            ("server", "pull-request", {"projects": None}),
        ],
    )
    def test_an_empty_selector_is_none(self, product: Product, kind: Any, selector: JsonObject) -> None:
        mapping = parsed(entry(kind, selector=selector), product=product)
        assert (mapping.problems, mapping.resources[0].selector) == ((), Selector())

    @pytest.mark.parametrize(
        ("product", "kind", "name"),
        [("cloud", "repository", "repo"), ("cloud", "repository", "projects"), ("server", "user", "includePersonal")],
    )
    def test_an_unknown_selector_is_reported_and_ignored(self, product: Product, kind: Any, name: str) -> None:
        mapping = parsed(entry(kind, selector={name: "x"}), product=product)
        assert [problem.field for problem in mapping.problems] == [f"selector.{name}"]
        assert len(mapping.resources) == 1

    @pytest.mark.parametrize(
        ("product", "name", "value"),
        [
            ("cloud", "userRole", "boss"),
            ("cloud", "repoQuery", 5),
            ("cloud", "includedFiles", "README.md"),
            ("cloud", "closedWithinDays", "30"),
            ("cloud", "closedWithinDays", -1),
            ("server", "projects", "HBR"),
            ("server", "projectFilterRegex", "("),
            ("server", "state", "CLOSED"),
            ("server", "includePersonal", "yes"),
        ],
    )
    def test_a_wrong_value_switches_the_entry_off_and_protects_its_objects(
        self, product: Product, name: str, value: Any
    ) -> None:
        mapping = parsed(entry("pull-request", selector={name: value}), entry("project"), product=product)
        assert [problem.field for problem in mapping.problems] == [f"selector.{name}"]
        assert [resource.kind for resource in mapping.resources] == ["project"]
        assert mapping.protected == {"pull-request"}

    def test_a_query_that_only_bitbucket_may_understand_is_reported_with_its_place(self) -> None:
        problem = only_problem(entry(selector={"repoQuery": "name % 5"}))
        assert "character 6" in problem.reason
        assert len(parsed(entry(selector={"repoQuery": "name % 5"})).resources) == 1


class TestWhatMakesAnEntryUnusable:
    BROKEN: tuple[tuple[str, JsonObject], ...] = (
        ("selector.query", entry(selector={"query": None})),
        ("selector.query", entry(selector={"query": "(("})),
        ("identifier", entry(identifier="((")),
        ("identifier", entry(identifier=None)),
        ("identifier", entry(identifier=[])),
        ("identifier", entry(identifier="")),
        ("blueprint", entry(blueprint="service")),
        ("itemsToParse", entry(itemsToParse="[")),
        ("itemsToParse", entry(itemsToParse=5)),
        ("itemsToParseName", entry(itemsToParse=".a", itemsToParseName="")),
        ("port.entity.mappings", {"kind": "repository", "selector": {"query": "true"}}),
        ("selector", {"kind": "repository", "port": {"entity": {"mappings": {}}}}),
    )

    @pytest.mark.parametrize(("field", "broken"), BROKEN)
    def test_it_is_left_out_and_its_objects_lose_nothing(self, field: str, broken: JsonObject) -> None:
        made = engine(broken, entry("project"))
        assert made.mapping.problems[0].field == field
        assert made.kinds() == {"repository", "project"}
        assert made.map("repository", {"id": "x"}, ask=None).complete is False
        project = made.map("project", {"id": "p"}, ask=None)
        assert (len(project.entities), project.complete) == (1, True)

    def test_a_good_entry_of_the_same_kind_still_maps_but_deletes_nothing(self) -> None:
        result = engine(entry(identifier="(("), entry()).map("repository", {"id": "x"}, ask=None)
        assert (len(result.entities), result.complete) == (1, False)

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_a_kind_we_do_not_support_concerns_nobody_else(self, kind: str) -> None:
        mapping = parsed({**entry(), "kind": kind}, entry())
        assert mapping.problems[0].field == "kind"
        assert (len(mapping.resources), mapping.protected) == (1, frozenset())
        assert [(one.kind, one.blueprint) for one in mapping.broken] == [(kind, '"thing"')]

    @pytest.mark.parametrize("kind", ["repositry", None, 5])
    def test_an_entry_that_might_be_about_anything_protects_everything(self, kind: Any) -> None:
        mapping = parsed({**entry(), "kind": kind}, entry("project"))
        assert mapping.problems[0].field == "kind"
        assert (len(mapping.resources), set(mapping.protected)) == (1, set(KINDS))

    @pytest.mark.parametrize("broken", [None, [], "x", {}, {"resources": {}}, {"resources": None}])
    def test_no_mapping_at_all_deletes_nothing(self, broken: Any) -> None:
        mapping = parse(broken, product="cloud", file="mapping.yaml")
        assert mapping.problems
        result = MappingEngine(mapping, now=lambda: NOW).map("repository", {"id": "x"}, ask=None)
        assert (result.entities, result.complete) == ((), False)


class TestFieldsThatFail:
    def test_a_field_that_does_not_compile_is_left_out_alone(self) -> None:
        made = engine(entry(title="((", properties={"bad": ") | (", "good": ".id"}))
        assert [problem.field for problem in made.mapping.problems] == ["title", "properties.bad"]
        (entity,) = made.map("repository", {"id": "x"}, ask=None).entities
        assert entity.fields == {"properties": {"good": "x"}}
        assert entity.failed == ("title", "properties.bad")

    @pytest.mark.parametrize("value", [None, [], {"a": 1}])
    def test_a_property_that_is_no_expression_is_reported(self, value: Any) -> None:
        made = engine(entry(properties={"bad": value, "good": ".id"}))
        assert [problem.field for problem in made.mapping.problems] == ["properties.bad"]
        assert made.map("repository", {"id": "x"}, ask=None).entities[0].failed == ("properties.bad",)

    def test_an_expression_that_is_only_whole_inside_brackets_is_no_expression(self) -> None:
        assert only_problem(entry(title="1) | (2")).field == "title"

    def test_an_expression_that_is_only_whole_outside_brackets_is_none_either(self) -> None:
        assert only_problem(entry(title="def f: 1;")).field == "title"

    def test_numbers_and_booleans_of_yaml_stand_for_themselves(self) -> None:
        assert properties_of({}, five=5, half=0.5, yes=True, no=False) == {
            "five": 5,
            "half": 0.5,
            "yes": True,
            "no": False,
        }

    def test_a_boolean_query_is_a_query(self) -> None:
        assert parsed(entry(selector={"query": True})).resources[0].selector.query == "true"


class TestSeveralMappingsOfOneEntry:
    def test_a_list_makes_one_entity_each(self) -> None:
        one = entry()
        one["port"]["entity"]["mappings"] = [
            {"identifier": ".id", "blueprint": '"a"'},
            {"identifier": ".id", "blueprint": '"b"'},
        ]
        made = engine(one)
        assert [(resource.index, resource.position) for resource in made.mapping.resources] == [(0, 0), (0, 1)]
        assert [entity.blueprint for entity in made.map("repository", {"id": "x"}, ask=None).entities] == ["a", "b"]

    def test_a_broken_one_leaves_the_other(self) -> None:
        one = entry()
        one["port"]["entity"]["mappings"] = [{"identifier": ".id"}, {"identifier": ".id", "blueprint": '"b"'}]
        result = engine(one).map("repository", {"id": "x"}, ask=None)
        assert ([entity.blueprint for entity in result.entities], result.complete) == (["b"], False)


class TestSingleQuotes:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("'text'", "text"),
            (".id == 'x'", True),
            ("(.id=='x')", True),
            ("{a: 'b'} | .a", "b"),
            ("['a','b'] | join(' - ')", "a - b"),
            ("'say \"hi\"'", 'say "hi"'),
            ("'tab\\tbed'", "tab\tbed"),
            ("'<\\(.id)>'", "<x>"),
            ("'a' # it's a comment", "a"),
        ],
    )
    def test_a_single_quoted_text_is_a_text(self, written: str, value: Any) -> None:
        assert properties_of({"id": "x"}, p=written) == {"p": value}

    @pytest.mark.parametrize(
        ("written", "value"),
        [("\"a 'b' c\"", "a 'b' c"), (".id # don't \"quote'", "x"), ('"it\'s" + "\'"', "it's'")],
    )
    def test_what_compiles_stays_as_it_is(self, written: str, value: Any) -> None:
        assert properties_of({"id": "x"}, p=written) == {"p": value}

    def test_the_report_shows_what_was_written(self) -> None:
        assert "'a' + )" in only_problem(entry(title="'a' + )")).reason


class TestWhatTheMappingWants:
    def test_it_follows_from_what_expressions_mention(self) -> None:
        wanting = entry(
            selector={"includedFiles": ["README.md", "b", "README.md"]},
            properties={"a": ".__readme", "b": '.["__latestCommit"].id', "c": ".owner.email"},
        )
        wants = engine(wanting).wants("repository")
        assert (wants.readme, wants.latest_commit, wants.email) == (True, True, True)
        assert wants.included_files == ("README.md", "b")
        assert wants.anything

    def test_nothing_is_wanted_without_a_mention(self) -> None:
        made = engine(entry(properties={"a": ".emailAddress"}), entry("user", title=".email"))
        assert not made.wants("repository").anything
        assert made.wants("user").email
        assert not made.wants("project").anything


WORDS = """resources kind selector query port entity mappings identifier blueprint properties relations itemsToParse
combinator rules property operator value projects state team x""".split()  # noqa: SIM905


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["repository", ".id", '"b"']),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(PRODUCTS),
)
def test_no_document_whatever_makes_parsing_fail(value: Any, product: Product) -> None:
    shapes = [value, {"resources": value}, {"resources": [value]}, document({**entry(), "selector": value})]
    shapes.append(document(entry(identifier=value, properties=value, relations=value, team=value)))
    for shape in shapes:
        mapping = parse(shape, product=product, file="mapping.yaml")
        made = MappingEngine(mapping, now=lambda: NOW)
        for kind in KINDS:
            made.map(kind, {"id": "x"}, ask=None)
            made.payload_gaps(kind, {"id": "x"})
