"""A mapping edited to something invalid: invalid entries keep their last good form, everything else counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bitbucket_port.mapping.last_good import Merged, merged
from bitbucket_port.objects import JsonObject, Kind

BROKEN = ".id |"
"""Not jq."""


def entry(kind: Kind | str, blueprint: str, **mappings: Any) -> JsonObject:
    entity = {"identifier": ".id", "blueprint": f'"{blueprint}"', "title": ".title", **mappings}
    return {"kind": kind, "selector": {"query": "true"}, "port": {"entity": {"mappings": entity}}}


def document(*entries: JsonObject, **options: Any) -> JsonObject:
    return {"resources": list(entries), **options}


GOOD = document(
    entry("project", "team"), entry("repository", "service"), entry("repository", "library"), enableMergeEntity=True
)


def merge(given: Any, last: JsonObject = GOOD) -> Merged:
    return merged(given, last, product="cloud", file="the mapping in Port")


def edited(index: int, **mappings: Any) -> JsonObject:
    given = copy.deepcopy(GOOD)
    given["resources"][index]["port"]["entity"]["mappings"].update(mappings)
    return given


def test_a_valid_edit_is_taken_as_it_is() -> None:
    given = edited(1, title=".name")
    made = merge(given)
    assert (made.document, made.problems, made.kept) == (given, (), frozenset())


@pytest.mark.parametrize(
    "wrong",
    [{"identifier": BROKEN}, {"title": BROKEN}, {"properties": {"url": BROKEN}}, {"identifier": None}],
    ids=["identifier", "title", "property", "missing"],
)
def test_an_invalid_entry_keeps_its_last_good_form_and_the_other_edits_count(wrong: JsonObject) -> None:
    given = edited(1, **wrong)
    given["resources"][0]["port"]["entity"]["mappings"]["title"] = ".key"
    made = merge(given)
    assert made.kept == {1}
    assert made.document["resources"][1] == GOOD["resources"][1]
    assert made.document["resources"][0] == given["resources"][0]
    assert made.mapping.problems == ()
    (problem,) = made.problems
    assert (problem.resource, problem.kind) == (1, "repository")


def test_an_entry_that_moved_is_found_again_and_never_gets_its_neighbours_form() -> None:
    given = document(
        entry("repository", "library", title=BROKEN), entry("project", "team"), entry("repository", "service")
    )
    made = merge(given)
    assert made.document["resources"] == [GOOD["resources"][2], GOOD["resources"][0], GOOD["resources"][1]]
    assert made.kept == {0}


def test_what_a_valid_entry_was_before_is_no_other_ones_last_good_form() -> None:
    given = document(entry("project", "team", title=".name"), entry("project", "group", title=BROKEN))
    made = merge(given, document(entry("project", "team")))
    assert made.kept == frozenset()
    assert made.document["resources"][1] == given["resources"][1]


def test_a_new_invalid_entry_has_no_last_good_form() -> None:
    given = {**GOOD, "resources": [*GOOD["resources"], entry("user", "person", identifier=BROKEN)]}
    made = merge(given)
    assert made.kept == frozenset()
    assert [one.index for one in made.mapping.broken] == [3]
    assert made.mapping.protected == {"user"}


@pytest.mark.parametrize("kind", ["repositry", None, 7])
def test_a_misspelt_kind_is_found_by_its_blueprint_or_its_place(kind: Any) -> None:
    given = copy.deepcopy(GOOD)
    given["resources"][2]["kind"] = kind
    assert merge(given).document == GOOD
    given["resources"][2]["port"] = {}
    assert merge(given).document == GOOD


def test_a_kind_that_is_not_supported_replaces_what_was_there() -> None:
    given = copy.deepcopy(GOOD)
    given["resources"][1]["kind"] = "file"
    made = merge(given)
    assert made.document == given
    assert len(made.mapping.resources) == 2


def test_a_removed_entry_is_removed() -> None:
    made = merge(document(entry("project", "team"), entry("repository", "service", title=BROKEN)))
    assert made.document["resources"] == GOOD["resources"][:2]


def test_a_second_edit_of_what_is_still_invalid_keeps_the_same_form() -> None:
    first = merge(edited(1, title=BROKEN))
    second = merge(edited(1, title=BROKEN, identifier=".x |"), first.document)
    assert second.document["resources"][1] == GOOD["resources"][1]
    assert merge(edited(1, title=BROKEN), second.document).document == first.document


def test_a_last_form_that_was_invalid_itself_is_no_good_one() -> None:
    last = document(entry("repository", "service", title=BROKEN))
    given = document(entry("repository", "service", title=".name |"))
    made = merge(given, last)
    assert (made.document, made.kept) == (given, frozenset())


def test_an_invalid_option_keeps_its_last_good_value() -> None:
    made = merge({**GOOD, "enableMergeEntity": "maybe", "entityDeletionThreshold": 7})
    assert made.document == {**GOOD, "entityDeletionThreshold": 7}
    assert {problem.field for problem in made.problems} == {"enableMergeEntity", "entityDeletionThreshold"}


def test_names_that_nobody_knows_make_nothing_invalid() -> None:
    given = {**edited(1, colour="red"), "more": 1}
    made = merge(given)
    assert made.document == given
    assert {problem.field for problem in made.problems} == {"colour", "more"}


@pytest.mark.parametrize("given", [{}, {"resources": None}, {"resources": {"kind": "x"}}, [], "x", {"resource": []}])
def test_what_is_no_mapping_changes_nothing(given: Any) -> None:
    made = merge(given)
    assert made.whole
    assert made.document == GOOD
    assert made.problems
