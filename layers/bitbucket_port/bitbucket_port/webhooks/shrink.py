"""Making a payload smaller than a queue's limit without losing which object it is about, and as of when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bitbucket_port.objects import JsonObject

_STEPS = ((20_000, 1_000), (4_000, 200), (1_000, 50), (250, 20))
"""Longest string and list that survive, step by step: descriptions and commit lists go first."""

_WHAT = "id uuid key slug name full_name type state draft nickname version eventKey truncated refId fromHash toHash"
_WHEN = "date updated_on created_on participated_on updatedDate createdDate closedDate"
_WHERE = (
    "approval branch changes changes_request comment destination fork fromRef new old owner previous_owner project "
    "pullRequest pullrequest push ref repository source target toRef workspace"
)
_IDENTITY = frozenset(f"{_WHAT} {_WHEN} {_WHERE}".split())
_LONGEST_IDENTITY = 1_024
_DEEPEST_IDENTITY = 6

_DROPPED = object()


def shrink(payload: JsonObject, fits: Callable[[JsonObject], bool]) -> JsonObject:
    """The payload without its longest strings and lists, as much of it as ``fits``.

    What is too long is left out, not cut: a cut text would pass for the real one. When leaving out long values is not
    enough, only fields that identify objects, versions and times stay, to an ever smaller depth.
    """
    for candidate in _candidates(payload):
        if fits(candidate):
            return candidate
    return {}


def _candidates(payload: JsonObject) -> Iterator[JsonObject]:
    for longest_string, longest_list in _STEPS:
        yield _without_long(payload, longest_string, longest_list)
    for depth in range(_DEEPEST_IDENTITY, 0, -1):
        yield _identity_only(payload, depth)


def _without_long(value: Any, longest_string: int, longest_list: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest_string else _DROPPED
    if isinstance(value, list):
        if len(value) > longest_list:
            return _DROPPED
        items = [_without_long(item, longest_string, longest_list) for item in value]
        # A list with holes would be a different list.
        return _DROPPED if any(item is _DROPPED for item in items) else items
    if isinstance(value, dict):
        pairs = ((name, _without_long(item, longest_string, longest_list)) for name, item in value.items())
        return {name: item for name, item in pairs if item is not _DROPPED}
    return value


def _identity_only(value: JsonObject, depth: int) -> JsonObject:
    kept: JsonObject = {}
    for name, item in value.items():
        if name not in _IDENTITY or isinstance(item, list):
            continue
        if isinstance(item, dict):
            if depth > 1:
                kept[name] = _identity_only(item, depth - 1)
        elif not isinstance(item, str) or len(item) <= _LONGEST_IDENTITY:
            kept[name] = item
    return kept
