"""A difference in Port is found whatever it is in, and another notation of the same is never taken for one."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import Entity, Kind
from bitbucket_port.resync.drift import Claim, Shapes, acceptance, judge, shown

Json = dict[str, Any]

PROPERTIES = {"text": ".a", "at": ".b", "number": ".c", "tags": ".d", "settings": ".e"}
RELATIONS = {"one": ".f", "many": ".g"}
QUERY = {"combinator": '"and"', "rules": [{"property": '"$title"', "operator": '"="', "value": ".h"}]}


def resource(kind: str, blueprint: str = '"thing"', **mappings: Any) -> Json:
    entity = {"identifier": ".id", "blueprint": blueprint, **mappings}
    return {"kind": kind, "selector": {"query": "true"}, "port": {"entity": {"mappings": entity}}}


def shapes(*resources: Json) -> Shapes:
    found = parse({"resources": list(resources)}, product="cloud", file="test")
    assert not found.problems
    return Shapes.of(found)


WHOLE = resource("repository", title=".t", icon=".i", team=".m", properties=PROPERTIES, relations=RELATIONS)
SHAPES = shapes(WHOLE)

texts = st.text(max_size=5)
moments = st.datetimes().map(lambda moment: moment.isoformat() + "+00:00")
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5, width=16) | texts | moments
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2), max_leaves=5
)
names = st.sampled_from(["a", "b", "c"])
entities = st.fixed_dictionaries(
    {
        "title": st.none() | texts,
        "icon": st.none() | texts,
        "team": st.none() | names | st.lists(names),
        "properties": st.fixed_dictionaries(dict.fromkeys(PROPERTIES, values)),
        "relations": st.fixed_dictionaries({"one": st.none() | names, "many": st.none() | st.lists(names)}),
    }
)


def in_other_words(value: Any) -> Any:
    """A property as another database would give it back."""
    if isinstance(value, list):
        return [in_other_words(one) for one in value]
    if isinstance(value, dict):
        return {name: in_other_words(value[name]) for name in reversed(value)}
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.endswith("+00:00"):
        day, _, fraction = value.removesuffix("+00:00").partition(".")
        return f"{day}.{(fraction + '000')[:3]}Z"
    return value


def as_port_shows(fields: Json) -> Json:
    """An entity as Port could show it after it was sent these fields."""
    properties = {name: in_other_words(value) for name, value in fields.get("properties", {}).items()}
    relations = {name: value[::-1] if isinstance(value, list) else value for name, value in fields["relations"].items()}
    team = fields.get("team")
    return {
        "identifier": "x",
        "updatedAt": "2026-01-01T00:00:00.000Z",
        **{name: fields[name] for name in ("title", "icon") if fields.get(name) is not None},
        "team": [team] if isinstance(team, str) else list(team or ()),
        "properties": {"by-hand": 1, **{name: value for name, value in properties.items() if value is not None}},
        "relations": {"by-hand": "z", **{name: value for name, value in relations.items() if value is not None}},
    }


def claim(fields: Json, kind: Kind = "repository") -> Claim:
    return Claim(kind, Entity("thing", "x", fields).content_hash)


def verdict(entity: Json, *claims: Claim, of: Shapes = SHAPES, accepted: str | None = None) -> str:
    return judge(entity, "thing", claims, of, accepted)


@given(entities)
def test_what_was_written_compares_equal_however_port_puts_it(fields: Json) -> None:
    assert verdict(as_port_shows(fields), claim(fields)) == "same"


@given(entities, entities, st.sampled_from(["title", "icon", "team", *PROPERTIES, *RELATIONS]))
def test_a_difference_in_any_mapped_field_is_found(fields: Json, others: Json, name: str) -> None:
    changed = copy.deepcopy(fields)
    for group in ("properties", "relations"):
        if name in fields[group]:
            changed[group][name] = others[group][name]
    if name in fields:
        changed[name] = others[name]
    assume(claim(changed) != claim(fields))
    shows = as_port_shows(changed)
    assume(shown(shows, "thing", SHAPES) != shown(as_port_shows(fields), "thing", SHAPES))
    assert verdict(shows, claim(fields)) == "differs"


@given(entities)
def test_an_entity_that_was_emptied_by_hand_differs(fields: Json) -> None:
    fields["title"] = "has one"
    fields["properties"]["number"] = 3
    fields["relations"]["one"] = "a"
    assert verdict({"identifier": "x", "properties": {}, "relations": {}}, claim(fields)) == "differs"


@given(entities, st.lists(st.sampled_from(["title", "properties.at", "properties.text"]), unique=True, max_size=2))
@settings(deadline=None)
def test_a_field_that_failed_is_left_to_whoever_set_it(fields: Json, failed: list[str]) -> None:
    written = copy.deepcopy(fields)
    for name in failed:
        group, _, inner = name.partition(".")
        if inner:
            del written[group][inner]
        else:
            del written[group]
    assert verdict(as_port_shows(fields), claim(written)) == "same"


@given(entities, entities)
@settings(deadline=None)
def test_what_port_shows_after_our_write_is_right_until_either_side_changes(fields: Json, otherwise: Json) -> None:
    """Port may keep a value in a way nobody foresaw; then the digest of what it shows is kept."""
    shows, wanted = as_port_shows(otherwise), claim(fields)
    kept = acceptance(shows, "thing", [wanted], SHAPES)
    assert verdict(shows, wanted, accepted=kept) == "same"
    edited = {**shows, "title": "edited by hand"}
    if verdict(edited, wanted) == "differs":
        assert verdict(edited, wanted, accepted=kept) == "differs"
    other = claim({**fields, "title": "new title"})
    if verdict(shows, other) == "differs":
        assert verdict(shows, other, accepted=kept) == "differs"


@given(entities)
def test_an_entity_whose_writing_is_not_certain_has_to_be_written(fields: Json) -> None:
    kept = acceptance(as_port_shows(fields), "thing", [Claim("repository", "?")], SHAPES)
    assert verdict(as_port_shows(fields), Claim("repository", "?"), accepted=kept) == "unknown"
    assert verdict(as_port_shows(fields), claim(fields), Claim("project", "?")) == "unknown"
    assert verdict(as_port_shows(fields)) == "unknown"


def test_objects_that_set_different_fields_of_one_entity_are_all_looked_at() -> None:
    of = shapes(resource("project", title=".t"), resource("repository", properties={"text": ".a"}))
    title, text = {"title": "T"}, {"properties": {"text": "x"}}
    both = (claim(title, "project"), claim(text))
    assert verdict({"title": "T", "properties": {"text": "x"}}, *both, of=of) == "same"
    assert verdict({"title": "T", "properties": {"text": "y"}}, *both, of=of) == "differs"
    assert verdict({"title": "U", "properties": {"text": "x"}}, *both, of=of) == "differs"


def test_objects_that_fight_over_one_field_are_quiet_once_the_last_write_was_accepted() -> None:
    mine, theirs = claim({**EMPTY, "title": "mine"}), claim({**EMPTY, "title": "theirs"})
    shows = as_port_shows({**EMPTY, "title": "theirs"})
    assert verdict(shows, mine, theirs) == "differs"
    kept = acceptance(shows, "thing", [theirs, mine], SHAPES)
    assert verdict(shows, mine, theirs, accepted=kept) == "same"
    assert verdict(as_port_shows({**EMPTY, "title": "edited"}), mine, theirs, accepted=kept) == "differs"


def test_several_resources_of_one_kind_make_one_entity_alone_or_together() -> None:
    of = shapes(resource("repository", title=".t"), resource("repository", properties={"text": ".a"}))
    shows: Json = {"title": "T", "properties": {"text": "x"}}
    for fields in ({"title": "T"}, {"properties": {"text": "x"}}, {"title": "T", "properties": {"text": "x"}}):
        assert verdict(shows, claim(fields), of=of) == "same"
    assert verdict(shows, claim({"title": "T", "properties": {"text": "y"}}), of=of) == "differs"


def test_relations_that_port_finds_are_not_compared() -> None:
    of = shapes(resource("repository", title=".t", team=QUERY, relations={"one": QUERY, "many": ".g"}))
    assert of.names("thing") == {"title", "relations.many"}
    query = {"combinator": "and", "rules": [{"property": "$title", "operator": "=", "value": "h"}]}
    fields = {"title": "T", "team": query, "relations": {"one": query, "many": ["a"]}}
    shows = {"title": "T", "team": ["found"], "relations": {"one": "found", "many": ["a"]}}
    assert verdict(shows, claim(fields), of=of) == "same"
    assert verdict({**shows, "title": "U"}, claim(fields), of=of) == "differs"


def test_what_was_left_out_of_a_write_is_expected_at_once() -> None:
    fields: Json = {**EMPTY, "title": "T", "properties": {**EMPTY["properties"], "text": "no room for it"}}
    sent = Entity("thing", "x", {**fields, "properties": {"at": None}})
    shows, wanted = as_port_shows({**EMPTY, "title": "T"}), claim(fields)
    kept = SHAPES.expected(sent, wanted.content)
    assert verdict(shows, wanted) == "differs"
    assert verdict(shows, wanted, accepted=kept) == "same"
    assert verdict({**shows, "title": "U"}, wanted, accepted=kept) == "differs"


def test_a_computed_blueprint_may_be_any() -> None:
    of = shapes(resource("repository", ".kind", title=".t"), resource("project", '"thing"', properties={"text": ".a"}))
    assert of.blueprints == ("thing",)
    assert of.names("thing") == {"title", "properties.text"}
    assert of.names("anything") == {"title"}
    assert judge({"title": "T"}, "anything", [claim({"title": "T"})], of, None) == "same"


def test_a_choice_of_blueprints_gives_each_its_shape() -> None:
    of = shapes(resource("repository", 'if .f then "fork" else "thing" end', title=".t"))
    assert sorted(of.blueprints) == ["fork", "thing"]
    assert of.candidates("fork", "repository") == of.candidates("thing", "repository") == (("title",),)
    assert of.candidates("thing", "project") == ()


EMPTY: Json = {
    "title": None,
    "icon": None,
    "team": None,
    "properties": dict.fromkeys(PROPERTIES),
    "relations": dict.fromkeys(RELATIONS),
}
