"""Port's search rules over entities of the stand-in (the operators that something in this project may send)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.standins.http import Refused

Json = dict[str, Any]
Related = Callable[[str, frozenset[str], str], set[tuple[str, str]]]
"""Blueprint, identifiers and direction give the keys of the entities related to them."""

_META = {
    "$identifier": "identifier",
    "$blueprint": "blueprint",
    "$title": "title",
    "$icon": "icon",
    "$team": "team",
    "$createdAt": "createdAt",
    "$updatedAt": "updatedAt",
    "$datasource": "$datasource",
}


def matches(entity: Mapping[str, Any], query: Mapping[str, Any], related: Related) -> bool:
    """Whether the entity satisfies the query; raises ``Refused(422)`` for a rule Port would not understand.

    An empty group matches everything under ``and`` and nothing under ``or``.
    """
    if set(query) != {"combinator", "rules"} or query["combinator"] not in {"and", "or"}:
        raise Refused(422, "a query is an object of combinator and rules", code="invalid_request")
    results = [
        matches(entity, rule, related) if "combinator" in rule else _satisfies(entity, rule, related)
        for rule in query["rules"]
    ]
    return all(results) if query["combinator"] == "and" else any(results)


def _satisfies(entity: Mapping[str, Any], rule: Mapping[str, Any], related: Related) -> bool:
    operator = rule.get("operator")
    if operator == "relatedTo":
        return _is_related(entity, rule, related)
    if operator in {"isEmpty", "isNotEmpty"}:
        if set(rule) != {"property", "operator"}:
            raise Refused(422, f"{operator} takes a property only", code="invalid_request")
        empty = value_of(entity, rule["property"]) in (None, "", [])
        return empty is (operator == "isEmpty")
    if set(rule) != {"property", "operator", "value"} or not isinstance(rule["property"], str):
        raise Refused(422, "a rule is an object of property, operator and value", code="invalid_request")
    test = _OPERATORS.get(str(operator))
    if test is None:
        raise Refused(422, f"operator {operator!r} is not known here", code="invalid_request")
    return bool(test(value_of(entity, rule["property"]), rule["value"]))


def _is_related(entity: Mapping[str, Any], rule: Mapping[str, Any], related: Related) -> bool:
    if not {"operator", "blueprint", "value"} <= set(rule) <= {"operator", "blueprint", "value", "direction"}:
        raise Refused(422, "relatedTo takes blueprint, value and direction", code="invalid_request")
    direction = rule.get("direction", "upstream")
    if direction not in {"upstream", "downstream"}:
        raise Refused(422, "direction is upstream or downstream", code="invalid_request")
    wanted = rule["value"] if isinstance(rule["value"], list) else [rule["value"]]
    return (entity["blueprint"], entity["identifier"]) in related(rule["blueprint"], frozenset(wanted), direction)


def value_of(entity: Mapping[str, Any], name: str) -> Any:
    """A meta property (``$title``) or a property, ``None`` when unset."""
    if name.startswith("$"):
        if name not in _META:
            raise Refused(422, f"{name} is not a meta property", code="invalid_request")
        return entity.get(_META[name])
    return entity["properties"].get(name, entity["relations"].get(name))


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, list):
        return all(one in value for one in (part if isinstance(part, list) else [part]))
    return isinstance(value, str) and isinstance(part, str) and part in value


def _contains_any(value: Any, parts: Any) -> bool:
    return isinstance(value, list) and any(part in value for part in parts)


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(value: Any, other: Any) -> bool:
        return value is not None and isinstance(value, str) == isinstance(other, str) and test(value, other)

    return compared


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, other: bool(value == other),
    "!=": lambda value, other: bool(value != other),
    "in": lambda value, others: value in others,
    "notIn": lambda value, others: value not in others,
    "contains": _contains,
    "doesNotContains": lambda value, part: not _contains(value, part),
    "containsAny": _contains_any,
    "beginsWith": lambda value, part: isinstance(value, str) and value.startswith(part),
    "endsWith": lambda value, part: isinstance(value, str) and value.endswith(part),
    ">": _compare(lambda value, other: bool(value > other)),
    ">=": _compare(lambda value, other: bool(value >= other)),
    "<": _compare(lambda value, other: bool(value < other)),
    "<=": _compare(lambda value, other: bool(value <= other)),
}
