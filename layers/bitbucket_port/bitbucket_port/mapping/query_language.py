"""Bitbucket Cloud's query language (``q=``), read and answered here as far as an object tells.

The grammar is the one of Atlassian's "Filter and sort API objects": comparisons ``=``, ``!=``, ``~``, ``!~``, ``<``,
``<=``, ``>``, ``>=``, ``IN (…)`` and ``NOT IN (…)`` of a dotted field with a string, number, boolean, null or date,
joined with ``AND`` and ``OR`` (``AND`` binds tighter) and parentheses.

Answers are three-valued: ``True``, ``False`` and ``UNKNOWN``, for a field the object does not have and for what
Atlassian does not define (the order of strings, whether ``=`` minds the case of letters, how null compares).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bitbucket_port.errors import PermanentError

Truth = bool | None
UNKNOWN: Final = None

Scalar = str | int | float | bool | datetime | None
Path = tuple[str, ...]
MAX_DEPTH = 100


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
Read = Callable[[Path], object]


class QuerySyntaxError(PermanentError):
    """The text is not in Bitbucket's query language; ``position`` counts characters from 0."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at character {position + 1}.")
        self.position = position


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field operator value``; ``value`` is a tuple for ``IN`` and ``NOT IN``."""

    field: Path
    operator: str
    value: Scalar | tuple[Scalar, ...]

    def __str__(self) -> str:
        shown = f"({', '.join(map(_literal, self.value))})" if isinstance(self.value, tuple) else _literal(self.value)
        return f"{'.'.join(self.field)} {self.operator} {shown}"


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more queries joined with the same ``operator``, ``AND`` or ``OR``."""

    operator: str
    parts: tuple[Query, ...]

    def __str__(self) -> str:
        shown = [f"({part})" if isinstance(part, Junction) else str(part) for part in self.parts]
        return f" {self.operator} ".join(shown)


Query = Comparison | Junction

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<moment>\d{4}-\d{2}-\d{2}(?:[Tt]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:?\d{2})?)?)(?![\w.])
    | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
    | (?P<operator>!=|!~|<=|>=|=|~|<|>)
    | (?P<mark>[(),])
    | (?P<word>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def keyword(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise QuerySyntaxError(f"{text[start : start + 1]!r} is not understood", start)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        result = self._junction("OR", 0)
        if self._here.kind != "end":
            raise QuerySyntaxError(f"expected AND, OR or the end, found {self._here.text!r}", self._here.position)
        return result

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._here
        self._at += 1 if token.kind != "end" else 0
        return token

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token.kind != "mark" or token.text != mark:
            raise QuerySyntaxError(f"expected {mark!r}, found {token.text or 'the end'!r}", token.position)

    def _junction(self, operator: str, depth: int) -> Query:
        parts = [self._part(operator, depth)]
        while self._here.keyword == operator:
            self._next()
            parts.append(self._part(operator, depth))
        return parts[0] if len(parts) == 1 else Junction(operator, tuple(parts))

    def _part(self, operator: str, depth: int) -> Query:
        if operator == "OR":
            return self._junction("AND", depth)
        token = self._here
        if (token.kind, token.text) == ("mark", "("):
            if depth >= MAX_DEPTH:
                raise QuerySyntaxError(f"more than {MAX_DEPTH} parentheses inside each other", token.position)
            self._next()
            inner = self._junction("OR", depth + 1)
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        token = self._next()
        if token.kind != "word" or token.keyword in {"AND", "OR", "IN", "NOT", "NULL", "TRUE", "FALSE"}:
            raise QuerySyntaxError(f"expected a field, found {token.text or 'the end'!r}", token.position)
        field = tuple(token.text.split("."))
        operator = self._next()
        if operator.kind == "operator":
            return Comparison(field, operator.text, self._value())
        if operator.keyword == "NOT" and self._here.keyword == "IN":
            self._next()
            return Comparison(field, "NOT IN", self._values())
        if operator.keyword == "IN":
            return Comparison(field, "IN", self._values())
        raise QuerySyntaxError(f"expected an operator, found {operator.text or 'the end'!r}", operator.position)

    def _values(self) -> tuple[Scalar, ...]:
        self._expect("(")
        values = [self._value()]
        while (self._here.kind, self._here.text) == ("mark", ","):
            self._next()
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Scalar:
        token = self._next()
        if token.kind == "string":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "moment":
            moment = moment_of(token.text)
            if moment is not None:
                return moment
        constants: dict[str, Scalar] = {"NULL": None, "TRUE": True, "FALSE": False}
        if token.keyword in constants:
            return constants[token.keyword]
        raise QuerySyntaxError(
            f"expected a value (text needs double quotes), found {token.text or 'the end'!r}", token.position
        )


def parse(text: str) -> Query:
    """The query that ``text`` says; raises QuerySyntaxError with the position of what is not understood."""
    return _Parser(text).query()


def moment_of(text: str) -> datetime | None:
    """The moment an ISO 8601 date or date-time says, in UTC unless it names an offset; None for anything else."""
    if not re.match(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def _literal(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return json.dumps(value) if isinstance(value, int) else f"{value:f}"


def fields(query: Query) -> set[Path]:
    """Every field the query reads."""
    if isinstance(query, Comparison):
        return {query.field}
    return set().union(*(fields(part) for part in query.parts))


def reduce(query: Query, read: Read) -> Query | bool:
    """The answer, or what remains of the query where ``read`` gives ``ABSENT`` or leaves the answer open."""
    if isinstance(query, Comparison):
        answer = _compare(read(query.field), query.operator, query.value)
        return query if answer is UNKNOWN else answer
    decisive = query.operator == "OR"
    open_parts: list[Query] = []
    for part in query.parts:
        reduced = reduce(part, read)
        if reduced is decisive:
            return decisive
        if not isinstance(reduced, bool):
            open_parts.append(reduced)
    if not open_parts:
        return not decisive
    return open_parts[0] if len(open_parts) == 1 else Junction(query.operator, tuple(open_parts))


def evaluate(query: Query, read: Read) -> Truth:
    """Whether an object matches; ``read`` gives a field's JSON value, a list of them, or ``ABSENT``."""
    reduced = reduce(query, read)
    return reduced if isinstance(reduced, bool) else UNKNOWN


def negated(truth: Truth) -> Truth:
    """Not, in three values."""
    return UNKNOWN if truth is UNKNOWN else not truth


_NEGATIVE = {"!=": "=", "!~": "~", "NOT IN": "IN"}


def _compare(value: object, operator: str, literal: Scalar | tuple[Scalar, ...]) -> Truth:
    if isinstance(value, list):
        return _compare_any(value, operator, literal)
    if isinstance(value, _Absent) or (isinstance(value, dict) and literal is not None):
        return UNKNOWN
    if literal is None:
        return {"=": value is None, "!=": value is not None}.get(operator, UNKNOWN)
    if operator in _NEGATIVE:
        # In SQL "null is not x" is neither true nor false; what Bitbucket makes of it is for Bitbucket to say.
        return UNKNOWN if value is None else negated(_compare(value, _NEGATIVE[operator], literal))
    if isinstance(literal, tuple):
        return _any([_compare(value, "=", one) for one in literal])
    return False if value is None else _compare_scalars(value, operator, literal)


def _compare_any(values: list[object], operator: str, literal: Scalar | tuple[Scalar, ...]) -> Truth:
    if operator in {"=", "~", "IN"} and literal is not None:
        return _any([_compare(value, operator, literal) for value in values])
    return UNKNOWN


def _any(truths: list[Truth]) -> Truth:
    if True in truths:
        return True
    return UNKNOWN if UNKNOWN in truths else False


def _compare_scalars(value: object, operator: str, literal: str | float | bool | datetime) -> Truth:
    if isinstance(value, bool) or isinstance(literal, bool):
        same_kind = isinstance(value, bool) and isinstance(literal, bool)
        return value == literal if same_kind and operator == "=" else UNKNOWN
    if isinstance(value, int | float) and isinstance(literal, int | float):
        return _ordered(value, operator, literal)
    if isinstance(value, str) and isinstance(literal, str | datetime):
        moments = moment_of(value), literal if isinstance(literal, datetime) else moment_of(literal)
        if moments[0] is not None and moments[1] is not None and operator != "~":
            return _ordered(moments[0].timestamp(), operator, moments[1].timestamp())
        if isinstance(literal, str):
            return _compare_texts(value, operator, literal)
    return UNKNOWN


def _compare_texts(value: str, operator: str, literal: str) -> Truth:
    if operator == "~":
        return literal.casefold() in value.casefold()
    if operator == "=":
        return True if value == literal else UNKNOWN if value.casefold() == literal.casefold() else False
    return UNKNOWN


def _ordered(value: float, operator: str, literal: float) -> Truth:
    answers = {
        "=": value == literal,
        "<": value < literal,
        "<=": value <= literal,
        ">": value > literal,
        ">=": value >= literal,
    }
    return answers.get(operator, UNKNOWN)
