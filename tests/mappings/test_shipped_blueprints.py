"""Mappings and blueprints fit each other, and both fit what Port documents."""

from __future__ import annotations

import re
from typing import Any

import jq
import jsonschema
import pytest

from bitbucket_port.objects import JsonObject, Product
from tests.mappings.approval import approved
from tests.mappings.cases import CASES
from tests.mappings.port_rules import BLUEPRINT_SCHEMA, complaint
from tests.mappings.shipped import PAIRS, blueprints, entity_mapping, expressions, mapping, resource

UNMAPPED = {
    ("cloud", "ocean"): {},
    ("server", "ocean"): {
        "bitbucketRepository.readme": "Ocean installs it, but maps the readme to documentation",
        "bitbucketRepository.swagger_url": "Ocean installs it and never maps it; people fill it in by hand",
        "bitbucketPullRequest.description": "Ocean installs it and never maps it",
    },
}
"""Blueprint properties no mapping fills, each with its reason."""

STATES = {
    "cloud": {"OPEN", "MERGED", "DECLINED", "SUPERSEDED"},
    "server": {"OPEN", "MERGED", "DECLINED"},
}
"""The states of a pull request that Bitbucket documents."""

NEVER_MAPPED_BY_OCEAN = {("cloud", "ocean", "SUPERSEDED")}
"""Ocean's Cloud blueprint does not know the state; what Port does not know is left out when writing."""


def resources(product: Product, preset: str) -> list[JsonObject]:
    found: list[JsonObject] = mapping(product, preset)["resources"]
    return found


def blueprint_of(product: Product, preset: str, entry: JsonObject) -> JsonObject:
    literal: str = jq.first(entity_mapping(entry)["blueprint"], None)
    return blueprints(product, preset)[literal]


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_blueprints_are_what_port_documents(product: Product, preset: str) -> None:
    for blueprint in blueprints(product, preset).values():
        jsonschema.Draft202012Validator(BLUEPRINT_SCHEMA).validate(blueprint)


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_relations_lead_to_blueprints_of_the_same_file_that_come_first(product: Product, preset: str) -> None:
    known: list[str] = []
    for identifier, blueprint in blueprints(product, preset).items():
        for name, relation in blueprint["relations"].items():
            assert relation["target"] in known, f"{identifier}.{name}"
            assert relation["required"] is False, f"{identifier}.{name}: a late target would refuse the entity"
        known.append(identifier)


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_what_a_mapping_writes_exists_in_its_blueprint_and_the_other_way_round(product: Product, preset: str) -> None:
    mapped: dict[str, set[str]] = {}
    for entry in resources(product, preset):
        blueprint = blueprint_of(product, preset, entry)
        properties = set(entity_mapping(entry)["properties"])
        assert properties <= set(blueprint["schema"]["properties"])
        assert set(entity_mapping(entry).get("relations", {})) == set(blueprint["relations"])
        mapped.setdefault(blueprint["identifier"], set()).update(properties)
    assert set(mapped) == set(blueprints(product, preset))
    unmapped = {
        f"{identifier}.{name}"
        for identifier, blueprint in blueprints(product, preset).items()
        for name in set(blueprint["schema"]["properties"]) - mapped[identifier]
    }
    assert unmapped == set(UNMAPPED.get((product, preset), {}))


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_values_have_the_types_of_their_properties(product: Product, preset: str) -> None:
    checked = 0
    for case in CASES:
        entry = resource(product, preset, case.kind)
        if case.product != product or entry is None:
            continue
        entity = approved(case, preset)
        if not entity or "refused" in entity:
            continue
        blueprint = blueprint_of(product, preset, entry)
        for name, value in entity["properties"].items():
            if name == "status" and (product, preset, value) in NEVER_MAPPED_BY_OCEAN:
                continue
            assert complaint(blueprint["schema"]["properties"][name], value) is None, f"{case}: {name}"
            checked += 1
        for name, value in entity.get("relations", {}).items():
            _check_relation(blueprint["relations"][name], value, f"{case}: {name}")
    assert checked > 20


def _check_relation(relation: JsonObject, value: Any, where: str) -> None:
    if relation["many"]:
        assert isinstance(value, list), where
    else:
        assert value is None or isinstance(value, str), where


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_every_word_a_mapping_can_write_into_an_enumeration_is_known(product: Product, preset: str) -> None:
    for entry in resources(product, preset):
        properties = blueprint_of(product, preset, entry)["schema"]["properties"]
        for name, expression in entity_mapping(entry)["properties"].items():
            allowed = set(properties[name].get("enum", []))
            if not allowed:
                continue
            words = set(re.findall(r'(?:then|else)\s+"(\w+)"', expression)) or STATES[product]
            words -= {word for word in words if (product, preset, word) in NEVER_MAPPED_BY_OCEAN}
            assert words <= allowed, name
            assert set(properties[name]["enumColors"]) == allowed, name


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_relations_point_at_identifiers_that_the_mapping_makes(product: Product) -> None:
    made: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    for case in CASES:
        entry = resource(product, "default", case.kind)
        entity = approved(case, "default") if case.product == product and entry else None
        if not entity:
            continue
        made.setdefault(entity["blueprint"], set()).add(entity["identifier"])
        for name, value in entity.get("relations", {}).items():
            target = blueprints(product, "default")[entity["blueprint"]]["relations"][name]["target"]
            wanted.setdefault(target, set()).update(value if isinstance(value, list) else filter(None, [value]))
    nobody_lists = {"8a1f0c52-11aa-4f0e-9d31-000000000003"}  # a reviewer who is no member of the workspace
    for target, identifiers in wanted.items():
        assert identifiers - nobody_lists <= made[target], target


def test_both_products_spell_what_they_share_alike() -> None:
    for cloud, server in zip(
        blueprints("cloud", "default").values(), blueprints("server", "default").values(), strict=True
    ):
        ours, theirs = cloud["schema"]["properties"], server["schema"]["properties"]
        for name in set(ours) & set(theirs):
            for aspect in ("type", "format", "title", "enum", "enumColors", "items"):
                assert ours[name].get(aspect) == theirs[name].get(aspect), f"{name}: {aspect}"
        assert set(cloud["relations"]) == set(server["relations"])
        assert cloud["calculationProperties"] == server["calculationProperties"]


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_our_blueprints_require_nothing_and_say_who_owns_what(product: Product) -> None:
    found = list(blueprints(product, "default").values())
    assert all(blueprint["schema"]["required"] == [] for blueprint in found)
    assert [blueprint.get("ownership") for blueprint in found] == [
        None,
        None,
        {"type": "Direct"},
        {"type": "Inherited", "path": "repository"},
    ]


@pytest.mark.parametrize(
    ("product", "name", "hours"),
    [
        ("cloud", "merged", 3.5),
        ("server", "merged", 3.5),
        ("cloud", "declined", None),
        ("server", "declined", None),
        ("cloud", "open-waiting", None),
        ("server", "open-waiting", None),
    ],
)
def test_lead_time_is_what_passed_from_creation_to_merge(product: Product, name: str, hours: float | None) -> None:
    case = next(case for case in CASES if case.product == product and case.name == name and case.kind == "pull-request")
    blueprint = next(found for found in blueprints(product, "default").values() if found["calculationProperties"])
    calculation = blueprint["calculationProperties"]["leadTimeHours"]["calculation"]
    assert jq.first(calculation, approved(case, "default")) == hours


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_no_mapping_touches_what_belongs_to_port(product: Product, preset: str) -> None:
    for entry in resources(product, preset):
        assert "team" not in entity_mapping(entry), "teams set in Port would be overwritten"
    for blueprint in blueprints(product, preset).values():
        assert not blueprint["identifier"].startswith("_")
        assert not any(relation["target"].startswith("_") for relation in blueprint["relations"].values())


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_every_expression_is_plain_jq(product: Product, preset: str) -> None:
    for entry in resources(product, preset):
        for expression in expressions(entry):
            jq.compile(expression.text)  # raises ValueError on anything that Port's playground would not know
            assert "env" not in expression.text.lower(), expression.place


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_the_default_mapping_deletes_with_care(product: Product) -> None:
    document = mapping(product, "default")
    assert {name: value for name, value in document.items() if name != "resources"} == {
        "enableMergeEntity": True,
        "deleteDependentEntities": False,
        "createMissingRelatedEntities": True,
        "entityDeletionThreshold": 0.25,
    }
    assert [entry["kind"] for entry in document["resources"]] == ["project", "user", "repository", "pull-request"]
    assert resource(product, "default", "pull-request")["selector"]["closedWithinDays"] == 30  # type: ignore[index]
