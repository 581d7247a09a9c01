"""The fields of an entity in one form, whether the mapping made them or Port answered them.

Port stores what it is sent and may show it in another notation: an unset value is left out or null, one team is a list
of one, related entities come in any order, a moment in time is written with another zone, 1 as 1.0. Two entities whose
normal forms are equal are the same to everybody who looks at them; only what is certain to mean the same is made equal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_META = ("title", "icon", "team")
_GROUPS = ("properties", "relations")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
_KEPT_DIGITS, _ALL_DIGITS = 3, 9
_BEFORE_CLOCK = frozenset("Tt")
_SHORTEST_MOMENT = len("2026-11-22T08:00:00Z")
_EXACT = 2**53
"""Above this a JSON number of Port or jq is no longer exact, and stays as it is."""


def normal_form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Field name (``title``, ``properties.url``) → comparable value; what is not in ``fields`` is not in the result.

    ``fields`` are an entity's as the mapping makes them or as Port shows it. Search queries stay what they are. Moments
    are in milliseconds, the most a database of Port's may keep; ``finer`` tells the rest.
    """
    flat = {name: _meta(name, fields[name]) for name in _META if name in fields}
    for name, one in _group(fields, "properties"):
        flat["properties." + name] = _property(one, _KEPT_DIGITS)
    for name, one in _group(fields, "relations"):
        flat["relations." + name] = _relation(one)
    return flat


def finer(fields: Mapping[str, Any], coarse: Mapping[str, Any]) -> dict[str, Any]:
    """The properties in which a moment has more digits than ``coarse``, the normal form of ``fields``, with all."""
    exact = {
        f"properties.{name}": _property(one, _ALL_DIGITS)
        for name, one in _group(fields, "properties")
        if _may_hold_moment(one)
    }
    return {name: value for name, value in exact.items() if value != coarse[name]}


def named(entity: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The normal form of just these fields of an entity as Port shows it; what is unset there is None."""
    return {name: _named(entity, *name.partition(".")) for name in names}


def _named(entity: Mapping[str, Any], group: str, dot: str, name: str) -> Any:
    if not dot:
        return _meta(group, entity.get(group)) if group in _META else None
    value = (entity.get(group) or {}).get(name) if group in _GROUPS else None
    return _relation(value) if group == "relations" else _property(value, _KEPT_DIGITS)


def unlike(fields: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``fields`` that an entity does not show literally, or in which Port decides what it holds.

    For all else the normal forms are equal, whatever they are: as a rule that is everything but moments.
    """
    rest: dict[str, Any] = {}
    for name, value in fields.items():
        there = shown.get(name)
        if name in _GROUPS:
            there = there or {}
            inner = {one: its for one, its in (value or {}).items() if isinstance(its, dict) or there.get(one) != its}
            if inner:
                rest[name] = inner
        elif isinstance(value, dict) or value != there:
            rest[name] = value
    return rest


def is_found_by_port(name: str, value: Any) -> bool:
    """Whether Port, not the sender, decides what this field holds: a search query for a team or a relation."""
    return _is_query(value) and (name == "team" or name.startswith("relations."))


def _is_query(value: Any) -> bool:
    return isinstance(value, dict) and "combinator" in value and isinstance(value.get("rules"), list)


def _may_hold_moment(value: Any) -> bool:
    return _looks_like_moment(value) if isinstance(value, str) else isinstance(value, list | dict)


def _looks_like_moment(text: str) -> bool:
    return len(text) >= _SHORTEST_MOMENT and text[10] in _BEFORE_CLOCK


def _group(fields: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    return (fields.get(name) or {}).items()


def _meta(name: str, value: Any) -> Any:
    if name != "team" or _is_query(value):
        return value
    teams = [value] if isinstance(value, str) else list(value or ())
    return sorted({str(one) for one in teams if one}) or None


def _relation(value: Any) -> Any:
    """An identifier, or the sorted distinct identifiers of a relation to many; nothing related is None."""
    if isinstance(value, list):
        return sorted({str(one) for one in value}) or None
    return value


def _property(value: Any, digits: int) -> Any:
    if isinstance(value, str):
        return _moment(value, digits) if _looks_like_moment(value) else value
    if isinstance(value, list):
        return [_property(one, digits) for one in value]
    if isinstance(value, dict):
        return {name: _property(one, digits) for name, one in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


@lru_cache(maxsize=1024)
def _moment(text: str, digits: int) -> str:
    """A date and time with its zone, in UTC and with the digits of the second that count and are not zero.

    Remembered, for an entity is brought into its normal form several times in a row.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    day, clock, fraction, zone = found.groups()
    return _in_utc(day, clock, fraction, zone, digits) or text


def _in_utc(day: str, clock: str, fraction: str | None, zone: str, digits: int) -> str | None:
    """None for no moment at all."""
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    kept = (fraction or "")[:digits].rstrip("0")
    return f"{moment.isoformat().removesuffix('+00:00')}{'.' + kept if kept else ''}Z"
