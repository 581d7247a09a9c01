"""A second, deliberately plain reading of a mapping: one jq program per expression, nothing fused or cached.

It is what Port's playground would show, and the yardstick for the engine: same object, same entity.
"""

from __future__ import annotations

from typing import Any

import jq

from bitbucket_port.objects import JsonObject
from tests.mappings.port_rules import acceptable_identifier
from tests.mappings.shipped import entity_mapping


class FailedError(Exception):
    """The expression has no value for this object."""


def evaluate(expression: str, value: Any) -> Any:
    """The first output of a jq expression, None when there is none; raises FailedError when jq does."""
    try:
        return next(iter(jq.compile(expression).input_value(value)), None)
    except ValueError as error:
        raise FailedError(f"{expression}: {error}") from error


def entity_of(resource: JsonObject, value: JsonObject) -> JsonObject | None:
    """The entity of an object as approved files spell it, None when the selector does not want the object.

    ``failed`` lists what jq could not evaluate; such an entry sets nothing, while a genuine null stays a null. An
    object whose identifier Port would refuse gives ``{"refused": <identifier>}``.
    """
    if not in_scope(resource, value):
        return None
    value = with_short_merge_commit(value)
    mapping = entity_mapping(resource)
    identifier = evaluate(mapping["identifier"], value)
    if not acceptable_identifier(identifier):
        return {"refused": identifier}
    failed: list[str] = []
    entity: JsonObject = {
        "blueprint": evaluate(mapping["blueprint"], value),
        "identifier": identifier,
        "title": evaluate(mapping["title"], value),
    }
    for group in ("properties", "relations"):
        values: JsonObject = {}
        for name, expression in mapping.get(group, {}).items():
            try:
                found = evaluate(expression, value)
                values[name] = targets(found) if group == "relations" else found
            except FailedError:
                failed.append(f"{group}.{name}")
        if values:
            entity[group] = values
    if failed:
        entity["failed"] = sorted(failed)
    return entity


def targets(value: Any) -> Any:
    """What a relation points at: a null in a list names nothing; raises FailedError for what Port would not take."""
    found = [one for one in value if one is not None] if isinstance(value, list) else value
    listed = found if isinstance(found, list) else [found]
    if not all(one is None or acceptable_identifier(one) for one in listed):
        raise FailedError(f"{value!r} names no entity")
    return found


def in_scope(resource: JsonObject, value: JsonObject) -> bool:
    """Whether the selector wants the object, as far as the object alone can tell (no look at state and age)."""
    wanted = evaluate(resource["selector"]["query"], value)
    assert isinstance(wanted, bool), f"the selector of {resource['kind']} gives {wanted!r}, not a boolean"
    return wanted and (resource["selector"].get("includePersonal", False) or not _personal(value))


def with_short_merge_commit(value: JsonObject) -> JsonObject:
    """The object with a Cloud merge commit cut to 12 digits, as every mapping sees it: webhooks tell no more."""
    commit = value.get("merge_commit")
    return value | {"merge_commit": commit | {"hash": commit["hash"][:12]}} if commit else value


def _personal(value: JsonObject) -> bool:
    """Whether a Data Center project, repository or pull request is, or lies in, somebody's personal project."""
    repository = value.get("toRef", {}).get("repository", value)
    return bool((repository.get("project") or repository).get("type") == "PERSONAL")
