"""Whether an expression gives the same for a webhook's copy of an object as for the object read from Bitbucket.

What jq reads cannot be decided in general, so this is an allow-list: literals, operators, a fixed list of functions,
and plain paths that ``payload_facts`` knows and that this very payload has. Anything else is a gap, with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bitbucket_port.mapping import jq_syntax as syntax
from bitbucket_port.mapping.jq_syntax import Node, UnsupportedError
from bitbucket_port.mapping.payload_facts import Facts
from bitbucket_port.objects import JsonObject

Step = str | int | None
How = Literal["value", "presence"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the object: keys, list positions, and None for every element of a list."""

    steps: tuple[Step, ...] = ()

    def pattern(self) -> str:
        """``reviewers[].user.name``."""
        text = ""
        for step in self.steps:
            text += f".{step}" if isinstance(step, str) else "[]"
        return text.removeprefix(".") or "(the whole object)"


@dataclass(frozen=True, slots=True)
class _Made:
    """Computed from what is already counted as read."""


@dataclass(frozen=True, slots=True)
class _Several:
    """An array or object whose parts have not been read yet."""

    parts: tuple[_Value, ...]
    named: tuple[tuple[str, tuple[_Value, ...]], ...] = ()


_Value = Place | _Made | _Several
_Values = list[_Value]
_MADE = _Made()

# Functions of their input and arguments alone; those that look at the clock, the file or the input stream are not here.
_PLAIN_FUNCTIONS = frozenset(
    """tostring tonumber tojson fromjson ascii_downcase ascii_upcase ltrimstr rtrimstr trimstr trim ltrim rtrim
    startswith endswith test split join sub gsub ascii explode implode contains inside index rindex indices
    floor ceil round fabs abs sqrt pow log min max add sort unique reverse flatten range
    todate fromdate todateiso8601 fromdateiso8601 dateadd date strftime strptime mktime gmtime
    keys utf8bytelength toarray error values nulls booleans numbers strings arrays objects iterables scalars
    port_identifier""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Reads:
    """What an expression reads: as a value, or only what is there (which keys, how many). ``fault``: not judged."""

    values: frozenset[Place] = frozenset()
    presences: frozenset[Place] = frozenset()
    fault: str | None = None


def reads_of(expression: str) -> Reads:
    """What a compilable expression reads of the object."""
    judge = _Judge()
    try:
        outputs = judge.outputs(syntax.read(expression), Place(), {})
        judge.consume(outputs)
    except UnsupportedError as error:
        return Reads(fault=f"it uses {error}, which is not judged")
    return Reads(frozenset(judge.values), frozenset(judge.presences))


def gaps(reads: Reads, facts: Facts | None, obj: JsonObject) -> list[str]:
    """Why the expression may give something else for the object in REST; empty when it surely does not."""
    if reads.fault is not None:
        return [reads.fault]
    if facts is None:
        read = reads.values | {place for place in reads.presences if place.steps}
        places = sorted(place.pattern() for place in read)
        return [f"it reads {places[0]}, and a webhook's copy of this kind is incomplete"] if places else []
    found = [_gap(place, facts, obj, facts.knows(place.pattern())) for place in reads.values]
    for place in reads.presences - reads.values:
        pattern = place.pattern()
        if not place.steps:
            continue
        found.append(_gap(place, facts, obj, facts.knows(pattern) or facts.knows_container(pattern)))
    return sorted({gap for gap in found if gap is not None})


def not_carried(reads: Reads, facts: Facts | None, obj: JsonObject) -> list[str]:
    """The places an expression reads that this payload lacks, though the object may have them; [] when it has all.

    For whoever has nothing but the payload: what it lacks is unknown, not null.
    """
    places = reads.values | {place for place in reads.presences if place.steps}
    known = facts or Facts()
    found = {_missing(obj, (), place.steps, known, obj) for place in places}
    return sorted(missing for missing in found if missing is not None)


def _gap(place: Place, facts: Facts, obj: JsonObject, known: bool) -> str | None:
    if not known:
        return f"it reads {place.pattern()}, which is not known to be equal in webhooks and in Bitbucket's API"
    missing = _missing(obj, (), place.steps, facts, obj)
    return None if missing is None else f"it reads {missing}, which this webhook does not carry"


def _missing(value: Any, done: tuple[Step, ...], steps: tuple[Step, ...], facts: Facts, obj: JsonObject) -> str | None:
    """The place on the way that the payload lacks; None when all of the way is there or rightly not there."""
    here = Place(done).pattern()
    if facts.never_there(here):
        return None if value is None else here
    condition = facts.absent_when.get(here)
    if condition is not None and value is None:
        return None if condition(obj) else here
    if not steps or value is None:
        return None
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        return _missing_key(value, (*done, step), rest, facts, obj)
    chosen = _elements_at(value, step)
    if not chosen and not (step is None and value == []):
        return here
    lacking = (_missing(one, (*done, None), rest, facts, obj) for one in chosen)
    return next((lack for lack in lacking if lack is not None), None)


def _elements_at(value: Any, position: int | None) -> list[Any]:
    """The elements a step takes: all, or the one at a position (from the end when negative)."""
    if not isinstance(value, list):
        return []
    return value if position is None else value[position:][:1]


def _missing_key(
    value: Any, ahead: tuple[Step, ...], rest: tuple[Step, ...], facts: Facts, obj: JsonObject
) -> str | None:
    pattern, key = Place(ahead).pattern(), ahead[-1]
    if not isinstance(value, dict):
        return pattern
    may_lack = pattern in facts.absent_when or facts.never_there(pattern)
    return _missing(value.get(key), ahead, rest, facts, obj) if key in value or may_lack else pattern


class _Judge:
    """Runs an expression on places instead of values, and notes which of them the result depends on."""

    def __init__(self) -> None:
        self.values: set[Place] = set()
        self.presences: set[Place] = set()

    def consume(self, values: _Values, how: How = "value") -> None:
        for value in values:
            if isinstance(value, Place):
                (self.values if how == "value" else self.presences).add(value)
            elif isinstance(value, _Several):
                self.consume(list(value.parts), how)
                for _, parts in value.named:
                    self.consume(list(parts), how)

    def outputs(self, node: Node, given: _Value, names: dict[str, _Values]) -> _Values:
        """What the expression may give for ``given``."""
        match node:
            case syntax.Identity():
                found: _Values = [given]
            case syntax.Literal():
                found = [_MADE]
            case syntax.Text(parts):
                for part in parts:
                    self.consume(self.outputs(part, given, names))
                found = [_MADE]
            case syntax.Pipe(left, right):
                found = self._through(self.outputs(left, given, names), right, names)
            case syntax.Comma(left, right):
                found = self.outputs(left, given, names) + self.outputs(right, given, names)
            case syntax.Bind(source, name, body):
                found = self.outputs(body, given, {**names, name: self.outputs(source, given, names)})
            case syntax.Branch(condition, then, otherwise):
                self.consume(self.outputs(condition, given, names), "presence")
                found = self.outputs(then, given, names) + self.outputs(otherwise, given, names)
            case _:
                found = self._compound(node, given, names)
        return found

    def _compound(self, node: Node, given: _Value, names: dict[str, _Values]) -> _Values:
        match node:
            case syntax.Variable(name) if name in names:
                found = names[name]
            case syntax.Operation():
                found = self._operation(node, given, names)
            case syntax.Array(content):
                found = [_Several(tuple(self.outputs(content, given, names)) if content is not None else ())]
            case syntax.Record(pairs):
                found = [_Several((), tuple((key, tuple(self.outputs(one, given, names))) for key, one in pairs))]
            case syntax.Slice(target, bounds):
                for part in (target, *bounds):
                    self.consume(self.outputs(part, given, names))
                found = [_MADE]
            case syntax.Step(target, index):
                steps = [self._step(one, index) for one in self.outputs(target, given, names)]
                found = [value for values in steps for value in values]
            case syntax.Call(name, arguments):
                found = self._call(name, arguments, given, names)
            case _:
                raise UnsupportedError("a variable of jq's own")
        return found

    def _through(self, values: _Values, node: Node, names: dict[str, _Values]) -> _Values:
        return [output for value in values for output in self.outputs(node, value, names)]

    def _operation(self, node: syntax.Operation, given: _Value, names: dict[str, _Values]) -> _Values:
        left, right = self.outputs(node.left, given, names), self.outputs(node.right, given, names)
        if node.operator == "//":
            self.consume(left, "presence")
            return left + right
        nothing = syntax.Literal(None)
        only_presence = node.operator in {"and", "or"} or (
            node.operator in {"==", "!="} and nothing in (node.left, node.right)
        )
        self.consume(left + right, "presence" if only_presence else "value")
        return [_MADE]

    def _step(self, target: _Value, index: Node | None) -> _Values:
        if index is None:
            return self._elements(target)
        if not isinstance(index, syntax.Literal) or not isinstance(index.value, str | int):
            raise UnsupportedError("a computed index")
        key = index.value
        if isinstance(target, Place):
            # Whether the step succeeds depends on what it steps from, even if nobody looks at the result.
            self.presences.add(target)
            return [Place((*target.steps, key))]
        if isinstance(target, _Several):
            named = dict(target.named)
            return list(named[key]) if isinstance(key, str) and key in named else [*target.parts, _MADE]
        return [_MADE]

    def _elements(self, target: _Value) -> _Values:
        if isinstance(target, Place):
            self.presences.add(target)
            return [Place((*target.steps, None))]
        if isinstance(target, _Several):
            return [*target.parts, *(part for _, parts in target.named for part in parts)]
        return [_MADE]

    def _call(self, name: str, arguments: tuple[Node, ...], given: _Value, names: dict[str, _Values]) -> _Values:
        match name, arguments:
            case "empty", ():
                found: _Values = []
            case "select", (condition,):
                self.consume(self.outputs(condition, given, names), "presence")
                found = [given]
            case "map", (each,):
                found = [_Several(tuple(self._through(self._elements(given), each, names)))]
            case (("any" | "all"), _):
                self.consume(self._conditions(arguments, given, names), "presence")
                found = [_MADE]
            case (("first" | "last"), _):
                found = self.outputs(arguments[0], given, names) if arguments else self._elements(given)
            case "length", ():
                # Elements are counted, not read; an object's keys or a text's letters are no elements of ours.
                self.consume(self._elements(given), "presence")
                found = [_MADE]
            case (("not" | "type"), ()):
                self.consume([given], "presence")
                found = [_MADE]
            case "has", (syntax.Literal() as key,):
                self.consume(self._step(given, key), "presence")
                found = [_MADE]
            case _:
                found = self._plain(name, arguments, given, names)
        return found

    def _conditions(self, arguments: tuple[Node, ...], given: _Value, names: dict[str, _Values]) -> _Values:
        """What ``any`` and ``all`` look at."""
        if len(arguments) == 2:
            return self._through(self.outputs(arguments[0], given, names), arguments[1], names)
        elements = self._elements(given)
        return self._through(elements, arguments[0], names) if arguments else elements

    def _plain(self, name: str, arguments: tuple[Node, ...], given: _Value, names: dict[str, _Values]) -> _Values:
        if name not in _PLAIN_FUNCTIONS:
            raise UnsupportedError(f"the function {name}/{len(arguments)}")
        self.consume([given])
        for argument in arguments:
            # sub and gsub run their replacement on what was captured, all others their arguments on the input.
            self.consume(self.outputs(argument, _MADE if name in {"sub", "gsub"} else given, names))
        return [_MADE]


def query_gap(path: tuple[str, ...], facts: Facts | None, obj: JsonObject) -> str | None:
    """Why a field of a query cannot be answered from a webhook; None when it can, or is not there at all.

    What is not there is unknown to the query, so that Bitbucket is asked; only a value that may differ misleads.
    """
    value: Any = obj
    pattern = ""
    for key in path:
        if isinstance(value, list):
            value, pattern = (value[0] if value else None), f"{pattern}[]"
        if not isinstance(value, dict) or key not in value:
            return None
        value, pattern = value[key], f"{pattern}.{key}".removeprefix(".")
    if facts is not None and (facts.knows(pattern) or (value is None and facts.knows_container(pattern))):
        return None
    return f"it reads {pattern}, which is not known to be equal in webhooks and in Bitbucket's API"
