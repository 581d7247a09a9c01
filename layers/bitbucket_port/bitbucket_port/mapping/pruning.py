"""The part of an object that a mapping can read: what jq need not parse costs nothing.

Of the pull requests that Bitbucket lists the shipped mappings read a sixth. What an expression reads is known from the
same judgement that makes it payload-safe (``payload_safe.reads_of``); where that cannot tell, all of the object stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bitbucket_port.mapping.payload_safe import Reads, Step


@dataclass(slots=True)
class Part:
    """What is read of a value: all of it (``whole``), some keys, or something of each element."""

    whole: bool = False
    keys: dict[str, Part] = field(default_factory=dict)
    elements: Part | None = None

    def of(self, value: Any) -> Any:
        """The value without what nobody reads; what stays is of the same type, and a list as long."""
        if self.whole:
            return value
        if isinstance(value, dict):
            if self.elements is not None:  # Every value of it, or how many there are.
                return value
            return {key: part.of(value[key]) for key, part in self.keys.items() if key in value}
        if isinstance(value, list) and self.elements is not None:
            return [self.elements.of(one) for one in value]
        return value

    def below(self, step: Step) -> Part:
        """The part that a step leads to, made when it is new."""
        if isinstance(step, str):
            return self.keys.setdefault(step, Part())
        if self.elements is None:
            self.elements = Part()
        return self.elements


WHOLE = Part(whole=True)


def part_read(reads: Iterable[Reads]) -> Part:
    """What all of these together read."""
    root = Part()
    for one in reads:
        if one.fault is not None:
            return WHOLE
        for place in one.values | one.presences:
            part = root
            for step in place.steps:
                part = part.below(step)
            part.whole = part.whole or place in one.values
    return root
