"""What jq is not shown, and what is left out of a program, changes nothing of what an expression gives."""

from __future__ import annotations

import copy
from typing import Any

import jq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.mapping.jq_syntax import has_one_output
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.payload_safe import reads_of
from bitbucket_port.mapping.program import PREFIX, enclosed
from bitbucket_port.mapping.pruning import part_read
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from tests.mapping.sample import cloud_pull_request, server_pull_request, server_repository

PRODUCTS: tuple[Product, ...] = ("cloud", "server")
SHIPPED = sorted(
    {
        expression
        for product in PRODUCTS
        for preset in ("default", "ocean")
        for resource in parse(load(product, preset), product=product, file=preset).resources
        for _, expression in resource.expressions()
    }
)
OWN = [
    ".",
    ".links",
    ".links | length",
    ".links | keys",
    ".links[]",
    "[.links[] | .href?]",
    '.links | has("html")',
    ".participants | length",
    ".participants[0].user.display_name",
    ".participants[-1]",
    "[.participants[] | select(.approved) | .user]",
    ".author // .title",
    ".author == null",
    ".author == {}",
    "if .author then .title else .id end",
    ".author | type",
    "any(.reviewers[]?; .uuid)",
    ".title | length",
    ".source.branch as $branch | $branch.name",
    '"\\(.title) of \\(.author.display_name)"',
    "{title, who: .author.nickname} | .who",
    ".id, .title",
    ".participants[].role",
    "first(.participants[]).role",
    "[.participants[], .title]",
    ".title[1:3]",
    ".. | numbers",
]
EXPRESSIONS = [*SHIPPED, *OWN]
OBJECTS = [cloud_pull_request(), server_pull_request(), server_repository()]

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "href", "x"]), inner),
    max_leaves=4,
)


@st.composite
def objects(draw: st.DrawFn) -> JsonObject:
    """An object of Bitbucket's in which some values, anywhere, are not what they should be."""
    found = copy.deepcopy(draw(st.sampled_from(OBJECTS)))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = found
        while isinstance(place, dict | list) and place:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(anything)
                break
            place = place[key]
    return found


PROGRAMS = {one: jq.compile(f"{PREFIX}[_value{enclosed(one)}, _only_value{enclosed(one)}]") for one in EXPRESSIONS}


@settings(max_examples=60, deadline=None)
@given(objects())
def test_every_expression_gives_the_same_of_the_part_it_reads(obj: JsonObject) -> None:
    for expression, program in PROGRAMS.items():
        part = part_read([reads_of(expression)]).of(obj)
        assert program.input_value(part).first() == program.input_value(obj).first(), expression


@settings(max_examples=60, deadline=None)
@given(objects())
def test_what_is_said_to_have_one_output_has_no_second_one(obj: JsonObject) -> None:
    for expression, program in PROGRAMS.items():
        if has_one_output(expression):
            first, only = program.input_value(obj).first()
            assert first == only, expression


def test_jq_is_shown_little_of_what_the_shipped_mappings_do_not_read() -> None:
    reads = [reads_of(".title"), reads_of("[.reviewers[]?.display_name]"), reads_of(".links.html.href")]
    reviewer = {"display_name": "Jo", "uuid": "{1}"}
    obj = {"title": "A", "description": "B", "reviewers": [reviewer], "links": {"html": {"href": "C"}, "self": {}}}
    assert part_read(reads).of(obj) == {
        "title": "A",
        "reviewers": [{"display_name": "Jo"}],
        "links": {"html": {"href": "C"}},
    }


@pytest.mark.parametrize("expression", ["..", "tojson", ".links | to_entries", "paths", "walk(.)", "."])
def test_what_cannot_be_judged_is_shown_everything(expression: str) -> None:
    obj = {"title": "A", "links": {"self": {}}}
    assert part_read([reads_of(".title"), reads_of(expression)]).of(obj) == obj


@pytest.mark.parametrize(
    "expression", [".id, .title", ".a[]", "range(3)", "first(.a[])", '.a | test("x", "y")', "def f: 1, 2; f", ".a[]?"]
)
def test_what_may_have_several_outputs_is_not_said_to_have_one(expression: str) -> None:
    assert not has_one_output(expression)


def test_all_expressions_of_the_shipped_mappings_have_one_output() -> None:
    assert [one for one in SHIPPED if not has_one_output(one)] == []
