"""The part of the Port stand-in about integrations (data sources): registering, mapping, requested resyncs, examples.

Decided here, because no document says it: registering an identifier that is taken answers 409; telling the state of a
resync moves the integration's ``updatedAt`` to the state's own; each request for a resync has an id of its own, and
only the newest is shown.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from local.standins.http import Answer, Refused, Request, Route, StandIn

Json = dict[str, Any]


class Examples(NamedTuple):
    """Raw objects of one kind that an integration showed with one request."""

    identifier: str
    kind: str
    objects: list[Json]


class IntegrationApi(StandIn):
    """Integrations of one organisation.

    ``documented_only`` makes every operation that is not in the public document answer 404, as if there were none.
    ``resync_on_register``: registering an integration asks for a resync too. ``examples`` is what was shown, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.documented_only = False
        self.resync_on_register = False
        self.resync_states: dict[str, list[Json]] = {}
        self.examples: list[Examples] = []
        self._integrations: dict[str, Json] = {}
        self._resync_requests: dict[str, list[Json]] = {}
        self._last_moment = 0  # milliseconds since the epoch

    def time(self) -> float:
        """Seconds since the epoch; for the stand-in to say."""
        raise NotImplementedError

    # The side of the tests.

    def put_integration(
        self, identifier: str, *, app_type: str = "", config: Json | None = None, version: str = "0.0.0"
    ) -> None:
        """Let there be an integration with a mapping; the states told of its resyncs are then in ``resync_states``."""
        with self.lock:
            self._register(identifier, {"installationAppType": app_type, "version": version, "config": config or {}})

    def integration(self, identifier: str) -> Json | None:
        """The integration as the API shows it (a copy), None when there is none."""
        with self.lock:
            found = self._integrations.get(identifier)
            return copy.deepcopy(found)

    def integrations(self) -> list[Json]:
        """All integrations, in the order in which they were made (copies)."""
        with self.lock:
            return copy.deepcopy(list(self._integrations.values()))

    def press_resync(self, identifier: str) -> None:
        """What somebody did on the Data sources page: press Resync."""
        with self.lock:
            self._request_resync(identifier)

    def edit_mapping(self, identifier: str, config: Json) -> None:
        """What somebody did on the Data sources page: save another mapping, which asks for a resync."""
        with self.lock:
            self._change(identifier, {"config": copy.deepcopy(config)})
            self._request_resync(identifier)

    def resync_requests(self, identifier: str) -> list[Json]:
        """Every request for a resync there was, oldest first: ``id``, ``updatedAt``."""
        with self.lock:
            return copy.deepcopy(self._resync_requests.get(identifier, []))

    def remembered_integrations(self) -> dict[str, Any]:
        """What ``recall_integrations`` of another stand-in needs."""
        return {"all": self._integrations, "states": self.resync_states, "requests": self._resync_requests}

    def recall_integrations(self, remembered: Mapping[str, Any]) -> None:
        """Hold the integrations another stand-in held."""
        self._integrations = remembered.get("all", {})
        self.resync_states = remembered.get("states", {})
        self._resync_requests = remembered.get("requests", {})

    # Changes.

    def _moment(self) -> str:
        """Now as text; later than any moment told before, so that what came later is seen to have."""
        self._last_moment = max(int(self.time() * 1000), self._last_moment + 1)
        moment = datetime.fromtimestamp(self._last_moment // 1000, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self._last_moment % 1000:03}Z"

    def _register(self, identifier: str, given: Mapping[str, Any]) -> Json:
        now = self._moment()
        made: Json = {
            "_id": f"integration_{uuid.uuid4().hex[:16]}",
            "installationId": identifier,
            "title": None,
            "installationType": "OnPrem",
            "changelogDestination": {},
            "actionsProcessingEnabled": False,
            "config": {},
            "resyncState": {},
            **copy.deepcopy(dict(given)),
            "createdAt": now,
            "updatedAt": now,
        }
        self._integrations[identifier] = made
        self.resync_states.setdefault(identifier, [])
        return made

    def _change(self, identifier: str, given: Mapping[str, Any]) -> Json:
        changed = self._integration(identifier)
        changed.update(given, updatedAt=self._moment())
        return changed

    def _request_resync(self, identifier: str) -> None:
        self._integration(identifier)
        requested = {"id": uuid.uuid4().hex, "updatedAt": self._moment()}
        self._resync_requests.setdefault(identifier, []).append(requested)

    def _integration(self, identifier: str) -> Json:
        found = self._integrations.get(identifier)
        if found is None:
            raise Refused(404, f"Integration with identifier {identifier!r} was not found", code="not_found")
        return found

    # Operations.

    def check_documented(self, route: Route) -> None:
        """Refuse an undocumented operation when only documented ones are served."""
        if self.documented_only and not route.documented:
            raise Refused(404, f"Route {route.method}:{route.path} not found", code="route_not_found")

    def list_integrations(self, request: Request) -> Answer:
        """GET all integrations."""
        wanted = request.value("actionsProcessingEnabled")
        if wanted not in (None, "true", "false"):
            raise Refused(422, "actionsProcessingEnabled must be boolean", code="invalid_request")
        found = [
            one
            for one in self._integrations.values()
            if wanted is None or one["actionsProcessingEnabled"] is (wanted == "true")
        ]
        return Answer(200, {"ok": True, "integrations": found})

    def register_integration(self, request: Request) -> Answer:
        """POST a new integration."""
        given = request.json()
        identifier = given["installationId"]
        if identifier in self._integrations:
            raise Refused(409, f"Integration {identifier!r} already exists", code="identifier_taken")
        made = self._register(identifier, given)
        if self.resync_on_register:
            self._request_resync(identifier)
        return Answer(201, {"ok": True, "integration": made})

    def read_integration(self, request: Request) -> Answer:
        """GET an integration, whose content is in no document: keys as Port's own integrations read them."""
        field = request.value("byField", "installationId")
        if field not in ("installationId", "logIngestId"):
            raise Refused(422, "byField must be one of installationId, logIngestId", code="invalid_request")
        if field == "logIngestId":
            raise Refused(404, "no integration of this stand-in has a log ingest id", code="not_found")
        return Answer(200, {"ok": True, "integration": self._integration(request.variables["identifier"])})

    def change_integration(self, request: Request) -> Answer:
        """PATCH an integration; whatever it says, even nothing, it asks for a resync."""
        identifier = request.variables["identifier"]
        changed = self._change(identifier, request.json() or {})
        self._request_resync(identifier)
        return Answer(200, {"ok": True, "integration": changed})

    def change_mapping(self, request: Request) -> Answer:
        """PATCH the mapping; asks for a resync unless the header ``x-skip-resync`` is true."""
        identifier = request.variables["identifier"]
        changed = self._change(identifier, request.json())
        if request.headers.get("x-skip-resync", "").lower() != "true":
            self._request_resync(identifier)
        return Answer(200, {"ok": True, "integration": changed})

    def delete_integration(self, request: Request) -> Answer:
        """DELETE an integration; its entities stay."""
        identifier = request.variables["identifier"]
        self._integration(identifier)
        del self._integrations[identifier]
        self._resync_requests.pop(identifier, None)
        self.resync_states.pop(identifier, None)
        return Answer(200, {"ok": True})

    def read_resync_request(self, request: Request) -> Answer:
        """GET the newest request for a resync; empty when there never was one."""
        identifier = request.variables["identifier"]
        self._integration(identifier)
        requested = self._resync_requests.get(identifier, [])
        return Answer(200, {"ok": True, "request": requested[-1] if requested else {}})

    def tell_resync_state(self, request: Request) -> Answer:
        """PATCH how an integration's resync goes; this asks for nothing."""
        identifier = request.variables["identifier"]
        integration, states = self._integration(identifier), self.resync_states[identifier]
        states.append({**(states[-1] if states else {}), **request.json()})
        now = self._moment()
        integration.update(resyncState={**states[-1], "updatedAt": now}, updatedAt=now)
        return Answer(200, {"ok": True, "integration": integration})

    def show_examples(self, request: Request) -> Answer:
        """POST raw objects of one kind, for the mapping's playground."""
        identifier, kind = request.variables["identifier"], request.variables["kind"]
        self._integration(identifier)
        self.examples.append(Examples(identifier, kind, request.json()["examples"]))
        return Answer(200, {"ok": True})
