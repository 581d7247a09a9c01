"""The difference between two states of Port's catalog, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NOTHING: tuple[Any, ...] = (None, [])
Catalog = Mapping[tuple[str, str], Mapping[str, Any]]


def changes(before: Catalog, after: Catalog) -> list[str]:
    """A line for each entity that came (+), went (-) or changed (~), and one for each of its values."""
    lines = []
    for key in sorted({*before, *after}):
        name = " ".join(key)
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if new is None:
            lines.append(f"- {name}")
            continue
        lines.append(f"{'+' if old is None else '~'} {name}")
        lines += [f"    {line}" for line in _values(old or {}, new)]
    return lines


def _values(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    flat_old, flat_new = _flat(old), _flat(new)
    for name in sorted({*flat_old, *flat_new}):
        was, is_now = flat_old.get(name), flat_new.get(name)
        if was == is_now or (was in NOTHING and is_now in NOTHING):
            continue
        yield f"{name}: {is_now!r}" if was in NOTHING else f"{name}: {was!r} → {is_now!r}"


def _flat(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Title and team by their names, properties too, relations with an arrow."""
    flat = {name: value for name, value in entity.items() if name not in ("properties", "relations")}
    flat |= entity.get("properties", {})
    return flat | {f"→ {name}": value for name, value in entity.get("relations", {}).items()}
