"""Whether an entity in Port is what the mapping made of its objects, decided without asking Bitbucket.

The ledger keeps, per object, the content hash of each of its entities: a digest of the mapped fields in their normal
form (``port/stored.py``). The same digest of what Port shows under the same fields must be equal. Which fields these
are is in the mapping; an object's entity may come from any of the resources of its kind, or from several at once.

Some entities never compare equal: a value was left out because the blueprint has no room for it, an expression made a
search query, two objects write different values into one entity, or Port keeps a value in a notation we do not know. So
what differs is written again once and looked at once more: what Port shows right after our write *is* right, and its
digest together with the content hashes (``acceptance``) is kept with the entity. It holds until either side changes.
Where the writer knows what was left out it keeps that digest at once (``Shapes.expected``).

Pure functions only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.mapping.model import Resource, Search
from bitbucket_port.objects import Entity, JsonObject, Kind, comparable, digest
from bitbucket_port.port.stored import named
from bitbucket_port.resync.constants import constants

MOST_FAILED = 2
"""So many failed fields of an entity are found out."""
MOST_COMBINED = 4
"""Of so many resources that make one entity of one object, every combination is considered; of more, one or all."""
_NO_FIELDS = frozenset({"selector.query", "itemsToParse", "identifier", "blueprint"})

Names = tuple[str, ...]
Verdict = Literal["same", "differs", "unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One object that makes the entity: its kind, and the content hash the ledger keeps for it."""

    kind: Kind
    content: str


@dataclass(frozen=True)
class Shapes:
    """The fields a mapping sets, by blueprint and kind."""

    _by_blueprint: Mapping[str, Mapping[Kind, tuple[Names, ...]]]
    _of_any: Mapping[Kind, tuple[Names, ...]]
    _names: dict[str, frozenset[str]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, mapping: PortMapping) -> Shapes:
        """The shapes of a mapping's resources."""
        fixed: dict[str, dict[Kind, list[frozenset[str]]]] = {}
        computed: dict[Kind, list[frozenset[str]]] = {}
        for resource in mapping.resources:
            blueprints = constants(resource.blueprint)
            if blueprints is None:
                computed.setdefault(resource.kind, []).append(_fields(resource))
            for blueprint in blueprints or ():
                fixed.setdefault(blueprint, {}).setdefault(resource.kind, []).append(_fields(resource))
        for kinds in fixed.values():
            for kind, fields in computed.items():
                kinds.setdefault(kind, []).extend(fields)
        return cls(
            {blueprint: {kind: _combined(sets) for kind, sets in kinds.items()} for blueprint, kinds in fixed.items()},
            {kind: _combined(sets) for kind, sets in computed.items()},
        )

    @property
    def blueprints(self) -> tuple[str, ...]:
        """The blueprints that are written in the mapping, in its order; computed ones cannot be known."""
        return tuple(self._by_blueprint)

    def names(self, blueprint: str) -> frozenset[str]:
        """All fields any resource sets in entities of this blueprint."""
        known = self._names.get(blueprint)
        if known is None:
            kinds = self._kinds(blueprint).values()
            known = self._names[blueprint] = frozenset(name for shapes in kinds for shape in shapes for name in shape)
        return known

    def candidates(self, blueprint: str, kind: Kind) -> tuple[Names, ...]:
        """The sets of fields, each sorted, that an object of the kind may have set in such an entity."""
        return self._kinds(blueprint).get(kind, ())

    def expected(self, sent: Entity, content: str) -> str:
        """The ``acceptance`` of an entity that only one object makes, if Port shows what was sent and nothing else.

        ``content`` is the hash the ledger keeps, of the whole entity; ``sent`` the entity without what was left out.
        """
        return _acceptance(sent.fields, sent.blueprint, [content], self)

    def _kinds(self, blueprint: str) -> Mapping[Kind, tuple[Names, ...]]:
        return self._by_blueprint.get(blueprint, self._of_any)


def judge(
    entity: JsonObject, blueprint: str, claims: Collection[Claim], shapes: Shapes, accepted: str | None
) -> Verdict:
    """Whether an entity as Port shows it is what its objects make.

    ``unknown``: whether it was ever written is not known (a content hash is "?", or nobody claims it), so it has to be
    written. ``accepted`` is what ``acceptance`` gave after an earlier write, None when there was none.
    """
    if not claims or any(comparable(claim.content) is None for claim in claims):
        return "unknown"
    if all(_shows(entity, blueprint, claim, shapes) for claim in claims):
        return "same"
    if accepted is not None and accepted == acceptance(entity, blueprint, claims, shapes):
        return "same"
    return "differs"


def acceptance(entity: JsonObject, blueprint: str, claims: Iterable[Claim], shapes: Shapes) -> str:
    """What to keep with an entity that Port shows like this right after we wrote all of these contents."""
    return _acceptance(entity, blueprint, [claim.content for claim in claims], shapes)


def shown(entity: JsonObject, blueprint: str, shapes: Shapes) -> str:
    """A digest of everything the mapping sets in such entities, as Port shows it; tells whether a write changed it."""
    return digest(named(entity, shapes.names(blueprint)))


def _acceptance(entity: JsonObject, blueprint: str, contents: Iterable[str], shapes: Shapes) -> str:
    return digest([sorted(set(contents)), shown(entity, blueprint, shapes)])


def _shows(entity: JsonObject, blueprint: str, claim: Claim, shapes: Shapes) -> bool:
    wanted = comparable(claim.content)
    values = named(entity, shapes.names(blueprint))
    candidates = shapes.candidates(blueprint, claim.kind)
    return any(_is_of(wanted, values, names) for names in candidates) or any(
        _is_of(wanted, values, names) for one in candidates for names in _without_failed(one)
    )


def _is_of(wanted: str | None, values: Mapping[str, Any], names: Names) -> bool:
    return digest({name: values[name] for name in names}) == wanted


def _without_failed(names: Names) -> Iterator[Names]:
    """The fields without those that may have failed: what failed is in no content hash, not even as null."""
    for count in range(1, MOST_FAILED + 1):
        for failed in combinations(names, count):
            yield tuple(name for name in names if name not in failed)


def _fields(resource: Resource) -> frozenset[str]:
    """The fields of a resource that Port shows as they were sent: not those that Port finds by a search query."""
    templates = resource.templates()
    return frozenset(
        name for name, template in templates.items() if name not in _NO_FIELDS and not isinstance(template, Search)
    )


def _combined(sets: list[frozenset[str]]) -> tuple[Names, ...]:
    distinct = list(dict.fromkeys(sets))
    sizes = range(1, len(distinct) + 1) if len(distinct) <= MOST_COMBINED else (1, len(distinct))
    unions = (frozenset().union(*some) for size in sizes for some in combinations(distinct, size))
    return tuple(tuple(sorted(names)) for names in dict.fromkeys(unions))
