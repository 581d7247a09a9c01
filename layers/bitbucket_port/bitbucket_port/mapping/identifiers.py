"""Which names Port accepts.

Source: Port's OpenAPI, entity identifier ``^(?!\\.{1,2}$)[\\p{L}0-9@_.+:\\\\/=-]+$``, at most 1,000 characters.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 1000
_MARKS = frozenset("0123456789@_.+:\\/=-")
_MOST_COMMON = re.compile(r"[A-Za-z0-9@_.+:\\/=-]+")


def identifier_fault(identifier: str) -> str | None:
    """Why Port would refuse ``identifier``, or None."""
    if not identifier:
        return "is empty."
    if len(identifier) > MAX_LENGTH:
        return f"has {len(identifier)} characters; Port takes at most {MAX_LENGTH:,}."
    if identifier in {".", ".."}:
        return f"{identifier!r} is a name Port does not take."
    if _MOST_COMMON.fullmatch(identifier):
        return None
    wrong = sorted({character for character in identifier if not _may_stand(character)})
    if wrong:
        shown = identifier if len(identifier) <= 80 else identifier[:77] + "..."
        return f"{shown!r} has characters Port does not take: {' '.join(map(repr, wrong[:8]))}."
    return None


def _may_stand(character: str) -> bool:
    """Letters, digits and some marks; what this Python's Unicode does not know yet is left to Port's."""
    return character in _MARKS or character.isalpha() or unicodedata.category(character) == "Cn"
