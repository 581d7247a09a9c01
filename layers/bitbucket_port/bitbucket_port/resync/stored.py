"""What a run keeps, as JSON: the same in every database."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

from bitbucket_port.catalog import item_version
from bitbucket_port.objects import Address, EntityKey, JsonObject, SourceKey, digest
from bitbucket_port.resync.store import Candidate, Planned, Request, Run

_LONGEST_NAME = 900
_RUN = tuple(field.name for field in fields(Run))


def run_to_json(run: Run) -> JsonObject:
    """A run; what changes while it goes on is in it as well."""
    return {
        "id": run.id,
        "kind": run.kind,
        "number": run.number,
        "phase": run.phase,
        "mapping_hash": run.mapping_hash,
        "started": run.started,
        "reason": run.reason,
        "until": run.until,
        "kinds": list(run.kinds),
        "phase_began": run.phase_began,
        "v": item_version.ITEM_VERSION,
    }


def run_from_json(value: JsonObject) -> Run:
    """The inverse of ``run_to_json``; raises TransientError for a run that a newer release began."""
    item_version.check(int(value.get("v", 1)), f"the run {value['id']}")
    known = {name: value[name] for name in _RUN if name in value}
    return Run(**{**known, "kinds": tuple(value["kinds"])})


def request_to_json(request: Request) -> JsonObject:
    """A request."""
    return {"kind": request.kind, "reason": request.reason, "at": request.at}


def request_from_json(value: JsonObject) -> Request:
    """The inverse of ``request_to_json``."""
    return Request(value["kind"], value["reason"], float(value["at"]))


def candidate_to_json(candidate: Candidate) -> JsonObject:
    """A candidate."""
    return {"key": str(candidate.key), "address": candidate.address.to_json(), "reason": candidate.reason}


def candidate_from_json(value: JsonObject) -> Candidate:
    """The inverse of ``candidate_to_json``."""
    return Candidate(SourceKey.parse(value["key"]), Address.from_json(value["address"]), value["reason"])


def planned_to_json(planned: Planned) -> JsonObject:
    """A planned removal."""
    return {
        "key": str(planned.key) if planned.key else None,
        "address": planned.address.to_json(),
        "entities": [str(key) for key in planned.entities],
        "reason": planned.reason,
        "aged": planned.aged,
        "below": dict(planned.below),
    }


def planned_from_json(value: JsonObject) -> Planned:
    """The inverse of ``planned_to_json``."""
    return Planned(
        SourceKey.parse(value["key"]) if value["key"] else None,
        Address.from_json(value["address"]),
        tuple(EntityKey.parse(text) for text in value["entities"]),
        value["reason"],
        bool(value["aged"]),
        {name: int(count) for name, count in cast("JsonObject", value["below"]).items()},
    )


def sort_name(name: str) -> str:
    """``name`` as a sort key: DynamoDB takes 1,024 bytes, so a longer one is cut and told apart by its digest."""
    encoded = name.encode()
    if len(encoded) <= _LONGEST_NAME:
        return name
    return f"{encoded[:_LONGEST_NAME].decode(errors='ignore')}#{digest(name)}"
