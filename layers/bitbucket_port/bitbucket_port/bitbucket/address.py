"""What an object in Bitbucket's REST shape is called, where it is asked for, and how new it is.

Field names: Atlassian's OpenAPI documents of Cloud 2.0 (June 2026) and Data Center 9.4 and 10.0. Import-light: receive
and process both use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, JsonObject, Kind, Product, SourceKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999, where ISO 8601 ends, too."""

LONGEST_NAME = 250
"""Characters of a uuid, key, slug or full name; Bitbucket's own limits are below it. Source keys become keys of items
in DynamoDB, which takes no more than 1,024 bytes."""
_LARGEST_ID = 2**63 - 1


def key_of(product: Product, kind: Kind, obj: JsonObject, source: str) -> SourceKey:
    """The stable name of an object; raises PermanentError naming what the object lacks.

    ``source`` is the Cloud workspace's uuid or the Data Center's base URL. An old Cloud capture without ``uuid`` is
    named ``full_name:<workspace/slug>`` in lower case, a Data Center project without ``id`` ``key:<KEY>``.
    """
    if kind == "pull-request":
        repository = key_of(product, "repository", _target_repository(product, obj), source)
        return SourceKey(kind, repository.children_container, str(_number(obj)))
    found = _cloud_id(kind, obj) if product == "cloud" else _server_id(kind, obj)
    if found is None:
        raise PermanentError(f"a {kind} without an id: it has only {_names(obj)}")
    return SourceKey(kind, source, found)


def address_of(product: Product, kind: Kind, obj: JsonObject) -> Address:
    """How to ask for the object now; raises PermanentError naming what the object lacks."""
    if kind == "pull-request":
        target = address_of(product, "repository", _target_repository(product, obj))
        return Address(target.project, target.repository, _number(obj))
    if kind == "project":
        return Address(project=_needed(obj, "key", kind))
    if kind == "user":
        return Address(user=_user(product, obj))
    project = _text(_object(obj.get("project")).get("key"))
    if product == "cloud":
        return Address(project, _text(obj.get("uuid")) or _cloud_slug(obj))
    if project is None:
        raise PermanentError(f"a repository without project.key: it has only {_names(obj)}")
    return Address(project, _needed(obj, "slug", kind))


def version_of(product: Product, kind: Kind, obj: JsonObject) -> int | None:
    """The newest time in the object, in microseconds since 1970, or None where the shape has none.

    Reviews do not move a Cloud pull request's ``updated_on``, so the participants' times count too; Data Center's
    projects and repositories carry no time at all.
    """
    times = [microseconds(value) for value in _times(product, kind, obj)]
    return max((time for time in times if time is not None), default=None)


def microseconds(value: Any) -> int | None:
    """A time as Bitbucket writes it, in microseconds since 1970; None for what is not one.

    Data Center sends milliseconds as a number up to 9.x and in REST, ISO 8601 in webhooks from 10.x, with offsets such
    as ``+0200``; Cloud sends ISO 8601 with microseconds. A time without an offset is taken as UTC.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1000 if abs(value) <= _LAST_MILLISECOND else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _times(product: Product, kind: Kind, obj: JsonObject) -> Iterator[Any]:
    if product == "server":
        if kind == "pull-request":
            yield obj.get("updatedDate")
        return
    yield obj.get("updated_on")
    participants = obj.get("participants") if kind == "pull-request" else None
    for participant in participants if isinstance(participants, list) else ():
        yield _object(participant).get("participated_on")


def _cloud_id(kind: Kind, obj: JsonObject) -> str | None:
    uuid = _text(obj.get("uuid"))
    if uuid or kind == "user":
        return uuid or _text(obj.get("account_id"))
    if kind == "project":
        return _text(obj.get("key"))
    full_name = _text(obj.get("full_name"))
    return f"full_name:{full_name.lower()}" if full_name else None


def _server_id(kind: Kind, obj: JsonObject) -> str | None:
    if _is_id(number := obj.get("id")):
        return str(number)
    if kind == "project" and (key := _text(obj.get("key"))):
        return f"key:{key}"
    if kind == "user" and (slug := _text(obj.get("slug")) or _text(obj.get("name"))):
        return f"slug:{slug}"
    return None


def _user(product: Product, user: JsonObject) -> str:
    names = ("uuid", "account_id") if product == "cloud" else ("slug", "name")
    found = next((value for value in map(_text, map(user.get, names)) if value), None)
    if found is None:
        raise PermanentError(f"a user without {' or '.join(names)}: it has only {_names(user)}")
    return found


def _cloud_slug(obj: JsonObject) -> str:
    """The last part of ``full_name``: a repository's ``name`` may be written in another way than its slug."""
    slug = _text(obj.get("slug")) or (_text(obj.get("full_name")) or "").rpartition("/")[2]
    if not slug:
        raise PermanentError(f"a repository without uuid, slug or full_name: it has only {_names(obj)}")
    return slug


def _target_repository(product: Product, pull_request: JsonObject) -> JsonObject:
    side = _object(pull_request.get("destination" if product == "cloud" else "toRef"))
    repository = side.get("repository")
    if not isinstance(repository, dict):
        raise PermanentError(f"a pull-request without its target repository: it has only {_names(pull_request)}")
    return repository


def _number(pull_request: JsonObject) -> int:
    number = pull_request.get("id")
    if not _is_id(number):
        raise PermanentError(f"a pull-request without a numeric id: it has only {_names(pull_request)}")
    return number


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_ID


def _needed(obj: JsonObject, field: str, kind: Kind) -> str:
    value = _text(obj.get(field))
    if value is None:
        raise PermanentError(f"a {kind} without {field}: it has only {_names(obj)}")
    return value


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A name; None for what is none: nothing, too long, or half a surrogate pair, which no encoding can carry."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        return None
    if value.isascii():
        return value
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value


def _names(obj: JsonObject) -> str:
    """The names of the fields that are there, never their values."""
    return ", ".join(sorted(map(str, obj))[:20]) or "no fields"
