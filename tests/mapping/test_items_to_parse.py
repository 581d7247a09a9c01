"""A list inside an object becomes one entity for each element."""

from __future__ import annotations

import pytest

from tests.mapping.sample import engine, entry, mapped

ROWS = {"id": "x", "rows": [{"n": "a", "ok": True}, {"n": "b", "ok": False}]}


def test_each_element_is_mapped_with_its_parent() -> None:
    result = mapped(ROWS, itemsToParse=".rows", identifier='.id + "/" + .item.n')
    assert [entity.identifier for entity in result.entities] == ["x/a", "x/b"]
    assert result.complete


def test_the_selector_is_asked_for_each_element() -> None:
    made = engine(entry(selector={"query": ".item.ok"}, itemsToParse=".rows", identifier=".item.n"))
    assert [entity.identifier for entity in made.map("repository", ROWS, ask=None).entities] == ["a"]


def test_the_name_of_the_element_can_be_chosen_and_replaces_what_is_there() -> None:
    result = mapped({**ROWS, "row": 1}, itemsToParse=".rows", itemsToParseName="row", identifier=".row.n")
    assert [entity.identifier for entity in result.entities] == ["a", "b"]


def test_the_list_itself_is_taken_out_of_the_parent() -> None:
    result = mapped(ROWS, itemsToParse=".rows", identifier=".item.n", properties={"left": "keys"})
    assert result.entities[0].fields["properties"]["left"] == ["id", "item"]


def test_unless_the_mapping_keeps_it() -> None:
    result = mapped(
        ROWS,
        itemsToParse=".rows",
        itemsToParseTopLevelTransform=False,
        identifier=".item.n",
        properties={"left": "keys"},
    )
    assert result.entities[0].fields["properties"]["left"] == ["id", "item", "rows"]


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        ('.rows | map(select(.n != "z"))', ["id", "item", "more"]),
        (". as $all | .rows", ["id", "item", "more"]),
        ("(.rows)", ["id", "item", "more"]),
        (".rows + .more.rows", ["id", "item", "more"]),
        ('.["rows"]', ["id", "item", "more"]),
        ("[.rows[] | select(.n)]", ["id", "item", "more", "rows"]),
        ("if .rows then .rows else [] end", ["id", "item", "more", "rows"]),
        ('."rows"', ["id", "item", "more", "rows"]),
        ("[.rows, .more.rows] | add", ["id", "item", "more", "rows"]),
    ],
)
def test_no_object_is_dropped_where_the_path_of_the_list_is_not_plain(expression: str, left: list[str]) -> None:
    result = mapped(
        {**ROWS, "more": {"rows": []}}, itemsToParse=expression, identifier=".item.n", properties={"left": "keys"}
    )
    assert [entity.identifier for entity in result.entities] == ["a", "b"]
    assert result.entities[0].fields["properties"]["left"] == left


def test_an_empty_list_gives_no_entity_and_that_is_an_answer() -> None:
    result = mapped({"id": "x", "rows": []}, itemsToParse=".rows", identifier=".item.n")
    assert (result.entities, result.complete) == ((), True)


@pytest.mark.parametrize("expression", [".missing", ".id", ".id.x", "empty", "{}"])
def test_anything_but_a_list_says_nothing_about_what_exists(expression: str) -> None:
    result = mapped(ROWS, itemsToParse=expression, identifier=".item.n")
    assert (result.entities, result.complete) == ((), False)
    assert result.problems[0].field == "itemsToParse"


def test_an_element_without_identifier_leaves_the_others() -> None:
    result = mapped({"id": "x", "rows": [{"n": "a"}, {}]}, itemsToParse=".rows", identifier=".item.n")
    assert [entity.identifier for entity in result.entities] == ["a"]
    assert not result.complete
