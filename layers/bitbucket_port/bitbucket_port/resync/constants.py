"""Which texts a jq expression can give, when that is written in it."""

from __future__ import annotations

from bitbucket_port.mapping import jq_syntax
from bitbucket_port.mapping.jq_syntax import Branch, Comma, Literal, Node, UnsupportedError


def constants(expression: str) -> frozenset[str] | None:
    """The texts the first output can be, whatever the input is; None when that cannot be told.

    ``"service"`` gives one, ``if .fork then "fork" else "repository" end`` two. What is no text (null, false) makes no
    entity and is not in the result.
    """
    if "\\" in expression:
        return None  # The reader does not resolve escapes.
    try:
        return _of(jq_syntax.read(expression))
    except UnsupportedError:
        return None


def _of(node: Node) -> frozenset[str] | None:
    if isinstance(node, Literal):
        return frozenset({node.value} if isinstance(node.value, str) else ())
    if isinstance(node, Comma) and isinstance(node.left, Literal):
        return _of(node.left)
    if isinstance(node, Branch):
        then, otherwise = _of(node.then), _of(node.otherwise)
        return None if then is None or otherwise is None else then | otherwise
    return None
