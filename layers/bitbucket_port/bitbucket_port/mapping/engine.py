"""Maps Bitbucket objects to Port entities, one jq evaluation for each object."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as ReadOnly

from bitbucket_port.mapping.model import Mapped, Mapping, Wants
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import JsonObject, Kind

Ask = Callable[[Question], bool]


class MappingEngine:
    """A mapping, ready to run."""

    def __init__(self, mapping: Mapping, *, now: Callable[[], float]) -> None:
        self.mapping = mapping
        self._now = now

    def kinds(self) -> set[Kind]:
        """The kinds the mapping is about, those of entries that cannot be used included."""
        raise NotImplementedError

    def wants(self, kind: Kind) -> Wants:
        """What adapters must add to the objects of ``kind``."""
        raise NotImplementedError

    def map(
        self, kind: Kind, obj: JsonObject, *, ask: Ask | None, answers: ReadOnly[Question, bool] | None = None
    ) -> Mapped:
        """The entities of ``obj`` (REST shape)."""
        raise NotImplementedError

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        """Why ``obj`` from a webhook may map to something else than the same object read from Bitbucket."""
        raise NotImplementedError
