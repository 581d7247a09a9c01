"""Completing a blueprint adds what is missing and changes nothing that is there, whatever the two look like."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.objects import JsonObject
from bitbucket_port.setup.completion import CALCULATED, RELATIONS, clashes, completed, lacking, names_of, singly

names = st.sampled_from(["a", "b", "c", "d"])
values = st.lists(st.sampled_from(["OPEN", "MERGED", "DRAFT"]), min_size=1, max_size=3, unique=True)
colours = st.dictionaries(st.sampled_from(["OPEN", "MERGED", "DRAFT"]), st.sampled_from(["red", "green"]))
plain = st.builds(
    lambda kind, title: {"type": kind, "title": title},
    st.sampled_from(["string", "number", "boolean", "array"]),
    st.sampled_from(["A title", "Another"]),
)
listed = st.builds(lambda enum, given: {"type": "string", "enum": enum, "enumColors": given}, values, colours)
uncoloured = st.builds(lambda enum: {"type": "string", "enum": enum}, values)
several = st.builds(lambda enum: {"type": "array", "items": {"type": "string", "enum": enum}}, values)
properties = st.dictionaries(names, plain | listed | uncoloured | several, max_size=4)
relations = st.dictionaries(
    names,
    st.builds(
        lambda target, required, many: {"target": target, "required": required, "many": many},
        names,
        st.booleans(),
        st.booleans(),
    ),
    max_size=3,
)
mirrored = st.dictionaries(names, st.builds(lambda path: {"path": f"{path}.x"}, names), max_size=2)
ownership = st.sampled_from([None, {"type": "Direct"}, {"type": "Inherited", "path": "a"}])


@st.composite
def blueprints(draw: st.DrawFn) -> JsonObject:
    own = draw(properties)
    found: JsonObject = {
        "identifier": "tree",
        "title": draw(st.sampled_from(["Tree", "Ours"])),
        "schema": {
            "properties": own,
            "required": draw(st.lists(st.sampled_from(sorted(own)), unique=True)) if own else [],
        },
        "relations": draw(relations),
        "mirrorProperties": draw(mirrored),
    }
    given = draw(ownership)
    return {**found, "ownership": given} if given else found


def patched(there: JsonObject, wanted: JsonObject) -> JsonObject:
    return {**there, **completed(there, lacking(wanted, there))}


def assert_kept(before: Any, after: Any, path: str = "") -> None:
    """Everything of ``before`` is in ``after``; lists of values may have become longer at their end."""
    if isinstance(before, dict):
        for name, value in before.items():
            assert name in after, f"{path}.{name}"
            assert_kept(value, after[name], f"{path}.{name}")
    elif path.endswith(".enum"):
        assert after[: len(before)] == before, path
    else:
        assert after == before, path


@given(blueprints(), blueprints())
def test_nothing_that_is_there_changes(there: JsonObject, wanted: JsonObject) -> None:
    assert_kept(there, patched(there, wanted))


@given(blueprints(), blueprints())
def test_nothing_becomes_required(there: JsonObject, wanted: JsonObject) -> None:
    after = patched(there, wanted)

    assert after["schema"]["required"] == there["schema"]["required"]
    new = after["relations"].keys() - there["relations"].keys()
    assert not any(after["relations"][name]["required"] for name in new)


@given(blueprints(), blueprints())
def test_everything_that_is_wanted_is_there_afterwards(there: JsonObject, wanted: JsonObject) -> None:
    after = patched(there, wanted)

    assert lacking(wanted, after) == {}
    assert wanted["schema"]["properties"].keys() <= after["schema"]["properties"].keys()
    for part in (*RELATIONS, "mirrorProperties"):
        assert wanted[part].keys() <= after[part].keys()
    assert after.get("ownership") == (there.get("ownership") or wanted.get("ownership"))


@given(blueprints(), blueprints())
def test_one_thing_at_a_time_comes_to_the_same(there: JsonObject, wanted: JsonObject) -> None:
    step = there
    for one in singly(lacking(wanted, there)):
        step = {**step, **completed(step, one)}

    assert step == patched(there, wanted)


@given(blueprints(), blueprints())
def test_each_missing_thing_has_a_name(there: JsonObject, wanted: JsonObject) -> None:
    missing = lacking(wanted, there)

    assert bool(names_of(missing, there)) == bool(missing)
    assert all(names_of(one, there) for one in singly(missing))


@given(blueprints())
def test_a_blueprint_lacks_nothing_of_itself(blueprint: JsonObject) -> None:
    assert lacking(blueprint, blueprint) == {}
    assert clashes(blueprint, blueprint) == []


def test_a_list_of_values_gets_the_missing_ones_with_their_colours() -> None:
    wanted = {"schema": {"properties": {"s": {"type": "string", "enum": ["A", "B"], "enumColors": {"B": "red"}}}}}
    there = {"schema": {"properties": {"s": {"type": "string", "enum": ["C", "A"], "enumColors": {"A": "blue"}}}}}

    missing = lacking(wanted, there)

    assert missing["schema"]["properties"] == {"s": {"enum": ["C", "A", "B"], "enumColors": {"B": "red", "A": "blue"}}}
    assert names_of(missing, there) == ["properties.s 'B'"]


def test_a_property_without_a_list_of_values_stays_open_to_all() -> None:
    wanted = {"schema": {"properties": {"s": {"type": "string", "enum": ["A"]}}}}

    assert lacking(wanted, {"schema": {"properties": {"s": {"type": "string"}}}}) == {}


def test_values_are_not_added_to_a_property_of_another_type() -> None:
    wanted = {"schema": {"properties": {"s": {"type": "string", "enum": ["A"]}}}}
    there = {"schema": {"properties": {"s": {"type": "number", "enum": [1]}}}}

    assert lacking(wanted, there) == {}
    assert clashes(wanted, there) == ["properties.s is of type number, not string"]


def test_a_relation_to_something_else_is_named_and_left() -> None:
    wanted = {"relations": {"project": {"target": "project", "required": False, "many": False}}}
    there = {"relations": {"project": {"target": "team", "required": False, "many": True}}}

    assert lacking(wanted, there) == {}
    assert clashes(wanted, there) == ["relations.project is to many team, not to one project"]


def test_owners_are_not_added_where_an_older_blueprint_inherits_its_teams() -> None:
    wanted = {"ownership": {"type": "Direct"}}

    assert lacking(wanted, {}) == {"ownership": {"type": "Direct"}}
    assert lacking(wanted, {"teamInheritance": {"path": "a"}}) == {}
    assert "ownership" in CALCULATED
