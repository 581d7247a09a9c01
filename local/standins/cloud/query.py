"""Bitbucket Cloud's ``q`` and ``sort`` parameters (developer.atlassian.com, Filter and sort API objects), evaluated
over the object as the API writes it.

Every collection knows a fixed set of fields; another field, a wrong operator or a wrong type of value is a 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from local.standins.http import Refused

FieldType = Literal["text", "number", "flag", "time", "object"]
Fields = Mapping[str, FieldType]
Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<operator>!=|!~|>=|<=|=|~|>|<|\(|\)|,)
    | (?P<time>\d{4}-\d{2}-\d{2}(?:T[0-9:.]+(?:Z|[+-]\d{2}:?\d{2})?)?)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    )""",
    re.VERBOSE,
)
_ALLOWED: dict[FieldType, frozenset[str]] = {
    "text": frozenset({"=", "!=", "~", "!~", "IN", "NOT IN"}),
    "number": frozenset({"=", "!=", ">", ">=", "<", "<=", "IN", "NOT IN"}),
    "time": frozenset({"=", "!=", ">", ">=", "<", "<="}),
    "flag": frozenset({"=", "!="}),
    "object": frozenset({"=", "!="}),
}


def _account(prefix: str) -> Fields:
    names = ("uuid", "nickname", "display_name", "account_id")
    return {prefix: "object", **{f"{prefix}.{name}": "text" for name in names}}


REPOSITORY_FIELDS: Fields = {
    **dict.fromkeys(("uuid", "name", "full_name", "slug", "description", "language", "scm"), "text"),
    **{f"project.{name}": "text" for name in ("key", "name", "uuid")},
    **dict.fromkeys(("is_private", "has_issues", "has_wiki"), "flag"),
    "project": "object",
    "parent": "object",
    "parent.full_name": "text",
    "parent.uuid": "text",
    "mainbranch.name": "text",
    "owner.uuid": "text",
    "size": "number",
    "created_on": "time",
    "updated_on": "time",
}
PULL_REQUEST_FIELDS: Fields = {
    **dict.fromkeys(("title", "description", "state", "reason", "merge_commit.hash"), "text"),
    **{
        f"{end}.{name}": "text"
        for end in ("source", "destination")
        for name in ("branch.name", "commit.hash", "repository.full_name", "repository.uuid", "repository.name")
    },
    **_account("author"),
    **_account("closed_by"),
    **_account("reviewers"),
    **dict.fromkeys(("id", "comment_count", "task_count"), "number"),
    **dict.fromkeys(("close_source_branch", "draft"), "flag"),
    "created_on": "time",
    "updated_on": "time",
}
BRANCH_FIELDS: Fields = {"name": "text", "target.hash": "text", "target.date": "time"}
SOURCE_FIELDS: Fields = {"path": "text", "type": "text", "size": "number"}
MEMBER_FIELDS: Fields = {"user.email": "text"}


def predicate(expression: str, fields: Fields) -> Predicate:
    """What the expression says of an object; ``Refused(400)`` when Bitbucket would not take it."""
    return _Parser(expression, fields).parse()


def sorted_by(objects: list[dict[str, Any]], key: str | None, fields: Fields) -> list[dict[str, Any]]:
    """The objects in the order ``sort`` asks for: a field, downwards with ``-`` before it."""
    if key is None:
        return objects
    name = key.removeprefix("-")
    if fields.get(name, "object") == "object":
        raise Refused(400, f"sort: {name!r} is not a field to sort by")

    def value(item: dict[str, Any]) -> tuple[bool, Any]:
        found = next(iter(_values(item, name)), None)
        return found is not None, found if found is not None else 0

    return sorted(objects, key=value, reverse=key.startswith("-"))


def _values(node: Any, path: str) -> list[Any]:
    """All values at a dotted path; lists count as all their members."""
    nodes = [node]
    for step in path.split("."):
        nodes = [item.get(step) for item in nodes if isinstance(item, Mapping)]
        nodes = [part for item in nodes for part in (item if isinstance(item, list) else [item])]
    return nodes


class _Parser:
    """Recursive descent; ``AND`` binds tighter than ``OR``."""

    def __init__(self, expression: str, fields: Fields) -> None:
        self.fields = fields
        self.tokens = list(self._tokens(expression.strip()))
        self.place = 0

    def _tokens(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise Refused(400, f"q: cannot read {text[place : place + 20]!r}")
            place = match.end()
            yield match.lastgroup, match.group(match.lastgroup)

    def parse(self) -> Predicate:
        found = self._any_of()
        if self.place != len(self.tokens):
            raise Refused(400, f"q: unexpected {self.tokens[self.place][1]!r}")
        return found

    def _peek(self) -> str:
        if self.place >= len(self.tokens):
            return ""
        kind, text = self.tokens[self.place]
        return text.upper() if kind == "word" else text

    def _next(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            raise Refused(400, "q: it ends too soon")
        self.place += 1
        return self.tokens[self.place - 1]

    def _expect(self, text: str) -> None:
        if self._next()[1].upper() != text:
            raise Refused(400, f"q: {text} is missing")

    def _any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._peek() == "OR":
            self._next()
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda item: any(part(item) for part in parts)

    def _all_of(self) -> Predicate:
        parts = [self._one()]
        while self._peek() == "AND":
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda item: all(part(item) for part in parts)

    def _one(self) -> Predicate:
        if self._peek() == "(":
            self._next()
            inner = self._any_of()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        kind, name = self._next()
        field_type = self.fields.get(name)
        if kind != "word" or field_type is None:
            raise Refused(400, f"q: {name!r} is not a field that can be queried")
        operator = self._next()[1].upper()
        if operator == "NOT":
            self._expect("IN")
            operator = "NOT IN"
        if operator not in _ALLOWED[field_type]:
            raise Refused(400, f"q: {operator!r} does not go with {name!r}")
        wanted = self._list(field_type) if operator.endswith("IN") else [self._value(field_type, operator)]
        return lambda item: _compare(_values(item, name), operator, wanted, field_type)

    def _list(self, field_type: FieldType) -> list[Any]:
        self._expect("(")
        found = [self._value(field_type, "IN")]
        while self._peek() == ",":
            self._next()
            found.append(self._value(field_type, "IN"))
        self._expect(")")
        return found

    def _value(self, field_type: FieldType, operator: str) -> Any:
        kind, text = self._next()
        if kind == "word" and text.lower() == "null" and operator in ("=", "!="):
            return None
        value = _literal(kind, text, field_type)
        if value is None:
            raise Refused(400, f"q: {text} is not a {field_type}")
        return value


def _literal(kind: str, text: str, field_type: FieldType) -> Any:
    if kind == "text":
        plain = re.sub(r"\\(.)", r"\1", text[1:-1])
        return _time(plain) if field_type == "time" else plain if field_type == "text" else None
    if kind == "time" and field_type == "time":
        return _time(text)
    if kind == "number" and field_type == "number":
        return float(text)
    if kind == "word" and field_type == "flag":
        return {"true": True, "false": False}.get(text.lower())
    return None


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _compare(found: list[Any], operator: str, wanted: list[Any], field_type: FieldType) -> bool:
    if operator in ("!=", "!~", "NOT IN"):
        opposite = {"!=": "=", "!~": "~", "NOT IN": "IN"}[operator]
        return not _compare(found, opposite, wanted, field_type)
    if wanted == [None]:
        return all(value is None for value in found)
    values = [_time(value) if field_type == "time" else value for value in found if value is not None]
    return any(_holds(value, operator, other) for value in values for other in wanted)


def _holds(value: Any, operator: str, other: Any) -> bool:
    match operator:
        case "=" | "IN":
            return bool(value == other)
        case "~":
            return str(other).lower() in str(value).lower()
        case ">":
            return bool(value > other)
        case ">=":
            return bool(value >= other)
        case "<":
            return bool(value < other)
    return bool(value <= other)
