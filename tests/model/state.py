"""What the protocol's model knows: the ledger, Port, the queue and the writers, as plain immutable tuples.

Clocks are reduced to what the protocol compares. "Asked after the current page" is one bit. "Received" and "refreshed"
are the number of the world that was current, since a delivery is sent when its world begins.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeVar

from tests.model.stories import Pairs

Value = TypeVar("Value")

FREE, HELD, EXPIRED = 0, 1, 2
"""A lease, or the mark of an entity that is being deleted. Its holder needs no name: there is one at most."""

UNKNOWN = "?"


class Measure(StrEnum):
    """One measure of the protocol; each can be taken away alone."""

    INTENTS = "write what will be owned before it is written to Port"
    DIRTY_IS_NO_NOOP = "an object with an expired lease is not equal to anything"
    TAKEOVER_REWRITES = "who takes an expired lease over rewrites everything"
    TAKEOVER_REJOINS = "who takes an expired lease over becomes a source of its entities again"
    FAILURE_KEEPS_MARK = "a failure after the first Port write leaves an expired lease"
    INHERITED_MARK = "giving up a lease that was taken over leaves it expired"
    SOURCES = "an entity is deleted only by its last source"
    LEAVE_IF_SHARED = "leaving a shared entity is conditional on another source being there"
    DELETING_MARK = "nobody joins an entity while it is being deleted"
    WAKE = "leaving a shared entity makes its other sources rewrite it"
    NOOP_MOVES_VERSION = "a delivery that changes nothing still moves the version"
    NOOP_TOUCHES = "a delivery that changes nothing, even of an equal version, counts as read now"
    MOVE_IF_UNCHANGED = "the version moves only on the very item that was compared"
    PAGE_FENCE = "a page leaves alone what was read since the page was asked for"
    PAGE_FENCE_UNDER_LEASE = "the page fence is part of the lease's condition"
    VERSION_UNDER_LEASE = "the version is part of the lease's condition"
    TIE_REFRESHES = "equal version with different content asks Bitbucket"
    REFRESH_UNDER_LEASE = "a refresh reads after it has the lease"
    SHORTCUT_IN_ORDER = "the burst shortcut leaves no version behind, and nothing was applied since the refresh"
    REFRESHED_APART = "the burst shortcut looks at refreshes only"
    COMMIT_NEWEST = "a refresh commits at least the version of the change that asked for it"
    COMMIT_NEEDS_LEASE = "a commit needs the writer's own lease"
    TIMEOUT_BELOW_LEASE = "no living writer loses its lease"
    TWO_LOOKS = "missing without a delete event needs two looks"
    ERROR_IS_NOT_ABSENCE = "a failed read says nothing about existence"
    LIST_IS_NOT_ABSENCE = "a page that does not show an object says nothing about it"
    DELETE_LOOKS = "a delete event always looks for itself"
    TOMBSTONE_IS_NEW = "an announced delete is newer than every delivery before it"
    TOMBSTONE = "the item of a deleted object stays for a while"


class Item(NamedTuple):
    """The object item of the ledger."""

    version: int
    touched: bool  # read_at is not before the moment the current page was asked for
    refreshed: int  # the world the last refresh was asked in
    owns: Pairs
    lease: int
    missing: bool  # a first look found nothing
    latest: bool  # the last reading applied was a refresh (read_at is refreshed_at)


class EntityItem(NamedTuple):
    """The entity item of the ledger."""

    sources: tuple[str, ...]
    deleting: int
    by: str


class Message(NamedTuple):
    """What makes a writer work: ``kind`` is payload, hint, delete, sweep, wake, or page (one entry of a page)."""

    object: str
    kind: str
    entities: Pairs
    version: int
    received: int


class Writer(NamedTuple):
    """A running function that works on one message."""

    message: Message
    step: str
    refresh: bool
    want: Pairs = ()
    known: Pairs = ()
    version: int = -1
    rewrite: bool = False
    asked_late: bool = False  # the reading was asked for after the current page
    refreshed: int = -1
    gone: bool = False
    wrote: bool = False
    lost: bool = False
    handled: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it took the lease (and may have lost it)."""
        return self.step not in ("look", "claim", "move")


class State(NamedTuple):
    """Everything at one moment."""

    world: int
    lagging: tuple[str, ...]
    port: Pairs
    items: tuple[tuple[str, Item], ...]
    entities: tuple[tuple[str, EntityItem], ...]
    queue: tuple[Message, ...]
    writers: tuple[Writer, ...]
    kills: int
    page: str  # due, writing, done


NO_ITEM = Item(-1, False, -1, (), FREE, False, False)
NO_ENTITY = EntityItem((), FREE, "")


def get(pairs: tuple[tuple[str, Value], ...], name: str, default: Value) -> Value:
    """The value of ``name`` in a map kept as sorted pairs."""
    for key, value in pairs:
        if key == name:
            return value
    return default


def put(pairs: tuple[tuple[str, Value], ...], name: str, value: Value | None) -> tuple[tuple[str, Value], ...]:
    """The map with ``name`` set, or removed when ``value`` is None."""
    kept = [pair for pair in pairs if pair[0] != name]
    if value is not None:
        kept.append((name, value))
    return tuple(sorted(kept))
