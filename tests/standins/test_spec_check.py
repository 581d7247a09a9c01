"""The comparison of the stand-ins with the vendors' documents finds what is wider than a (here: small) document."""

from __future__ import annotations

from typing import Any

import pytest

from local.standins.http import Route
from scripts.check_standin_against_spec import Document, Product, differences

PRODUCT = Product("unused", "/fruits", "/api", "", frozenset({"fields"}), frozenset({"page"}))
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/fruits/{id}": {
            "parameters": [{"name": "id", "in": "path"}],
            "get": {"parameters": [{"name": "ripe", "in": "query"}]},
            "post": {
                "parameters": [{"name": "upsert", "in": "query", "required": True}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/fruit"}}}},
            },
        }
    },
    "components": {
        "schemas": {
            "fruit": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"oneOf": [{"type": "string", "maxLength": 9}, {"type": "object"}]},
                    "uses": {"type": "array", "maxItems": 20, "items": {"enum": ["jam", "juice"]}},
                },
            }
        }
    },
}
UPSERT = frozenset({"upsert"})
USES = {"type": "array", "maxItems": 20, "items": {"enum": ["jam"]}}
GOOD = {
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string", "maxLength": 9}, "uses": USES},
}


def found(route: Route) -> list[str]:
    return list(differences(route, PRODUCT, Document(DOCUMENT)))


@pytest.mark.parametrize(
    "route",
    [
        Route("GET", "/api/fruits/{fruit}", "read", frozenset({"ripe", "fields", "page"})),
        Route("POST", "/api/fruits/{fruit}", "write", UPSERT, UPSERT, GOOD),
    ],
)
def test_what_the_document_has_is_no_difference(route: Route) -> None:
    assert found(route) == []


def with_properties(**changed: Any) -> dict[str, Any]:
    return {**GOOD, "properties": {**GOOD["properties"], **changed}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("route", "difference"),
    [
        (Route("GET", "/api/nuts/{nut}", "read"), "no such operation"),
        (Route("PUT", "/api/fruits/{fruit}", "write"), "no such operation"),
        (Route("GET", "/api/fruits/{fruit}", "read", frozenset({"colour"})), "'colour' is not documented"),
        (Route("POST", "/api/fruits/{fruit}", "write", UPSERT | {"page"}, UPSERT), "'page' is not documented"),
        (Route("POST", "/api/fruits/{fruit}", "write", UPSERT), "'upsert' is required"),
    ],
)
def test_a_wider_operation_is_a_difference(route: Route, difference: str) -> None:
    (only,) = found(route)
    assert difference in only


@pytest.mark.parametrize(
    ("body", "difference"),
    [
        ({**GOOD, "required": []}, "body.name is required"),
        ({**GOOD, "additionalProperties": True}, "may not hold more"),
        (with_properties(colour={}), "body.colour is not documented"),
        (with_properties(name={"type": "string", "maxLength": 10}), "maxLength is 9"),
        (with_properties(name={"type": "string"}), "maxLength is 9"),
        (with_properties(uses={**USES, "maxItems": 21}), "maxItems is 20"),
        (with_properties(uses={**USES, "items": {"enum": ["soup"]}}), "'soup' is not one"),
    ],
)
def test_a_wider_body_is_a_difference(body: dict[str, Any], difference: str) -> None:
    (only,) = found(Route("POST", "/api/fruits/{fruit}", "write", UPSERT, UPSERT, body))
    assert difference in only
