"""Makes entities of what a jq program answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bitbucket_port.mapping.identifiers import identifier_fault
from bitbucket_port.mapping.model import MappingProblem, Resource
from bitbucket_port.mapping.program import entity_fields
from bitbucket_port.objects import Entity, JsonObject

Rows = list[list[Any]] | dict[str, Any]


@dataclass(slots=True)
class Built:
    """What one resource makes of one object; ``selected`` is False when no selector said true."""

    entities: list[Entity] = field(default_factory=list)
    problems: list[MappingProblem] = field(default_factory=list)
    complete: bool = True
    selected: bool = False


class _FieldError(Exception):
    """A field cannot be used; ``reason`` and ``fix`` are for whoever maintains the mapping."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def built(
    resource: Resource, rows: Rows, *, enable_merge: bool, unanswered: Mapping[str, str] = MappingProxyType({})
) -> Built:
    """The entities of ``rows`` (see ``program.fused``).

    ``unanswered`` are the fields the object tells nothing about, each with what it lacks: they are left out.

    A field that fails is left out of its entity and reported; without merging, where leaving out clears, the whole
    entity is left out. Selector, identifier, blueprint or itemsToParse failing makes the result incomplete.
    """
    result = Built()

    def report(name: str, reason: str, fix: str) -> None:
        result.problems.append(MappingProblem(resource.index, resource.kind, name, reason, fix))

    if isinstance(rows, dict):
        result.complete = False
        reason = _why_no_list(rows["items"])
        report("itemsToParse", reason, "Give a list for every object, for example with `// []`.")
        return result
    for row in rows:
        selected = row[0][0] if isinstance(row[0], list) and row[0] else None
        if selected is True:
            result.selected = True
            _add_entity(resource, row[1:], enable_merge, result, unanswered)
        elif selected is not False:
            result.complete = False
            report("selector.query", _why_not_boolean(row[0]), "Make it true or false for every object.")
    return result


def _why_no_list(value: Any) -> str:
    failed = _failure(value)
    return failed or f"it gave {_kind_of(value)} instead of a list."


def _why_not_boolean(value: Any) -> str:
    failed = _failure(value)
    return failed or f"it gave {_kind_of(value)} instead of true or false."


def _add_entity(
    resource: Resource, values: list[Any], enable_merge: bool, result: Built, unanswered: Mapping[str, str]
) -> None:
    named = dict(zip(entity_fields(resource), values, strict=True))
    problems: list[MappingProblem] = []

    def report(name: str, error: _FieldError) -> None:
        problems.append(MappingProblem(resource.index, resource.kind, name, error.reason, error.fix))

    keys: dict[str, Any] = {}
    for name, read in (("blueprint", _blueprint), ("identifier", _identifier)):
        try:
            keys[name] = read(_output(named.pop(name)))
        except _FieldError as error:
            report(name, error)
    fields: JsonObject = {}
    left_out = [name for name in named if name in unanswered]
    failed = [*resource.disabled, *left_out]
    if left_out:
        problems.append(_not_told(resource, {name: unanswered[name] for name in left_out}))
    for name, value in named.items():
        if name in unanswered:
            continue
        group, _, inner = name.partition(".")
        try:
            output = _output(value)
            if group == "properties":
                fields.setdefault(group, {})[inner] = output
            elif inner:
                fields.setdefault(group, {})[inner] = _relation(output)
            else:
                fields[name] = _team(output) if name == "team" else _text(output)
        except _FieldError as error:
            report(name, error)
            failed.append(name)
    result.problems.extend(problems)
    if len(keys) < 2:
        result.complete = False
    elif failed and not enable_merge:
        result.complete = False
        result.problems.append(_left_out(resource, keys, failed))
    else:
        result.entities.append(Entity(keys["blueprint"], keys["identifier"], fields, tuple(failed)))


def _not_told(resource: Resource, unanswered: Mapping[str, str]) -> MappingProblem:
    lacking = ", ".join(dict.fromkeys(unanswered.values()))
    return MappingProblem(
        resource.index,
        resource.kind,
        ", ".join(unanswered),
        f"left as it is in Port: the webhook does not carry {lacking}, and Bitbucket is not asked.",
        "Map only what webhooks carry, or let the stack read from Bitbucket (BitbucketApi full).",
    )


def _left_out(resource: Resource, keys: dict[str, Any], failed: list[str]) -> MappingProblem:
    shown = keys["identifier"] if isinstance(keys["identifier"], str) else "found by a search query"
    reason = (
        f"the entity {keys['blueprint']}/{shown} stays as it is, because {', '.join(failed)} failed and "
        "enableMergeEntity is false, so leaving a field out would clear it."
    )
    return MappingProblem(
        resource.index, resource.kind, "enableMergeEntity", reason, "Correct the failed field, or merge entities."
    )


def _output(value: Any) -> Any:
    """The first output; an expression without output gives null, as in Ocean. Raises _FieldError for an error."""
    if isinstance(value, list):
        return value[0] if value else None
    raise _FieldError(_failure(value) or "it failed.", "Correct the expression, or catch the case with `?` or `//`.")


def _failure(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    message = value.get("error")
    if not isinstance(message, str):
        return "it failed with an error that is no text."
    # jq quotes the values it complains about; those belong to Bitbucket's answer and stay out of reports.
    plain = re.sub(r"\s?\(.*?\)+(?=$|[\s,.:;])", "", message, flags=re.DOTALL)
    return f"it failed: {plain[:200]}."


def _kind_of(value: Any) -> str:
    """In words, the type of a guarded value's output."""
    if not value:
        return "nothing"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value[0] is None else names.get(type(value[0]), "something else")


def _text_of(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _blueprint(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _FieldError(
            f"it gave {_kind_of([value])} instead of a blueprint's identifier.",
            "Text needs quotes in jq: '\"service\"'.",
        )
    fault = identifier_fault(value)
    if fault is not None:
        raise _FieldError(f"the blueprint identifier {fault}", "Give the blueprint's identifier, not its title.")
    return value


def _identifier(value: Any) -> str | JsonObject:
    if _is_search_value(value):
        return dict(value)
    text = _text_of(value) if _is_number(value) and value else value
    if not isinstance(text, str) or not text:
        shown = "0" if _is_number(value) else "empty text" if value == "" else _kind_of([value])
        raise _FieldError(
            f"it gave {shown}; no entity is made and none is deleted.",
            "Give text for every object, or leave objects out with selector.query.",
        )
    fault = identifier_fault(text)
    if fault is not None:
        raise _FieldError(f"the identifier {fault}", "Make it valid with gsub, or with `| port_identifier`.")
    return text


def _is_search_value(value: Any) -> bool:
    return isinstance(value, dict) and "combinator" in value and isinstance(value.get("rules"), list)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if _is_number(value):
        return _text_of(value)
    raise _FieldError(f"it gave {_kind_of([value])} instead of text.", "Give text, for example with tostring or join.")


def _team(value: Any) -> Any:
    if _is_search_value(value):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    return _text(value)


def _relation(value: Any) -> Any:
    """An identifier, a list of them (without nulls, which name nothing), a search query, or null."""
    if value is None or _is_search_value(value):
        return value
    if isinstance(value, list):
        return [_target(one) for one in value if one is not None]
    return _target(value)


def _target(value: Any) -> str:
    text = _text_of(value) if _is_number(value) else value
    if not isinstance(text, str):
        raise _FieldError(
            f"it gave {_kind_of([value])} instead of an identifier.", "Give an identifier, a list of them, or null."
        )
    fault = identifier_fault(text)
    if fault is not None:
        raise _FieldError(f"the related identifier {fault}", "Write it exactly as the related entity's identifier.")
    return text
