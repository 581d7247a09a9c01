"""Two notations of the same fields are equal, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.cli.comparing import differences
from bitbucket_port.objects import Entity, comparable
from bitbucket_port.port.stored import is_found_by_port, named, normal_form, unlike

MAY = "2024-05-01T10:00:00Z"
QUERY = {"combinator": "and", "rules": [{"property": "$title", "operator": "=", "value": "x"}]}


def content(**fields: Any) -> str:
    return Entity("b", "i", fields).content_hash


def moment(text: str) -> dict[str, Any]:
    return {"properties": {"at": text}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (moment("2024-05-01T10:00:00+00:00"), moment("2024-05-01T10:00:00.000Z")),
        (moment("2024-05-01T10:00:00+02:00"), moment("2024-05-01t08:00:00z")),
        (moment("2024-05-01T10:00:00.120Z"), moment("2024-05-01T10:00:00.12+00:00")),
        (moment("2024-05-01T10:00:00.123456+00:00"), moment("2024-05-01T10:00:00.123Z")),
        ({"properties": {"n": 3}}, {"properties": {"n": 3.0}}),
        ({"properties": {"o": {"n": [1.0, MAY]}}}, {"properties": {"o": {"n": [1, "2024-05-01T10:00:00.0Z"]}}}),
        ({"team": "a"}, {"team": ["a"]}),
        ({"team": ["b", "a"]}, {"team": ["a", "b", "b"]}),
        ({"team": None}, {"team": []}),
        ({"relations": {"r": ["b", "a"]}}, {"relations": {"r": ["a", "b"]}}),
        ({"relations": {"r": []}}, {"relations": {"r": None}}),
    ],
)  # fmt: skip
def test_another_notation_is_no_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert normal_form(one) == normal_form(other)
    assert comparable(content(**one)) == comparable(content(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (moment("2024-05-01T10:00:00Z"), moment("2024-05-01T10:00:01Z")),
        (moment("2024-05-01T10:00:00Z"), moment("2024-05-01T10:00:00.001Z")),
        (moment("2024-05-01T10:00:00Z"), moment("2024-05-01T10:00:00+01:00")),
        (moment("2024-13-01T10:00:00Z"), moment("2024-14-01T10:00:00Z")),
        (moment("at 2024-05-01T10:00:00Z"), moment("at 2024-05-01T10:00:00.000Z")),
        ({"title": "2024-05-01T10:00:00Z"}, {"title": "2024-05-01T10:00:00.0Z"}),
        ({"properties": {"n": 1}}, {"properties": {"n": True}}),
        ({"properties": {"n": 1}}, {"properties": {"n": "1"}}),
        ({"properties": {"n": None}}, {"properties": {"n": ""}}),
        ({"properties": {"n": None}}, {"properties": {"n": []}}),
        ({"properties": {"n": ["a", "b"]}}, {"properties": {"n": ["b", "a"]}}),
        ({"properties": {"n": None}}, {"properties": {}}),
        ({"properties": {"n": "x"}}, {"relations": {"n": "x"}}),
        ({"relations": {"r": "a"}}, {"relations": {"r": ["a"]}}),
        ({"title": None}, {"title": ""}),
        ({"icon": "a"}, {"title": "a"}),
    ],
)
def test_another_value_is_a_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert content(**one) != content(**other)


def test_a_content_hash_tells_microseconds_apart_that_port_may_not_keep() -> None:
    one, other = (content(**moment(f"2024-05-01T10:00:00.12345{digit}Z")) for digit in "67")
    assert one != other
    assert comparable(one) == comparable(other)


def test_what_port_finds_by_a_query_is_in_the_content_but_not_compared() -> None:
    with_query = content(title="t", relations={"r": QUERY, "s": "a"})
    assert comparable(with_query) == comparable(content(title="t", relations={"s": "a"}))
    assert with_query != content(title="t", relations={"s": "a"})
    assert comparable(content(properties={"p": QUERY})) != comparable(content(properties={"p": None}))


def test_an_unknown_content_compares_with_nothing() -> None:
    assert comparable("?") is None


def test_what_port_leaves_out_is_unset() -> None:
    entity = {"identifier": "i", "team": [], "properties": {"a": 1, "not-asked-for": 2}}
    assert named(entity, ["title", "team", "properties.a", "properties.b", "relations.r"]) == {
        "title": None,
        "team": None,
        "properties.a": 1,
        "properties.b": None,
        "relations.r": None,
    }


values = st.sampled_from(
    [None, "", "a", ["a", "b"], ["b", "a", "a"], [], 1, 1.0, True, MAY, "2024-05-01T10:00:00.000Z", QUERY, {"n": 1.0}]
)
teams = st.sampled_from([None, "", "a", ["a"], ["b", "a"], ["a", "b", "b"], [], QUERY])
groups = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
fields = st.fixed_dictionaries({}, optional={"title": values, "team": teams, "properties": groups, "relations": groups})


@given(fields, fields)
def test_what_is_shown_literally_need_not_be_compared_in_its_normal_form(
    wanted: dict[str, Any], shown: dict[str, Any]
) -> None:
    whole = normal_form(wanted)
    there = named(shown, whole)
    different = sorted(name for name, its in whole.items() if is_found_by_port(name, its) or there[name] != its)
    assert differences(Entity("b", "i", wanted), shown) == different


@given(fields, st.sets(st.sampled_from(["title", "team", "icon", "other", "properties.a", "relations.b", "x.a"])))
def test_some_fields_alone_are_as_in_the_whole_normal_form(shown: dict[str, Any], names: set[str]) -> None:
    whole = normal_form(shown)
    assert named(shown, names) == {name: whole.get(name) for name in names}


def test_of_an_entity_that_is_shown_as_it_is_nothing_is_left_to_compare() -> None:
    wanted = {"title": "a", "properties": {"at": MAY, "n": None}, "relations": {"r": ["a", "b"]}}
    assert unlike(wanted, {**wanted, "properties": {"at": MAY, "other": 1}}) == {}
