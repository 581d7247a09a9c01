"""Between the ledger's items and DynamoDB's attribute values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.items import TOMBSTONE_SECONDS, Commit, EntityItem, Facts, Lease, ObjectItem
from bitbucket_port.objects import SourceKey

Attributes = Mapping[str, Any]


def number(value: float) -> dict[str, str]:
    """A number attribute; DynamoDB takes 38 digits, so nothing is lost."""
    return {"N": str(value) if isinstance(value, int) else f"{value:.6f}"}


def object_keys(key: SourceKey) -> dict[str, Any]:
    """Partition and sort key of an object's item."""
    return {"PK": {"S": f"object#{key.kind}#{key.container}"}, "SK": {"S": key.id}}


def object_item(attributes: Attributes) -> ObjectItem:
    """An object's item from what DynamoDB returned; raises TransientError for one of a newer release."""
    item_version.check_attributes(attributes)
    _, kind, container = attributes["PK"]["S"].split("#", 2)
    since = attributes.get("missing_since")
    version = attributes.get("version")
    return ObjectItem(
        key=SourceKey(kind, container, attributes["SK"]["S"]),
        known=True,
        version=int(version["N"]) if version else None,
        read_at=_float(attributes, "read_at"),
        refreshed_at=_float(attributes, "refreshed_at"),
        received=_float(attributes, "received"),
        owns=text_map(attributes.get("owns")),
        lease=_lease(attributes.get("lease")),
        facts=Facts.from_json(json.loads(attributes["facts"]["S"])) if "facts" in attributes else Facts(),
        missing_since=float(since["N"]) if since else None,
        problem=attributes["problem"]["S"] if "problem" in attributes else "",
    )


def entity_item(attributes: Attributes) -> EntityItem:
    """An entity's item from what DynamoDB returned; empty where there was none. Raises as ``object_item`` does."""
    item_version.check_attributes(attributes)
    ours = attributes.get("ours")
    return EntityItem(
        sources=frozenset(attributes.get("sources", {}).get("SS", ())),
        ours=None if ours is None else bool(ours["BOOL"]),
        deleting=_lease(attributes.get("deleting")),
        accepted=attributes["accepted"]["S"] if "accepted" in attributes else None,
    )


def attributes_of_commit(commit: Commit, *, now: float) -> tuple[str, dict[str, Any]]:
    """Update expression and values that write a result and end the lease."""
    values: dict[str, Any] = {
        ":owns": {"M": {text: {"S": content} for text, content in commit.owns.items()}},
        ":read_at": number(commit.read_at),
        ":refreshed_at": number(commit.refreshed_at),
        ":received": number(commit.received),
        ":facts": {"S": json.dumps(commit.facts.to_json(), sort_keys=True)},
        ":v": item_version.attribute(),
    }
    names = ["owns", "read_at", "refreshed_at", "received", "facts", "v"]
    removes = ["lease", "missing_since"]
    if commit.version is not None:
        values[":version"] = number(commit.version)
        names.append("version")
    for name, wanted, value in (
        ("expires", not commit.owns, number(int(now) + TOMBSTONE_SECONDS)),
        ("problem", bool(commit.problem), {"S": commit.problem}),
    ):
        if wanted:
            values[f":{name}"] = value
            names.append(name)
        else:
            removes.append(name)
    sets = ", ".join(f"{name} = :{name}" for name in names)
    return f"SET {sets} REMOVE {', '.join(removes)}", values


def text_map(attribute: Any) -> dict[str, str]:
    """A map attribute of texts; empty where there is none."""
    return {name: value["S"] for name, value in attribute["M"].items()} if attribute else {}


def _float(attributes: Attributes, name: str) -> float:
    return float(attributes[name]["N"]) if name in attributes else 0.0


def _lease(attribute: Any) -> Lease | None:
    if not attribute:
        return None
    return Lease(attribute["M"]["token"]["S"], float(attribute["M"]["until"]["N"]))
