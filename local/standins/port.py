"""A stand-in for Port's API: stateful, and as strict as its OpenAPI document and its documented behaviour.

Facts not in the public document, decided here: what the document's schema forbids refuses the whole bulk (422), what
only the blueprint forbids refuses that one entity (207); an entity with dependents answers 422 to its deletion; an
unknown identifier in a bulk deletion is passed over; a PATCH of a blueprint replaces the top-level keys it names; a
search of one blueprint that includes what the blueprint lacks answers 422.
"""

from __future__ import annotations

import base64
import copy
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from local.standins.http import Answer, Recorded, Refused, Request, Route
from local.standins.port_catalog import META, Catalog, Json, Key
from local.standins.port_integrations import IntegrationApi
from local.standins.port_routes import BODY_LIMIT, ROUTES, TOKEN_PATH
from local.standins.port_values import FORMATS, check_blueprint

TOKEN_LIFETIME = 10_800
SEARCH_DEFAULT = 200
FOREIGN = "somebody-else"


class PortStandIn(IntegrationApi):
    """Port for one organisation with one pair of credentials. ``now`` (epoch seconds) may be replaced."""

    ROUTES = ROUTES
    WRONG_REQUEST_STATUS = 422
    BODY_LIMIT = BODY_LIMIT
    FORMATS = FORMATS

    def __init__(self, client_id: str, client_secret: str, blueprints: Iterable[Json] | None = None) -> None:
        super().__init__()
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_lifetime: float = TOKEN_LIFETIME
        self.rate_limit_reset = 0.0
        self.now: Callable[[], float] = time.time
        self._token = ""
        self._token_ends = 0.0
        self._catalog = Catalog(self.time)
        self.user_emails: list[str] = []
        for blueprint in blueprints or ():
            self.put_blueprint(blueprint)

    # The side of the tests.

    def put_blueprint(self, blueprint: Json) -> None:
        """Place a blueprint as it is, without looking at its relations' targets."""
        whole = {"schema": {"properties": {}, "required": []}, "relations": {}, **copy.deepcopy(blueprint)}
        with self.lock:
            self._catalog.blueprints[blueprint["identifier"]] = whole

    def put_entity(
        self,
        blueprint: str,
        identifier: str,
        *,
        title: str | None = None,
        team: list[str] | str | None = None,
        properties: Json | None = None,
        relations: Json | None = None,
        datasource: str = FOREIGN,
    ) -> None:
        """What somebody did by hand in Port: create an entity, or add to the one there (which keeps its datasource)."""
        given = {"title": title, "team": team, "properties": properties, "relations": relations}
        body = {"identifier": identifier, **{name: value for name, value in given.items() if value is not None}}
        with self.lock:
            old = self._catalog.entities.get((blueprint, identifier))
            source = old["$datasource"] if old is not None else datasource
            self._catalog.write(blueprint, body, upsert=True, merge=True, create_missing=False, datasource=source)

    def credit(self, blueprint: str, identifier: str, datasource: str) -> None:
        """What another tool did: write an entity without changing it, so that it counts as that tool's."""
        with self.lock:
            self._catalog.entities[blueprint, identifier]["$datasource"] = datasource

    def remove_entity(self, blueprint: str, identifier: str) -> None:
        """What somebody deleted by hand in Port."""
        with self.lock:
            self._catalog.delete([(blueprint, identifier)], delete_dependents=True)

    def entities(self, blueprint: str) -> dict[str, Json]:
        """All there is of a blueprint, by identifier, with times and ``$datasource`` (copies)."""
        with self.lock:
            return {entity["identifier"]: copy.deepcopy(entity) for entity in self._catalog.of(blueprint)}

    def blueprints(self) -> list[Json]:
        """All blueprints, in the order in which they were made (copies)."""
        with self.lock:
            return copy.deepcopy(list(self._catalog.blueprints.values()))

    def catalog(self, wanted: Callable[[Key], bool] = lambda _: True) -> dict[Key, Json]:
        """The comparable content of everything that is wanted: what was written, without times and datasource."""
        with self.lock:
            return {
                key: copy.deepcopy({name: entity[name] for name in (*META, "properties", "relations")})
                for key, entity in self._catalog.entities.items()
                if wanted(key)
            }

    def memory(self) -> dict[str, Any]:
        """Blueprints, entities and integrations, to be given to ``recall`` of another one, perhaps elsewhere."""
        with self.lock:
            catalog = {"blueprints": self._catalog.blueprints, "entities": self._catalog.entities}
            return copy.deepcopy({**catalog, "integrations": self.remembered_integrations()})

    def recall(self, memory: dict[str, Any]) -> None:
        """Hold what the stand-in held whose ``memory`` this is."""
        with self.lock:
            remembered = copy.deepcopy(memory)
            self.recall_integrations(remembered.pop("integrations", {}))
            self._catalog.recall(**remembered)

    def calls(self) -> list[Recorded]:
        """The requests answered, without those for an access token."""
        return [recorded for recorded in self.requests if recorded.path != TOKEN_PATH]

    def expire_token(self) -> None:
        """From now on the token handed out last is refused, whatever its lifetime said."""
        with self.lock:
            self._token_ends = 0.0

    def time(self) -> float:
        """What ``now`` says."""
        return self.now()

    # What a request meets first.

    def refusal(self, status: int, message: str, code: str | None) -> Answer:
        """Port's error envelope."""
        return Answer(status, {"ok": False, "error": code or _CODES.get(status, "error"), "message": message})

    def common_headers(self) -> Mapping[str, str]:
        """The rate limit headers every answer of Port carries; the reset is a point in time."""
        reset = self.rate_limit_reset or self.now() + 300
        return {
            "x-ratelimit-limit": "1000",
            "x-ratelimit-period": "300",
            "x-ratelimit-remaining": "0" if self.rate_limit_reset else "900",
            "x-ratelimit-reset": str(int(reset)),
        }

    def authorise(self, request: Request, route: Route) -> str:
        """Everything but the token itself needs the token."""
        self.check_documented(route)
        if route.path == TOKEN_PATH:
            return ""
        given = request.headers.get("authorization", "")
        if not self._token or given != f"Bearer {self._token}" or self.now() >= self._token_ends:
            raise Refused(401, "the access token is not valid", code="invalid_token")
        return self.client_id

    # Access token and blueprints.

    def create_token(self, request: Request) -> Answer:
        """POST access_token: the same active token until it ends."""
        body = request.json()
        if (body["clientId"], body["clientSecret"]) != (self.client_id, self.client_secret):
            raise Refused(401, "the client id or secret is not valid", code="invalid_credentials")
        if self.now() >= self._token_ends:
            self._token = secrets.token_urlsafe(24)
            self._token_ends = self.now() + self.token_lifetime
        left = self._token_ends - self.now()
        return Answer(200, {"ok": True, "accessToken": self._token, "expiresIn": int(left), "tokenType": "Bearer"})

    def list_users(self, request: Request) -> Answer:
        """GET all users of the organisation; ``fields`` (repeatable) cuts them down."""
        users = [{"email": email, "status": "ACTIVE", "type": "STANDARD"} for email in self.user_emails]
        fields = request.query.get("fields") or ("email", "status", "type")
        return Answer(200, {"ok": True, "users": [{name: user[name] for name in fields} for user in users]})

    def read_organization(self, request: Request) -> Answer:  # noqa: ARG002 - every handler takes it
        """GET the organisation the credentials belong to."""
        organisation = {"id": "org_orchard", "name": "Orchard", "featureFlags": []}
        return Answer(200, {"ok": True, "organization": organisation})

    def list_blueprints(self, request: Request) -> Answer:  # noqa: ARG002 - every handler takes it
        """GET all blueprints."""
        return Answer(200, {"ok": True, "blueprints": list(self._catalog.blueprints.values())})

    def read_blueprint(self, request: Request) -> Answer:
        """GET one blueprint."""
        return Answer(200, {"ok": True, "blueprint": self._catalog.blueprint(request.variables["identifier"])})

    def create_blueprint(self, request: Request) -> Answer:
        """POST a blueprint."""
        body = {"relations": {}, **request.json()}
        if body["identifier"] in self._catalog.blueprints:
            raise Refused(409, "a blueprint with this identifier exists", code="identifier_taken")
        check_blueprint(body, self._catalog.blueprints)
        self._catalog.blueprints[body["identifier"]] = body
        return Answer(201, {"ok": True, "blueprint": body})

    def patch_blueprint(self, request: Request) -> Answer:
        """PATCH a blueprint."""
        old = self._catalog.blueprint(request.variables["identifier"])
        body = request.json() or {}
        if body.get("identifier", old["identifier"]) != old["identifier"]:
            raise Refused(422, "this stand-in does not rename blueprints", code="invalid_request")
        new = {**old, **body}
        check_blueprint(new, self._catalog.blueprints)
        self._catalog.blueprints[old["identifier"]] = new
        return Answer(200, {"ok": True, "blueprint": new})

    # Entities.

    def write_one(self, request: Request) -> Answer:
        """POST one entity."""
        entity, _ = self._write(request, request.json())
        return Answer(201, {"ok": True, "entity": _shown(entity)})

    def write_bulk(self, request: Request) -> Answer:
        """POST up to 20 entities: each succeeds or fails by itself."""
        self._catalog.blueprint(request.variables["blueprint_identifier"])
        done: list[Json] = []
        errors: list[Json] = []
        for index, body in enumerate(request.json()["entities"]):
            try:
                entity, created = self._write(request, body)
                done.append({"index": index, "identifier": entity["identifier"], "created": created})
            except Refused as refused:
                identifier = body["identifier"] if isinstance(body["identifier"], str) else "unknown"
                what = {"statusCode": refused.status, "error": refused.code, "message": refused.message}
                errors.append({"index": index, "identifier": identifier, **what})
        return Answer(207 if errors else 200, {"ok": not errors, "entities": done, "errors": errors})

    def _write(self, request: Request, body: Json) -> tuple[Json, bool]:
        return self._catalog.write(
            request.variables["blueprint_identifier"],
            body,
            upsert=_flag(request, "upsert"),
            merge=_flag(request, "merge"),
            create_missing=_flag(request, "create_missing_related_entities"),
            validation_only=_flag(request, "validation_only"),
            datasource=request.headers.get("user-agent", ""),
        )

    def patch_entity(self, request: Request) -> Answer:
        """PATCH one entity, perhaps to another identifier."""
        return self._edit(request, merge=True)

    def replace_entity(self, request: Request) -> Answer:
        """PUT one entity."""
        return self._edit(request, merge=False)

    def _edit(self, request: Request, *, merge: bool) -> Answer:
        entity = self._catalog.edit(
            _key(request),
            request.json() or {},
            merge=merge,
            create_missing=_flag(request, "create_missing_related_entities"),
            datasource=request.headers.get("user-agent", ""),
        )
        return Answer(200, {"ok": True, "entity": _shown(entity)})

    def read_entity(self, request: Request) -> Answer:
        """GET one entity."""
        return Answer(200, {"ok": True, "entity": _shown(self._catalog.entity(_key(request)))})

    def list_entities(self, request: Request) -> Answer:
        """GET all entities of a blueprint."""
        found = self._catalog.of(request.variables["blueprint_identifier"])
        return Answer(200, {"ok": True, "entities": [_included(one, request.query.get("include")) for one in found]})

    def count_entities(self, request: Request) -> Answer:
        """GET how many entities a blueprint has."""
        return Answer(200, {"ok": True, "count": len(self._catalog.of(request.variables["blueprint_identifier"]))})

    def delete_entity(self, request: Request) -> Answer:
        """DELETE one entity."""
        key = _key(request)
        self._catalog.entity(key)
        self._catalog.delete([key], delete_dependents=_flag(request, "delete_dependents"))
        return Answer(200, {"ok": True})

    def delete_bulk(self, request: Request) -> Answer:
        """POST the identifiers of up to 100 entities to delete, all or none."""
        blueprint = request.variables["blueprint_identifier"]
        self._catalog.blueprint(blueprint)
        keys = [(blueprint, identifier) for identifier in request.json()["entities"]]
        deleted = self._catalog.delete(keys, delete_dependents=_flag(request, "delete_dependents"))
        return Answer(200, {"ok": True, "deletedEntities": deleted})

    def search_entities(self, request: Request) -> Answer:
        """POST a search over all blueprints, not paginated."""
        found = self._catalog.search(request.json(), self._catalog.entities.values())
        entities = [_included(entity, request.query.get("include")) for entity in found]
        blueprints = sorted({entity["blueprint"] for entity in found})
        return Answer(200, {"ok": True, "matchingBlueprints": blueprints, "entities": entities})

    def search_blueprint(self, request: Request) -> Answer:
        """POST a search over one blueprint, in pages: the cursor is the last identifier seen."""
        body = request.json() or {}
        query = body.get("query") or {"combinator": "and", "rules": []}
        blueprint = self._catalog.blueprint(request.variables["blueprint_identifier"])
        include = body.get("include")
        _check_included(blueprint, include or ())
        limit = int(body.get("limit", SEARCH_DEFAULT))
        rest = self._catalog.after(blueprint["identifier"], _after(body["from"]) if "from" in body else "")
        found = list(islice(self._catalog.matching(query, rest), limit + 1))
        answer: Json = {"ok": True, "entities": [_included(entity, include) for entity in found[:limit]]}
        if len(found) > limit:
            answer["next"] = base64.urlsafe_b64encode(found[limit - 1]["identifier"].encode()).decode()
        return Answer(200, answer)


_CODES = {404: "not_found", 413: "payload_too_large", 422: "invalid_request", 429: "rate_limited"}


def _key(request: Request) -> Key:
    return request.variables["blueprint_identifier"], request.variables["entity_identifier"]


def _flag(request: Request, name: str) -> bool:
    value = request.value(name, "false")
    if value not in {"true", "false"}:
        raise Refused(422, f"query parameter {name!r} must be boolean", code="invalid_request")
    return value == "true"


def _after(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Refused(422, "the cursor is not one of ours", code="invalid_request") from error


def _shown(entity: Json) -> Json:
    """An entity as the API shows it: its datasource is only for searching, an unset team is an empty list."""
    shown = {name: value for name, value in copy.deepcopy(entity).items() if not name.startswith("$")}
    team = shown["team"]
    shown["team"] = team if isinstance(team, list) else [team] if team else []
    return shown


def _check_included(blueprint: Json, include: Iterable[str]) -> None:
    """Names of properties and relations as they are, meta properties with ``$``: so the document says."""
    known = {f"${name}" for name in ("identifier", "title", "icon", "team", "blueprint", "createdAt", "updatedAt")}
    known |= {*blueprint["schema"].get("properties", {}), *blueprint.get("relations", {})}
    unknown = sorted(set(include) - known)
    if unknown:
        raise Refused(422, f"{unknown[0]!r} is not in the blueprint", code="invalid_request")


def _included(entity: Json, include: Sequence[str] | None) -> Json:
    shown = _shown(entity)
    if not include:
        return shown
    names = {name.removeprefix("$") for name in include}
    kept = {name: value for name, value in shown.items() if name in names}
    for part in ("properties", "relations"):
        if part not in names:
            inner = {name: value for name, value in shown[part].items() if name in names or f"{part}.{name}" in names}
            if inner:
                kept[part] = inner
    return kept
