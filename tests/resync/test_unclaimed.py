"""What Port says is ours and nobody here knows goes only when nobody else can need it."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.mapping.model import Mapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import Kind, Product
from bitbucket_port.resync.constants import constants
from bitbucket_port.resync.unclaimed import Production, mark, twice_unclaimed


def resource(kind: str, blueprint: str, **more: Any) -> dict[str, Any]:
    entity = {"mappings": {"identifier": ".name", "blueprint": blueprint}}
    return {"kind": kind, "selector": {"query": "true"}, "port": {"entity": entity}, **more}


def mapping(*resources: dict[str, Any]) -> Mapping:
    return parse({"resources": list(resources)}, product="cloud", file="test")


def why(blueprint: str, *resources: dict[str, Any], incomplete: dict[str, str] | None = None) -> str | None:
    return Production.of(mapping(*resources)).why_kept(blueprint, incomplete or {})


@pytest.mark.parametrize(
    ("expression", "texts"),
    [
        ('"service"', {"service"}),
        ("'service'", None),
        (' "service" ', {"service"}),
        ('if .fork then "fork" else "repository" end', {"fork", "repository"}),
        ('if .a then "a" elif .b then "b" else null end', {"a", "b"}),
        ('"a", "b"', {"a"}),
        ("null", set()),
        (".blueprint", None),
        ('"a" + .b', None),
        ('"a\\(.b)"', None),
        ('if .a then "a" else .b end', None),
        ("def f: 1; f", None),
        ('"repo\\u0073itory"', None),
        ('(if empty then "a" else "b" end), "c"', None),
    ],
)
def test_the_texts_an_expression_can_give_are_read_from_it(expression: str, texts: set[str] | None) -> None:
    assert constants(expression) == texts


def test_everything_listed_completely_may_go() -> None:
    assert why("a", resource("project", '"a"'), resource("repository", '"b"')) is None


def test_a_blueprint_stays_while_one_kind_that_makes_it_is_not_completely_listed() -> None:
    resources = (resource("project", '"a"'), resource("repository", '"a"'), resource("user", '"b"'))
    assert why("a", *resources, incomplete={"repository": "403"}) == "repository: 403"
    assert why("b", *resources, incomplete={"repository": "403"}) is None


def test_a_blueprint_that_the_mapping_does_not_make_stays() -> None:
    assert why("b", resource("project", '"a"')) == "no resource of the mapping makes it"
    assert why("b") == "no resource of the mapping makes it"


@pytest.mark.parametrize("kind", ["file", "folder", "pipeline"])
def test_a_kind_that_is_not_read_keeps_its_blueprint_and_no_other(kind: str) -> None:
    resources = (resource("project", '"a"'), resource("repository", '"b"'), resource(kind, '"a"'))
    assert why("a", *resources) == f"resources[2] ({kind}) is left out"
    assert why("b", *resources) is None


def test_a_computed_blueprint_keeps_everything() -> None:
    resources = (resource("project", '"a"'), resource("repository", ".type"))
    assert why("a", *resources) == "resources[1] (repository) computes its blueprint"


def test_a_choice_between_texts_is_no_computed_blueprint() -> None:
    resources = (resource("project", '"a"'), resource("repository", 'if .f then "a" else "b" end'))
    assert why("a", *resources) is None
    assert why("b", *resources, incomplete={"repository": "half a list"}) == "repository: half a list"


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "file"},
        resource("file", ".blueprint"),
        resource("repository", '"a'),
        "no object",
        {"kind": "repository", "port": {"entity": {"mappings": [{"identifier": ".x"}]}}},
    ],
)
def test_an_entry_that_cannot_be_read_keeps_everything(broken: Any) -> None:
    said = why("a", resource("project", '"a"'), broken)
    assert said is not None
    assert "resources[1]" in said


@pytest.mark.parametrize("product", ["cloud", "server"])
@pytest.mark.parametrize("preset", ["default", "ocean"])
def test_the_shipped_mappings_say_what_makes_what(product: Product, preset: str) -> None:
    production = Production.of(parse(load(product, preset), product=product, file=preset))
    assert (production.unknown, production.unsupported) == ("", {})
    kinds: set[Kind] = {kind for made_by in production.kinds.values() for kind in made_by}
    assert kinds >= {"project", "repository", "pull-request"}
    assert all(production.why_kept(blueprint, {}) is None for blueprint in production.kinds)


def entity(identifier: str, updated_at: str | None) -> dict[str, Any]:
    return {"identifier": identifier, **({"updatedAt": updated_at} if updated_at else {})}


def test_only_what_two_runs_in_a_row_found_untouched_may_go() -> None:
    before = {mark(entity("same", "t1")), mark(entity("touched", "t1")), mark(entity("back", "t1"))}
    now = [entity("same", "t1"), entity("touched", "t2"), entity("new", "t1")]
    assert twice_unclaimed(now, before) == ["same"]
    assert twice_unclaimed(now, set()) == []


def test_what_port_does_not_date_stays() -> None:
    undated = entity("a", None)
    assert twice_unclaimed([undated], {mark(undated)}) == []
