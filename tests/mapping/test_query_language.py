"""Bitbucket's query language: what is read, what is answered, and what is honestly left open."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.mapping.query_language import (
    ABSENT,
    Comparison,
    Junction,
    Path,
    Query,
    QuerySyntaxError,
    Truth,
    evaluate,
    fields,
    negated,
    parse,
    reduce,
)

OBJECT: dict[str, Any] = {
    "state": "OPEN",
    "id": 12,
    "size": 10.5,
    "private": True,
    "title": "Deepen the Channel",
    "updated_on": "2026-11-20T08:00:00.123456+00:00",
    "parent": None,
    "owner": {"nickname": "robin"},
    "reviewers": [{"nickname": "robin"}, {"nickname": "sasha"}],
    "nobody": [],
}


def read(obj: Any, path: Path) -> object:
    for index, key in enumerate(path):
        if isinstance(obj, list):
            return [read(one, path[index:]) for one in obj]
        if obj is None or not isinstance(obj, dict):
            return obj
        if key not in obj:
            return ABSENT
        obj = obj[key]
    return obj


def answer(text: str) -> Truth:
    return evaluate(parse(text), partial(read, OBJECT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('state = "OPEN"', True),
        ('state="MERGED"', False),
        ('state != "MERGED"', True),
        ('state IN ("MERGED", "OPEN")', True),
        ('state in ("MERGED")', False),
        ('state NOT IN ("DECLINED", "MERGED")', True),
        ('state not in ("OPEN")', False),
        ("id = 12", True),
        ("id < 12", False),
        ("id <= 12.0", True),
        ("id > -1", True),
        ("size >= 10.5", True),
        ("id IN (1, 12)", True),
        ("private = true", True),
        ("private != TRUE", False),
        ('title ~ "CHANNEL"', True),
        ('title ~ "harbour"', False),
        ('title !~ "harbour"', True),
        ("parent = null", True),
        ("parent != null", False),
        ("owner != null", True),
        ('owner.nickname = "robin"', True),
        ("updated_on > 2026-11-20", True),
        ("updated_on <= 2026-11-20T09:00:00+02:00", False),
        ("updated_on < 2026-11-20T08:00:00.2", True),
        ('updated_on > "2026-11-19T00:00:00Z"', True),
        ('reviewers.nickname = "sasha"', True),
        ('reviewers.nickname = "kim"', False),
        ('nobody.nickname = "kim"', False),
        ('state = "OPEN" AND id = 12', True),
        ('state = "MERGED" OR id = 12', True),
        ('state = "MERGED" or id = 1', False),
        ('state = "OPEN" OR state = "MERGED" AND id = 1', True),
        ('(state = "OPEN" OR state = "MERGED") AND id = 1', False),
        ('title ~ "say \\"hi\\""', False),
    ],
)
def test_what_an_object_tells_is_answered(text: str, expected: bool) -> None:
    assert answer(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        'missing = "x"',
        "missing = null",
        'owner.missing != "x"',
        # whether Bitbucket minds the case of letters, and how it sorts them, is written nowhere
        'state = "open"',
        'title > "A"',
        # how it compares null with a value is for Bitbucket to say
        'parent != "x"',
        'parent NOT IN ("x")',
        # values of different types
        "id = true",
        'id = "12"',
        "title = 5",
        "title = 2026-11-20",
        "owner = 1",
        "id ~ 1",
        "private > false",
        "id > null",
        # no single answer for several values
        'reviewers.nickname != "robin"',
        "reviewers = null",
        'missing = "x" OR state = "MERGED"',
        'missing = "x" AND state = "OPEN"',
    ],
)
def test_what_it_does_not_tell_is_left_open(text: str) -> None:
    assert answer(text) is None


@pytest.mark.parametrize(
    ("text", "expected"), [('missing = "x" AND state = "MERGED"', False), ('missing = "x" OR state = "OPEN"', True)]
)
def test_an_open_part_does_not_matter_where_the_rest_decides(text: str, expected: bool) -> None:
    assert answer(text) is expected


def test_null_is_neither_smaller_nor_part_of_anything() -> None:
    assert [answer(f"parent {rest}") for rest in ("< 5", '= "x"', '~ "x"', 'IN ("x")')] == [False] * 4


def test_what_remains_open_can_be_asked() -> None:
    remainder = reduce(parse('state = "OPEN" AND (missing = "x" OR id = 1) AND title ~ "the"'), partial(read, OBJECT))
    assert str(remainder) == 'missing = "x"'


def test_the_fields_of_a_query_are_known() -> None:
    assert fields(parse('a.b = 1 OR (c ~ "x" AND a.b > 2)')) == {("a", "b"), ("c",)}


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "expected a field"),
        ("state", 5, "expected an operator"),
        ("state =", 7, "expected a value"),
        ("state = OPEN", 8, "double quotes"),
        ("state = 'OPEN'", 8, "not understood"),
        ('state = "OPEN', 8, "not understood"),
        ('state = "OPEN" id = 1', 15, "expected AND, OR"),
        ('(state = "OPEN"', 15, "expected ')'"),
        ("id IN 5", 6, "expected '('"),
        ("id IN ()", 7, "expected a value"),
        ("id NOT 5", 3, "expected an operator"),
        ("NOT id = 5", 0, "expected a field"),
        ("id = 5 AND", 10, "expected a field"),
        ("id = 2026-99-99", 5, "expected a value"),
        ("id % 5", 3, "not understood"),
        ("(" * 200 + "id = 5" + ")" * 200, 100, "parentheses"),
    ],
)
def test_a_query_that_cannot_be_read_says_where(text: str, position: int, reason: str) -> None:
    with pytest.raises(QuerySyntaxError, match="at character") as raised:
        parse(text)
    assert raised.value.position == position
    assert reason in str(raised.value)


FIELDS = st.sampled_from([("state",), ("id",), ("owner", "nickname"), ("missing",), ("parent",), ("title",)])
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC)
)
NUMBERS = st.integers(-(10**6), 10**6) | st.integers(-1000, 1000).map(lambda n: n / 8)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=6) | MOMENTS | st.sampled_from(["OPEN", "robin"])
COMPARISONS = st.builds(
    Comparison, FIELDS, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~", "!~"]), SCALARS
) | st.builds(
    Comparison, FIELDS, st.sampled_from(["IN", "NOT IN"]), st.lists(SCALARS, min_size=1, max_size=3).map(tuple)
)


def flattened(query: Query) -> Query:
    """A junction directly inside one of the same operator is written without its parentheses' effect."""
    if isinstance(query, Comparison):
        return query
    return Junction(query.operator, tuple(flattened(part) for part in query.parts))


QUERIES: st.SearchStrategy[Query] = st.recursive(
    COMPARISONS,
    lambda inner: st.builds(
        Junction, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


@given(QUERIES)
def test_a_written_query_reads_back_as_itself(query: Query) -> None:
    assert parse(str(query)) == flattened(query)


@given(st.text(max_size=40) | st.text("stae=!~<>()\",. INORAD0129-'", max_size=40))
def test_any_text_is_a_query_or_a_clear_error(text: str) -> None:
    try:
        query = parse(text)
    except QuerySyntaxError as error:
        assert 0 <= error.position <= len(text)
        return
    assert evaluate(query, partial(read, OBJECT)) in (True, False, None)


def both(operator: str, left: Query, right: Query) -> Truth:
    return evaluate(Junction(operator, (left, right)), partial(read, OBJECT))


@given(QUERIES, QUERIES)
def test_and_and_or_keep_the_laws_of_three_values(left: Query, right: Query) -> None:
    truths = [evaluate(query, partial(read, OBJECT)) for query in (left, right)]
    conjunction = False if False in truths else None if None in truths else True
    disjunction = True if True in truths else None if None in truths else False
    assert both("AND", left, right) is both("AND", right, left) is conjunction
    assert both("OR", left, right) is both("OR", right, left) is disjunction


@given(FIELDS, SCALARS, st.sampled_from([("=", "!="), ("~", "!~")]))
def test_a_negative_comparison_never_agrees_with_its_positive_one(
    field: Path, value: Any, pair: tuple[str, str]
) -> None:
    positive, negative = (evaluate(Comparison(field, one, value), partial(read, OBJECT)) for one in pair)
    assert negative is negated(positive) or None in (positive, negative)


@given(
    QUERIES, st.dictionaries(st.sampled_from(["state", "id", "title"]), st.sampled_from(["OPEN", 1, None]), max_size=3)
)
def test_learning_more_of_an_object_never_changes_an_answer(query: Query, more: dict[str, Any]) -> None:
    """What is decided without a field stays decided with it: an unasked question could not have mattered."""
    little = {name: value for name, value in OBJECT.items() if name not in more}
    before = evaluate(query, partial(read, little))
    after = evaluate(query, partial(read, {**little, **more}))
    assert before is None or before is after


@given(QUERIES)
def test_what_remains_open_gives_the_same_answer_once_the_rest_is_known(query: Query) -> None:
    remainder = reduce(query, lambda path: "OPEN" if path == ("state",) else ABSENT)
    whole = evaluate(query, partial(read, {**OBJECT, "state": "OPEN"}))
    later = remainder if isinstance(remainder, bool) else evaluate(remainder, partial(read, OBJECT))
    assert later is whole
