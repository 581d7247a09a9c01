"""What is evaluated without jq is what jq gives, and whatever jq would not simply give is left to it."""

from __future__ import annotations

import json
from typing import Any

import jq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.mapping.direct import direct
from bitbucket_port.mapping.direct_rows import direct_rows
from bitbucket_port.mapping.direct_values import LeftToJqError
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.program import PREFIX, enclosed
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject
from tests.mapping.sample import cloud_pull_request
from tests.mapping.test_pruning import EXPRESSIONS, objects

OWN = [
    "true",
    "null",
    "7",
    '"a" # a comment',
    ".a",
    ".a.b",
    '.a."b".["c"]',
    ".a[0].b",
    ".a[3]",
    ".a?",
    ".a.b?",
    "[.a[]?]",
    "[.a[].b]",
    "[.a[]?.b.c]",
    "[.a[][0]]",
    "[.a, .b | .c?]",
    "[.a, .b, null]",
    "[[.a], [.b]]",
    "[]",
    ".a == null",
    ".a != null",
    ".a == true",
    ".a == 1",
    "1 == .a",
    '.a != "x"',
    ".a == .b",
    ".a and .b",
    ".a or .b",
    ".a | not",
    '.a // "x"',
    ".a // .b // false",
    '.a + "/" + .b',
    ".a + .b",
    "null + null",
    ".a | tostring",
    "(.a | tostring) + (.b | tostring)",
    ".a | length",
    '.a | ltrimstr("{") | rtrimstr("}")',
    '.a | rtrimstr("")',
    'any(.a[]?; . == "x")',
    "any(.a[]; .b)",
    "[.a[]? | select(. != null)]",
    "[.a[]? | select(.b == true)] | length",
    "[.a[]? | if . then . else empty end]",
    "if .a then .b end",
    'if .a == 1 then "one" elif .b then "b" else [.c] end',
    "if empty then 1 else 2 end",
    "if (true, false) then 1 else 2 end",
    "empty",
    ".a, .b",
    ".",
    ".[0]",
    "-1",
    ".a == 1.0",
    ".a == 9007199254740993",
    '.a == "ä"',
    '"\\(.a)"',
    "1 + 2",
    ".a as $x | $x",
    "{a}",
    '.a | test("x")',
    "[1, 2 | . + 1]",
]
PROGRAMS = {
    one: (direct(one), jq.compile(f"{PREFIX} try {{outputs: [{enclosed(one)}]}} catch {{failed: true}}"))
    for one in {*OWN, *EXPRESSIONS}
}

scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -7, 2**53 - 1, 2**53, 2**53 + 1, -(2**70), 0.0, -0.0, 1.0, 1.5, 1e300])
    | st.sampled_from(["", "x", "{x}", "ä", "a\0b", "\U0001f600", "\ud83d", "\ude00", "\r\n"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
small = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def by_jq(program: Any, obj: Any) -> Any:
    """What jq gives of the JSON; half characters are replaced before, for jq takes none."""
    text = json.dumps(obj, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return program.input_text(text).first()


def assert_equal(expression: str, obj: Any) -> None:
    function, program = PROGRAMS[expression]
    if function is None:
        return
    try:
        outputs = function(obj)
    except LeftToJqError:
        return
    expected = by_jq(program, obj)
    # As text: to Python 1 is True.
    assert json.dumps({"outputs": outputs}) == json.dumps(expected), expression


@settings(max_examples=300, deadline=None)
@given(small)
def test_it_gives_what_jq_gives(obj: JsonObject) -> None:
    for expression in PROGRAMS:
        assert_equal(expression, obj)


@settings(max_examples=60, deadline=None)
@given(objects())
def test_it_gives_what_jq_gives_of_bitbuckets_objects(obj: JsonObject) -> None:
    for expression in PROGRAMS:
        assert_equal(expression, obj)


@pytest.mark.parametrize(
    "expression",
    [
        '"\\u0041"',
        '"\\(.a)"',
        "# \\\n.a\n.b",
        ".a # x\r.b",
        ".a == 1.0",
        ".a == 9007199254740993",
        '.a == "ä"',
        ".a == .b",
        ".a < 1",
        ".a - 1",
        "-1",
        ".a as $x | $x",
        "{a}",
        ".a | keys",
        "$ENV.HOME",
        "env",
        "input",
        "first(.a[])",
        "def f: 1; f",
        "reduce .a[] as $x (0; . + $x)",
        "if (true, false) then 1 else 2 end",
        "select(.a, .b)",
        ".a | ltrimstr(.b)",
        "error",
        "now",
    ],
)
def test_what_may_be_read_otherwise_takes_jq(expression: str) -> None:
    assert direct(expression) is None


@pytest.mark.parametrize(
    ("expression", "obj"),
    [
        (".a.b", {"a": "text"}),
        (".a.b", {"a": [1]}),
        ("[.a[]]", {"a": None}),
        ("[.a[]]", {"a": {"b": 1}}),
        (".a[0]", {"a": {"b": 1}}),
        (".a", {"a": {"b": 1}}),
        (".a", {"a": 1.0}),
        (".a", {"a": 2**53}),
        (".a", {"a": "\ud800"}),
        (".a + .b", {"a": "\ud83d", "b": "\ude00"}),
        (".a + .b", {"a": 1, "b": 2}),
        (".a | length", {"a": "text"}),
        (".a | tostring", {"a": True}),
        ('.a | ltrimstr("{")', {"a": None}),
        (".a == 1", {"a": 1.0}),
    ],
)
def test_a_value_that_jq_refuses_or_changes_is_left_to_it(expression: str, obj: JsonObject) -> None:
    function = direct(expression)
    assert function is not None
    with pytest.raises(LeftToJqError):
        function(obj)


@pytest.mark.parametrize(
    "change",
    [
        {"title": 1.5},
        {"title": "half \ud800"},
        {"author": "nobody"},
        {"id": None},
        {"participants": None},
        {"participants": [None, 3]},
        {"links": {"html": {"href": {"deep": [1.0, "x"]}}}},
    ],
)
def test_an_odd_object_is_mapped_as_jq_maps_it(change: JsonObject, monkeypatch: pytest.MonkeyPatch) -> None:
    def engine() -> MappingEngine:
        return MappingEngine(parse(load("cloud", "default"), product="cloud", file="default"), now=lambda: 0.0)

    obj = {**cloud_pull_request(), **change}
    mapped = engine().map("pull-request", obj, ask=None)
    monkeypatch.setattr("bitbucket_port.mapping.engine.direct_rows", lambda _: None)
    expected = engine().map("pull-request", obj, ask=None)
    assert mapped == expected
    assert [one.content_hash for one in mapped.entities] == [one.content_hash for one in expected.entities]


def test_the_mapping_of_pull_requests_in_the_cloud_takes_no_jq() -> None:
    mapping = parse(load("cloud", "default"), product="cloud", file="default")
    (resource,) = (one for one in mapping.resources if one.kind == "pull-request")
    assert [one for _, one in resource.expressions() if direct(one) is None] == []


PROJECTS = {
    "resources": [
        {
            "kind": "project",
            "selector": {"query": ".wanted"},
            "port": {"entity": {"mappings": {"identifier": ".key", "blueprint": '"project"'}}},
        }
    ]
}


@pytest.mark.parametrize("number", [1, 0])
def test_a_number_is_no_true_for_a_selector(number: int) -> None:
    (resource,) = parse(PROJECTS, product="cloud", file="mapping.yaml").resources
    rows = direct_rows(resource)
    assert rows is not None
    assert rows.of({"key": "PAY", "wanted": number}) == [[[number]]]
    assert rows.of({"key": "PAY", "wanted": True})[0][0] == [True]
    assert len(rows.of({"key": "PAY", "wanted": True})[0]) > 1
