"""Reading payloads of any shape without stumbling: what is not there, or is something else, is absent."""

from __future__ import annotations

from typing import Any

from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import JsonObject
from bitbucket_port.webhooks.delivery import Delivery


def at(value: Any, *names: str) -> Any:
    """The value below ``names``, or None where any step is missing or not an object."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def object_at(value: Any, *names: str) -> JsonObject | None:
    """The object below ``names``, or None."""
    found = at(value, *names)
    return found if isinstance(found, dict) else None


def text_at(value: Any, *names: str) -> str | None:
    """The text below ``names``, or None when it is missing or empty."""
    found = at(value, *names)
    return found if isinstance(found, str) and found else None


def list_at(value: Any, *names: str) -> list[Any]:
    """The list below ``names``, empty when there is none."""
    found = at(value, *names)
    return found if isinstance(found, list) else []


def needed_object(delivery: Delivery, name: str) -> JsonObject:
    """The payload's object ``name``; raises PermanentError naming it when it is not there."""
    found = object_at(delivery.payload, name)
    if found is None:
        raise PermanentError(f"the payload has no object {name!r}")
    return found


def named(delivery: Delivery, error: PermanentError) -> PermanentError:
    """The same complaint, saying which delivery it is about."""
    return PermanentError(f"delivery {delivery.id} ({delivery.event_key}) cannot be understood: {error}")
