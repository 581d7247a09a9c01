"""Has moto write the values of DynamoDB's attributes as they are.

For each value moto looks for everything a value could be, under all names that could have in moto's own classes. What
comes out is the same.
"""

from __future__ import annotations

from typing import Any

_AS_THEY_ARE = {"BOOL", "NULL"}
_TEXT, _TEXTS = {"S", "N"}, {"SS", "NS"}


class _OtherwiseError(Exception):
    """Something that is left to moto."""


def write_attributes_as_they_are() -> None:
    """To be called once moto's serializers are imported."""
    from moto.core.serialize import BaseJSONSerializer

    usual = BaseJSONSerializer._serialize_type_structure

    def serialize(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and key and value is not None:
            try:
                written = _written(value)
            except _OtherwiseError:
                pass
            else:
                serializer._default_serialize(serialized, written, shape, key)
                return
        usual(serializer, serialized, value, shape, key)

    BaseJSONSerializer._serialize_type_structure = serialize  # type: ignore[method-assign,assignment]


def _written(value: Any) -> dict[str, Any]:
    """An attribute's value as DynamoDB writes it."""
    if isinstance(value, dict):
        if len(value) != 1:
            raise _OtherwiseError
        ((kind, content),) = value.items()
    else:
        kind, content = value.type, value.value
    if kind in _TEXT:
        return {kind: str(content)}
    if kind in _AS_THEY_ARE:
        return {kind: content}
    if kind in _TEXTS:
        return {kind: [str(one) for one in content]}
    if kind == "M":
        return {kind: {name: _written(one) for name, one in content.items()}}
    if kind == "L":
        return {kind: [_written(one) for one in content]}
    raise _OtherwiseError
