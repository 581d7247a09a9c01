"""What becomes of a mapping that somebody edited to something invalid: the rest of the edit counts.

Each invalid entry keeps the last form it had that was valid. Which entry that is, no name tells: entries are matched by
what they are about, so that one that moved in the list, or whose neighbour was removed, still finds its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bitbucket_port.mapping.model import Mapping, Problem
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.resources import UNSUPPORTED_KINDS
from bitbucket_port.objects import KINDS, JsonObject, Product, digest

_Name = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Merged:
    """``document`` is what to map with, ``mapping`` the same parsed.

    ``problems``: everything wrong in what was given. ``kept``: the positions in its ``resources`` of the entries that
    were replaced by their last good form; ``whole``: all of it was, for it is no mapping at all.
    """

    document: JsonObject
    mapping: Mapping
    problems: tuple[Problem, ...]
    kept: frozenset[int] = frozenset()
    whole: bool = False


def merged(given: Any, last: JsonObject, *, product: Product, file: str) -> Merged:
    """``given``, with what is invalid in it replaced by its form in ``last``, the document in use until now.

    An invalid entry without such a form stays as it is: ``parse`` leaves out what cannot work of it, and protects its
    kind. ``file`` names the document in problems.
    """
    new = parse(given, product=product, file=file)
    if not new.problems:
        return Merged(given, new, ())
    before = parse(last, product=product, file=file)
    if not isinstance(given, dict) or not isinstance(given.get("resources"), list):
        return Merged(last, before, new.problems, whole=True)
    forms = _last_forms(given["resources"], _invalid(new), last.get("resources"), _invalid(before))
    resources = [forms.get(index, entry) for index, entry in enumerate(given["resources"])]
    document = {**_options(given, last, new, before), "resources": resources}
    return Merged(document, parse(document, product=product, file=file), new.problems, frozenset(forms))


def _invalid(mapping: Mapping) -> frozenset[int]:
    """The entries of which something cannot work. Unknown names are ignored, and so make none invalid."""
    disabled = {resource.index for resource in mapping.resources if resource.disabled}
    return frozenset({one.index for one in mapping.broken} | disabled)


def _options(given: JsonObject, last: JsonObject, new: Mapping, before: Mapping) -> JsonObject:
    """What stands beside ``resources``, each invalid value replaced by the one before."""
    wrong, wrong_before = (
        {problem.field for problem in mapping.problems if problem.resource is None} for mapping in (new, before)
    )
    replaced = {name: last[name] for name in wrong & given.keys() & last.keys() - wrong_before}
    return {**given, **replaced}


def _last_forms(
    entries: Sequence[Any], invalid: frozenset[int], last: Any, invalid_before: frozenset[int]
) -> dict[int, JsonObject]:
    """The last good form of each invalid entry that has one, by its position.

    All entries take part, valid ones too: whatever one of them was before is nobody else's last good form.
    """
    old = list(last) if isinstance(last, list) else []
    free = dict(enumerate(old))
    matched: dict[int, int] = {}

    def match(name: _Name, indexes: Collection[int]) -> None:
        for index in sorted(set(indexes) - matched.keys()):
            wanted = name(entries[index])
            fitting = [at for at, form in free.items() if wanted is not None and name(form) == wanted]
            if fitting:
                matched[index] = _nearest(fitting, index)
                del free[matched[index]]

    for name in (digest, _kind_and_blueprint, _kind):
        match(name, range(len(entries)))
    nameless = {index for index in invalid - matched.keys() if _is_misspelt(_kind(entries[index]))}
    match(_blueprint, nameless)
    for index in sorted(nameless - matched.keys() & free.keys()):
        matched[index] = index
        del free[index]
    return {
        index: old[at]
        for index, at in matched.items()
        if index in invalid and at not in invalid_before and digest(old[at]) != digest(entries[index])
    }


def _nearest(positions: Sequence[int], index: int) -> int:
    return min(positions, key=lambda position: (abs(position - index), position))


def _is_misspelt(kind: str | None) -> bool:
    """Whether the kind tells nothing about which entry it was before."""
    return kind not in KINDS and kind not in UNSUPPORTED_KINDS


def _kind(entry: Any) -> str | None:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    return kind if isinstance(kind, str) else None


def _blueprint(entry: Any) -> str | None:
    value = entry
    for name in ("port", "entity", "mappings", "blueprint"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _kind_and_blueprint(entry: Any) -> tuple[str, str] | None:
    kind, blueprint = _kind(entry), _blueprint(entry)
    return None if kind is None or blueprint is None else (kind, blueprint)
