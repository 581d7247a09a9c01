"""What a delivery means for the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitbucket_port.objects import Address, JsonObject, Kind, SourceKey

Action = Literal["upsert", "delete"]


@dataclass(frozen=True)
class Change:
    """One source object that an event says something about.

    ``version`` and ``event_time`` are microseconds since the epoch; ``received`` is seconds since the epoch by our own
    clock.

    - ``version``: the newest time found in the object; None when the payload tells none.
    - ``event_time``: when the thing happened, by Bitbucket's clock; None when the payload does not say.
    - ``object``: the object in the shape of Bitbucket's REST API; None when it has to be read.
    - ``container``: key and address of the repository a pull request belongs to.
    - ``only_if_needed``: the parts of the object that this event can have changed, when it can have changed nothing
      else; the event is worth a read only if the mapping wants one of them. Empty: always worth it.
    - ``main_branch_candidates``: for a push, the names of the branches it moved; None: any branch may have moved.
    - ``foreign``: the object belongs to another workspace than ours, by the payload's own word.
    - ``previous``: where the object was before this event renamed or moved it.
    - ``reduced``: values were left out of ``object`` to fit the queue; read it where that is possible.
    """

    kind: Kind
    key: SourceKey
    action: Action
    address: Address
    version: int | None
    event_time: int | None
    received: float
    object: JsonObject | None
    container: tuple[SourceKey, Address] | None = None
    only_if_needed: frozenset[str] = frozenset()
    main_branch_candidates: frozenset[str] | None = None
    foreign: bool = False
    previous: Address | None = None
    reduced: bool = False

    @classmethod
    def hint(cls, key: SourceKey, address: Address, received: float) -> Change:
        """A change that says no more than that the object is to be read."""
        return cls(key.kind, key, "upsert", address, version=None, event_time=None, received=received, object=None)
