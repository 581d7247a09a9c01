"""The ledger's items, free of any database's way of writing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bitbucket_port.objects import Address, EntityKey, JsonObject, SourceKey

UNKNOWN = "?"
"""The content hash of an entity that may or may not have been written."""

MOST_ENTITIES = 3000
"""So many entities may belong to one object: beyond that its item would not fit into DynamoDB's 400 KB."""

TOMBSTONE_SECONDS = 7 * 24 * 3600
"""How long an object that owns nothing is remembered, so that late deliveries do not bring it back."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write an object's entities until when (epoch seconds).

    A lease that has expired is more than no lease: its holder may have died between two writes.
    """

    token: str
    until: float

    def live(self, now: float) -> bool:
        """Whether nobody else may take it at ``now``."""
        return self.until > now


@dataclass(frozen=True, slots=True)
class Facts:
    """What later decisions need to know of an object without reading it again.

    ``full_name`` is ``workspace/slug`` or ``PROJ/slug``; for a pull request that of its repository, so that it shows
    which pull requests were mapped before a rename. ``project`` is the project's key.

    ``listed`` and ``commit`` spare file reads: what a list showed of the repository (a digest) when it was mapped, and
    the head of its main branch then. Empty where it was mapped from anything else.
    """

    address: Address | None = None
    full_name: str = ""
    project: str = ""
    main_branch: str = ""
    gone: bool = False
    listed: str = ""
    commit: str = ""

    def to_json(self) -> JsonObject:
        """Only what is known."""
        pairs: JsonObject = {name: getattr(self, name) for name in _TEXTS}
        found = {name: value for name, value in pairs.items() if value}
        if self.address:
            found["address"] = self.address.to_json()
        if self.gone:
            found["gone"] = True
        return found

    @classmethod
    def from_json(cls, value: JsonObject) -> Facts:
        """The inverse of ``to_json``."""
        address = Address.from_json(value["address"]) if "address" in value else None
        return cls(
            address,
            value.get("full_name", ""),
            value.get("project", ""),
            value.get("main_branch", ""),
            bool(value.get("gone")),
            value.get("listed", ""),
            value.get("commit", ""),
        )


_TEXTS = ("full_name", "project", "main_branch", "listed", "commit")


@dataclass(frozen=True, slots=True)
class ObjectItem:
    """What the ledger knows of one source object; ``known`` is False where it has no item.

    ``version``: newest time (epoch microseconds) found in what was applied. ``read_at``: our clock (epoch seconds)
    when the reading we applied was asked for, for a payload when it was applied. ``refreshed_at``: our clock when the
    object was last read by itself. ``owns``: entity key as text → content hash. ``missing_since``: our clock at the
    first answer that it does not exist. ``received``: when the delivery we applied came in, which decides between
    equal versions where Bitbucket cannot be asked. ``problem``: the first one of what was applied; empty for none.
    """

    key: SourceKey
    known: bool = False
    version: int | None = None
    read_at: float = 0.0
    refreshed_at: float = 0.0
    received: float = 0.0
    owns: Mapping[str, str] = field(default_factory=dict)
    lease: Lease | None = None
    facts: Facts = field(default_factory=Facts)
    missing_since: float | None = None
    problem: str = ""

    @property
    def applied(self) -> bool:
        """Whether a reading was ever applied; an item alone may come from a first attempt that failed."""
        return self.read_at > 0

    def owned(self) -> list[EntityKey]:
        """The keys of the entities that belong to this object."""
        return [EntityKey.parse(text) for text in self.owns]


@dataclass(frozen=True, slots=True)
class EntityItem:
    """Which objects make an entity, and whether it is ours to delete (None: not decided yet).

    ``accepted``: how Port showed it right after we wrote it, where that is not what its content hashes say
    (``resync.drift.acceptance``).
    """

    sources: frozenset[str] = frozenset()
    ours: bool | None = None
    deleting: Lease | None = None
    accepted: str | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """What must still be true of an object's item when its lease is taken; nothing for a refresh."""

    version_below: int | None = None
    or_received_before: float | None = None
    read_before: float | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease is ours. ``item`` is as it was before; ``taken_over`` when an expired lease stood there."""

    item: ObjectItem
    token: str
    taken_over: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The lease was not given: ``busy`` when another holds it, else the guard no longer held."""

    busy: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """What a writer leaves behind when it is done with an object."""

    owns: Mapping[str, str]
    version: int | None
    read_at: float
    refreshed_at: float
    received: float
    facts: Facts
    problem: str = ""
