"""The operations of Port's API on integrations (data sources).

Reading, listing, changing and deleting one are in the public document; registering one, asking for a requested resync,
telling the state of one and showing examples of a kind are not: their bodies are what Port's own integrations send.
"""

from __future__ import annotations

from typing import Any

from local.standins.http import Route

EXAMPLES_LIMIT = 5
"""How many raw objects of a kind Port's own integrations show; more than that is refused here."""

_ENTITY: dict[str, Any] = {
    "type": "object",
    "required": ["identifier", "blueprint"],
    "properties": {
        "identifier": {
            "oneOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "required": ["combinator", "rules"],
                    "additionalProperties": False,
                    "properties": {"combinator": {"type": "string"}, "rules": {"type": "array"}},
                },
            ]
        },
        "title": {"type": "string"},
        "blueprint": {"type": "string"},
        "properties": {"type": "object"},
        "relations": {"type": "object"},
    },
}
_RESOURCE: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "selector", "port"],
    "properties": {
        "kind": {"type": "string"},
        "selector": {"type": "object", "properties": {"query": {"type": "string"}}},
        "port": {
            "type": "object",
            "required": ["entity"],
            "properties": {
                "entity": {
                    "type": "object",
                    "required": ["mappings"],
                    "properties": {"mappings": {"oneOf": [{"type": "array", "items": _ENTITY}, _ENTITY]}},
                }
            },
        },
    },
}
_CONFIG: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {
        "deleteDependentEntities": {"type": "boolean"},
        "createMissingRelatedEntities": {"type": "boolean"},
        "resources": {"type": "array", "items": _RESOURCE},
    },
}
_DESTINATION: dict[str, Any] = {
    "oneOf": [
        {"type": "object", "maxProperties": 0},
        {
            "type": "object",
            "required": ["type"],
            "additionalProperties": False,
            "properties": {"type": {"enum": ["KAFKA"]}},
        },
        {
            "type": "object",
            "required": ["url", "type"],
            "additionalProperties": False,
            "properties": {
                "type": {"enum": ["WEBHOOK"]},
                "agent": {"type": "boolean"},
                "url": {"type": "string", "pattern": "^https?://"},
            },
        },
    ]
}
_CHANGED: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {
        "title": {"type": ["string", "null"]},
        "installationAppType": {"type": "string", "minLength": 1},
        "version": {"type": "string", "minLength": 1},
        "spec": {"type": "object"},
        "actionsProcessingEnabled": {"type": "boolean"},
        "config": _CONFIG,
        "changelogDestination": _DESTINATION,
    },
}
_REGISTERED = {**_CHANGED, "type": "object", "required": ["installationId", "installationAppType", "version"]}
_REGISTERED["properties"] = {**_CHANGED["properties"], "installationId": {"type": "string", "minLength": 1}}
_NEW_CONFIG = {
    "type": "object",
    "required": ["config"],
    "additionalProperties": False,
    "properties": {"config": _CONFIG},
}
_EXAMPLES = {
    "type": "object",
    "required": ["examples"],
    "additionalProperties": False,
    "properties": {"examples": {"type": "array", "maxItems": EXAMPLES_LIMIT, "items": {"type": "object"}}},
}
_MOMENT = {"type": ["string", "null"]}
_RESYNC_STATE = {
    "type": "object",
    "required": ["status"],
    "additionalProperties": False,
    "properties": {
        "status": {"enum": ["running", "completed", "failed", "aborted"]},
        "lastResyncStart": _MOMENT,
        "lastResyncEnd": _MOMENT,
        "nextResync": _MOMENT,
        "intervalInMinuets": {"type": ["number", "null"]},
    },
}

_ONE = "/v1/integration/{identifier}"

INTEGRATION_ROUTES = (
    Route("GET", "/v1/integration", "list_integrations", frozenset({"actionsProcessingEnabled"})),
    Route("POST", "/v1/integration", "register_integration", body=_REGISTERED, documented=False),
    Route("GET", _ONE, "read_integration", frozenset({"byField"})),
    Route("PATCH", _ONE, "change_integration", body=_CHANGED),
    Route("DELETE", _ONE, "delete_integration"),
    Route("PATCH", f"{_ONE}/config", "change_mapping", body=_NEW_CONFIG),
    Route("PATCH", f"{_ONE}/resync-state", "tell_resync_state", body=_RESYNC_STATE, documented=False),
    Route("GET", f"{_ONE}/resync-request", "read_resync_request", documented=False),
    Route("POST", f"{_ONE}/kinds/{{kind}}/examples", "show_examples", body=_EXAMPLES, documented=False),
)
