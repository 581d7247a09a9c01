"""Evaluates the plain part of jq without jq: to put an object into jq and take it out again costs most of a mapping.

Paths, literals, comparisons with them, conditions, lists and a few functions on text: of most mappings that is all. An
expression that uses anything else is left to jq, and so is a value for which jq would fail, or which it would change
(what a text or number may not hold): an object is evaluated here completely or not at all. So whatever is answered here
is what jq answers, errors and their texts included. But for one thing: half of a character, in a part of the object
that no expression came to, makes jq refuse the whole object; here the object is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitbucket_port.mapping.direct_values import (
    EXACT,
    LeftToJqError,
    added,
    as_jq_gives_it,
    is_true,
    length,
    to_string,
    trimmed,
)
from bitbucket_port.mapping.jq_syntax import (
    Array,
    Branch,
    Call,
    Comma,
    Identity,
    Literal,
    Node,
    Operation,
    Pipe,
    Step,
    UnsupportedError,
    read,
)

One = Callable[[Any], Any]
"""From the input to the only output."""
Outputs = Callable[[Any], list[Any]]
"""From the input to all outputs."""

_NOT_READ_ALIKE = "\\\r"
"""Escapes in a text or a comment, and what may end a comment: ``jq_syntax`` and jq may read them differently."""


def direct(expression: str) -> Outputs | None:
    """The expression as a function that gives the outputs as jq would; None where it takes jq.

    The function raises LeftToJqError for an input that takes jq. ``expression`` must be one that jq compiles.
    """
    if any(mark in expression for mark in _NOT_READ_ALIKE):
        return None
    try:
        node = read(expression)
        if _is_one(node):
            one = _one(node)
            return lambda value: [as_jq_gives_it(one(value))]
        outputs = _outputs(node)
    except UnsupportedError:
        return None
    return lambda value: [as_jq_gives_it(output) for output in outputs(value)]


# --- expressions with any number of outputs --------------------------------------------------------------------------


def _outputs(node: Node) -> Outputs:
    """Raises UnsupportedError for what takes jq."""
    made: Outputs
    match node:
        case Step(target, None):
            made = _each(_outputs(target))
        case Step(target, Literal(index)) if not _is_one(target):
            made = _piped(_outputs(target), _single(_at(index)))
        case Pipe(left, right) if not _is_one(node):
            made = _piped(_outputs(left), _outputs(right))
        case Comma(left, right):
            made = _both(_outputs(left), _outputs(right))
        case Branch(condition, then, otherwise) if not _is_one(node):
            made = _chosen(_one(condition), _outputs(then), _outputs(otherwise))
        case Call("select", (condition,)):
            made = _chosen(_one(condition), lambda value: [value], lambda _: [])
        case Call("empty", ()):
            made = lambda _: []  # noqa: E731 - as the others
        case _:
            made = _single(_one(node))
    return made


def _single(one: One) -> Outputs:
    return lambda value: [one(value)]


def _piped(left: Outputs, right: Outputs) -> Outputs:
    return lambda value: [output for middle in left(value) for output in right(middle)]


def _both(left: Outputs, right: Outputs) -> Outputs:
    return lambda value: left(value) + right(value)


def _chosen(test: One, yes: Callable[[Any], Any], no: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: yes(value) if is_true(test(value)) else no(value)


def _each(target: Outputs) -> Outputs:
    def each(value: Any) -> list[Any]:
        found: list[Any] = []
        for one in target(value):
            if type(one) is not list:
                raise LeftToJqError
            found.extend(one)
        return found

    return each


# --- expressions with one output -------------------------------------------------------------------------------------


def _is_one(node: Node) -> bool:
    """Whether the expression has exactly one output, as far as its shape tells."""
    match node:
        case Step(target, index):
            return index is not None and _is_one(target)
        case Pipe(left, right) | Operation(_, left, right):
            return _is_one(left) and _is_one(right)
        case Branch(condition, then, otherwise):
            return _is_one(condition) and _is_one(then) and _is_one(otherwise)
        case Call(name, _):
            return name not in {"select", "empty"}
        case _:
            return isinstance(node, Identity | Literal | Array)


def _one(node: Node) -> One:
    """Raises UnsupportedError for what takes jq."""
    if not _is_one(node):
        raise UnsupportedError("any number of outputs")
    made: One
    match node:
        case Identity():
            made = lambda value: value  # noqa: E731 - as the others
        case Literal(constant):
            made = _constant(constant)
        case Step():
            made = _path(node)
        case Pipe(left, right):
            made = _after(_one(left), _one(right))
        case Operation(operator, left, right):
            made = _operation(operator, left, right)
        case Branch(condition, then, otherwise):
            made = _chosen(_one(condition), _one(then), _one(otherwise))
        case Array(content):
            made = (lambda _: []) if content is None else _outputs(content)
        case Call(name, arguments):
            made = _call(name, arguments)
        case _:
            raise UnsupportedError(type(node).__name__)
    return made


def _after(first: One, second: One) -> One:
    return lambda value: second(first(value))


def _constant(value: object) -> One:
    _check_constant(value)
    return lambda _: value


def _check_constant(value: object) -> None:
    """Text beyond ASCII might be half of a character, or be compared with one that jq replaces."""
    plain = value.isascii() if isinstance(value, str) else value is None or isinstance(value, bool)
    if not plain and not (type(value) is int and value < EXACT):
        raise UnsupportedError("a literal of this kind")


def _path(node: Node) -> One:
    """``target.name.other``, walked in one function."""
    steps: list[object] = []
    while isinstance(node, Step):
        if not isinstance(node.index, Literal):
            raise UnsupportedError("a computed index")
        steps.insert(0, node.index.value)
        node = node.target
    if not all(type(step) is str and step.isascii() for step in steps):
        walks = [_at(step) for step in steps]
        return _walked(_one(node), walks)
    names = [str(step) for step in steps]

    def named(value: Any) -> Any:
        for name in names:
            if value is None:
                return None
            if type(value) is not dict:
                raise LeftToJqError
            value = value.get(name)
        return value

    if isinstance(node, Identity):
        return named
    target = _one(node)
    return lambda value: named(target(value))


def _walked(target: One, walks: list[One]) -> One:
    def walked(value: Any) -> Any:
        value = target(value)
        for walk in walks:
            value = walk(value)
        return value

    return walked


def _at(index: object) -> One:
    """``.[index]`` of whatever comes in."""
    if type(index) is str and index.isascii():
        return _path(Step(Identity(), Literal(index)))
    if type(index) is not int or not 0 <= index < EXACT:
        raise UnsupportedError("an index of this kind")

    def at(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not list:
            raise LeftToJqError
        return value[index] if index < len(value) else None

    return at


def _operation(operator: str, left: Node, right: Node) -> One:
    if operator in {"==", "!="}:
        return _comparison(left, right, equal=operator == "==")
    first, second = _one(left), _one(right)
    match operator:
        case "and":
            return lambda value: is_true(first(value)) and is_true(second(value))
        case "or":
            return lambda value: is_true(first(value)) or is_true(second(value))
        case "//":
            return lambda value: found if is_true(found := first(value)) else second(value)
        case "+":
            return lambda value: added(first(value), second(value))
        case _:
            raise UnsupportedError(operator)


def _comparison(left: Node, right: Node, *, equal: bool) -> One:
    """With a literal only: so nothing has to be known of how jq compares objects, or numbers that are not exact."""
    if isinstance(left, Literal):
        left, right = right, left
    if not isinstance(right, Literal):
        raise UnsupportedError("a comparison without a literal")
    _check_constant(right.value)
    given, constant, kind = _one(left), right.value, type(right.value)

    def compared(value: Any) -> bool:
        found = given(value)
        if type(found) is float:
            raise LeftToJqError
        return (type(found) is kind and found == constant) is equal

    return compared


# --- functions -------------------------------------------------------------------------------------------------------


def _call(name: str, arguments: tuple[Node, ...]) -> One:
    match name, arguments:
        case "not", ():
            return lambda value: not is_true(value)
        case "tostring", ():
            return to_string
        case "length", ():
            return length
        case "ltrimstr" | "rtrimstr", (Literal(str() as end),) if end.isascii():
            return trimmed(end, at_start=name == "ltrimstr")
        case "any", (generator, condition):
            candidates, test = _outputs(generator), _one(condition)
            return lambda value: any(is_true(test(one)) for one in candidates(value))
        case _:
            raise UnsupportedError(name)
