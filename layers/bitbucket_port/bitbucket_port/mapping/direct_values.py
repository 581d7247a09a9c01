"""What jq does to single values, where it does what Python does; the rest is left to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EXACT = 2**53
"""Whole numbers below it are the same to jq and to Python."""


class LeftToJqError(Exception):
    """A value that only jq can judge."""


def as_jq_gives_it(value: Any) -> Any:
    """The output, when it leaves jq as it is here; raises LeftToJqError for any other."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        if not value.isascii():
            _refuse_half_characters(value)
        return value
    if isinstance(value, int) and -EXACT < value < EXACT:
        return value
    if isinstance(value, list):
        return [as_jq_gives_it(one) for one in value]
    raise LeftToJqError


def _refuse_half_characters(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise LeftToJqError from None


def is_true(value: Any) -> bool:
    """Whether a condition holds."""
    return value is not None and value is not False


def added(left: Any, right: Any) -> Any:
    """``left + right`` of texts; raises LeftToJqError for anything else, and so do the others below."""
    if left is None:
        return right
    if right is None:
        return left
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    raise LeftToJqError


def to_string(value: Any) -> str:
    """``tostring`` of a text or a whole number."""
    if isinstance(value, str):
        return value
    if type(value) is int and -EXACT < value < EXACT:
        return str(value)
    raise LeftToJqError


def length(value: Any) -> int:
    """``length`` of a list."""
    if type(value) is not list:
        raise LeftToJqError
    return len(value)


def trimmed(end: str, *, at_start: bool) -> Callable[[Any], str]:
    """``ltrimstr(end)`` or ``rtrimstr(end)`` of texts."""

    def cut(value: Any) -> str:
        if not isinstance(value, str):
            raise LeftToJqError
        return value.removeprefix(end) if at_start else value.removesuffix(end)

    return cut
