"""Reading and deleting entities in Port, and everything about being let in; ``port/writing.py`` writes.

Facts: Port's public OpenAPI document; ``$datasource`` (the User-Agent of the last writer, found by a search with
``contains``) as Port's own integrations use it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import requests

from bitbucket_port.errors import (
    CredentialsRefusedError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.http import Deadline, HttpClient, Response, Session, Verify, path_of
from bitbucket_port.objects import Entity, EntityKey, JsonObject
from bitbucket_port.port.base_url import api_root
from bitbucket_port.port.listing import PortPage, installation_mark
from bitbucket_port.port.schema import trim
from bitbucket_port.port.token import AccessToken
from bitbucket_port.port.writing import Bulk, Written, write

__all__ = ["Deleted", "PortClient", "RenameRefusedError", "Written"]

BLUEPRINT_SECONDS = 120.0
SEARCH_BATCH = 50
MOST_DELETED = 100
NAMED_BLOCKERS = 5
_REFUSALS = (400, 404, 409, 413, 422)
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_logger = logging.getLogger(__name__)


class RenameRefusedError(PermanentError):
    """Port does not change this entity's identifier: the new one is taken, or something in the request is wrong."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """``deleted`` are the identifiers that are no longer in Port; ``blocked`` those that stay, each with the reason."""

    deleted: tuple[str, ...]
    blocked: dict[str, str] = field(default_factory=dict)


class PortClient:
    """One organisation in Port, seen as one integration. Not for use by several threads at once.

    Keeps its token and the blueprints it looked at, so it should live as long as its process; ``deadline`` is replaced
    with every piece of work. ``installation`` is anything that tells this stack from another one with the same
    identifier: a digest of it goes into the datasource, behind the version. ``turn``: see HttpClient. Every method
    raises TransientError (CredentialsRefusedError, no time left) and, beside what it names itself, PermanentError.
    """

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str,
        client_secret: Callable[[], str],
        integration_type: str,
        integration_identifier: str,
        version: str,
        deadline: Deadline,
        installation: str = "",
        session: requests.Session | None = None,
        verify: Verify = True,
        turn: AbstractContextManager[object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        root = api_root(base_url)
        kind, name = integration_type.lower(), integration_identifier.lower()
        if not _HEADER_TEXT.fullmatch(name) or "/" in name:
            raise SettingsError("INTEGRATION_IDENTIFIER must be of visible ASCII characters without spaces and slashes")
        self._identifier = name
        self._datasource = (f"port-ocean/{kind}/", f"/{name}/exporter")
        self._installation = installation_mark(installation)
        agent = f"port-ocean/{kind}/{version}{self._installation}/{name}"
        options: dict[str, Any] = {
            "deadline": deadline,
            "session": session or Session(),
            "verify": verify,
            "turn": turn,
            "sleep": sleep,
            "name": "Port",
        }
        self._door = HttpClient(root, headers=lambda: {"User-Agent": agent}, **options)
        self._token = AccessToken(self._door, client_id, client_secret, clock=clock)
        self._http = HttpClient(
            root,
            headers=lambda: {"User-Agent": f"{agent}/exporter", "Authorization": self._token.header()},
            **options,
        )
        self._clock = clock
        self._blueprints: dict[str, tuple[float, JsonObject]] = {}

    @property
    def deadline(self) -> Deadline:
        """Until when requests may be sent."""
        return self._http.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._door.deadline = self._http.deadline = deadline

    @property
    def requests(self) -> int:
        """Requests sent so far, without those for the token."""
        return self._http.sent

    def enter(self) -> None:
        """Have a good access token; raises CredentialsRefusedError when Port gives none."""
        self._token.header()

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        """Write entities in bulks; one result each, in the same order.

        ``create_only`` leaves an existing entity as it is ("exists"). ``merge`` keeps what an entity does not name. One
        bad entity is refused by itself; what a blueprint does not have is left out and named in ``trimmed``. A title,
        icon or team that is null is cleared by a request of its own, since a bulk cannot.
        """
        params = _params(upsert=not create_only, merge=merge, create_missing_related_entities=create_missing)

        def send(blueprint: str, bodies: Sequence[JsonObject]) -> Bulk:
            path = path_of("v1", "blueprints", blueprint, "entities", "bulk")
            answer = self._request(
                "POST", path, params=params, json={"entities": list(bodies)}, ok=(200, 201, 207, 403, *_REFUSALS)
            )
            return Bulk.of(answer.status, _port_answer(answer))

        written = write(entities, create_only=create_only, send=send, blueprint=self.blueprint)
        if merge and not create_only:
            for result in written:
                self._clear_meta(result)
        return written

    def rename(self, old: EntityKey, entity: Entity, *, create_missing: bool) -> Written:
        """Change an entity's identifier and content in one step; what is not named and relations to it stay.

        Raises NotFoundError when there is no such entity (perhaps an earlier try went through and its answer was lost:
        writing the entity is right then), RenameRefusedError when Port refuses.
        """
        if old.blueprint != entity.blueprint or entity.is_search:
            raise RenameRefusedError(f"{old} cannot become {entity.key}: an identifier changes only in its blueprint")
        answer = self._rename(old, entity, create_missing)
        sent = entity
        left_out: tuple[str, ...] = ()
        if answer.status in {400, 422}:
            sent, left_out = trim(entity, self.blueprint(old.blueprint, fresh=True))
            if left_out:
                answer = self._rename(old, sent, create_missing)
        if answer.status == 404 and self.get(old) is None:
            raise NotFoundError(f"{old} is not in Port")
        if answer.status != 200:
            raise RenameRefusedError(f"Port answered {answer.status}{_reason(answer)}")
        name = entity.key.identifier
        return Written(entity, "updated", identifier=name, trimmed=left_out, sent=sent if left_out else None)

    def delete(self, blueprint: str, identifiers: Sequence[str], *, delete_dependents: bool) -> Deleted:
        """Delete entities; those that are not there count as deleted.

        Port refuses a whole bulk for one entity with dependents, so a refused bulk is split until the blocked ones
        stand alone; the reason names what relates to them. What was blocked by something deleted here is tried again.
        """
        waiting = list(dict.fromkeys(identifiers))
        deleted: list[str] = []
        reasons: dict[str, str] = {}
        while waiting:
            reasons = {}
            done = [
                one
                for start in range(0, len(waiting), MOST_DELETED)
                for one in self._delete(blueprint, waiting[start : start + MOST_DELETED], delete_dependents, reasons)
            ]
            deleted += done
            waiting = [one for one in waiting if one in reasons] if done else []
        blocked = {one: self._with_blockers(EntityKey(blueprint, one), reason) for one, reason in reasons.items()}
        return Deleted(tuple(deleted), blocked)

    def ours(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """Which of these entities were last written by this integration, in any version (``$datasource``)."""
        wanted = sorted(set(identifiers))
        found: set[str] = set()
        for start in range(0, len(wanted), SEARCH_BATCH):
            rules: list[JsonObject] = [
                {"property": "$blueprint", "operator": "=", "value": blueprint},
                {"property": "$identifier", "operator": "in", "value": wanted[start : start + SEARCH_BATCH]},
                *self.datasource_rules,
            ]
            found |= {str(entity["identifier"]) for entity in self._search(rules, include=["identifier", "blueprint"])}
        return found

    @property
    def datasource_rules(self) -> list[JsonObject]:
        """The search rules that find what this integration wrote last, in any version."""
        return [{"property": "$datasource", "operator": "contains", "value": part} for part in self._datasource]

    @property
    def installation(self) -> str:
        """What marks this installation's entities in their datasource; empty when it is not marked."""
        return self._installation

    def search_blueprint(
        self, blueprint: str, rules: Sequence[JsonObject], *, include: Sequence[str], limit: int, cursor: str | None
    ) -> PortPage:
        """One page of a search among a blueprint's entities; none where there is no such blueprint."""
        body: JsonObject = {
            "query": {"combinator": "and", "rules": list(rules)},
            "include": list(include),
            "limit": limit,
        }
        if cursor is not None:
            body["from"] = cursor
        path = path_of("v1", "blueprints", blueprint, "entities", "search")
        answer = self._request("POST", path, json=body, ok=(200, *_REFUSALS))
        said = _port_answer(answer)
        if answer.status == 404 and self._is_no(blueprint):
            return PortPage([], None)
        if answer.status != 200:
            raise PermanentError(f"Port refused to search {blueprint!r} with {answer.status}{_reason(answer)}")
        found = said.get("entities")
        if not isinstance(found, list):
            raise TransientError("Port answered a search without entities")
        return PortPage(found, str(said["next"]) if said.get("next") else None)

    def needed(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """Which of these entities another one relates to."""
        wanted = sorted(set(identifiers))
        found: set[str] = set()
        for start in range(0, len(wanted), SEARCH_BATCH):
            some = wanted[start : start + SEARCH_BATCH]
            rule = {"operator": "relatedTo", "blueprint": blueprint, "value": some, "direction": "downstream"}
            for entity in self._search([rule]):
                own = entity["identifier"] if entity["blueprint"] == blueprint else None
                found |= {one for one in some if one != own and self._points_to(entity, EntityKey(blueprint, one))}
        return found

    def get(self, key: EntityKey) -> JsonObject | None:
        """The entity as Port shows it, None when there is none (or no such blueprint)."""
        path = path_of("v1", "blueprints", key.blueprint, "entities", key.identifier)
        answer = self._request("GET", path, params=_params(exclude_calculated_properties=True), ok=(200, 404))
        body = _port_answer(answer)
        return _object(body, "entity") if answer.status == 200 else None

    def relating_to(self, key: EntityKey) -> list[JsonObject]:
        """The entities with a relation straight to this one, each with ``blueprint``, ``identifier``, ``relations``."""
        rule = {"operator": "relatedTo", "blueprint": key.blueprint, "value": key.identifier, "direction": "downstream"}
        return [entity for entity in self._search([rule]) if self._points_to(entity, key)]

    def blueprint(self, identifier: str, *, fresh: bool = False) -> JsonObject:
        """The blueprint, at most two minutes old, or as it is now. Raises NotFoundError when there is none."""
        kept = self._blueprints.get(identifier)
        if kept is None or fresh or self._clock() - kept[0] > BLUEPRINT_SECONDS:
            answer = self._request("GET", path_of("v1", "blueprints", identifier), ok=(200, 404))
            body = _port_answer(answer)
            if answer.status == 404:
                raise NotFoundError(f"Port has no blueprint {identifier!r}")
            kept = self._blueprints[identifier] = (self._clock(), _object(body, "blueprint"))
        return kept[1]

    def user_emails(self) -> list[str]:
        """The e-mail addresses of the organisation's users (``GET /v1/users``)."""
        users = _port_answer(self._request("GET", "/v1/users", params={"fields": "email"})).get("users")
        if not isinstance(users, list):
            raise TransientError("Port answered without users")
        return [user["email"] for user in users if isinstance(user, dict) and isinstance(user.get("email"), str)]

    def integration(self, identifier: str) -> JsonObject:
        """An integration of the organisation with its mapping (``config``); raises NotFoundError when there is none."""
        answer = self._request("GET", path_of("v1", "integration", identifier), ok=(200,))
        return _object(_port_answer(answer), "integration")

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        ok: Collection[int] = (200, 201),
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
    ) -> tuple[int, JsonObject]:
        """Any other request of Port's API: the answer's status, one of ``ok``, and its body.

        ``headers`` go with it beside our own; ``retry`` says that sending it twice does no harm. Raises as
        ``HttpClient.request`` does, TransientError also for a body without Port's envelope.
        """
        answer = self._request(method, path, params=params, json=json, ok=ok, headers=headers, retry=retry)
        return answer.status, _port_answer(answer)

    def tell_resync_state(self, state: JsonObject) -> None:
        """Change what Port shows as the integration's last resync; not documented, so see ``port/resync_state.py``."""
        path = path_of("v1", "integration", self._identifier, "resync-state")
        answer = self._request("PATCH", path, json=state, ok=(200, *_REFUSALS))
        if answer.status != 200:
            raise PermanentError(f"Port answered {answer.status}{_reason(answer)}")

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        ok: Collection[int] = (200,),
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
    ) -> Response:
        """One request with a good token. A token refused before its time (revoked) is replaced once."""
        self._token.header()  # Credentials that are refused here are no reason for a second try below.
        more: dict[str, Any] = {"params": params, "json": json, "ok": ok, "retry": retry, "headers": headers}
        try:
            return self._http.request(method, path, **more)
        except CredentialsRefusedError:
            self._token.forget()
            self._token.header()
            return self._http.request(method, path, **more)

    def _rename(self, old: EntityKey, entity: Entity, create_missing: bool) -> Response:
        path = path_of("v1", "blueprints", old.blueprint, "entities", old.identifier)
        params = _params(create_missing_related_entities=create_missing)
        answer = self._request("PATCH", path, params=params, json=entity.to_port(), ok=(200, *_REFUSALS))
        _port_answer(answer)
        return answer

    def _clear_meta(self, written: Written) -> None:
        cleared = {name: None for name in ("title", "icon", "team") if written.entity.fields.get(name, "") is None}
        if cleared and written.outcome == "updated" and written.identifier:
            path = path_of("v1", "blueprints", written.entity.blueprint, "entities", written.identifier)
            answer = self._request("PATCH", path, json=cleared, ok=(200, *_REFUSALS))
            if answer.status not in {200, 404}:
                _logger.warning(
                    "%s: %s could not be cleared: %s", written.entity.key, ", ".join(cleared), answer.status
                )

    def _delete(
        self, blueprint: str, identifiers: Sequence[str], delete_dependents: bool, reasons: dict[str, str]
    ) -> list[str]:
        """Delete, splitting what is refused; returns what is gone, and notes why the rest is not."""
        answer = self._request(
            "POST",
            path_of("v1", "blueprints", blueprint, "bulk", "entities", "delete"),
            params=_params(delete_dependents=delete_dependents),
            json={"entities": list(identifiers)},
            ok=(200, *_REFUSALS),
        )
        _port_answer(answer)
        if answer.status == 200 or (answer.status == 404 and (len(identifiers) == 1 or self._is_no(blueprint))):
            return list(identifiers)
        if len(identifiers) == 1:
            reasons[identifiers[0]] = f"Port answered {answer.status}{_reason(answer)}"
            return []
        half = len(identifiers) // 2
        first = self._delete(blueprint, identifiers[:half], delete_dependents, reasons)
        return first + self._delete(blueprint, identifiers[half:], delete_dependents, reasons)

    def _is_no(self, blueprint: str) -> bool:
        """Whether there is no such blueprint, and so none of its entities."""
        try:
            self.blueprint(blueprint)
        except NotFoundError:
            return True
        return False

    def _with_blockers(self, key: EntityKey, reason: str) -> str:
        blockers = [f"{one['blueprint']}#{one['identifier']}" for one in self.relating_to(key)]
        if not blockers:
            return reason
        more = f" and {len(blockers) - NAMED_BLOCKERS} more" if len(blockers) > NAMED_BLOCKERS else ""
        return f"{', '.join(blockers[:NAMED_BLOCKERS])}{more} relate to it ({reason})"

    def _points_to(self, entity: JsonObject, key: EntityKey) -> bool:
        """Whether one of its own relations holds the key: a search also finds what is related at a distance."""
        blueprint = str(entity["blueprint"])
        declared = {} if self._is_no(blueprint) else self.blueprint(blueprint).get("relations") or {}
        return any(
            declared.get(name, {}).get("target") == key.blueprint
            and (value == key.identifier or (isinstance(value, list) and key.identifier in value))
            for name, value in (entity.get("relations") or {}).items()
        )

    def _search(self, rules: Sequence[JsonObject], *, include: Sequence[str] = ()) -> list[JsonObject]:
        params: dict[str, Any] = _params(exclude_calculated_properties=True)
        if include:
            params["include"] = list(include)
        body = {"combinator": "and", "rules": list(rules)}
        answer = self._request("POST", "/v1/entities/search", params=params, json=body, ok=(200, 404))
        found = _port_answer(answer).get("entities", [] if answer.status == 404 else None)
        if not isinstance(found, list):
            raise TransientError("Port answered a search without entities")
        return found


def _params(**flags: bool) -> dict[str, Any]:
    return {name: "true" if value else "false" for name, value in flags.items()}


def _port_answer(answer: Response) -> JsonObject:
    """The body, when it has Port's envelope. Anything else is of something between us and Port, and says nothing."""
    body = answer.json()
    if not isinstance(body, dict) or "ok" not in body:
        raise TransientError(f"Port answered {answer.status} without its usual envelope; is PortBaseUrl right?")
    return body


def _object(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name)
    if not isinstance(value, dict):
        raise TransientError(f"Port answered without {name}")
    return value


def _reason(answer: Response) -> str:
    body = answer.json()
    said = ": ".join(str(body[name]) for name in ("error", "message") if body.get(name))
    return f" ({said[:300]})" if said else ""
