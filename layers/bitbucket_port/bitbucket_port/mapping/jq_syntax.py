"""Reads the part of jq that ``payload_safe`` can judge; everything else is refused with its name."""

from __future__ import annotations

import re
from dataclasses import dataclass


class UnsupportedError(Exception):
    """The expression uses something this reader does not judge."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``.``"""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a plain string, true, false or null."""

    value: object


@dataclass(frozen=True, slots=True)
class Text:
    """A string with interpolated expressions."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name``"""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """``target.name``, ``target[index]``; ``index`` None is ``target[]``."""

    target: Node
    index: Node | None


@dataclass(frozen=True, slots=True)
class Slice:
    """``target[a:b]``; ``bounds`` are the given ones."""

    target: Node
    bounds: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """``[content]``"""

    content: Node | None


@dataclass(frozen=True, slots=True)
class Record:
    """``{key: value}`` with plain keys."""

    pairs: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name with its arguments, unevaluated."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """``left | right``"""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comma:
    """``left, right``"""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Bind:
    """``source as $name | body``"""

    source: Node
    name: str
    body: Node


@dataclass(frozen=True, slots=True)
class Branch:
    """``if condition then then else otherwise end``"""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Operation:
    """``left operator right``"""

    operator: str
    left: Node
    right: Node


Node = (
    Identity
    | Literal
    | Text
    | Variable
    | Step
    | Slice
    | Array
    | Record
    | Call
    | Pipe
    | Comma
    | Bind
    | Branch
    | Operation
)

_TOKEN = re.compile(
    r"""(?:\s+|\#[^\n]*)*(?:
      (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<field>\.[A-Za-z_]\w*)
    | (?P<variable>\$[A-Za-z_]\w*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<quote>")
    | (?P<mark>\?//=?|//=?|\|=|\+=|-=|\*=|/=|%=|==|!=|<=|>=|\.\.|[.\[\]{}()|,;:?<>+*/%=@-])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(
    "def reduce foreach try catch label import include if then elif else end as and or __loc__".split()  # noqa: SIM905
)
_LEVELS = (
    ("//",),
    ("or",),
    ("and",),
    ("==", "!=", "<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
_LITERALS = {"true": True, "false": False, "null": None}
MAX_DEPTH = 60


def read(expression: str) -> Node:
    """The expression as a tree; raises UnsupportedError for what is not judged (it has compiled before)."""
    try:
        reader = _Reader(expression, 0)
        node = reader.pipe()
        reader.expect_end()
    except (IndexError, RecursionError) as error:
        raise UnsupportedError("an expression of this shape") from error
    return node


_SINGLE = frozenset(
    """empty not type length keys has tostring tonumber ascii_downcase ascii_upcase ltrimstr rtrimstr startswith
    endswith test split join add sort unique reverse min max select sub gsub floor todate strftime""".split()  # noqa: SIM905
)
"""Functions with at most one output for each of their input and arguments."""
_AGGREGATES = frozenset({"any", "all", "map"})
"""Functions with one output however many their arguments have."""


def has_one_output(expression: str) -> bool:
    """Whether the expression surely has at most one output, or fails before its first one."""
    try:
        return _is_single(read(expression))
    except UnsupportedError:
        return False


def _is_single(node: Node) -> bool:
    match node:
        case Call(name, arguments):
            single = name in _AGGREGATES or (name in _SINGLE and all(map(_is_single, arguments)))
        case Step(target, index):
            single = index is not None and _is_single(target) and _is_single(index)
        case Pipe(left, right) | Operation(_, left, right) | Bind(left, _, right):
            single = _is_single(left) and _is_single(right)
        case Branch(condition, then, otherwise):
            single = _is_single(condition) and _is_single(then) and _is_single(otherwise)
        case Text(parts):
            single = all(map(_is_single, parts))
        case _:
            single = isinstance(node, Identity | Literal | Variable | Array)
    return single


class _Reader:
    """A recursive-descent reader. jq has compiled the text already, so only the structure matters here."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self._depth = 0
        self._after = position
        self._kind = self._value = ""
        self._start = position
        self._advance()

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._after)
        if match is None or match.lastgroup is None:
            raise UnsupportedError(f"{self._text[self._after : self._after + 10]!r}")
        self._kind, self._value = match.lastgroup, match[match.lastgroup]
        self._start, self._after = match.start(match.lastgroup), match.end()

    def _is(self, *values: str) -> bool:
        return self._kind in {"mark", "word"} and self._value in values

    def _take(self, value: str) -> bool:
        taken = self._is(value)
        if taken:
            self._advance()
        return taken

    def _need(self, value: str) -> None:
        if not self._take(value):
            raise UnsupportedError(f"{self._value!r} where {value!r} was expected")

    def expect_end(self) -> None:
        if self._kind != "end":
            raise UnsupportedError(f"{self._value!r}")

    def pipe(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsupportedError("too many levels")
        left = self._comma()
        if self._take("as"):
            if self._kind != "variable":
                raise UnsupportedError("a destructuring 'as'")
            name = self._value
            self._advance()
            self._need("|")
            left = Bind(left, name, self.pipe())
        elif self._take("|"):
            left = Pipe(left, self.pipe())
        self._depth -= 1
        return left

    def _comma(self) -> Node:
        left = self._operation(0)
        while self._take(","):
            right = self._operation(0)
            left = Comma(left, right)
        return left

    def _operation(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._signed()
        left = self._operation(level + 1)
        while self._is(*_LEVELS[level]):
            operator = self._value
            self._advance()
            left = Operation(operator, left, self._operation(level + 1))
        return left

    def _signed(self) -> Node:
        if self._take("-"):
            return Operation("-", Literal(0), self._signed())
        return self._term()

    def _term(self) -> Node:
        node = self._primary()
        while True:
            if self._kind == "field":
                node = Step(node, Literal(self._value[1:]))
                self._advance()
            elif self._is("."):
                self._advance()
                if self._kind == "quote":
                    node = Step(node, self._string())
                elif not self._is("["):
                    raise UnsupportedError("'.'")
            elif self._is("["):
                node = self._bracket(node)
            elif self._is("?"):
                self._advance()
            else:
                return node

    def _bracket(self, target: Node) -> Node:
        self._need("[")
        if self._take("]"):
            return Step(target, None)
        if self._take(":"):
            end = self.pipe()
            self._need("]")
            return Slice(target, (end,))
        first = self.pipe()
        if self._take(":"):
            bounds = (first,) if self._is("]") else (first, self.pipe())
            self._need("]")
            return Slice(target, bounds)
        self._need("]")
        return Step(target, first)

    def _primary(self) -> Node:
        kind, value = self._kind, self._value
        if kind == "number":
            self._advance()
            return Literal(float(value) if any(mark in value for mark in ".eE") else int(value))
        if kind == "variable":
            self._advance()
            return Variable(value)
        if kind == "field":
            self._advance()
            return Step(Identity(), Literal(value[1:]))
        if kind == "quote":
            return self._string()
        if kind == "word":
            return self._word()
        return self._marked()

    def _marked(self) -> Node:
        if self._take("."):
            return Step(Identity(), self._string()) if self._kind == "quote" else Identity()
        if self._take("("):
            inner = self.pipe()
            self._need(")")
            return inner
        if self._take("["):
            content = None if self._is("]") else self.pipe()
            self._need("]")
            return Array(content)
        if self._take("{"):
            return self._record()
        raise UnsupportedError(f"{self._value!r}")

    def _word(self) -> Node:
        name = self._value
        if name == "if":
            return self._branch()
        if name in _KEYWORDS:
            raise UnsupportedError(f"{name!r}")
        self._advance()
        if name in _LITERALS:
            return Literal(_LITERALS[name])
        arguments: list[Node] = []
        if self._take("("):
            arguments.append(self.pipe())
            while self._take(";"):
                arguments.append(self.pipe())
            self._need(")")
        return Call(name, tuple(arguments))

    def _branch(self) -> Node:
        self._advance()
        condition = self.pipe()
        self._need("then")
        then = self.pipe()
        if self._is("elif"):
            return Branch(condition, then, self._branch())
        otherwise = self.pipe() if self._take("else") else Identity()
        self._need("end")
        return Branch(condition, then, otherwise)

    def _record(self) -> Node:
        pairs: list[tuple[str, Node]] = []
        while not self._take("}"):
            pairs.append(self._pair())
            if not self._is("}"):
                self._need(",")
        return Record(tuple(pairs))

    def _pair(self) -> tuple[str, Node]:
        if self._kind == "variable":
            name = self._value
            self._advance()
            return name[1:], Variable(name)
        if self._kind == "quote":
            key = self._string()
            if not isinstance(key, Literal):
                raise UnsupportedError("a computed key")
            name = str(key.value)
        elif self._kind == "word":
            name = self._value
            self._advance()
        else:
            raise UnsupportedError("a computed key")
        return name, self._operation(0) if self._take(":") else Step(Identity(), Literal(name))

    def _string(self) -> Node:
        """The string that begins here, with what it interpolates."""
        parts: list[Node] = []
        text: list[str] = []
        position = self._start + 1
        while self._text[position] != '"':
            if self._text[position] != "\\":
                text.append(self._text[position])
                position += 1
            elif self._text[position + 1] == "(":
                inner = _Reader(self._text, position + 2)
                inner._depth = self._depth
                parts.append(inner.pipe())
                if not inner._is(")"):
                    raise UnsupportedError("an interpolation")
                position = inner._after
            else:
                text.append(_ESCAPES.get(self._text[position + 1], self._text[position + 1]))
                position += 2
        self._after = position + 1
        self._advance()
        return Text(tuple(parts)) if parts else Literal("".join(text))


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
