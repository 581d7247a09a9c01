"""A role's own statements, evaluated as IAM does: nothing is allowed unless a statement says so, a Deny always wins.

Facts: AWS IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Verdict = Literal["allowed", "denied", "not allowed"]
"""``denied``: by a statement with Effect Deny; ``not allowed``: no statement allows it."""

_KNOWN = {"Sid", "Effect", "Action", "Resource"}
_ARN_SEGMENTS = 6


class Permissions:
    """What one role may do.

    Raises NotImplementedError for statements with other elements than Sid, Effect, Action and Resource, or with policy
    variables: it is better to say so than to allow or refuse wrongly.
    """

    def __init__(self, statements: Iterable[Mapping[str, Any]]) -> None:
        self._statements = [_Statement(statement) for statement in statements]
        self._known: dict[tuple[str, str], Verdict] = {}

    def judge(self, action: str, resource: str) -> Verdict:
        """Whether the action (``sqs:SendMessage``) may be done to the resource (an ARN, or ``*``)."""
        verdict = self._known.get((action, resource))
        if verdict is None:
            effects = {statement.effect for statement in self._statements if statement.matches(action, resource)}
            verdict = "denied" if "Deny" in effects else "allowed" if "Allow" in effects else "not allowed"
            self._known[action, resource] = verdict
        return verdict


class _Statement:
    def __init__(self, statement: Mapping[str, Any]) -> None:
        unknown = set(statement) - _KNOWN
        if unknown or not {"Effect", "Action", "Resource"} <= set(statement):
            raise NotImplementedError(f"a statement with {sorted(unknown) or sorted(statement)}: {dict(statement)}")
        self.effect = statement["Effect"]
        if self.effect not in ("Allow", "Deny"):
            raise ValueError(f"a statement's Effect is Allow or Deny, not {self.effect!r}")
        self._actions = [_pattern(action, re.IGNORECASE) for action in _texts(statement["Action"])]
        self._resources = [_resource_patterns(resource) for resource in _texts(statement["Resource"])]

    def matches(self, action: str, resource: str) -> bool:
        return any(pattern.fullmatch(action) for pattern in self._actions) and any(
            _fits(patterns, resource) for patterns in self._resources
        )


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else list(value)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"a statement's Action or Resource is not resolved: {text!r}")
        if "${" in text:
            raise NotImplementedError(f"a policy variable: {text}")
    return texts


def _resource_patterns(resource: str) -> list[re.Pattern[str]] | None:
    """One pattern per segment of the ARN, because a wildcard does not reach across a colon of the first five; ``None``
    for everything.
    """
    if resource == "*":
        return None
    return [_pattern(segment) for segment in resource.split(":", _ARN_SEGMENTS - 1)]


def _fits(patterns: list[re.Pattern[str]] | None, resource: str) -> bool:
    if patterns is None:
        return True
    segments = resource.split(":", _ARN_SEGMENTS - 1)
    return len(segments) == len(patterns) and all(
        pattern.fullmatch(segment) for pattern, segment in zip(patterns, segments, strict=True)
    )


def _pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), flags | re.DOTALL)
