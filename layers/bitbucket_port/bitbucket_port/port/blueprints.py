"""Port's blueprints: list, read, create, change.

Facts: Port's public OpenAPI document, ``/v1/blueprints``. It leaves open whether a PATCH replaces a part of a blueprint
(``schema``, ``relations``) or merges it, so a part is always sent whole, which is right either way.
"""

from __future__ import annotations

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.http import path_of
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.api import PortApi

_ROOT = "/v1/blueprints"


def list_blueprints(port: PortApi) -> dict[str, JsonObject]:
    """All blueprints of the organisation by identifier, in Port's order. Raises TransientError, PermanentError."""
    _, body = port.call("GET", _ROOT, ok=(200,))
    found = body.get("blueprints")
    if not isinstance(found, list):
        raise TransientError("Port answered without blueprints")
    return {str(blueprint["identifier"]): blueprint for blueprint in found}


def read_blueprint(port: PortApi, identifier: str) -> JsonObject | None:
    """The blueprint as it is now, None when there is none. Raises TransientError, PermanentError."""
    status, body = port.call("GET", path_of("v1", "blueprints", identifier), ok=(200, 404))
    return None if status == 404 else _blueprint(body)


def create_blueprint(port: PortApi, blueprint: JsonObject) -> JsonObject | None:
    """A new blueprint, as Port shows it; None when there is one with this identifier (409).

    Sent once: a second time it would exist. TransientError may mean that it was created and the answer was lost.
    PermanentError when Port refuses it.
    """
    status, body = port.call("POST", _ROOT, json=blueprint, ok=(200, 201, 409), retry=False)
    return None if status == 409 else _blueprint(body)


def change_blueprint(port: PortApi, identifier: str, parts: JsonObject) -> JsonObject:
    """Replace these parts, each whole; the blueprint as Port shows it then.

    Raises PermanentError when Port refuses that, or has no such blueprint any more, and TransientError.
    """
    status, body = port.call("PATCH", path_of("v1", "blueprints", identifier), json=parts, ok=(200, 404))
    if status == 404:
        raise PermanentError(f"Port has no blueprint {identifier!r} any more")
    return _blueprint(body)


def _blueprint(body: JsonObject) -> JsonObject:
    blueprint = body.get("blueprint")
    if not isinstance(blueprint, dict):
        raise TransientError("Port answered without a blueprint")
    return blueprint
