"""The operations of Port's API that the stand-in serves: path, query parameters and body as documented."""

from __future__ import annotations

from typing import Any

from local.standins.http import Route
from local.standins.port_integration_routes import INTEGRATION_ROUTES
from local.standins.port_values import KEY, STRING_FORMATS, TYPES

BULK_LIMIT = 20
BULK_DELETE_LIMIT = 100
SEARCH_LIMIT = 1000
BODY_LIMIT = 1024 * 1024
TOKEN_PATH = "/v1/auth/access_token"

_IDENTIFIER = {"type": "string", "format": "port-entity", "maxLength": 1000}
_QUERY = {
    "type": "object",
    "required": ["combinator", "rules"],
    "properties": {"combinator": {"enum": ["and", "or"]}, "rules": {"type": "array"}},
}
_RELATIONS = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [_IDENTIFIER, {"type": "array", "items": _IDENTIFIER}, {"type": "null"}, _QUERY],
    },
}


def _team(*, nullable: bool) -> dict[str, Any]:
    one = ["string", "null"] if nullable else "string"
    return {"oneOf": [{"type": one}, {"type": "array", "items": {"type": "string"}}, _QUERY]}


_WRITTEN = {
    "type": "object",
    "required": ["identifier"],
    "properties": {
        "identifier": {"oneOf": [_IDENTIFIER, _QUERY]},
        "title": {"type": "string"},
        "icon": {"type": "string"},
        "team": _team(nullable=False),
        "properties": {"type": "object"},
        "relations": _RELATIONS,
    },
}
_REPLACED = {**_WRITTEN, "required": [], "properties": {**_WRITTEN["properties"], "identifier": _IDENTIFIER}}  # type: ignore[dict-item]
_PATCHED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "identifier": _IDENTIFIER,
        "title": {"type": ["string", "null"]},
        "icon": {"type": ["string", "null"]},
        "team": _team(nullable=True),
        "properties": {"type": "object", "propertyNames": {"pattern": KEY}},
        "relations": _RELATIONS,
    },
}
_BULK = {
    "type": "object",
    "required": ["entities"],
    "additionalProperties": False,
    "properties": {"entities": {"type": "array", "minItems": 1, "maxItems": BULK_LIMIT, "items": _WRITTEN}},
}
_BULK_DELETE = {
    "type": "object",
    "required": ["entities"],
    "additionalProperties": False,
    "properties": {
        "entities": {"type": "array", "minItems": 1, "maxItems": BULK_DELETE_LIMIT, "items": {"type": "string"}}
    },
}
_TOKEN = {
    "type": "object",
    "required": ["clientId", "clientSecret"],
    "additionalProperties": False,
    "properties": {"clientId": {"type": "string"}, "clientSecret": {"type": "string"}},
}
_SEARCH_ONE_BLUEPRINT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "query": _QUERY,
        "include": {"type": "array", "items": {"type": "string"}},
        "exclude": {"type": "array", "items": {"type": "string"}},
        "limit": {"type": "number", "minimum": 1, "maximum": SEARCH_LIMIT},
        "from": {"type": "string"},
    },
}
_KEYS = {"pattern": KEY, "maxLength": 100}
_BLUEPRINT_PATCH = {
    "type": "object",
    "properties": {
        "identifier": {"type": "string", "format": "port-blueprint", "maxLength": 100},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "maxLength": 200},
        "icon": {"type": "string"},
        "schema": {
            "type": "object",
            "required": ["properties"],
            "additionalProperties": False,
            "properties": {
                "properties": {
                    "type": "object",
                    "propertyNames": _KEYS,
                    "additionalProperties": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {
                            "title": {"type": "string", "maxLength": 100},
                            "type": {"enum": list(TYPES)},
                            "format": {"enum": list(STRING_FORMATS)},
                            "spec": {"enum": ["open-api", "embedded-url", "async-api"]},
                        },
                    },
                },
                "required": {"type": "array", "items": {"type": "string"}},
            },
        },
        "relations": {
            "type": "object",
            "propertyNames": _KEYS,
            "additionalProperties": {
                "type": "object",
                "required": ["target", "required", "many"],
                "additionalProperties": False,
                "properties": {
                    "title": {"type": "string", "maxLength": 100},
                    "target": {"type": "string"},
                    "required": {"type": "boolean"},
                    "many": {"type": "boolean"},
                    "description": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        },
    },
}
_BLUEPRINT = {**_BLUEPRINT_PATCH, "required": ["identifier", "title", "schema"]}

_BP = "/v1/blueprints/{blueprint_identifier}"
_ENTITY = _BP + "/entities/{entity_identifier}"
_READ = frozenset(
    {
        "exclude_calculated_properties",
        "include",
        "exclude",
        "attach_title_to_relation",
        "attach_identifier_to_title_mirror_properties",
        "allow_partial_results",
    }
)
_UPSERT = frozenset({"upsert", "validation_only", "create_missing_related_entities", "merge", "run_id"})
_EDIT = frozenset({"create_missing_related_entities", "run_id"})
_DELETE = frozenset({"delete_dependents", "run_id"})

ROUTES = (
    Route("POST", TOKEN_PATH, "create_token", body=_TOKEN),
    Route("GET", "/v1/users", "list_users", frozenset({"fields"})),
    Route("GET", "/v1/organization", "read_organization"),
    Route("GET", "/v1/blueprints", "list_blueprints"),
    Route("POST", "/v1/blueprints", "create_blueprint", frozenset({"create_catalog_page"}), body=_BLUEPRINT),
    Route("GET", "/v1/blueprints/{identifier}", "read_blueprint"),
    Route("PATCH", "/v1/blueprints/{identifier}", "patch_blueprint", body=_BLUEPRINT_PATCH),
    Route("POST", "/v1/entities/search", "search_entities", _READ, body={**_QUERY, "additionalProperties": False}),
    Route("POST", _BP + "/entities/search", "search_blueprint", body=_SEARCH_ONE_BLUEPRINT),
    Route("POST", _BP + "/entities/bulk", "write_bulk", _UPSERT, frozenset({"upsert"}), _BULK),
    Route(
        "POST", _BP + "/bulk/entities/delete", "delete_bulk", _DELETE, frozenset({"delete_dependents"}), _BULK_DELETE
    ),
    Route("GET", _BP + "/entities-count", "count_entities"),
    Route("GET", _BP + "/entities", "list_entities", _READ),
    Route("POST", _BP + "/entities", "write_one", _UPSERT, frozenset({"upsert"}), _WRITTEN),
    Route("GET", _ENTITY, "read_entity", _READ),
    Route("PATCH", _ENTITY, "patch_entity", _EDIT, body=_PATCHED),
    Route("PUT", _ENTITY, "replace_entity", _EDIT, body=_REPLACED),
    *INTEGRATION_ROUTES,
    Route("DELETE", _ENTITY, "delete_entity", _DELETE, frozenset({"delete_dependents"})),
)
