"""What a run finds out and keeps by name, the same in every database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.store import Candidate, Planned
from bitbucket_port.resync.stored import candidate_from_json, candidate_to_json, planned_from_json, planned_to_json


class Findings(ABC):
    """This part of a RunStore, over values that a database keeps by run, what they are, and name."""

    @abstractmethod
    def _put_named(self, run_id: str, what: str, values: Iterable[tuple[str, JsonObject]]) -> None:
        """Keep values; one with a name that is there replaces that."""

    @abstractmethod
    def _named(self, run_id: str, what: str) -> Iterator[tuple[str, JsonObject]]:
        """All of them with their names, in the order of these."""

    def put_candidates(self, run_id: str, candidates: Sequence[Candidate]) -> None:
        """See RunStore."""
        self._put_named(run_id, "candidates", ((str(one.key), candidate_to_json(one)) for one in candidates))

    def candidates(self, run_id: str) -> Iterator[Candidate]:
        """See RunStore."""
        return (candidate_from_json(value) for _, value in self._named(run_id, "candidates"))

    def put_planned(self, run_id: str, planned: Sequence[Planned]) -> None:
        """See RunStore."""
        self._put_named(run_id, "planned", ((one.name, planned_to_json(one)) for one in planned))

    def planned(self, run_id: str) -> Iterator[Planned]:
        """See RunStore."""
        return (planned_from_json(value) for _, value in self._named(run_id, "planned"))

    def protect(self, run_id: str, container: str, reason: str) -> None:
        """See RunStore."""
        self._put_named(run_id, "protected", [(container, {"reason": reason})])

    def protected(self, run_id: str) -> dict[str, str]:
        """See RunStore."""
        return {name: value["reason"] for name, value in self._named(run_id, "protected")}
